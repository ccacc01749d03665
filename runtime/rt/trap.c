// Polls are accesses to poll pages, one for each MiB of code (linker/src/polls.rs). All poll pages of a pair's two processes are one page
// of memory, a memfd's. Cutting that file off makes every poll fault at once (SIGBUS); the handler goes on in the poll's cold block.
//
// With stress every poll is to call the runtime: before the program starts, each becomes a jump to its cold block.
#include "twin.h"

#define POLL_PAGE_SPACING (1ul << 20)

struct poll_entry {
    uint32_t place, distance;
};

// linker
extern const struct poll_entry __twin_polls_start[], __twin_polls_end[];
extern char __twin_poll_pages[], etext[];

// Where the program goes on if the instruction at `pc` is a poll and faults; 0 if it is none.
uint64_t __twin_cold_block(uint64_t pc) {
    const struct poll_entry *low = __twin_polls_start, *high = __twin_polls_end;
    while (low < high) {
        const struct poll_entry *middle = low + (high - low) / 2;
        if (middle->place == pc) {
            return pc + middle->distance;
        }
        if (middle->place < pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

// All polls of the pair fault from now on, or no longer.
void __twin_arm_polls(int armed) {
    struct rlimit limit;
    if (armed) {
        RAW(ftruncate, process.polls, 0);
    } else {
        __twin_lift_file_limit(&limit);
        RAW(ftruncate, process.polls, PAGE);
        __twin_restore_file_limit(&limit);
    }
}

static long make_jumps(void) {
    uint64_t start = (uint64_t)__twin_poll_pages, size = page_up((uint64_t)etext) - start;
    long error = RAW(mprotect, start, size, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (error < 0) {
        return error;
    }
    for (const struct poll_entry *poll = __twin_polls_start; poll < __twin_polls_end; poll++) {
        write_jump((char *)(uint64_t)poll->place, poll->distance);
    }
    __builtin___clear_cache((char *)start, (char *)start + size);
    return RAW(mprotect, start, size, PROT_READ | PROT_EXEC);
}

// Maps the poll pages of a process that starts.
long __twin_map_polls(void) {
    long error = state.stress ? make_jumps() : 0;
    for (char *page = __twin_poll_pages; page < etext && error >= 0; page += POLL_PAGE_SPACING) {
        error = RAW(mmap, page, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, process.polls, 0);
    }
    return error < 0 ? error : 0;
}

// A process that hops apart from all others, new or forked, has poll pages of its own.
void __twin_new_polls(void) {
    if (process.polls >= 0) {
        RAW(close, process.polls);
    }
    process.polls = (int)__twin_new_memory("twin:polls");
    if (process.polls < 0) {
        __twin_abandon("no memory for the poll page (memfd)");
    }
    __twin_arm_polls(0);
    if (__twin_map_polls() < 0) {
        __twin_abandon("the poll page cannot be mapped");
    }
}
