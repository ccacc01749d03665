// The exec vehicle: the process becomes the other image, under the same PID and with the same descriptors. Its memory
// waits in the window's memfd. Also what both vehicles need: the aarch64 image and the qemu that runs it.
//
// What exec takes away, and the runtime restores from `state`: signal handlers, the alternate stack, close-on-exec
// flags, the thread's name, the mappings. Not restored: POSIX timers, memory locks, asynchronous I/O contexts.
#include "twin.h"

#define MAX_ARGUMENTS 1024

// Looked for when first needed; kept over exec.
const char *__twin_find_qemu(void) {
    static const char *const names[] = {"/qemu-aarch64", "/qemu-aarch64-static"};
    if (state.qemu[0]) {
        return RAW(faccessat, AT_FDCWD, state.qemu, X_OK) < 0 ? "cannot hop: __TWIN_QEMU names no program" : 0;
    }
    const char *directories[] = {"/usr/bin", process.path ? process.path : ""};
    for (int d = 0; d < 2; d++) {
        for (const char *directory = directories[d], *end; *directory; directory = *end ? end + 1 : end) {
            for (end = directory; *end && *end != ':'; end++) {
            }
            for (int n = 0; n < 2; n++) {
                struct text path = {0, state.qemu, sizeof state.qemu - 32};
                while (directory + path.length < end && path.length < path.capacity) {
                    path.bytes[path.length] = directory[path.length];
                    path.length++;
                }
                path.capacity = sizeof state.qemu - 1;
                __twin_put(&path, names[n]);
                path.bytes[path.length] = 0;
                if (RAW(faccessat, AT_FDCWD, state.qemu, X_OK) >= 0) {
                    return 0;
                }
            }
        }
    }
    state.qemu[0] = 0;
    return "qemu-aarch64 is not installed: apt-get install qemu-user";
}

static int read_at(int file, void *to, size_t size, uint64_t offset) {
    return RAW(pread64, file, to, size, offset) == (long)size;
}

// The section of the executable that holds the aarch64 image.
static int find_image(int file, struct elf_section *image) {
    struct elf_header header;
    struct elf_section names;
    if (!read_at(file, &header, sizeof header, 0) ||
        !read_at(file, &names, sizeof names, header.section_headers + header.section_names * sizeof names)) {
        return 0;
    }
    for (uint64_t i = 0; i < header.section_header_count; i++) {
        static const char wanted[] = ".twin.image.aarch64";
        char name[sizeof wanted];
        if (read_at(file, image, sizeof *image, header.section_headers + i * sizeof *image) &&
            read_at(file, name, sizeof name, names.offset + image->name) && !name[sizeof name - 1] &&
            same_string(name, wanted)) {
            return 1;
        }
    }
    return 0;
}

// Puts the aarch64 image of this executable into a memfd that can be executed; keeps both open.
const char *__twin_extract_image(void) {
    if (process.image >= 0) {
        return 0;
    }
    // Of this thread: the process's first one may have ended.
    long file = RAW(openat, AT_FDCWD, "/proc/thread-self/exe", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return "cannot hop: /proc/thread-self/exe cannot be opened";
    }
    process.executable = (int)__twin_own_descriptor((int)file);
    RAW(close, file);
    struct elf_section section;
    if (!find_image(process.executable, &section)) {
        return "cannot hop: the executable has no aarch64 image (section .twin.image.aarch64): was it stripped?";
    }
    char name[64];
    struct text text = {0, name, sizeof name - 1};
    __twin_put(&text, "twin:");
    RAW(prctl, PR_GET_NAME, name + text.length);
    long memory = __twin_new_memory(name);
    if (memory < 0 || __twin_copy_range((int)memory, process.executable, 0, section.offset, section.size) < 0) {
        return "cannot hop: no memory for the aarch64 image";
    }
    process.image = (int)memory;
    return 0;
}

static void put_path(struct text *text, int descriptor) {
    __twin_put(text, "/proc/self/fd/");
    __twin_put_number(text, (uint64_t)descriptor);
    text->bytes[text->length] = 0;
}

