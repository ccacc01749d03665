// The window: a sparse memfd that holds the program's memory from its first hop on, mapped shared at the program's
// addresses by every process that runs it. Offset = address - ARENA_START; the uniform data segment comes after.
//
// It is opened with all signals blocked and on the native stack, so that nothing changes the program's memory between
// the copy and the mapping.
#include "twin.h"

#define PAGEMAP_IN_MEMORY (3ul << 62) // present or swapped out

static uint64_t uniform_start(void) { return (uint64_t)__twin_uniform_start; }
static uint64_t uniform_size(void) { return page_up((uint64_t)__twin_uniform_end) - uniform_start(); }

static uint64_t offset_of(uint64_t address) {
    return address >= ARENA_START ? address - ARENA_START : WINDOW_UNIFORM + (address - uniform_start());
}

// Copies between files; the ranges may be in one file.
long __twin_copy_range(int to, int from, uint64_t to_offset, uint64_t from_offset, uint64_t length) {
    uint64_t end = from_offset + length;
    while (from_offset < end) {
        // Only what is there, so that holes stay holes.
        long data = RAW(lseek, from, from_offset, SEEK_DATA);
        if (data < 0 || (uint64_t)data >= end) {
            return 0;
        }
        long hole = RAW(lseek, from, data, SEEK_HOLE);
        uint64_t stop = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
        RAW(lseek, to, to_offset + ((uint64_t)data - from_offset), SEEK_SET);
        to_offset += (uint64_t)data - from_offset;
        for (from_offset = (uint64_t)data; from_offset < stop;) {
            uint64_t position = from_offset;
            long n = RAW(sendfile, to, from, &position, stop - from_offset);
            if (n <= 0) {
                return n < 0 ? n : -EIO;
            }
            from_offset += (uint64_t)n;
            to_offset += (uint64_t)n;
        }
    }
    return 0;
}

// Private memory on its way into the window.
struct copy {
    int window, pagemap;
    uint64_t bytes;
};

static long copy_all(struct copy *copy, uint64_t start, uint64_t end) {
    while (start < end) {
        long n = RAW(pwrite64, copy->window, start, end - start, offset_of(start));
        if (n <= 0) {
            return n < 0 ? n : -EIO;
        }
        start += (uint64_t)n;
        copy->bytes += (uint64_t)n;
    }
    return 0;
}

// The pages that were ever touched: most of a stack never is.
static long copy_touched(struct copy *copy, uint64_t start, uint64_t end) {
    uint64_t pages[512];
    while (start < end) {
        uint64_t count = (end - start) / PAGE;
        count = count < 512 ? count : 512;
        long size = RAW(pread64, copy->pagemap, pages, count * 8, start / PAGE * 8);
        if (size != (long)(count * 8)) {
            return copy_all(copy, start, end);
        }
        for (uint64_t i = 0; i < count;) {
            uint64_t from = i;
            while (i < count && pages[i] & PAGEMAP_IN_MEMORY) {
                i++;
            }
            long error = copy_all(copy, start + from * PAGE, start + i * PAGE);
            if (error < 0) {
                return error;
            }
            i += i == from;
        }
        start += count * PAGE;
    }
    return 0;
}

static long copy_region(struct copy *copy, const struct region *region) {
    int readable = region->protection & PROT_READ;
    if (!readable) {
        RAW(mprotect, region->start, region->end - region->start, PROT_READ);
    }
    long error = (region->origin ? copy_all : copy_touched)(copy, region->start, region->end);
    if (!readable) {
        RAW(mprotect, region->start, region->end - region->start, region->protection);
    }
    return error;
}

static long copy_everything(struct copy *copy) {
    long error = 0;
    for (uint64_t i = 0; i < state.region_count && error >= 0; i++) {
        if (state.regions[i].file == WINDOW) {
            error = copy_region(copy, &state.regions[i]);
        }
    }
    // What the executable file backs may count as not present; behind it is zeroed memory.
    uint64_t end = uniform_start() + uniform_size();
    uint64_t zeroed = page_up((uint64_t)_edata);
    zeroed = zeroed < uniform_start() || zeroed > end ? end : zeroed;
    error = error < 0 ? error : copy_all(copy, uniform_start(), zeroed);
    error = error < 0 ? error : copy_touched(copy, zeroed, end);
    // Last, so that no change of it is lost.
    return error < 0 ? error : copy_touched(copy, ARENA_START, ARENA_START + STATE_SIZE);
}

static long map_window(uint64_t start, uint64_t size, int protection) {
    long result = RAW(mmap, start, size, protection, MAP_SHARED | MAP_FIXED, process.window, offset_of(start));
    return result < 0 ? result : 0;
}

// Of the owner. Its first one may have ended, and then has no descriptors any more.
static int32_t any_thread(void) {
    EACH_THREAD(thread) { return thread->id; }
    return state.pid;
}

