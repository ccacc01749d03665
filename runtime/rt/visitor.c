// The pair: an x86-64 home and its aarch64 visitor, a process (qemu-aarch64, on this machine) that maps the same window.
// One of them runs the program at a time; `state.turn` says which. The visitor's system calls are done by home.
//
// Nothing of this shows in the program: the visitor has no descriptors of its, and is no child of its. Exec makes any
// child one that wait() finds; so home's only child is the keeper, which ends without a signal to its parent, never
// execs, and is the visitor's parent. The visitor ends with home, or when home execs another program: then the kernel
// sends it SIGKILL, because the last writing end of the pipe (the lifeline) that home holds is closed.
#include "twin.h"

enum { CHILD_IMAGE = 3, CHILD_WINDOW = 4, CHILD_LIFELINE = 5, CHILD_FIRST_FREE = 6 };

static void leave_descriptors(int lifeline) {
    int files[] = {process.image, process.window, lifeline};
    for (int i = 0; i < 3; i++) {
        files[i] = (int)RAW(fcntl, files[i], F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
    }
    for (int i = 0; i < 3; i++) {
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
        const char *environment[] = {"__TWIN_VISIT=3,4", 0};
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
    RAW(futex, &state.turn, FUTEX_WAKE, 1);
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
    state.turn = VISITOR_STARTS;
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
    while (__twin_turn() == VISITOR_STARTS) {
        if (state.visitor_end) {
            __twin_visitor_end();
            return "cannot hop: qemu-aarch64 does not run the program's aarch64 image";
        }
        __twin_wait_turn(VISITOR_STARTS);
    }
    return 0;
}

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
}

static _Noreturn void die_with_visitor(void) {
    int signal = state.visitor_end & 0x7f, status = state.visitor_end >> 8 & 0xff;
    char bytes[48];
    struct text text = {0, bytes, sizeof bytes - 1};
    __twin_put(&text, signal ? "signal " : "exit status ");
    __twin_put_number(&text, (uint64_t)(signal ? signal : status));
    bytes[text.length] = 0;
    __twin_say("the aarch64 side of the program died: ", bytes);
    __twin_die(signal ? signal : SIGABRT);
}

// Home, while the program is at the visitor: does its system calls until the program is back.
void __twin_serve(void) {
    for (;;) {
        enum turn turn = __twin_turn();
        if (turn == HOME) {
            return;
        }
        if (turn == VISITOR) {
            if (state.visitor_end) {
                die_with_visitor();
            }
            __twin_wait_turn(VISITOR);
            continue;
        }
        __twin_trace_flush();
        if (state.call.number == CALL_DIE) {
            __twin_die((int)state.call.arguments[0]);
        }
        struct call call = state.call;
        state.result = __twin_local(&call, (int)state.interruptible);
        __twin_give_turn(VISITOR);
    }
}

// The visitor has home do a system call. Pointers are good on both sides: the program's memory, and constants.
long __twin_remote(const struct call *call, int interruptible) {
    state.call = *call;
    state.interruptible = (uint32_t)interruptible;
    __twin_give_turn(CALL);
    while (__twin_turn() == CALL) {
        __twin_wait_turn(CALL);
    }
    __twin_window_follow();
    return state.result;
}

// The visitor's start: the environment of the process that home made says __TWIN_VISIT=image,window.
_Noreturn void __twin_visit(const char *text) {
    int descriptors[2];
    if (__twin_parse_descriptors(text, descriptors, 2)) {
        process.role = GUEST;
        process.window = descriptors[1];
        if (__twin_window_attach() >= 0) {
            __twin_fault_handlers();
            __twin_give_turn(HOME);
            __twin_await_visit();
            __twin_arrive();
            __twin_continue(state.registers.sp);
        }
    }
    __twin_abandon("__TWIN_VISIT is for programs that hop only");
}
