// Copies of few bytes, for memcpy and memmove: everything is loaded before anything is stored.
#include <stddef.h>
#include <stdint.h>

// At any address.
typedef uint16_t u16 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));
typedef uint8_t u128 __attribute__((vector_size(16), aligned(1), may_alias));

// Bytes that the loops of longer copies move at once.
#define STEP 64

struct step { u128 parts[4]; };

static inline __attribute__((always_inline)) struct step load_step(const char *from)
{
	const u128 *parts = (const u128 *)from;
	return (struct step){{parts[0], parts[1], parts[2], parts[3]}};
}

static inline __attribute__((always_inline)) void store_step(char *to, struct step step)
{
	u128 *parts = (u128 *)to;
	for (int i = 0; i < 4; i++) parts[i] = step.parts[i];
}

// The first and the last of these, which may overlap.
#define COPY_ENDS(type, to, from, n) do { \
	type first = *(const type *)(from), last = *(const type *)((from) + (n) - sizeof(type)); \
	*(type *)(to) = first; \
	*(type *)((to) + (n) - sizeof(type)) = last; \
} while (0)

// Of at most STEP bytes.
static inline __attribute__((always_inline)) void copy_few(char *to, const char *from, size_t n)
{
	if (n > 32) {
		const char *end = from + n;
		u128 a = *(const u128 *)from, b = *(const u128 *)(from + 16);
		u128 c = *(const u128 *)(end - 32), d = *(const u128 *)(end - 16);
		*(u128 *)to = a;
		*(u128 *)(to + 16) = b;
		*(u128 *)(to + n - 32) = c;
		*(u128 *)(to + n - 16) = d;
	} else if (n >= 16) COPY_ENDS(u128, to, from, n);
	else if (n >= 8) COPY_ENDS(u64, to, from, n);
	else if (n >= 4) COPY_ENDS(u32, to, from, n);
	else if (n >= 2) COPY_ENDS(u16, to, from, n);
	else if (n) *to = *from;
}

// Of more than STEP bytes, from the first on: `to` may lie below what it overlaps.
static inline __attribute__((always_inline)) void copy_upwards(char *to, const char *from, size_t n)
{
	char *last = to + n - STEP;
	struct step tail = load_step(from + n - STEP);
	do {
		store_step(to, load_step(from));
		to += STEP;
		from += STEP;
	} while (to < last);
	store_step(last, tail);
}
