// System calls that wait.
//
// A hop request ends such a call with -ERESTART_POLL; the program polls and makes the same call again. Nothing of that
// must show. What the call was is kept in `state`; made again with the same arguments (at the same signal depth), it
//   * waits only for what is left of its time-out, and
//   * ends with EINTR if meanwhile a signal handler ran that would have ended it.
#include "twin.h"

#define NANOSECONDS 1000000000ul

enum timeout_kind { NO_TIMEOUT, MILLISECONDS, TIMESPEC, TIMEVAL };

struct shape {
    enum timeout_kind timeout; // relative
    int timeout_argument;
    int mask_argument;  // a temporary signal mask, or -1
    int rest_argument;  // where a sleep leaves what is left of it, or -1
    int never_restarts; // SA_RESTART or not
};

static struct shape shape_of(const struct call *call) {
    const long *a = call->arguments;
    switch (call->number) {
    case SYS_poll:
        return (struct shape){MILLISECONDS, 2, -1, -1, 1};
    case SYS_epoll_wait:
        return (struct shape){MILLISECONDS, 3, -1, -1, 1};
    case SYS_epoll_pwait:
        return (struct shape){MILLISECONDS, 3, 4, -1, 1};
    case SYS_epoll_pwait2:
        return (struct shape){TIMESPEC, 3, 4, -1, 1};
    case SYS_ppoll:
        return (struct shape){TIMESPEC, 2, 3, -1, 1};
    case SYS_pselect6:
        return (struct shape){TIMESPEC, 4, 5, -1, 1};
    case SYS_select:
        return (struct shape){TIMEVAL, 4, -1, -1, 1};
    case SYS_nanosleep:
        return (struct shape){TIMESPEC, 0, -1, 1, 1};
    case SYS_clock_nanosleep:
        return a[1] & TIMER_ABSTIME ? (struct shape){NO_TIMEOUT, 0, -1, -1, 1} : (struct shape){TIMESPEC, 2, -1, 3, 1};
    case SYS_rt_sigtimedwait:
        return (struct shape){TIMESPEC, 2, -1, -1, 1};
    case SYS_semtimedop:
        return (struct shape){TIMESPEC, 3, -1, -1, 1};
    case SYS_futex: {
        const int command_mask = 0x7f; // without FUTEX_PRIVATE and FUTEX_CLOCK_REALTIME; other commands wait until
        return (struct shape){(a[1] & command_mask) == FUTEX_WAIT ? TIMESPEC : NO_TIMEOUT, 3, -1, -1, 0};
    }
    case SYS_rt_sigsuspend:
        return (struct shape){NO_TIMEOUT, 0, 0, -1, 1};
    case SYS_pause:
    case SYS_semop:
    case SYS_io_getevents:
        return (struct shape){NO_TIMEOUT, 0, -1, -1, 1};
    default:
        return (struct shape){NO_TIMEOUT, 0, -1, -1, 0};
    }
}

// The time-out in nanoseconds; -1 if there is none to keep.
static int64_t timeout_of(const struct shape *shape, const struct call *call) {
    long argument = call->arguments[shape->timeout_argument];
    const struct timespec *time = (const void *)argument;
    switch (shape->timeout) {
    case MILLISECONDS:
        return (int)argument <= 0 ? -1 : (int)argument * 1000000l;
    case TIMESPEC:
    case TIMEVAL: {
        const long longest = 1l << 30; // seconds; the kernel judges what is longer, or malformed
        long fraction = shape->timeout == TIMEVAL ? 1000 : 1;
        if (!argument || time->seconds < 0 || time->seconds > longest || time->nanoseconds < 0 ||
            time->nanoseconds * fraction >= (long)NANOSECONDS) {
            return -1;
        }
        return time->seconds * (long)NANOSECONDS + time->nanoseconds * fraction;
    }
    case NO_TIMEOUT:
        break;
    }
    return -1;
}

static int is_same(const struct call *a, const struct call *b) {
    int same = a->number == b->number;
    for (int i = 0; i < 6; i++) {
        same &= a->arguments[i] == b->arguments[i];
    }
    return same;
}

