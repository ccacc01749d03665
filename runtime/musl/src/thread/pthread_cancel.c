#include <errno.h>
#include "pthread_impl.h"

/* There are no threads to cancel. */
int pthread_cancel(pthread_t thread)
{
	return ENOSYS;
}
