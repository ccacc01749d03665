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

enum turn __twin_turn(const struct hand *hand) { return __atomic_load_n(&hand->turn, __ATOMIC_ACQUIRE); }

// Waits while it is `turn`'s turn, or until a signal comes. For a short time without sleeping, as most turns are short.
void __twin_wait_turn(struct hand *hand, enum turn turn) {
    const int spins = 1000;
    for (int i = 0; i < spins; i++) {
        if (__twin_turn(hand) != turn) {
            return;
        }
        relax();
    }
    // Home looks again now and then: the end of the visitor, of which the keeper tells, changes no turn.
    static const struct timespec second = {1, 0};
    __atomic_store_n(&hand->sleeping[process.role], 1, __ATOMIC_SEQ_CST);
    RAW(futex, &hand->turn, FUTEX_WAIT, turn, process.role == OWNER ? &second : 0);
    __atomic_store_n(&hand->sleeping[process.role], 0, __ATOMIC_SEQ_CST);
}

void __twin_give_turn(struct hand *hand, enum turn turn) {
    __atomic_store_n(&hand->turn, turn, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&hand->sleeping[process.role == OWNER ? GUEST : OWNER], __ATOMIC_SEQ_CST)) {
        RAW(futex, &hand->turn, FUTEX_WAKE, 1);
    }
}

// What the next poll has to do; forgets it.
static enum isa next_isa(enum vehicle *vehicle) {
    *vehicle = state.vehicle;
    if (self.signal_depth || self.stay_home) {
        return NO_ISA; // asked again at the first poll after the handler, or the fork
    }
    if (self.home_wanted) {
        self.home_wanted = 0;
        self.stay_home = 1;
        return X86_64;
    }
    if (self.requested_isa) {
        enum isa isa = self.requested_isa;
        *vehicle = self.requested_vehicle ? self.requested_vehicle : state.vehicle;
        self.requested_isa = NO_ISA;
        if (isa == THIS_ISA) {
            self.requested_at = 0;
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
    if (thread_pointer() != self.registers.tp) { // the program changed it on the other side
        set_thread_pointer(self.registers.tp);
    }
    __twin_kernel_altstack(1);
    __twin_trace_end();
    write_fp_environment(self.registers.fp_environment);
}

// Home hands the thread to its visitor and does what that asks for until it comes back.
static void lend(void) {
    __twin_kernel_altstack(0);
    // Before the visitor looks at the table of regions: who changes that from now on tells it.
    __atomic_store_n(&self.away, 1, __ATOMIC_SEQ_CST);
    __twin_give_turn(&self.hand, VISITOR);
    __twin_serve();
    self.away = 0;
}

// The visitor, until the thread comes.
void __twin_await_visit(void) {
    enum turn turn;
    while ((turn = __twin_turn(&self.hand)) == HOME) {
        __twin_wait_turn(&self.hand, HOME);
    }
    if (turn == VISITOR_LEAVES) {
        __twin_visitor_leave();
    }
    __twin_window_follow();
}

static void hop_as_pair(void) {
    if (process.role == GUEST) {
        __twin_give_turn(&self.hand, HOME);
        __twin_await_visit();
    } else {
        lend();
    }
}

static void hop_failed(const char *message) {
    __twin_trace_cancel();
    if (!state.hop_failed) {
        __twin_say(message, "");
    }
    state.hop_failed = 1;
    if (state.stress) {
        __twin_exit(126);
    }
}

// Whether `prepare` has nothing to do: at all but the first hops of a pair.
static int is_prepared(enum vehicle vehicle) {
    return vehicle == PAIR && self.has_visitor && !state.visitor_end;
}

// Makes sure, under `state.lock`, that there is a window, an image to run, and for a pair a visitor. Nothing has left yet: a
// failure leaves the thread here.
static const char *prepare(enum vehicle vehicle) {
    if (vehicle == EXEC && state.thread_count > 1) {
        return "cannot hop: a program with several threads hops as a pair only, and has to start on x86-64";
    }
    struct rlimit limit;
    __twin_kernel_mask(ALL_SIGNALS);
    __twin_lift_file_limit(&limit);
    if (process.keeper && state.visitor_end && !__twin_others_are_away()) {
        __twin_visitor_end(); // somebody killed it while the program was here: another one will do
    }
    uint64_t copied;
    const char *failure = __twin_window_open(&copied) < 0 ? "cannot hop: no memory for the window (memfd)" : 0;
    __twin_trace_copied(copied);
    failure = failure || THIS_ISA == AARCH64 ? failure : __twin_find_qemu();
    failure = failure || THIS_ISA == AARCH64 ? failure : __twin_extract_image();
    if (!failure && vehicle == PAIR) {
        failure = process.keeper ? 0 : __twin_visitor_start();
        failure = failure || self.has_visitor ? failure : __twin_visitor_start_thread();
    }
    __twin_restore_file_limit(&limit);
    __twin_kernel_mask(self.mask);
    return failure;
}

// Where the program polls, behind the call; at `sp` lie the saved frame pointer and the return address of __twin_poll_slow.
static uint64_t place_of_poll(const uint64_t *sp) {
    return sp[1] == (uint64_t)__twin_poll_return + POLL_RETURN ? sp[3] : sp[1];
}

// Leaves for another ISA; returns when the program is back, with its stack pointer then.
static uint64_t leave(uint64_t sp, enum isa to, enum vehicle vehicle) {
    if (THIS_ISA == AARCH64) {
        vehicle = process.role == GUEST ? PAIR : EXEC; // only an x86-64 home has visitors
    }
    self.registers.sp = sp;
    self.registers.fp_environment = read_fp_environment();
    __twin_trace_begin(place_of_poll((const uint64_t *)sp), to, vehicle);
    const char *failure = 0;
    if (process.role == OWNER && !is_prepared(vehicle)) {
        __twin_lock(&state.lock);
        failure = prepare(vehicle);
        __twin_unlock(&state.lock);
    }
    if (!failure) {
        if (state.check_hash && state.thread_count > 1) {
            state.check_hash = 0;
            __twin_say("memory is no longer checked at hops: other threads may change it", "");
        }
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
    return self.registers.sp;
}

uint64_t __twin_attention(uint64_t sp) {
    here.deferring++;
    self.poll_wanted = 0;
    enum vehicle vehicle;
    enum isa to = next_isa(&vehicle);
    if (state.stress) {
        __twin_poll.stress_left = state.stress - 1;
    }
    if (to == OTHER_ISA) {
        sp = leave(sp, to, vehicle);
    }
    here.deferring--;
    __twin_update_poll();
    return sp;
}

// For fork, which only the process that owns the descriptors can do: says whether the program has to poll first (and
// ask again). Then no hop happens until the fork is done.
int __twin_want_home(void) {
    if (process.role == OWNER) {
        self.stay_home = 1;
    } else if (!self.signal_depth) {
        self.home_wanted = 1;
        __twin_update_poll();
        return 1;
    }
    return 0;
}
