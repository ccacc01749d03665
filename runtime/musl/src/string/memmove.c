#include <string.h>
#include "copy.h"

static inline __attribute__((always_inline)) void copy_downwards(char *to, const char *from, size_t n)
{
	struct step head = load_step(from);
	from += n - STEP;
	for (char *last = to + n - STEP; last > to; last -= STEP, from -= STEP) store_step(last, load_step(from));
	store_step(to, head);
}

void *memmove(void *to, const void *from, size_t n)
{
	if (n <= STEP) copy_few(to, from, n);
	else if ((uintptr_t)to - (uintptr_t)from >= n) copy_upwards(to, from, n);
	else copy_downwards(to, from, n);
	return to;
}