static void set_timeout(const struct shape *shape, struct call *call, uint64_t left, struct timespec *time) {
    long *argument = &call->arguments[shape->timeout_argument];
    if (shape->timeout == MILLISECONDS) {
        *argument = (long)((left + 999999) / 1000000);
        return;
    }
    time->seconds = (long)(left / NANOSECONDS);
    time->nanoseconds = (long)(left % NANOSECONDS) / (shape->timeout == TIMEVAL ? 1000 : 1);
    *argument = (long)time;
}

static void give_rest(const struct shape *shape, const struct call *call, uint64_t deadline) {
    struct timespec *rest = shape->rest_argument >= 0 ? (void *)call->arguments[shape->rest_argument] : 0;
    uint64_t now = __twin_now();
    if (rest) {
        uint64_t left = deadline > now ? deadline - now : 0;
        *rest = (struct timespec){(long)(left / NANOSECONDS), (long)(left % NANOSECONDS)};
    }
}

// Whether `call` is the one that a hop interrupted. Forgets that one, unless this is a wait in a signal handler.
static int is_again(const struct call *call) {
    struct interrupted *last = &self.interrupted;
    int again = last->valid && last->depth == self.signal_depth && is_same(&last->call, call);
    if (last->depth >= self.signal_depth) {
        last->valid = 0;
    }
    return again;
}

static long with_timeout(const volatile uint8_t *stop, const struct call *original, struct call *call,
                         const struct shape *shape) {
    struct interrupted *last = &self.interrupted;
    int again = is_again(original);
    if (again && (shape->never_restarts ? last->handlers != self.handlers_run
                                        : last->ending_handlers != self.ending_handlers_run)) {
        give_rest(shape, original, last->deadline);
        return -EINTR;
    }
    int64_t timeout = again ? last->timeout : timeout_of(shape, original);
    uint64_t deadline = 0;
    struct timespec time;
    if (timeout >= 0) {
        uint64_t now = __twin_now();
        deadline = again ? last->deadline : now + (uint64_t)timeout;
        if (again) {
            set_timeout(shape, call, deadline > now ? deadline - now : 0, &time);
        }
    }
    uint64_t handlers = self.handlers_run, ending_handlers = self.ending_handlers_run;
    long result = __twin_kernel(stop, call);
    if (result == -ERESTART_POLL) {
        *last = (struct interrupted){
            .valid = 1, .call = *original, .depth = self.signal_depth, .timeout = timeout, .deadline = deadline,
            .handlers = handlers, .ending_handlers = ending_handlers,
        };
    }
    return result;
}

// A wait under another mask, which must not block those signals either. While the program is away its signals are queued;
// one that the mask lets through ends the wait before it begins.
static long with_mask(const volatile uint8_t *stop, const struct call *original, struct call *call,
                      const struct shape *shape) {
    struct {
        const sigset *mask;
        size_t size;
    } pair;
    sigset mask;
    long *argument = &call->arguments[shape->mask_argument];
    const sigset *given = (const sigset *)*argument;
    if (call->number == SYS_pselect6 && given) {
        pair.mask = *(const sigset *const *)*argument;
        pair.size = ((const size_t *)*argument)[1];
        given = pair.mask;
        *argument = (long)&pair;
        argument = (long *)&pair.mask;
    }
    if (!given) {
        return with_timeout(stop, original, call, shape);
    }
    mask = *given & ~NEVER_BLOCKED;
    *argument = (long)&mask;
    if (self.away && __twin_force_queued(mask)) {
        return -EINTR;
    }
    self.temporary_mask_active = self.away;
    long result = with_timeout(stop, original, call, shape);
    self.temporary_mask_active = 0;
    return result;
}

long __twin_blocking(const volatile uint8_t *stop, const struct call *call) {
    struct shape shape = shape_of(call);
    struct call copy = *call;
    return shape.mask_argument >= 0 ? with_mask(stop, call, &copy, &shape) : with_timeout(stop, call, &copy, &shape);
}
