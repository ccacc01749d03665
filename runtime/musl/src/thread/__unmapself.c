#include "pthread_impl.h"

void __twin_unmap_self(void *base, size_t size);

/* The end of a detached thread: on the runtime's stack. */
void __unmapself(void *base, size_t size)
{
	__twin_unmap_self(base, size);
}
