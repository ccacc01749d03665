#include "pthread_impl.h"

void __twin_set_tp(void *tp);

int __set_thread_area(void *tp)
{
	__twin_set_tp(tp);
	return 0;
}
