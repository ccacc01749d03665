// The arena: all memory that a program maps, from its stack to its heap, at addresses that are free on both ISAs.
//
// The runtime keeps its own table of the mappings (in `state`, so that it travels), because the other side has to
// make the same ones. The owner changes its mappings and the table together; a guest follows the table (window.c).
// Before the first hop memory is private and anonymous, afterwards it is a window into the memfd. Pages of the window
// that no region covers are holes, so that a new mapping starts with zeros.
#include "twin.h"

static struct region *table(void) { return state.regions; }

void __twin_arena_create(void) {
    long at = RAW(mmap, ARENA_START, STATE_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != (long)ARENA_START) {
        static const char message[] = "twin: the address range 0x400000000-0xc00000000 is not free\n";
        RAW(write, 2, message, sizeof message - 1);
        RAW(exit_group, 125);
    }
    state.brk = BRK_START;
}

// Index of the first region that ends behind `address`.
static uint64_t find(uint64_t address) {
    uint64_t low = 0, high = state.region_count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (table()[middle].end > address) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void move(uint64_t to, uint64_t from) {
    struct region *r = table();
    uint64_t count = state.region_count - from;
    if (to > from) {
        for (uint64_t i = count; i-- > 0;) {
            r[to + i] = r[from + i];
        }
    } else {
        for (uint64_t i = 0; i < count; i++) {
            r[to + i] = r[from + i];
        }
    }
    state.region_count += to - from;
}

// Makes `address` a boundary of regions.
static void split(uint64_t address) {
    uint64_t i = find(address);
    if (i == state.region_count || table()[i].start >= address) {
        return;
    }
    move(i + 1, i);
    struct region *r = &table()[i];
    r[0].end = address;
    r[1].offset += address - r[1].start;
    r[1].start = address;
}

static int continues(const struct region *a, const struct region *b) {
    return a->end == b->start && a->protection == b->protection && a->file == b->file &&
           a->origin == b->origin && (a->file == WINDOW || a->offset + (a->end - a->start) == b->offset);
}

static void merge_between(uint64_t start, uint64_t end) {
    uint64_t i = find(start ? start - 1 : 0);
    while (i + 1 < state.region_count && table()[i].start <= end) {
        if (continues(&table()[i], &table()[i + 1])) {
            table()[i].end = table()[i + 1].end;
            move(i + 1, i + 2);
        } else {
            i++;
        }
    }
}

static void close_unused(int file) {
    for (uint64_t i = 0; i < state.region_count; i++) {
        if (table()[i].file == file) {
            return;
        }
    }
    RAW(close, file);
}

static void forget(uint64_t start, uint64_t end) {
    split(start);
    split(end);
    uint64_t first = find(start), last = first;
    while (last < state.region_count && table()[last].start < end) {
        last++;
    }
    while (last > first) {
        int file = table()[--last].file;
        move(last, last + 1);
        if (file != WINDOW) {
            close_unused(file);
        }
    }
    state.generation++;
}

static void remember(struct region region) {
    uint64_t i = find(region.start);
    move(i + 1, i);
    table()[i] = region;
    merge_between(region.start, region.end);
    state.generation++;
}

// Every operation adds at most two regions, one split at either end.
static int table_is_full(void) { return state.region_count + 3 > MAX_REGIONS; }

static int in_arena(uint64_t address, uint64_t length) {
    return address >= BRK_START && address < ARENA_END && length <= ARENA_END - address;
}

static int is_free(uint64_t start, uint64_t length) {
    uint64_t i = find(start);
    return i == state.region_count || table()[i].start >= start + length;
}

static int is_covered(uint64_t start, uint64_t end) {
    for (uint64_t i = find(start); start < end; start = table()[i++].end) {
        if (i == state.region_count || table()[i].start > start) {
            return 0;
        }
    }
    return 1;
}

// The highest free range, like the kernel; 0 if there is none.
static uint64_t find_gap(uint64_t length) {
    uint64_t limit = ARENA_END;
    for (uint64_t i = state.region_count; i-- > 0 && limit > BRK_LIMIT;) {
        if (table()[i].end <= limit && limit - table()[i].end >= length) {
            break;
        }
        limit = table()[i].start;
    }
    return limit >= BRK_LIMIT + length ? limit - length : 0;
}

// The pages of window regions become holes again.
static void punch(uint64_t start, uint64_t end) {
    if (process.window < 0) {
        return;
    }
    for (uint64_t i = find(start); i < state.region_count && table()[i].start < end; i++) {
        uint64_t from = table()[i].start > start ? table()[i].start : start;
        uint64_t to = table()[i].end < end ? table()[i].end : end;
        if (table()[i].file == WINDOW) {
            RAW(fallocate, process.window, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from - ARENA_START, to - from);
        }
    }
}

// Pages of the window, or private ones before there is a window.
static long map_anonymous(uint64_t start, uint64_t length, int protection, int flags) {
    if (process.window >= 0) {
        return RAW(mmap, start, length, protection, MAP_SHARED | MAP_FIXED, process.window, start - ARENA_START);
    }
    flags = (flags & ~(MAP_TYPE | MAP_FIXED_NOREPLACE)) | MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    return RAW(mmap, start, length, protection, flags, -1, 0);
}

// A private mapping of a file, in the window: its contents as they are now. The kernel would read them later, page by
// page; no program may rely on the difference (mmap(2): unspecified).
static long map_contents(uint64_t start, uint64_t length, int protection, int file, uint64_t offset) {
    long probe = RAW(mmap, 0, length, PROT_READ, MAP_PRIVATE, file, offset); // the kernel's own checks
    if (probe < 0) {
        return probe;
    }
    RAW(munmap, probe, length);
    long result = map_anonymous(start, length, PROT_READ | PROT_WRITE, 0);
    for (uint64_t done = 0; result >= 0 && done < length;) {
        long n = RAW(pread64, file, start + done, length - done, offset + done);
        if (n <= 0) {
            break;
        }
        done += (uint64_t)n;
    }
    if (result >= 0) {
        RAW(mprotect, start, length, protection);
    }
    return result;
}

// A shared mapping: the region keeps a descriptor, from which the other side maps the same file.
static long map_shared(struct region *region, uint64_t length, int flags, int file, uint64_t offset) {
    int own;
    if (flags & MAP_ANONYMOUS) {
        long memory = RAW(memfd_create, "twin:shared", MFD_CLOEXEC);
        if (memory < 0) {
            return memory;
        }
        RAW(ftruncate, memory, length);
        own = (int)__twin_own_descriptor((int)memory);
        RAW(close, memory);
        offset = 0;
    } else {
        own = (int)__twin_own_descriptor(file);
    }
    if (own < 0) {
        return own;
    }
    long result = RAW(mmap, region->start, length, region->protection, MAP_SHARED | MAP_FIXED, own, offset);
    if (result < 0) {
        RAW(close, own);
        return result;
    }
    region->file = own;
    region->offset = offset;
    region->origin = state.generation + 1;
    return result;
}

long __twin_mmap(uint64_t address, uint64_t length, int protection, int flags, int file, uint64_t offset) {
    if (!length || length > ARENA_END - ARENA_START || offset % PAGE) {
        return length > ARENA_END - ARENA_START ? -ENOMEM : -EINVAL;
    }
    length = page_up(length);
    if (table_is_full()) {
        return -ENOMEM;
    }
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (address % PAGE) {
            return -EINVAL;
        }
        if (!in_arena(address, length)) {
            return -ENOMEM;
        }
        if (!is_free(address, length)) {
            if (!(flags & MAP_FIXED)) {
                return -EEXIST;
            }
            punch(address, address + length);
        }
    } else {
        address = page_up(address);
        if (!in_arena(address, length) || !is_free(address, length)) {
            address = find_gap(length);
        }
        if (!address) {
            return -ENOMEM;
        }
    }
    flags &= ~(MAP_GROWSDOWN | MAP_HUGETLB | MAP_FIXED_NOREPLACE);

    struct region region = {address, address + length, (uint32_t)protection, WINDOW, 0, 0, 0};
    int type = flags & MAP_TYPE;
    long result;
    if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) {
        result = map_shared(&region, length, flags, file, offset);
    } else if (flags & MAP_ANONYMOUS) {
        result = map_anonymous(address, length, protection, flags);
    } else {
        region.origin = state.generation + 1;
        result = process.window >= 0
                     ? map_contents(address, length, protection, file, offset)
                     : RAW(mmap, address, length, protection, flags | MAP_FIXED, file, offset);
    }
    if (result < 0) {
        return result;
    }
    forget(region.start, region.end);
    remember(region);
    return result;
}

