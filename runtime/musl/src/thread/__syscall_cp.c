/* Blocking system calls: a hop request interrupts them; they go on after the hop. */
#include "pthread_impl.h"
#include "syscall.h"

#define INTERRUPTED (-512)

long __twin_syscall_cp(long nr, long a, long b, long c, long d, long e, long f);
void __twin_poll_slow(void);

long (__syscall_cp)(syscall_arg_t nr, syscall_arg_t a, syscall_arg_t b, syscall_arg_t c,
                    syscall_arg_t d, syscall_arg_t e, syscall_arg_t f)
{
	long result;
	while ((result = __twin_syscall_cp(nr, a, b, c, d, e, f)) == INTERRUPTED) __twin_poll_slow();
	return result;
}
