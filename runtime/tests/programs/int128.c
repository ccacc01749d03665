// __int128: arithmetic, shifts, division, arguments, results and conversions, live across hops.
//#ExpectFile
#include <stdio.h>

typedef unsigned __int128 u128;
typedef __int128 i128;

static void print(const char *name, u128 value) {
    printf("%s %016lx%016lx\n", name, (unsigned long)(value >> 64), (unsigned long)value);
}
__attribute__((noinline)) static u128 power(u128 base, unsigned exponent) {
    u128 result = 1;
    while (exponent--) {
        fflush(stdout);
        result *= base;
    }
    return result;
}
__attribute__((noinline)) static i128 many(int a, i128 b, long c, i128 d, i128 e, i128 f, char g, i128 h) {
    fflush(stdout);
    return a + b * c - d + e * f - g + h;
}

int main(void) {
    u128 value = power(7, 44);
    print("power", value);
    for (unsigned shift = 0; shift < 128; shift += 19) {
        print("left", value << shift);
        print("right", value >> shift);
        print("arithmetic", (u128)((i128)value >> shift));
    }
    print("quotient", value / 1000000007u);
    print("remainder", value % power(10, 20));
    print("signed", (u128)(-(i128)value / 12345));
    print("many", (u128)many(1, 2, 3, -4, (i128)5 << 70, 6, 7, -8));
    printf("%.17g %.9g\n", (double)value, (double)(float)-(i128)value);
    print("from double", (u128)1.5e30);
    i128 fibonacci[2] = {0, 1};
    for (int i = 0; i < 180; i++) {
        i128 next = fibonacci[0] + fibonacci[1];
        fibonacci[0] = fibonacci[1];
        fibonacci[1] = next;
        if (i % 20 == 0) fflush(stdout);
    }
    print("fibonacci", (u128)fibonacci[0]);
    i128 sum;
    printf("%d\n", __builtin_add_overflow((i128)(~(u128)0 >> 1), (i128)1, &sum));
    return 0;
}
