// More values of every kind live across calls than there are registers.
//#ExpectFile
#include <stdio.h>

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19)

__attribute__((noinline)) static long next(long x) {
    fflush(stdout);
    return x * 6364136223846793005l + 1442695040888963407l;
}

__attribute__((noinline)) static double mix(long seed, int rounds) {
#define DECLARE(N)                                                                                                     \
    long i##N = next(seed + N);                                                                                        \
    double d##N = (double)(i##N >> 40);                                                                                \
    float f##N = (float)(i##N >> 50);                                                                                  \
    char c##N = (char)i##N;
    EACH(DECLARE)
    for (int round = 0; round < rounds; round++) {
#define STEP(N)                                                                                                        \
    i##N = i##N * 3 + c##N;                                                                                            \
    d##N = d##N * 0.5 + f##N;                                                                                          \
    c##N ^= (char)round;
        EACH(STEP)
        next(round);
#define SWAP(N) f##N += (float)(i##N & 7);
        EACH(SWAP)
        if (round % 3 == 1) {
            i0 ^= next(i19);
            d19 -= d0;
        }
    }
    double total = 0;
#define SUM(N) total += (double)(i##N & 0xffff) + d##N - (double)f##N + c##N;
    EACH(SUM)
    return total;
}

int main(void) {
    for (int i = 0; i < 5; i++) {
        printf("%.10g\n", mix(i * 1000, 5 + i));
    }
    return 0;
}
