// System calls, in the x86-64 Linux ABI on both ISAs. There are three ways: the runtime does it (memory, signals,
// processes), the home of a pair does it for its visitor, or the kernel does it.
//
//   __twin_syscall     never shows a hop request to its caller; __twin_syscall0 to 5 are for fewer arguments.
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
        // No child on another stack in the same memory.
        *result = a[0] & CLONE_VM ? __twin_start_thread(a) : __twin_fork((int)(a[0] & CSIGNAL));
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
        if (!self.away && state.thread_count == 1) { // else the lifeline ends it, and only if this succeeds
            __twin_visitor_end();
        }
        return 0;
    case SYS_exit:
    case CALL_UNMAP_AND_EXIT:
        if (state.thread_count > 1) {
            __twin_end_thread((uint64_t)a[0], call->number == SYS_exit ? 0 : (uint64_t)a[1]);
        }
        __twin_exit(call->number == SYS_exit ? (int)a[0] : 0);
    case SYS_exit_group:
        __twin_exit((int)a[0]);
    case SYS_set_tid_address:
        self.clear_id = (uint64_t)a[0];
        return 0;
    case SYS_arch_prctl: // the thread pointer is __twin_set_tp's
    case SYS_set_robust_list:
        *result = 0;
        return 1;
    case SYS_membarrier: // the kernel's would leave out threads that are at the visitor; musl has one of its own
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
    here.deferring++;
    __twin_lock(&state.lock);
    uint64_t generation = state.generation;
    int handled = handle(call, &result);
    if (state.generation != generation) {
        __twin_visitor_follow();
    }
    __twin_unlock(&state.lock);
    here.deferring--;
    if (handled) {
        return result;
    }
    if (interruptible) {
        // A request that has to wait for the end of a signal handler must not keep the handler from working.
        return __twin_blocking(self.signal_depth ? &never_stop : &self.wanted, call);
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

// Of a thread that ends at the visitor: its stack may be gone before its visitor's thread is.
static long end_on_native_stack(void *call) {
    struct call copy = *(struct call *)call;
    return issue(&copy, 0);
}

long __twin_syscall(long number, long a, long b, long c, long d, long e, long f) {
    struct call call = {number, {a, b, c, d, e, f}};
    long result;
    if (number == SYS_exit || number == CALL_UNMAP_AND_EXIT) {
        return __twin_on_native_stack(end_on_native_stack, &call);
    }
    if (number == SYS_clone) {
        self.registers.fp_environment = read_fp_environment(); // a thread inherits it
    }
    do {
        result = issue(&call, 0);
    } while (result == -ERESTART_POLL);
    return result;
}

long __twin_syscall0(long number) {
    return __twin_syscall(number, 0, 0, 0, 0, 0, 0);
}

long __twin_syscall1(long number, long a) {
    return __twin_syscall(number, a, 0, 0, 0, 0, 0);
}

long __twin_syscall2(long number, long a, long b) {
    return __twin_syscall(number, a, b, 0, 0, 0, 0);
}

long __twin_syscall3(long number, long a, long b, long c) {
    return __twin_syscall(number, a, b, c, 0, 0, 0);
}

long __twin_syscall4(long number, long a, long b, long c, long d) {
    return __twin_syscall(number, a, b, c, d, 0, 0);
}

long __twin_syscall5(long number, long a, long b, long c, long d, long e) {
    return __twin_syscall(number, a, b, c, d, e, 0);
}

void __twin_unmap_self(void *stack, size_t size) {
    __twin_syscall(CALL_UNMAP_AND_EXIT, (long)stack, (long)size, 0, 0, 0, 0);
}

long __twin_syscall_cp(long number, long a, long b, long c, long d, long e, long f) {
    struct call call = {number, {a, b, c, d, e, f}};
    return issue(&call, 1);
}
