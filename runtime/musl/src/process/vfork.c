#define _GNU_SOURCE
#include <unistd.h>

/* A child that shares the parent's frame would need a hand-written return; a copy does as well. */
pid_t vfork(void)
{
	return _Fork();
}
