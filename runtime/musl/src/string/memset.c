#include <string.h>
#include "copy.h"

#define SET_ENDS(type, to, value, n) do { \
	*(type *)(to) = (value); \
	*(type *)((to) + (n) - sizeof(type)) = (value); \
} while (0)

void *memset(void *to, int byte, size_t n)
{
	char *t = to;
	uint64_t word = (uint8_t)byte * 0x0101010101010101u;
	if (n < 16) {
		if (n >= 8) SET_ENDS(u64, t, word, n);
		else if (n >= 4) SET_ENDS(u32, t, (uint32_t)word, n);
		else if (n >= 2) SET_ENDS(u16, t, (uint16_t)word, n);
		else if (n) *t = byte;
		return to;
	}
	u128 all = (u128)((uint64_t __attribute__((vector_size(16)))){word, word});
	char *last = t + n - 16;
#pragma clang loop unroll(disable)
	for (; last - t >= STEP; t += STEP) store_step(t, (struct step){{all, all, all, all}});
#pragma clang loop unroll(disable)
	for (; t < last; t += 16) *(u128 *)t = all;
	*(u128 *)last = all;
	return to;
}