long __twin_munmap(uint64_t address, uint64_t length) {
    if (address % PAGE || !length) {
        return -EINVAL;
    }
    length = page_up(length);
    if (!in_arena(address, length)) {
        return -EINVAL;
    }
    if (table_is_full()) {
        return -ENOMEM;
    }
    punch(address, address + length);
    RAW(munmap, address, length);
    forget(address, address + length);
    return 0;
}

long __twin_mprotect(uint64_t address, uint64_t length, int protection) {
    if (address % PAGE) {
        return -EINVAL;
    }
    length = page_up(length);
    if (!in_arena(address, length)) { // RELRO and the like, private to an ISA
        return RAW(mprotect, address, length, protection);
    }
    if (table_is_full() || !is_covered(address, address + length)) {
        return -ENOMEM;
    }
    long error = RAW(mprotect, address, length, protection);
    if (error < 0) {
        return error;
    }
    split(address);
    split(address + length);
    for (uint64_t i = find(address); i < state.region_count && table()[i].start < address + length; i++) {
        table()[i].protection = (uint32_t)protection;
    }
    merge_between(address, address + length);
    state.generation++;
    return 0;
}

// Moves what is mapped at [from, from + length) to free addresses.
static long relocate(const struct region *old, uint64_t from, uint64_t length, uint64_t to, uint64_t new_length) {
    struct region region = *old;
    region.offset += from - old->start;
    region.start = to;
    region.end = to + new_length;
    long result;
    if (old->file != WINDOW) {
        result = RAW(mmap, to, new_length, old->protection, MAP_SHARED | MAP_FIXED, old->file, region.offset);
    } else if (process.window < 0) {
        result = RAW(mremap, from, length, new_length, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    } else {
        result = map_anonymous(to, new_length, (int)old->protection, 0);
        if (result >= 0) {
            long error = __twin_copy_range(process.window, process.window, to - ARENA_START, from - ARENA_START, length);
            result = error < 0 ? error : result;
        }
    }
    if (result < 0) {
        return result;
    }
    remember(region); // first, so that a descriptor is not closed
    punch(from, from + length);
    RAW(munmap, from, length);
    forget(from, from + length);
    return (long)to;
}

long __twin_mremap(uint64_t address, uint64_t length, uint64_t new_length, int flags, uint64_t new_address) {
    length = page_up(length);
    new_length = page_up(new_length);
    if (address % PAGE || !length || !new_length || flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) ||
        !in_arena(address, length)) {
        return -EINVAL;
    }
    if (table_is_full()) {
        return -ENOMEM;
    }
    uint64_t i = find(address);
    if (i == state.region_count || table()[i].start > address || table()[i].end < address + length) {
        return -EFAULT;
    }
    if (flags & MREMAP_FIXED) {
        if (new_address % PAGE || !(flags & MREMAP_MAYMOVE) || !in_arena(new_address, new_length) ||
            (new_address < address + length && address < new_address + new_length)) {
            return -EINVAL;
        }
        __twin_munmap(new_address, new_length);
    }
    if (new_length < length) {
        __twin_munmap(address + new_length, length - new_length);
        length = new_length;
    }
    struct region old = table()[find(address)];
    if (!(flags & MREMAP_FIXED)) {
        if (new_length == length) {
            return (long)address;
        }
        uint64_t end = address + length, more = new_length - length;
        if (old.end == end && in_arena(end, more) && is_free(end, more)) {
            long result = old.file == WINDOW
                              ? map_anonymous(end, more, (int)old.protection, MAP_NORESERVE)
                              : RAW(mmap, end, more, old.protection, MAP_SHARED | MAP_FIXED, old.file,
                                    old.offset + (end - old.start));
            if (result >= 0) {
                struct region grown = old;
                grown.offset += end - old.start;
                grown.start = end;
                grown.end = end + more;
                remember(grown);
                return (long)address;
            }
        }
        if (!(flags & MREMAP_MAYMOVE)) {
            return -ENOMEM;
        }
        new_address = find_gap(new_length);
        if (!new_address) {
            return -ENOMEM;
        }
    }
    return relocate(&old, address, length, new_address, new_length);
}

long __twin_madvise(uint64_t address, uint64_t length, int advice) {
    if (address % PAGE) {
        return -EINVAL;
    }
    length = page_up(length);
    if (!in_arena(address, length)) {
        return RAW(madvise, address, length, advice);
    }
    if (!is_covered(address, address + length)) {
        return -ENOMEM;
    }
    if (process.window < 0) {
        return RAW(madvise, address, length, advice);
    }
    if (advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED || advice == MADV_REMOVE) {
        punch(address, address + length); // the kernel would keep the pages of a shared mapping
    }
    return 0; // everything else is a hint
}

long __twin_brk(uint64_t address) {
    uint64_t old_end = page_up(state.brk), new_end = page_up(address);
    if (address < BRK_START || new_end > BRK_LIMIT) {
        return (long)state.brk;
    }
    if (new_end > old_end) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        if (__twin_mmap(old_end, new_end - old_end, PROT_READ | PROT_WRITE, flags, -1, 0) < 0) {
            return (long)state.brk;
        }
    } else if (new_end < old_end) {
        __twin_munmap(new_end, old_end - new_end);
    }
    state.brk = address;
    return (long)address;
}
