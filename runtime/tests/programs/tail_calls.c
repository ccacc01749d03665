// Guaranteed and ordinary tail calls: a million of them need no stack.
//#Levels: O0 O1 O2 Os O2v3
//#Hop: every=3 every=10 every=97
//#ExpectFile
#include <stdio.h>

#define TAIL __attribute__((musttail)) return

static int is_odd(unsigned n);
static int is_even(unsigned n) {
    if (n == 0) {
        return 1;
    }
    TAIL is_odd(n - 1);
}
static int is_odd(unsigned n) {
    if (n == 0) {
        return 0;
    }
    TAIL is_even(n - 1);
}

typedef long op(const unsigned char *code, long a, long b);
static op *const table[4];
static long push(const unsigned char *code, long a, long b) {
    b = a;
    a = code[1];
    TAIL table[code[2] & 3](code + 2, a, b);
}
static long add(const unsigned char *code, long a, long b) {
    a += b;
    TAIL table[code[1] & 3](code + 1, a, b);
}
static long mul(const unsigned char *code, long a, long b) {
    fflush(stdout);
    a *= b;
    TAIL table[code[1] & 3](code + 1, a, b);
}
static long halt(const unsigned char *code, long a, long b) {
    (void)code, (void)b;
    return a;
}
static op *const table[4] = {push, add, mul, halt};

static double series(int n, double sum, double sign, double divisor) {
    if (n == 0) {
        return 4 * sum;
    }
    TAIL series(n - 1, sum + sign / divisor, -sign, divisor + 2);
}

int main(void) {
    printf("%d %d\n", is_even(60000), is_even(60001));
    static const unsigned char code[] = {0, 2, 0, 3, 1, 0, 4, 2, 0, 5, 1, 0, 6, 2, 3};
    printf("%ld\n", table[code[0]](code, 0, 0));
    printf("%.10f\n", series(5000, 0, 1, 1));
    return 0;
}
