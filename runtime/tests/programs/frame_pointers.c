// Functions with a frame pointer and functions without one call each other; a function that calls a native one with many
// arguments wants one on aarch64 only, and then has one on both ISAs.
//#Expect: 367371 438772 372616
//#Expect: 606723 701688
#include <stdio.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static NOINLINE long without(long depth, long n);

static NOINLINE long with(long depth, long n) {
    char text[32];
    snprintf(text, sizeof text, "%ld.%ld", depth, n);
    char *volatile before = __builtin_frame_address(0);
    long result = depth > 0 ? without(depth - 1, n + depth) : n;
    if (__builtin_frame_address(0) != before) puts("the frame has moved");
    char again[32];
    snprintf(again, sizeof again, "%ld.%ld", depth, n);
    if (strcmp(text, again)) puts("the text has changed");
    return result * 3 + text[0];
}

static NOINLINE long without(long depth, long n) {
    long first = with(depth - 1, n * 2), second = depth > 4 ? without(depth - 5, n) : depth;
    return first - second;
}

#define EIGHT(m) m m m m m m m m
#define LONGS(n) long a##n, long b##n, long c##n, long d##n, long e##n, long f##n, long g##n, long h##n
#define SUM(n) (a##n + 2 * b##n + 3 * c##n + 4 * d##n + 5 * e##n + 6 * f##n + 7 * g##n + 8 * h##n)
#define PASS(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7

static NOINLINE long native(LONGS(0), LONGS(1), LONGS(2), LONGS(3), LONGS(4), LONGS(5)) {
    return SUM(0) ^ SUM(1) ^ SUM(2) ^ SUM(3) ^ SUM(4) ^ SUM(5);
}

static NOINLINE long many(long n) {
    long before = without(6, n);
    long middle = native(PASS(n), PASS(before), PASS(2 * n), PASS(3 * n), PASS(5 * n), PASS(7 * n));
    return before + middle + with(3, middle & 7);
}

static NOINLINE long large(long n) {
    char text[4096];
    memset(text, 'a' + n, sizeof text - 1);
    text[sizeof text - 1] = 0;
    long before = many(n);
    return before + (long)strlen(text) + text[n] + many(text[7] & 7);
}

static NOINLINE void *caller(void) {
    return __builtin_return_address(0);
}

int main(void) {
    printf("%ld %ld %ld\n", with(9, 1), without(11, 2), many(3));
    printf("%ld %ld\n", large(1), large(2));
    return caller() == 0;
}