// A guest has no descriptor of the file: it opens the owner's.
static long map_file(const struct region *region, uint64_t start, uint64_t end) {
    int file = region->file;
    if (process.role == GUEST) {
        char path[64];
        struct text text = {0, path, sizeof path - 1};
        __twin_put(&text, "/proc/");
        __twin_put_number(&text, (uint64_t)state.pid);
        __twin_put(&text, "/task/");
        __twin_put_number(&text, (uint64_t)any_thread());
        __twin_put(&text, "/fd/");
        __twin_put_number(&text, (uint64_t)file);
        path[text.length] = 0;
        file = (int)RAW(openat, AT_FDCWD, path, region->protection & PROT_WRITE ? O_RDWR : O_RDONLY);
        if (file < 0) {
            return file;
        }
    }
    long result = RAW(mmap, start, end - start, region->protection, MAP_SHARED | MAP_FIXED, file,
                      region->offset + (start - region->start));
    if (process.role == GUEST) {
        RAW(close, file);
    }
    return result < 0 ? result : 0;
}

static long map_region(const struct region *region, uint64_t start, uint64_t end) {
    state.bytes_mapped += end - start;
    return region->file == WINDOW ? map_window(start, end - start, (int)region->protection)
                                  : map_file(region, start, end);
}

// The state and the uniform data segment.
static long map_fixed_parts(void) {
    long error = map_window(ARENA_START, STATE_SIZE, PROT_READ | PROT_WRITE);
    error |= map_window(uniform_start(), uniform_size(), PROT_READ | PROT_WRITE);
    if (error >= 0) {
        state.bytes_mapped += uniform_size();
    }
    return error;
}

static long map_regions(void) {
    long error = 0;
    for (uint64_t i = 0; i < state.region_count; i++) {
        const struct region *region = &state.regions[i];
        error |= map_region(region, region->start, region->end);
    }
    return error;
}

// A limit on the size of files is not meant for memory: as high as it goes while the runtime fills memfds.
void __twin_lift_file_limit(struct rlimit *before) {
    RAW(prlimit64, 0, RLIMIT_FSIZE, 0, before);
    __twin_restore_file_limit(&(struct rlimit){before->hard, before->hard});
}

void __twin_restore_file_limit(const struct rlimit *before) { RAW(prlimit64, 0, RLIMIT_FSIZE, before, 0); }

static long create_window(void) {
    uint64_t size = WINDOW_UNIFORM + uniform_size();
    struct rlimit limit;
    RAW(prlimit64, 0, RLIMIT_FSIZE, 0, &limit);
    if (limit.soft < size) {
        return -EFBIG; // the kernel would send a signal
    }
    long own = __twin_new_memory("twin:window");
    if (own < 0) {
        return own;
    }
    long error = RAW(ftruncate, own, size);
    if (error < 0) {
        RAW(close, own);
        return error;
    }
    return own;
}

// Moves the program's memory from private mappings into a new window, unless it is in one.
long __twin_window_open(uint64_t *copied) {
    *copied = 0;
    if (process.window >= 0) {
        return 0;
    }
    long window = create_window();
    if (window < 0) {
        return window;
    }
    struct copy copy = {(int)window, (int)RAW(openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC), 0};
    long error = copy_everything(&copy);
    RAW(close, copy.pagemap);
    if (error < 0) {
        RAW(close, window);
        return error;
    }
    process.window = (int)window;
    *copied = copy.bytes;
    error = map_fixed_parts();
    return error < 0 ? error : map_regions();
}

// Maps the window that another process made; process.window is set. A guest follows the table from now on.
long __twin_window_attach(void) {
    long error = map_fixed_parts();
    if (error < 0) {
        return error;
    }
    return process.role == GUEST ? __twin_window_follow_locked() : map_regions();
}

// What a guest has mapped: the table as it was when it last looked.
static struct {
    struct region *regions;
    uint64_t count, generation;
} followed;

static long follow_range(const struct region *old, const struct region *new, uint64_t start, uint64_t end) {
    if (!new) {
        return old ? RAW(munmap, start, end - start) : 0;
    }
    // The window's contents are right wherever they are mapped; a descriptor's number may have been used again.
    int same = old && old->file == new->file &&
               (new->file == WINDOW ||
                (old->origin == new->origin && old->offset - old->start == new->offset - new->start));
    if (!same) {
        return map_region(new, start, end);
    }
    return old->protection != new->protection ? RAW(mprotect, start, end - start, new->protection) : 0;
}

// The region of a sorted list at `address`; moves `next` to the first one that does not end before, and lowers `end`
// to where the answer changes.
static const struct region *region_at(const struct region *list, uint64_t count, uint64_t *next, uint64_t address,
                                      uint64_t *end) {
    while (*next < count && list[*next].end <= address) {
        ++*next;
    }
    if (*next == count) {
        return 0;
    }
    const struct region *region = &list[*next];
    uint64_t change = region->start <= address ? region->end : region->start;
    *end = change < *end ? change : *end;
    return region->start <= address ? region : 0;
}

