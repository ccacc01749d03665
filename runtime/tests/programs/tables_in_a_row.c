//! Dispatch by masked values that never are as large as the mask: nothing but the next table says where one ends.
//#ExpectFile
//#Levels: O1 O2 Os O2lto

#include <stdio.h>

#define CASES(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10)

__attribute__((noinline)) static long step(long a, long b) {
    if (a % 5 == 0) printf("%ld %ld\n", a, b);
    return a + b;
}

/* Each function keeps something of its own across the calls. */
#define MACHINE(name, kept, mix)                                                                                      \
    __attribute__((noinline)) static long name(const unsigned char *code, long n, long start) {                      \
        static const void *const labels[] = {CASES(LABEL)};                                                           \
        long sum = start;                                                                                             \
        kept;                                                                                                         \
        goto *labels[*code & 127];                                                                                    \
        CASES(mix)                                                                                                    \
    }
#define LABEL(c) &&l##c,
#define NEXT                                                                                                          \
    if (--n == 0) return sum;                                                                                         \
    goto *labels[*++code & 127];
#define ADD(c) l##c: sum += step(sum % 7 + c, c) + (c & 1 ? start : sum >> 1); NEXT
#define FLOAT(c) l##c: d = d * 0.5 + (double)step(c, n); sum ^= (long)d; NEXT
#define TWO(c) l##c: p = q + c; q = step(p, sum); sum -= p ^ q; NEXT

MACHINE(integers, , ADD)
MACHINE(floats, double d = (double)start, FLOAT)
MACHINE(pairs, long p = start; long q = start * 3, TWO)

__attribute__((noinline)) static long plain(unsigned op, long a) {
    switch (op & 15) {
    case 0: return step(a, 1) * 2;
    case 1: return step(a, 2) - a;
    case 2: return step(a, 3) + step(a, 4);
    case 3: return a;
    case 4: return step(a, 5) ^ 5;
    case 5: return step(a, 6) << 1;
    case 6: return step(7, a) + 8;
    default: __builtin_unreachable();
    }
}

int main(void) {
    unsigned char code[60];
    for (int i = 0; i < 60; i++) code[i] = (unsigned char)((i * 7 + 3) % 11 + (i % 2 ? 128 : 0));
    printf("%ld\n", integers(code, 60, 5));
    printf("%ld\n", floats(code, 60, 6));
    printf("%ld\n", pairs(code, 60, 7));
    long sum = 0;
    for (unsigned i = 0; i < 30; i++) sum += plain(i % 7 + 16 * i, i);
    printf("%ld\n", sum);
}
