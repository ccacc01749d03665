// Polls are accesses to poll pages, one for each MiB of code (linker/src/polls.rs). All poll pages of a pair's two processes are one page
// of memory, a memfd's. Cutting that file off makes every poll fault at once (SIGBUS); the handler goes on in the poll's cold block, or
// in __twin_poll_mapped, as if a bare poll had called it.
//
// With stress every poll is to call the runtime: before the program starts, each becomes a jump to its cold block, or that call.
#include "twin.h"

#define POLL_PAGE_SPACING (1ul << 20)

// linker
extern const struct poll_entry __twin_polls_start[], __twin_polls_end[];
extern char __twin_poll_pages[], etext[];

// The poll at an address, or the one whose call returns to it; 0 if there is none. When this runs, vector registers still have values of
// the program's.
__attribute__((target("general-regs-only"))) static const struct poll_entry *search(uint64_t address, int by_return) {
    const struct poll_entry *polls = __twin_polls_start;
    uint64_t low = 0, high = (uint64_t)(__twin_polls_end - polls);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const struct poll_entry *poll = polls + (by_return ? polls[middle].next_by_return : middle);
        uint64_t found = by_return ? poll->returns_to : poll->place;
        if (found == address) {
            return poll;
        }
        if (found < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

// The poll whose call returns to an address.
__attribute__((target("general-regs-only"))) const struct poll_entry *__twin_find_poll(uint64_t returns_to) {
    const struct poll_entry *poll = search(returns_to, 1);
    if (!poll) {
        __builtin_trap();
    }
    return poll;
}

// The return address of the bare poll in front of `resume`.
uint64_t __twin_poll_behind(uint64_t resume);
__attribute__((target("general-regs-only"))) uint64_t __twin_poll_behind(uint64_t resume) {
    return search(resume - POLL_LENGTH, 0)->returns_to;
}

// Makes a thread that was interrupted by the fault of a poll go on where that leads; tells whether it was one.
int __twin_take_poll(context *context) {
    const struct poll_entry *poll = search(*context_pc(context), 0);
    if (poll && poll->cold) {
        *context_pc(context) += poll->cold;
    } else if (poll) {
        call_from(context, (uint64_t)__twin_poll_mapped, poll->returns_to);
    }
    return poll != 0;
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

static long replace_polls(void) {
    uint64_t start = (uint64_t)__twin_poll_pages, size = page_up((uint64_t)etext) - start;
    long error = RAW(mprotect, start, size, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (error < 0) {
        return error;
    }
    for (const struct poll_entry *poll = __twin_polls_start; poll < __twin_polls_end; poll++) {
        char *place = (char *)(uint64_t)poll->place;
        if (poll->cold) {
            write_jump(place, poll->cold);
        } else {
            write_call(place, (uint32_t)((uint64_t)__twin_poll_bare - poll->place));
        }
    }
    __builtin___clear_cache((char *)start, (char *)start + size);
    return RAW(mprotect, start, size, PROT_READ | PROT_EXEC);
}

// Maps the poll pages of a process that starts.
long __twin_map_polls(void) {
    long error = state.stress ? replace_polls() : 0;
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
