#include "pthread_impl.h"

void __twin_set_tp(void *tp);

/* A positive result says that there is a thread pointer but no threads. */
int __set_thread_area(void *tp)
{
	__twin_set_tp(tp);
	return 1;
}
