#include <string.h>
#include "copy.h"

void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;
	if (n <= STEP) {
		copy_few(t, f, n);
		return to;
	}
	char *last = t + n - STEP;
	if ((size_t)(t - f) >= n) {
		// What is stored lies below what has not been loaded yet.
		struct step tail = load_step(f + n - STEP);
		do {
			store_step(t, load_step(f));
			t += STEP;
			f += STEP;
		} while (t < last);
		store_step(last, tail);
	} else {
		struct step head = load_step(f);
		for (f += n - STEP; last > t; last -= STEP, f -= STEP) store_step(last, load_step(f));
		store_step(t, head);
	}
	return to;
}
