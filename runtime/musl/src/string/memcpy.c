#include <string.h>
#include "copy.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	if (n <= STEP) copy_few(to, from, n);
	else copy_upwards(to, from, n);
	return to;
}
