// _Float16: arithmetic is rounded to half precision each time, on both ISAs.
//#ExpectFile
#include <stdio.h>

__attribute__((noinline)) static _Float16 half(_Float16 a, _Float16 b) {
    fflush(stdout);
    return a * b + (_Float16)0.1f;
}

int main(void) {
    _Float16 x = 1, table[8];
    for (int i = 0; i < 24; i++) {
        x = half(x, (_Float16)0.99);
        table[i % 8] = x;
        printf("%.8f ", (double)x);
    }
    putchar('\n');
    _Float16 sum = 0;
    for (int i = 0; i < 8; i++) {
        sum += table[i];
        fflush(stdout);
    }
    volatile _Float16 big = 60000;
    _Float16 over = big + big;
    printf("%.6f %g %g %d\n", (double)sum, (double)over, (double)(_Float16)2049.0, (int)(_Float16)-7.9f);
    printf("%d %d %zu\n", (_Float16)0.1 == 0.1, x < (_Float16)9.5, sizeof x);
    return 0;
}
