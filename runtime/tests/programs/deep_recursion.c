// 100,000 frames deep, with hops all the way down and up.
//#Expect: 100000 frames, sum 5000050000
//#Expect: mutual 1 0
//#Expect: ackermann 253
//#Hop: every=1 every=7
#include <stdio.h>

__attribute__((noinline)) static long down(long depth, volatile long *parent) {
    volatile long here = depth;
    if (depth == 0) {
        return 0;
    }
    long below = down(depth - 1, &here);
    return below + here + (parent ? *parent - depth - 1 : 0);
}
static int odd(int n);
__attribute__((noinline)) static int even(int n) { return n == 0 ? 1 : odd(n - 1); }
__attribute__((noinline)) static int odd(int n) { return n == 0 ? 0 : even(n - 1); }
static int ackermann(int m, int n) {
    return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

int main(void) {
    long sum = down(100000, NULL);
    printf("100000 frames, sum %ld\n", sum);
    printf("mutual %d %d\n", even(20000), even(9999));
    printf("ackermann %d\n", ackermann(2, 125));
    return 0;
}
