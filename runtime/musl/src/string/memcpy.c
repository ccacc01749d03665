#include <string.h>
#include "copy.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	char *t = to;
	const char *f = from;
	if (n <= STEP) {
		copy_few(t, f, n);
		return to;
	}
	char *last = t + n - STEP;
	struct step tail = load_step(f + n - STEP);
	do {
		store_step(t, load_step(f));
		t += STEP;
		f += STEP;
	} while (t < last);
	store_step(last, tail);
	return to;
}
