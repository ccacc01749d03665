// What the runtime uses of the Linux kernel interface, as far as it is the same on x86-64 and aarch64.
#ifndef TWIN_LINUX_H
#define TWIN_LINUX_H

#include <stddef.h>
#include <stdint.h>

enum {
    EPERM = 1, EINTR = 4, EIO = 5, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EFAULT = 14,
    EEXIST = 17, EINVAL = 22, EFBIG = 27, ENOSYS = 38,
};

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };

enum {
    MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_SHARED_VALIDATE = 3, MAP_TYPE = 15, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20,
    MAP_GROWSDOWN = 0x100, MAP_NORESERVE = 0x4000, MAP_HUGETLB = 0x40000,
    MAP_FIXED_NOREPLACE = 0x100000,
};

enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };
enum { MADV_DONTNEED = 4, MADV_REMOVE = 9, MADV_DONTNEED_LOCKED = 24 };
enum { MFD_CLOEXEC = 1 };
enum { FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2 };
enum { SEEK_SET = 0, SEEK_DATA = 3, SEEK_HOLE = 4 };
enum { AT_FDCWD = -100 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_ASYNC = 020000, O_CLOEXEC = 02000000 };
enum { F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_SETOWN = 8, F_SETSIG = 10, F_DUPFD_CLOEXEC = 1030 };
enum { FD_CLOEXEC = 1, X_OK = 1 };
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 };
enum { WALL = 0x40000000 };
enum { PR_SET_NAME = 15, PR_GET_NAME = 16 };
enum { RLIMIT_FSIZE = 1, RLIMIT_STACK = 3 };
enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, TIMER_ABSTIME = 1 };
enum {
    CSIGNAL = 0xff, CLONE_VM = 0x100, CLONE_THREAD = 0x10000, CLONE_SETTLS = 0x80000, CLONE_PARENT_SETTID = 0x100000,
    CLONE_CHILD_CLEARTID = 0x200000, CLONE_DETACHED = 0x400000,
    CLONE_OF_THREAD = CLONE_VM | 0x200 | 0x400 | 0x800 | CLONE_THREAD | 0x40000, // FS, FILES, SIGHAND, SYSVSEM
};

enum {
    AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_FLAGS = 8, AT_ENTRY = 9, AT_UID = 11,
    AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_HWCAP = 16, AT_CLKTCK = 17, AT_SECURE = 23, AT_RANDOM = 25,
    AT_EXECFN = 31,
};

enum {
    SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7, SIGFPE = 8, SIGKILL = 9, SIGSEGV = 11, SIGCHLD = 17,
    SIGSTOP = 19, SIGURG = 23, SIGNALS = 64,
};
enum { SIG_BLOCK = 0, SIG_UNBLOCK = 1, SIG_SETMASK = 2 };
enum { SI_USER = 0, SI_QUEUE = -1, SI_TKILL = -6 };
enum { SS_ONSTACK = 1, SS_DISABLE = 2 };

#define SIG_DFL 0ul
#define SIG_IGN 1ul
#define SA_SIGINFO 4ul
#define SA_RESTORER 0x04000000ul
#define SA_ONSTACK 0x08000000ul
#define SA_RESTART 0x10000000ul
#define SA_NODEFER 0x40000000ul
#define SA_RESETHAND 0x80000000ul

struct timespec {
    long seconds;
    long nanoseconds;
};

struct pollfd {
    int32_t file;
    int16_t events, found;
};

struct rlimit {
    uint64_t soft, hard;
};

// The layout of a signal set in memory is one word: bit number `signal - 1`.
typedef uint64_t sigset;

static inline sigset signal_bit(int signal) { return 1ul << (signal - 1); }

// The kernel's struct sigaction; the restorer is a field on aarch64 too.
struct sigaction {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    sigset mask;
};

struct sigaltstack {
    uint64_t base;
    int32_t flags;
    int32_t unused;
    uint64_t size;
};

// One layout on both ISAs: signal, errno and code, then a union.
struct siginfo {
    int32_t signal;
    int32_t error;
    int32_t code;
    int32_t unused;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            uint64_t value;
        } queue;
        struct {
            uint64_t address;
        } fault;
        uint64_t words[14];
    };
};

// x86-64's struct ucontext: what handlers of a program get on both ISAs.
struct program_context {
    uint64_t flags, link;
    struct sigaltstack stack;
    uint64_t registers_8_to_15[8];
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags, segments, error, trap, old_mask, cr2;
    uint64_t fp_state, reserved[8];
    sigset mask;
    uint64_t rest[79]; // the size that musl's ucontext_t has
};

struct linux_dirent64 {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_size, program_header_size, program_header_count;
    uint16_t section_header_size, section_header_count, section_names;
};

struct elf_section {
    uint32_t name, type;
    uint64_t flags, address, offset, size;
    uint32_t link, info;
    uint64_t alignment, entry_size;
};

#endif
