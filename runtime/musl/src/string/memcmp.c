#include <string.h>
#include "copy.h"

static inline __attribute__((always_inline)) int order(uint64_t a, uint64_t b)
{
	int first = __builtin_ctzll(a ^ b) & ~7;
	return (int)(a >> first & 255) - (int)(b >> first & 255);
}

// Eight bytes at once, as no hop can happen meanwhile; upstream takes one after the other.
int memcmp(const void *vl, const void *vr, size_t n)
{
	const uint8_t *l = vl, *r = vr;
	if (n < 8) {
		for (; n && *l == *r; n--, l++, r++);
		return n ? *l - *r : 0;
	}
	for (; n > 8; n -= 8, l += 8, r += 8) {
		uint64_t a = *(const u64 *)l, b = *(const u64 *)r;
		if (a != b) return order(a, b);
	}
	// Some of the last eight may have been compared already.
	uint64_t a = *(const u64 *)(l + n - 8), b = *(const u64 *)(r + n - 8);
	return a == b ? 0 : order(a, b);
}
