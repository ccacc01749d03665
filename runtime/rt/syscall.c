// System calls, in the x86-64 Linux ABI on both ISAs. There are three ways: the runtime does it (memory, signals,
// processes), the home of a pair does it for its visitor, or the kernel does it.
//
//   __twin_syscall     never shows a hop request to its caller.
//   __twin_syscall_cp  for calls that block: returns -ERESTART_POLL without having done anything when a request came
//                      in; the caller polls and makes the same call again. blocking.c keeps the time-outs right.
#include "twin.h"

static const uint8_t never_stop;

// What the runtime does itself; with signals deferred, as its tables are not reentrant.
static int handle(const struct call *call, long *result) {
    const long *a = call->arguments;
    switch (call->number) {
    case SYS_mmap:
        *result = __twin_mmap((uint64_t)a[0], (uint64_t)a[1], (int)a[2], (int)a[3], (int)a[4], (uint64_t)a[5]);
        return 1;
    case SYS_munmap:
        *result = __twin_munmap((uint64_t)a[0], (uint64_t)a[1]);
        return 1;
    case SYS_mprotect:
        *result = __twin_mprotect((uint64_t)a[0], (uint64_t)a[1], (int)a[2]);
        return 1;
    case SYS_mremap:
        *result = __twin_mremap((uint64_t)a[0], (uint64_t)a[1], (uint64_t)a[2], (int)a[3], (uint64_t)a[4]);
        return 1;
    case SYS_madvise:
        *result = __twin_madvise((uint64_t)a[0], (uint64_t)a[1], (int)a[2]);
        return 1;
    case SYS_brk:
        *result = __twin_brk((uint64_t)a[0]);
        return 1;
    case SYS_rt_sigaction:
        *result = __twin_sigaction((int)a[0], (const void *)a[1], (void *)a[2], (size_t)a[3]);
        return 1;
    case SYS_rt_sigpending:
        *result = __twin_sigpending((void *)a[0], (size_t)a[1]);
        return 1;
    case SYS_fork:
    case SYS_vfork:
        *result = __twin_fork(SIGCHLD);
        return 1;
    case SYS_clone:
        // No thread, and no child on another stack in the same memory.
        *result = a[0] & CLONE_VM ? -ENOSYS : __twin_fork((int)(a[0] & CSIGNAL));
        return 1;
    case SYS_close:
    case SYS_dup2:
    case SYS_dup3: {
        int target = (int)a[call->number != SYS_close];
        *result = -EBADF;
        return __twin_is_own(target);
    }
    case SYS_close_range:
        *result = __twin_close_range((unsigned)a[0], (unsigned)a[1], (unsigned)a[2]);
        return 1;
    case SYS_execve:
    case SYS_execveat:
        if (!process.away) { // else the lifeline ends it, and only if this succeeds
            __twin_visitor_end();
        }
        return 0;
    case SYS_exit: // the program has one thread
    case SYS_exit_group:
        __twin_exit((int)a[0]);
    case SYS_arch_prctl: // the thread pointer is __twin_set_tp's
    case SYS_set_robust_list:
        *result = 0;
        return 1;
    case SYS_clone3:
    case SYS_rseq:
    case SYS_shmat:
    case SYS_uselib:
    case SYS_modify_ldt:
    case SYS_remap_file_pages:
    case SYS_process_madvise:
        *result = -ENOSYS;
        return 1;
    default:
        return 0;
    }
}

// A system call by the process that owns the PID and the descriptors.
long __twin_local(const struct call *call, int interruptible) {
    long result;
    if (call->number == SYS_rt_sigprocmask) {
        // Not deferred: the kernel may deliver here what the new mask lets through.
        const long *a = call->arguments;
        return __twin_sigprocmask((int)a[0], (const void *)a[1], (void *)a[2], (size_t)a[3]);
    }
    process.deferring++;
    int handled = handle(call, &result);
    process.deferring--;
    if (handled) {
        return result;
    }
    if (interruptible) {
        // A request that has to wait for the end of a signal handler must not keep the handler from working.
        return __twin_blocking(state.signal_depth ? &never_stop : &__twin_poll.wanted, call);
    }
    return __twin_kernel(&never_stop, call);
}

static long issue(const struct call *call, int interruptible) {
    long result;
    if (call->number == SYS_sigaltstack) {
        // Here, because it depends on which stack the caller is on.
        result = __twin_sigaltstack((const void *)call->arguments[0], (void *)call->arguments[1]);
    } else if (process.role == GUEST) {
        result = __twin_remote(call, interruptible);
    } else {
        result = __twin_local(call, interruptible);
    }
    // What came in meanwhile and was queued, as the kernel does at the end of a system call.
    __twin_deliver();
    return result;
}

long __twin_syscall(long number, long a, long b, long c, long d, long e, long f) {
    struct call call = {number, {a, b, c, d, e, f}};
    long result;
    do {
        result = issue(&call, 0);
    } while (result == -ERESTART_POLL);
    return result;
}

long __twin_syscall_cp(long number, long a, long b, long c, long d, long e, long f) {
    struct call call = {number, {a, b, c, d, e, f}};
    return issue(&call, 1);
}