// Makes every descriptor survive exec, and remembers which ones should not. Returns 0 if they are too many.
static int keep_descriptors(void) {
    long directory = RAW(openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_CLOEXEC);
    char entries[4096] __attribute__((aligned(8)));
    state.cloexec_count = 0;
    int fit = directory >= 0;
    for (long size; fit && (size = RAW(getdents64, directory, entries, sizeof entries)) > 0;) {
        for (long at = 0; at < size;) {
            struct linux_dirent64 *entry = (struct linux_dirent64 *)(entries + at);
            at += entry->length;
            const char *name = entry->name;
            uint64_t descriptor;
            if (!__twin_parse_number(&name, &descriptor) || (long)descriptor == directory ||
                !(RAW(fcntl, descriptor, F_GETFD) & FD_CLOEXEC)) {
                continue;
            }
            if (state.cloexec_count == MAX_CLOEXEC) {
                fit = 0;
                break;
            }
            RAW(fcntl, descriptor, F_SETFD, 0);
            state.cloexec[state.cloexec_count++] = (int32_t)descriptor;
        }
    }
    if (directory >= 0) {
        RAW(close, directory);
    }
    return fit;
}

static void restore_descriptors(void) {
    for (uint32_t i = 0; i < state.cloexec_count; i++) {
        RAW(fcntl, state.cloexec[i], F_SETFD, FD_CLOEXEC);
    }
    state.cloexec_count = 0;
}

// Returns only if it fails; then everything is as before. The window is open, and the registers are in `state`.
const char *__twin_exec_hop(void) {
    if (process.executable < 0) {
        return "cannot hop: there is no x86-64 executable; start the program with `twin run`";
    }
    sigset mask = self.mask;
    __twin_kernel_mask(ALL_SIGNALS); // until the other image has its handlers
    __twin_visitor_end();
    RAW(prctl, PR_GET_NAME, state.name);
    if (!keep_descriptors()) {
        restore_descriptors();
        __twin_kernel_mask(mask);
        return "cannot hop: the program has too many close-on-exec descriptors";
    }

    char path[32], resume[64];
    struct text text = {0, path, sizeof path - 1};
    put_path(&text, THIS_ISA == X86_64 ? process.image : process.executable);
    text = (struct text){0, resume, sizeof resume - 1};
    __twin_put(&text, "__TWIN_RESUME=");
    const int descriptors[] = {process.image, process.executable, process.window, process.polls};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        __twin_put(&text, i ? "," : "");
        __twin_put_number(&text, (uint64_t)descriptors[i]);
    }
    resume[text.length] = 0;
    const char *environment[] = {resume, 0};

    // The program's arguments, for those who look at the process.
    static const char *arguments[MAX_ARGUMENTS + 5];
    int count = 0;
    if (THIS_ISA == X86_64) {
        arguments[count++] = "qemu-aarch64";
        arguments[count++] = "-0";
        arguments[count++] = state.argc ? state.argv[0] : "";
        arguments[count++] = path;
    } else {
        arguments[count++] = state.argc ? state.argv[0] : "";
    }
    for (int i = 1; i < state.argc && i < MAX_ARGUMENTS && state.argv[i]; i++) {
        arguments[count++] = state.argv[i];
    }
    arguments[count] = 0;

    RAW(execve, THIS_ISA == X86_64 ? state.qemu : path, arguments, environment);
    restore_descriptors();
    __twin_kernel_mask(mask);
    return THIS_ISA == X86_64 ? "cannot hop: qemu-aarch64 cannot be executed"
                              : "cannot hop: the x86-64 executable cannot be executed";
}

// The other image, after exec: goes on where the program left.
_Noreturn void __twin_resume(const char *text) {
    int descriptors[4];
    if (!__twin_parse_descriptors(text, descriptors, 4)) {
        __twin_abandon("__TWIN_RESUME is for programs that hop only");
    }
    process.image = descriptors[0];
    process.executable = descriptors[1];
    process.window = descriptors[2];
    process.polls = descriptors[3];
    if (__twin_window_attach() < 0 || __twin_map_polls() < 0) {
        __twin_abandon("lost in a hop: the program's memory cannot be mapped");
    }
    restore_descriptors();
    RAW(prctl, PR_SET_NAME, state.name);
    __twin_resumed_thread();
    __twin_signals_install();
    here.deferring++;
    __twin_kernel_mask(self.mask);
    __twin_arrive();
    __twin_trace_flush();
    here.deferring--;
    __twin_update_poll();
    __twin_continue(self.registers.sp);
}
