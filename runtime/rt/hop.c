// What a poll does when it is asked to, and the pair's half of a hop: handing over the turn.
//
// __twin_attention runs on the native stack: the program's stack is not touched, so that the other side finds it
// exactly as the poll left it.
#include "twin.h"

uint64_t __twin_now(void) {
    struct timespec time;
    RAW(clock_gettime, CLOCK_MONOTONIC, &time);
    return (uint64_t)time.seconds * 1000000000ul + (uint64_t)time.nanoseconds;
}

enum turn __twin_turn(void) { return __atomic_load_n(&state.turn, __ATOMIC_ACQUIRE); }

// Waits while it is `turn`'s turn, or until a signal comes. For a short time without sleeping, as most turns are short.
void __twin_wait_turn(enum turn turn) {
    const int spins = 1000;
    for (int i = 0; i < spins; i++) {
        if (__twin_turn() != turn) {
            return;
        }
        relax();
    }
    __atomic_store_n(&state.sleeping[process.role], 1, __ATOMIC_SEQ_CST);
    RAW(futex, &state.turn, FUTEX_WAIT, turn, 0);
    __atomic_store_n(&state.sleeping[process.role], 0, __ATOMIC_SEQ_CST);
}

void __twin_give_turn(enum turn turn) {
    __atomic_store_n(&state.turn, turn, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&state.sleeping[process.role == OWNER ? GUEST : OWNER], __ATOMIC_SEQ_CST)) {
        RAW(futex, &state.turn, FUTEX_WAKE, 1);
    }
}

// What the next poll has to do; forgets it.
static enum isa next_isa(enum vehicle *vehicle) {
    *vehicle = state.vehicle;
    if (state.signal_depth || state.stay_home) {
        return NO_ISA; // asked again at the first poll after the handler, or the fork
    }
    if (state.home_wanted) {
        state.home_wanted = 0;
        state.stay_home = 1;
        return X86_64;
    }
    if (state.requested_isa) {
        enum isa isa = state.requested_isa;
        *vehicle = state.requested_vehicle ? state.requested_vehicle : state.vehicle;
        state.requested_isa = NO_ISA;
        if (isa == THIS_ISA) {
            state.requested_at = 0;
        }
        return isa;
    }
    return state.stress && __twin_poll.stress_left < 0 ? OTHER_ISA : NO_ISA;
}

// The program goes on here, wherever it was before.
void __twin_arrive(void) {
    if (state.check_hash) {
        __twin_hash_check();
    }
    set_thread_pointer(state.registers.tp);
    __twin_kernel_altstack(1);
    __twin_trace_end();
    write_fp_environment(state.registers.fp_environment);
}

// Home hands the program to its visitor and does what that asks for until it comes back.
static void lend(void) {
    __twin_kernel_altstack(0);
    process.away = 1;
    __twin_give_turn(VISITOR);
    __twin_serve();
    process.away = 0;
}

// The visitor, until the program comes.
void __twin_await_visit(void) {
    while (__twin_turn() == HOME) {
        __twin_wait_turn(HOME);
    }
    __twin_window_follow();
}

static void hop_as_pair(void) {
    if (process.role == GUEST) {
        __twin_give_turn(HOME);
        __twin_await_visit();
    } else {
        lend();
    }
}

static void hop_failed(const char *message) {
    state.hops--;
    if (!state.hop_failed) {
        __twin_say(message, "");
    }
    state.hop_failed = 1;
    if (state.stress) {
        __twin_exit(126);
    }
}

// Makes sure that there is a window, an image to run, and for a pair a visitor. Nothing has left yet: a failure leaves
// the program here.
static const char *prepare(enum vehicle vehicle) {
    sigset mask = state.mask;
    struct rlimit limit;
    __twin_kernel_mask(ALL_SIGNALS);
    __twin_lift_file_limit(&limit);
    if (process.keeper && state.visitor_end) {
        __twin_visitor_end(); // somebody killed it while the program was here: another one will do
    }
    uint64_t copied;
    const char *failure = 0;
    if (__twin_window_open(&copied) < 0) {
        failure = "cannot hop: no memory for the window (memfd)";
    }
    failure = failure || THIS_ISA == AARCH64 ? failure : __twin_find_qemu();
    failure = failure || THIS_ISA == AARCH64 ? failure : __twin_extract_image();
    failure = failure || vehicle != PAIR || process.keeper ? failure : __twin_visitor_start();
    __twin_trace_copied(copied);
    __twin_restore_file_limit(&limit);
    __twin_kernel_mask(mask);
    return failure;
}

// Leaves for another ISA; returns when the program is back, with its stack pointer then.
static uint64_t leave(uint64_t sp, enum isa to, enum vehicle vehicle) {
    if (THIS_ISA == AARCH64) {
        vehicle = process.role == GUEST ? PAIR : EXEC; // only an x86-64 home has visitors
    }
    state.registers.sp = sp;
    state.registers.fp_environment = read_fp_environment();
    __twin_trace_begin(((uint64_t *)sp)[1], to, vehicle);
    const char *failure = process.role == GUEST ? 0 : prepare(vehicle);
    if (!failure) {
        if (state.check_hash) {
            __twin_hash_store();
        }
        if (vehicle == EXEC) {
            failure = __twin_exec_hop();
        } else {
            hop_as_pair();
        }
    }
    if (failure) {
        hop_failed(failure);
    } else {
        __twin_arrive();
    }
    if (process.role == OWNER) {
        __twin_trace_flush();
    }
    return state.registers.sp;
}

uint64_t __twin_attention(uint64_t sp) {
    process.deferring++;
    enum vehicle vehicle;
    enum isa to = next_isa(&vehicle);
    if (state.stress) {
        __twin_poll.stress_left = state.stress - 1;
    }
    if (to == OTHER_ISA) {
        sp = leave(sp, to, vehicle);
    }
    process.deferring--;
    __twin_update_poll();
    return sp;
}

// For fork, which only the process that owns the descriptors can do: says whether the program has to poll first (and
// ask again). Then no hop happens until the fork is done.
int __twin_want_home(void) {
    if (process.role == OWNER) {
        state.stay_home = 1;
    } else if (!state.signal_depth) {
        state.home_wanted = 1;
        __twin_update_poll();
        return 1;
    }
    return 0;
}
