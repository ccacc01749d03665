// Branches on one bit, which reach 32 KiB on aarch64, to code behind everything else in a function that is longer than
// that. Right behind each branch is where padding for the next call goes.
//#Levels: O1 O2 O3 Os
//#Hop: every=1 every=13
//#ExpectFile
#include <stdio.h>

static long rare;
__attribute__((noinline)) static long often(long x) {
    if (x % 64 == 0) fflush(stdout);
    return x * 5 + 3;
}
__attribute__((noinline)) static long seldom(long x, long y) {
    fflush(stdout);
    rare++;
    return x * 3 + y;
}

#define STEP(N)                                                                                                        \
    if (__builtin_expect(!(x & 1L << (N) % 7), 0)) x = seldom(x, N);                                                   \
    x = often(x + N) & 0xffffff;
#define STEPS_4(N) STEP((N)) STEP((N) + 1) STEP((N) + 2) STEP((N) + 3)
#define STEPS_16(N) STEPS_4(N) STEPS_4((N) + 4) STEPS_4((N) + 8) STEPS_4((N) + 12)
#define STEPS_64(N) STEPS_16(N) STEPS_16((N) + 16) STEPS_16((N) + 32) STEPS_16((N) + 48)
#define STEPS_256(N) STEPS_64(N) STEPS_64((N) + 64) STEPS_64((N) + 128) STEPS_64((N) + 192)

static long walk(long x) {
    STEPS_256(0) STEPS_256(256) STEPS_256(512) STEPS_256(768) STEPS_256(1024)
    return x;
}

int main(void) {
    for (long i = 0; i < 3; i++) {
        long x = walk(i);
        printf("%ld %ld\n", x, rare);
    }
    return 0;
}