// Makes a guest's mappings those of the table, under `state.lock`.
long __twin_window_follow_locked(void) {
    if (!followed.regions) {
        long at = RAW(mmap, 0, MAX_REGIONS * sizeof(struct region), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at < 0) {
            return at;
        }
        followed.regions = (struct region *)at;
    }
    long error = 0;
    uint64_t old_next = 0, new_next = 0;
    for (uint64_t at = ARENA_START; at < ARENA_END;) {
        uint64_t end = ARENA_END;
        const struct region *old = region_at(followed.regions, followed.count, &old_next, at, &end);
        const struct region *new = region_at(state.regions, state.region_count, &new_next, at, &end);
        error |= follow_range(old, new, at, end);
        at = end;
    }
    for (uint64_t i = 0; i < state.region_count; i++) {
        followed.regions[i] = state.regions[i];
    }
    followed.count = state.region_count;
    followed.generation = state.generation;
    return error < 0 ? error : 0;
}

// A child of fork leaves its parent's window for a copy of its own. The parent waits.
long __twin_window_duplicate(void) {
    long window = create_window();
    if (window < 0) {
        return window;
    }
    long error = __twin_copy_range((int)window, process.window, 0, 0, WINDOW_UNIFORM + uniform_size());
    if (error < 0) {
        return error;
    }
    RAW(close, process.window);
    process.window = (int)window;
    return __twin_window_attach();
}

// __twin_window_follow_locked if the table has changed.
void __twin_window_follow(void) {
    uint64_t generation = __atomic_load_n(&state.generation, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&followed.generation, __ATOMIC_RELAXED) == generation) {
        return;
    }
    __twin_lock(&state.lock);
    __twin_window_follow_locked();
    __twin_unlock(&state.lock);
}

// Sums over the words that are not zero: so it does not matter whether an untouched page is a hole.
static uint64_t hash_words(uint64_t start, uint64_t end) {
    uint64_t sum = 0;
    for (; start < end; start += 8) {
        uint64_t word = *(const uint64_t *)start * 0x9e3779b97f4a7c15ul;
        sum += (word ^ word >> 32) * (start | 1);
    }
    return sum;
}

static uint64_t hash_range(uint64_t start, uint64_t end) {
    uint64_t sum = 0;
    while (start < end) {
        // Reading a hole would fill it.
        uint64_t base = offset_of(start) - start;
        long data = RAW(lseek, process.window, start + base, SEEK_DATA);
        if (data < 0 || (uint64_t)data - base >= end) {
            break;
        }
        long hole = RAW(lseek, process.window, data, SEEK_HOLE);
        uint64_t stop = (uint64_t)hole - base < end ? (uint64_t)hole - base : end;
        sum += hash_words((uint64_t)data - base, stop);
        start = stop;
    }
    return sum;
}

static uint64_t hash_region(const struct region *region) {
    return region->file == WINDOW && region->protection & PROT_READ ? hash_range(region->start, region->end) : 0;
}

// The uniform data segment without the runtime's own line.
static void hash_uniform(uint64_t hash[2]) {
    uint64_t poll = (uint64_t)&__twin_poll;
    hash[0] = hash_range(uniform_start(), poll);
    hash[1] = hash_range(poll + sizeof __twin_poll, uniform_start() + uniform_size());
}

void __twin_hash_store(void) {
    for (uint64_t i = 0; i < state.region_count; i++) {
        state.regions[i].hash = hash_region(&state.regions[i]);
    }
    hash_uniform(state.uniform_hash);
}

static void mismatch(const char *what, uint64_t start, uint64_t end) {
    char bytes[128];
    struct text text = {0, bytes, sizeof bytes - 1};
    __twin_put(&text, what);
    __twin_put(&text, " ");
    __twin_put_hex(&text, start);
    __twin_put(&text, "-");
    __twin_put_hex(&text, end);
    bytes[text.length] = 0;
    __twin_say("memory changed during a hop: ", bytes);
    __twin_die(SIGABRT);
}

void __twin_hash_check(void) {
    uint64_t uniform[2];
    hash_uniform(uniform);
    if (uniform[0] != state.uniform_hash[0] || uniform[1] != state.uniform_hash[1]) {
        mismatch("the data segment", uniform_start(), uniform_start() + uniform_size());
    }
    for (uint64_t i = 0; i < state.region_count; i++) {
        const struct region *region = &state.regions[i];
        if (region->hash != hash_region(region)) {
            int is_stack = region->start == state.stack_low;
            mismatch(is_stack ? "the stack" : "the mapping", region->start, region->end);
        }
    }
}
