/* Two uses of clone: a thread; and what posix_spawn wants, a child that borrows the parent's memory until it executes
 * another program, which is done by a fork; not by _Fork, which takes a lock that posix_spawn has. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>
#include "pthread_impl.h"
#include "syscall.h"

long __twin_want_home(void);
void __twin_poll_slow(void);

/* What the runtime calls on a thread's new stack. */
struct beginning {
	_Noreturn void (*enter)(int (*)(void *), void *);
	int (*function)(void *);
	void *argument;
};

static _Noreturn void enter(int (*function)(void *), void *argument)
{
	for (int status = function(argument);;) __syscall(SYS_exit, status);
}

static int thread(int (*function)(void *), void *stack, int flags, void *argument, va_list rest)
{
	/* The stack pointer is a multiple of 16 when `beginning` has been taken from it. */
	struct beginning *beginning = (void *)(((uintptr_t)stack & -16) - sizeof *beginning);
	*beginning = (struct beginning){ enter, function, argument };
	void *parent_id = va_arg(rest, void *), *tp = va_arg(rest, void *), *child_id = va_arg(rest, void *);
	return __syscall(SYS_clone, flags, beginning, parent_id, child_id, tp);
}

int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	if (flags & CLONE_THREAD) {
		va_list rest;
		va_start(rest, argument);
		int id = thread(function, stack, flags, argument, rest);
		va_end(rest);
		return id;
	}
	if ((flags & (CLONE_VM | CLONE_VFORK)) != (CLONE_VM | CLONE_VFORK)) return -ENOSYS;
	while (__twin_want_home()) __twin_poll_slow();
	long pid = __syscall(SYS_fork);
	if (!pid) _exit(function(argument));
	return pid;
}
