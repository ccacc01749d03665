// Processes: fork, exit, and the runtime's own descriptors.
#include "twin.h"

// Moves a descriptor out of the program's way; the old one stays open. The limit may not allow a high number.
long __twin_own_descriptor(int descriptor) {
    long own = RAW(fcntl, descriptor, F_DUPFD_CLOEXEC, FIRST_OWN_DESCRIPTOR);
    return own >= 0 ? own : RAW(fcntl, descriptor, F_DUPFD_CLOEXEC, 3);
}

// An empty file in memory, out of the program's way.
long __twin_new_memory(const char *name) {
    long memory = RAW(memfd_create, name, MFD_CLOEXEC);
    if (memory < 0) {
        return memory;
    }
    long own = __twin_own_descriptor((int)memory);
    RAW(close, memory);
    return own;
}

// The runtime's lowest descriptor from `from` on.
static unsigned next_own(unsigned from) {
    const int fixed[] = {process.window, process.image, process.executable, process.lifeline, process.polls, state.trace};
    const uint64_t fixed_count = sizeof fixed / sizeof *fixed;
    unsigned lowest = ~0u; // as is -1: no descriptor
    for (uint64_t i = 0; i < fixed_count + state.region_count; i++) {
        unsigned own = (unsigned)(i < fixed_count ? fixed[i] : state.regions[i - fixed_count].file);
        lowest = own >= from && own < lowest ? own : lowest;
    }
    return lowest;
}

int __twin_is_own(int descriptor) { return descriptor >= 0 && next_own((unsigned)descriptor) == (unsigned)descriptor; }

// Closes everything but the runtime's own.
long __twin_close_range(unsigned first, unsigned last, unsigned flags) {
    long result = first > last ? -EINVAL : 0;
    while (first <= last && result >= 0) {
        unsigned own = next_own(first);
        if (own > first) {
            result = RAW(close_range, first, own <= last ? own - 1 : last, flags);
        }
        if (own >= last) {
            break;
        }
        first = own + 1;
    }
    return result;
}

_Noreturn void __twin_exit(int status) {
    state.ending = 1;
    __twin_visitor_end();
    for (;;) {
        RAW(exit_group, status);
    }
}

// On the native stack, which fork copies: the program's own stack is in the window, and parent and child share that
// until the child has made a copy.
static long fork_from_window(void *signal) {
    int copied[2];
    long error = RAW(pipe2, copied, O_CLOEXEC);
    if (error < 0) {
        return error;
    }
    long child = RAW(clone, signal);
    if (child == 0) {
        struct rlimit limit;
        __twin_lift_file_limit(&limit);
        if (__twin_window_duplicate() < 0) {
            __twin_abandon("no memory for a forked process");
        }
        __twin_restore_file_limit(&limit);
        // The visitor is the parent's.
        RAW(close, process.lifeline);
        process.lifeline = -1;
        process.keeper = 0;
        RAW(close, copied[0]);
        RAW(close, copied[1]);
        return 0;
    }
    RAW(close, copied[1]);
    char end;
    while (child > 0 && RAW(read, copied[0], &end, 1) == -EINTR) {
    }
    RAW(close, copied[0]);
    return child;
}

// A child that sends `signal` when it ends.
long __twin_fork(int signal) {
    if (self.away) {
        return -EAGAIN; // a signal handler at the visitor: fork comes home first wherever it can (__twin_want_home)
    }
    self.stay_home = 0;
    sigset mask = self.mask;
    __twin_kernel_mask(ALL_SIGNALS);
    int others = state.thread_count > 1;
    if (others) {
        __twin_pause_others();
    }
    long child = process.window >= 0 ? __twin_on_native_stack(fork_from_window, (void *)(long)signal)
                                     : RAW(clone, signal);
    if (child == 0) {
        state.pid = (int32_t)RAW(getpid);
        __twin_only_thread();
        __twin_new_polls();
    } else if (others) {
        __twin_unpause_others();
    }
    __twin_kernel_mask(mask);
    __twin_update_poll();
    return child;
}
