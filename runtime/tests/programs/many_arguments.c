// More arguments than registers are cheap to name, of all sizes: in the first and the last registers, across both, and in memory.
//#ExpectFile
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

typedef __int128 wide;
typedef struct { long a, b; } pair;
typedef struct { long values[5]; } big;
static void hop(void) { fflush(stdout); }
static long low(wide w) { return (long)w; }
static long high(wide w) { return (long)(w >> 64); }
#define NOINLINE __attribute__((noinline))

NOINLINE static void longs(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k, long l) {
    hop();
    printf("longs %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld\n", a, b, c, d, e, f, g, h, i, j, k, l);
}

NOINLINE static void chars(signed char a, unsigned char b, bool c, short d, unsigned short e, signed char f, unsigned char g,
                           bool h, short i, unsigned short j, signed char k) {
    hop();
    printf("chars %d %d %d %d %d %d %d %d %d %d %d\n", a, b, c, d, e, f, g, h, i, j, k);
}

// Extended by whoever calls, and not again.
NOINLINE static long extended(signed char a, unsigned char b, short c, unsigned short d) { return a + b * 1000l + c + d * 1000l; }

NOINLINE static void across(long a, long b, long c, long d, long e, wide f, long g, char h, wide i) {
    hop();
    printf("across %ld %ld %ld %ld %ld %lx %lx %ld %d %lx %lx\n", a, b, c, d, e, high(f), low(f), g, h, high(i), low(i));
}

NOINLINE static void behind(int a, int b, int c, int d, int e, int f, wide g, int h, short i, pair j) {
    hop();
    printf("behind %d %d %d %d %d %d %lx %lx %d %d %ld %ld\n", a, b, c, d, e, f, high(g), low(g), h, i, j.a, j.b);
}

NOINLINE static void mixed(double a, char b, float c, long d, double e, short f, double g, int h, float i, bool j, double k,
                           unsigned char l, double m, long n, double o, float p, int q) {
    hop();
    printf("mixed %g %d %g %ld %g %d %g %d %g %d %g %d %g %ld %g %g %d\n", a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
}

NOINLINE static big result(long a, long b, long c, long d, long e, long f, short g, long h) {
    hop();
    return (big){{a + b, c + d, e + f, g, h}};
}

NOINLINE static void variable(char a, long b, long c, long d, long e, long f, short g, double h, ...) {
    va_list list;
    va_start(list, h);
    hop();
    int first = va_arg(list, int);
    hop();
    double second = va_arg(list, double);
    printf("variable %d %ld %ld %ld %ld %ld %d %g %d %g %ld\n", a, b, c, d, e, f, g, h, first, second, va_arg(list, long));
    va_end(list);
}

static long (*volatile pointer)(signed char, unsigned char, short, unsigned short) = extended;

int main(void) {
    wide w = (wide)0x123456789abcdef << 64 | 0xfedcba987654321;
    for (volatile int turn = 0; turn < 2; turn++) {
        int n = turn;
        longs(n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, n + 12l);
        chars((signed char)(-1 - n), (unsigned char)(250 + n), n, (short)(-300 - n), (unsigned short)(65000 + n), -6, 200, !n,
              (short)(-900 - n), (unsigned short)(60000 + n), (signed char)(-11 - n));
        printf("extended %ld %ld\n", extended((signed char)(127 + n), (unsigned char)(255 + n), (short)(32767 + n), (unsigned short)(65535 + n)),
               pointer((signed char)(-128 - n), (unsigned char)-1, (short)(-32768 - n), (unsigned short)(-1 - n)));
        across(n, 2, 3, 4, 5, w + n, 7, (char)(8 + n), -w);
        behind(n, 2, 3, 4, 5, 6, -w - n, 8, (short)(-9 - n), (pair){10, 11 + n});
        mixed(n + 0.5, (char)(2 + n), 3.5f, 4, 5.5, (short)(-6 - n), 7.5, 8, 9.5f, n, 11.5, (unsigned char)(200 + n), 13.5, 14, 15.5, 16.5f, 17 + n);
        big b = result(n, 2, 3, 4, 5, 6, (short)(-7 - n), 8 + n);
        printf("result %ld %ld %ld %ld %ld\n", b.values[0], b.values[1], b.values[2], b.values[3], b.values[4]);
        variable((char)(1 + n), 2, 3, 4, 5, 6, (short)(-7 - n), 8.5, 9 + n, 10.5, 11l + n);
    }
}
