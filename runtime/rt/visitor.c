// The pair: an x86-64 home and its aarch64 visitor, a process (qemu-aarch64, on this machine) that maps the same window.
// One of them runs a thread at a time; its `hand.turn` says which. The visitor's system calls are done by home. Each thread
// of home that ever hopped has one of the visitor's; the visitor's first thread starts them and follows changes of memory.
//
// Nothing of this shows in the program: the visitor has no descriptors of its, and is no child of its. Exec makes any
// child one that wait() finds; so home's only child is the keeper, which ends without a signal to its parent, never
// execs, and is the visitor's parent. The visitor ends with home, or when home execs another program: then the kernel
// sends it SIGKILL, because the last writing end of the pipe (the lifeline) that home holds is closed.
#include "twin.h"

enum { CHILD_IMAGE = 3, CHILD_WINDOW = 4, CHILD_LIFELINE = 5, CHILD_POLLS = 6, CHILD_FIRST_FREE = 7 };

static void leave_descriptors(int lifeline) {
    int files[] = {process.image, process.window, lifeline, process.polls};
    const int count = sizeof files / sizeof *files;
    for (int i = 0; i < count; i++) {
        files[i] = (int)RAW(fcntl, files[i], F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
    }
    for (int i = 0; i < count; i++) {
        RAW(dup3, files[i], CHILD_IMAGE + i, 0);
    }
    RAW(close_range, CHILD_FIRST_FREE, ~0u, 0);
    long null = RAW(openat, AT_FDCWD, "/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) {
        RAW(dup3, null, i, 0);
    }
    RAW(close, null);
}

static _Noreturn void become_visitor(void) {
    RAW(fcntl, CHILD_LIFELINE, F_SETOWN, RAW(getpid));
    RAW(fcntl, CHILD_LIFELINE, F_SETSIG, SIGKILL);
    RAW(fcntl, CHILD_LIFELINE, F_SETFL, O_ASYNC);
    const struct timespec no_time = {0, 0};
    struct pollfd lifeline = {CHILD_LIFELINE, 0, 0};
    if (RAW(ppoll, &lifeline, 1, &no_time, 0, 0) == 0) { // else home is gone already, and no signal will come
        const char *arguments[] = {"qemu-aarch64", "/proc/self/fd/3", 0};
        const char *environment[] = {"__TWIN_VISIT=3,4,6", 0};
        RAW(execve, state.qemu, arguments, environment);
    }
    for (;;) {
        RAW(exit_group, 127);
    }
}

static _Noreturn void keep_visitor(int lifeline) {
    leave_descriptors(lifeline);
    RAW(prctl, PR_SET_NAME, "twin-keeper");
    long visitor = RAW(clone, SIGCHLD);
    if (visitor == 0) {
        become_visitor();
    }
    RAW(close_range, 0, ~0u, 0);
    int status = 1;
    RAW(wait4, visitor, &status, WALL, 0);
    __atomic_store_n(&state.visitor_end, VISITOR_ENDED | (uint32_t)status, __ATOMIC_SEQ_CST);
    RAW(futex, &state.service.turn, FUTEX_WAKE, 1);
    EACH_THREAD(thread) { RAW(futex, &thread->hand.turn, FUTEX_WAKE, 1); }
    for (;;) {
        RAW(exit_group, 0);
    }
}

// With all signals blocked, which the visitor inherits: a terminal's are for home alone. Returns what went wrong.
const char *__twin_visitor_start(void) {
    int ends[2];
    if (RAW(pipe2, ends, O_CLOEXEC) < 0) {
        return "cannot hop: no descriptor is left";
    }
    process.lifeline = (int)__twin_own_descriptor(ends[1]);
    RAW(close, ends[1]);
    state.service.turn = VISITOR_STARTS;
    state.visitor_end = 0;
    long keeper = RAW(clone, 0);
    if (keeper == 0) {
        keep_visitor(ends[0]);
    }
    RAW(close, ends[0]);
    if (keeper < 0) {
        return "cannot hop: no process for the visitor";
    }
    process.keeper = (int)keeper;
    while (__twin_turn(&state.service) == VISITOR_STARTS) {
        if (state.visitor_end) {
            __twin_visitor_end();
            return "cannot hop: qemu-aarch64 does not run the program's aarch64 image";
        }
        __twin_wait_turn(&state.service, VISITOR_STARTS);
    }
    return 0;
}

// The visitor is gone: by accident, which the first thread that sees it says, or because the process is about to end.
static _Noreturn void end_with_visitor(void) {
    while (__atomic_exchange_n(&state.ending, 1, __ATOMIC_SEQ_CST)) {
        RAW(ppoll, 0, 0, 0, 0, 0);
    }
    int signal = state.visitor_end & 0x7f, status = state.visitor_end >> 8 & 0xff;
    char bytes[48];
    struct text text = {0, bytes, sizeof bytes - 1};
    __twin_put(&text, signal ? "signal " : "exit status ");
    __twin_put_number(&text, (uint64_t)(signal ? signal : status));
    bytes[text.length] = 0;
    __twin_say("the aarch64 side of the program died: ", bytes);
    __twin_die(signal ? signal : SIGABRT);
}

// Has the visitor's first thread do something, under `state.lock`.
static long ask(enum service wanted) {
    state.service_wanted = wanted;
    state.service_for = &self;
    __twin_give_turn(&state.service, VISITOR);
    while (__twin_turn(&state.service) == VISITOR) {
        if (state.visitor_end) {
            end_with_visitor();
        }
        __twin_wait_turn(&state.service, VISITOR);
    }
    return state.service_result;
}

const char *__twin_visitor_start_thread(void) {
    self.hand.turn = HOME;
    if (ask(START_THREAD) < 0) {
        return "cannot hop: the visitor has no memory for another thread";
    }
    self.has_visitor = 1;
    return 0;
}

// Of a thread of home that is about to end: its partner ends first, since it looks at `self`.
void __twin_visitor_end_thread(void) {
    if (self.has_visitor) {
        __twin_give_turn(&self.hand, VISITOR_LEAVES);
        while (__twin_turn(&self.hand) == VISITOR_LEAVES && !state.visitor_end) {
            __twin_wait_turn(&self.hand, VISITOR_LEAVES);
        }
        self.has_visitor = 0;
    }
}

// Under `state.lock`: who has changed the table of regions tells the visitor, if another thread runs there. That one may
// use the new memory at once, and does not look at the table.
void __twin_visitor_follow(void) {
    if (__twin_others_are_away()) {
        ask(FOLLOW);
    }
}

// Under `state.lock`: threads of the visitor but the caller's pause.
void __twin_visitor_pause(void) { ask(PAUSE); }

// Of the owner, before it ends or becomes something else. Nothing of the pair is left.
void __twin_visitor_end(void) {
    if (process.lifeline >= 0) {
        RAW(close, process.lifeline);
        process.lifeline = -1;
    }
    if (process.keeper) {
        while (RAW(wait4, process.keeper, 0, WALL, 0) == -EINTR) {
        }
        process.keeper = 0;
    }
    EACH_THREAD(thread) { thread->has_visitor = 0; }
}

// Home, while the thread is at the visitor: does its system calls until it is back.
void __twin_serve(void) {
    for (;;) {
        enum turn turn = __twin_turn(&self.hand);
        if (turn == HOME) {
            return;
        }
        if (turn == VISITOR) {
            if (state.visitor_end) {
                end_with_visitor();
            }
            __twin_wait_turn(&self.hand, VISITOR);
            continue;
        }
        __twin_trace_flush();
        if (self.call.number == CALL_DIE) {
            __twin_die((int)self.call.arguments[0]);
        }
        struct call call = self.call;
        self.result = __twin_local(&call, (int)self.interruptible);
        __twin_give_turn(&self.hand, VISITOR);
    }
}

// The visitor has home do a system call. Pointers are good on both sides: the program's memory, and constants.
long __twin_remote(const struct call *call, int interruptible) {
    self.call = *call;
    self.interruptible = (uint32_t)interruptible;
    __twin_give_turn(&self.hand, CALL);
    enum turn turn;
    while ((turn = __twin_turn(&self.hand)) == CALL) {
        __twin_wait_turn(&self.hand, CALL);
    }
    if (turn == VISITOR_LEAVES) { // on the native stack: the end of a thread
        __twin_visitor_leave();
    }
    __twin_window_follow();
    return self.result;
}

// The end of a visitor's thread, after which nothing of `self` is looked at.
_Noreturn void __twin_visitor_leave(void) {
    uint64_t stack = self.native_stack[THIS_ISA - 1];
    __twin_give_turn(&self.hand, HOME);
    __twin_exit_native_stack(stack);
}

static void visit(void) {
    __twin_await_visit();
    __twin_arrive();
    here.deferring = 0;
    __twin_continue(self.registers.sp);
}

static long start_thread(struct thread *thread) {
    uint64_t stack = __twin_map_native_stack();
    if (!stack) {
        return -ENOMEM;
    }
    thread->native_stack[THIS_ISA - 1] = stack;
    thread->sides[GUEST] = (struct side){.deferring = 1, .kernel_altstack.flags = SS_DISABLE};
    struct clone clone = {CLONE_OF_THREAD | CLONE_SETTLS, stack, 0, 0, thread->registers.tp, visit};
    long id = __twin_clone(&clone);
    if (id < 0) {
        __twin_unmap_native_stack(stack);
    }
    thread->visitor_id = (int32_t)id;
    return id;
}

static void pause_threads(const struct thread *but) {
    EACH_THREAD(thread) {
        if (thread != but && thread->has_visitor) {
            RAW(tgkill, RAW(getpid), thread->visitor_id, SIGURG);
        }
    }
}

static _Noreturn void serve_home(void) {
    __twin_give_turn(&state.service, HOME);
    for (;;) {
        while (__twin_turn(&state.service) != VISITOR) {
            __twin_wait_turn(&state.service, HOME);
        }
        long error = __twin_window_follow_locked(); // a new thread finds `self` in the program's memory
        if (state.service_wanted == PAUSE) {
            pause_threads(state.service_for);
        }
        state.service_result =
            error >= 0 && state.service_wanted == START_THREAD ? start_thread(state.service_for) : error;
        __twin_give_turn(&state.service, HOME);
    }
}

// The visitor's start: the environment of the process that home made says __TWIN_VISIT=image,window,polls.
_Noreturn void __twin_visit(const char *text) {
    int descriptors[3];
    if (__twin_parse_descriptors(text, descriptors, 3)) {
        process.role = GUEST;
        process.window = descriptors[1];
        process.polls = descriptors[2];
        if (__twin_window_attach() >= 0 && __twin_map_polls() >= 0) {
            __twin_fault_handlers();
            serve_home();
        }
    }
    __twin_abandon("__TWIN_VISIT is for programs that hop only");
}
