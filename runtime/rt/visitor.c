// The pair: an x86-64 home and its aarch64 visitor, a child process (qemu-aarch64, on this machine) that maps the same
// window. One of them runs the program at a time; `state.turn` says which. The visitor's system calls are done by home.
//
// The visitor has no descriptors of the program. It ends with home, or when home execs another program: then the kernel
// sends it SIGKILL, because the last writing end of the pipe (the lifeline) that home holds is closed.
#include "twin.h"

enum { CHILD_IMAGE = 3, CHILD_WINDOW = 4, CHILD_LIFELINE = 5, CHILD_FIRST_FREE = 6 };

// In the child.
static _Noreturn void become_visitor(int lifeline) {
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
    RAW(fcntl, CHILD_LIFELINE, F_SETOWN, RAW(getpid));
    RAW(fcntl, CHILD_LIFELINE, F_SETSIG, SIGKILL);
    RAW(fcntl, CHILD_LIFELINE, F_SETFL, O_ASYNC);
    if (RAW(getppid) != state.pid) { // too late for the signal
        RAW(exit_group, 127);
    }
    const char *arguments[] = {"qemu-aarch64", "/proc/self/fd/3", 0};
    const char *environment[] = {"__TWIN_VISIT=3,4", 0};
    RAW(execve, state.qemu, arguments, environment);
    for (;;) {
        RAW(exit_group, 127);
    }
}

// With all signals blocked, which the visitor inherits: a terminal's are for home alone. Returns what went wrong.
const char *__twin_visitor_start(void) {
    const char *failure = __twin_find_qemu();
    failure = failure ? failure : __twin_extract_image();
    if (failure) {
        return failure;
    }
    int ends[2];
    if (RAW(pipe2, ends, O_CLOEXEC) < 0) {
        return "cannot hop: no descriptor is left";
    }
    process.lifeline = (int)__twin_own_descriptor(ends[1]);
    RAW(close, ends[1]);
    state.visitor_ready = 0;
    state.turn = HOME;
    long child = RAW(clone, 0); // no signal at its end, and no wait of the program's sees it
    if (child == 0) {
        become_visitor(ends[0]);
    }
    RAW(close, ends[0]);
    if (child < 0) {
        return "cannot hop: no process for the visitor";
    }
    process.visitor = (int)child;
    while (!__atomic_load_n(&state.visitor_ready, __ATOMIC_ACQUIRE)) {
        struct timespec pause = {0, 200000};
        RAW(nanosleep, &pause, 0);
        if (RAW(wait4, child, 0, WNOHANG | WALL, 0) != 0) {
            process.visitor = 0;
            __twin_visitor_end();
            return "cannot hop: qemu-aarch64 does not run the program's aarch64 image";
        }
    }
    return 0;
}

// Of the owner, before it ends or becomes something else. Nothing of the pair is left.
void __twin_visitor_end(void) {
    if (process.visitor) {
        RAW(kill, process.visitor, SIGKILL);
        while (RAW(wait4, process.visitor, 0, WALL, 0) == -EINTR) {
        }
        process.visitor = 0;
    }
    if (process.lifeline >= 0) {
        RAW(close, process.lifeline);
        process.lifeline = -1;
    }
}

static void check_visitor(void) {
    int status = 0;
    if (RAW(wait4, process.visitor, &status, WNOHANG | WALL, 0) == 0) {
        return;
    }
    process.visitor = 0;
    int signal = status & 0x7f;
    char bytes[48];
    struct text text = {0, bytes, sizeof bytes - 1};
    __twin_put(&text, signal ? "signal " : "exit status ");
    __twin_put_number(&text, (uint64_t)(signal ? signal : status >> 8 & 0xff));
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
            struct timespec patience = {0, 200000000};
            __twin_wait_turn(VISITOR, &patience);
            if (__twin_turn() == VISITOR) {
                check_visitor();
            }
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
        __twin_wait_turn(CALL, 0);
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
            __atomic_store_n(&state.visitor_ready, 1, __ATOMIC_RELEASE);
            __twin_await_visit();
            __twin_arrive();
            __twin_continue(state.registers.sp);
        }
    }
    for (;;) {
        RAW(exit_group, 125);
    }
}
