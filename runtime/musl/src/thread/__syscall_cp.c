/* Blocking system calls: a hop request interrupts them; they go on after the hop. They are also where a thread is
 * cancelled. */
#include <errno.h>
#include "pthread_impl.h"
#include "syscall.h"

#define INTERRUPTED (-512)

long __twin_syscall_cp(long nr, long a, long b, long c, long d, long e, long f);
void __twin_poll_slow(void);
weak long __cancel(void); /* there if anybody cancels */

long (__syscall_cp)(syscall_arg_t nr, syscall_arg_t a, syscall_arg_t b, syscall_arg_t c,
                    syscall_arg_t d, syscall_arg_t e, syscall_arg_t f)
{
	pthread_t self = __pthread_self();
	int state = self->canceldisable;
	int cancellable = !state || (state == PTHREAD_CANCEL_MASKED && nr != SYS_close);
	for (;;) {
		if (cancellable && self->cancel) return __cancel();
		long result = __twin_syscall_cp(nr, a, b, c, d, e, f);
		if (result == -EINTR && cancellable && self->cancel && nr != SYS_close) return __cancel();
		if (result != INTERRUPTED) return result;
		__twin_poll_slow();
	}
}
