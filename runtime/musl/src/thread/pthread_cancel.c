/* Cancellation. Blocking calls look at `cancel` before they begin (__syscall_cp.c); a signal ends the one that waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include "pthread_impl.h"
#include "syscall.h"

void __twin_interrupt(void);

long __cancel(void)
{
	pthread_t self = __pthread_self();
	if (self->canceldisable == PTHREAD_CANCEL_ENABLE || self->cancelasync) pthread_exit(PTHREAD_CANCELED);
	self->canceldisable = PTHREAD_CANCEL_DISABLE;
	return -ECANCELED;
}

void __testcancel(void)
{
	pthread_t self = __pthread_self();
	if (self->cancel && !self->canceldisable) __cancel();
}

static void handler(int signal, siginfo_t *info, void *context)
{
	pthread_t self = __pthread_self();
	a_barrier();
	if (!self->cancel || self->canceldisable == PTHREAD_CANCEL_DISABLE) return;
	if (self->cancelasync) __cancel();
	__twin_interrupt();
}

int pthread_cancel(pthread_t thread)
{
	static int installed;
	if (!installed) {
		struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK, .sa_sigaction = handler };
		memset(&action.sa_mask, -1, _NSIG / 8);
		__libc_sigaction(SIGCANCEL, &action, 0);
		installed = 1;
	}
	a_store(&thread->cancel, 1);
	if (thread == pthread_self()) {
		if (thread->canceldisable == PTHREAD_CANCEL_ENABLE && thread->cancelasync) pthread_exit(PTHREAD_CANCELED);
		return 0;
	}
	return pthread_kill(thread, SIGCANCEL);
}
