/* Upstream's, after the process has come home: its kernel-side parts are copied there. */
long __twin_want_home(void);
void __twin_poll_slow(void);

#define _Fork fork_at_home
#include <src/process/_Fork.c>
#undef _Fork

pid_t _Fork(void)
{
	while (__twin_want_home()) __twin_poll_slow();
	return fork_at_home();
}
