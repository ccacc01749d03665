// Counting bits right behind a call, where x86-64's bsf and bsr read a register that nothing has written.
//#ExpectFile
#include <stdio.h>
#include <strings.h>

static unsigned values[] = {1, 2, 3, 12, 0x80, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};

int main(void) {
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        fflush(stdout);
        int leading = __builtin_clz(values[i]);
        fflush(stdout);
        int trailing = __builtin_ctz(values[i]);
        fflush(stdout);
        int first = __builtin_ffsll((long long)values[i] << 20 & ~0u);
        fflush(stdout);
        int longest = __builtin_clzll((unsigned long long)values[i] << 9);
        fflush(stdout);
        int ones = __builtin_popcountll(values[i]) + __builtin_parity(values[i]);
        printf("%x: %d %d %d %d %d\n", values[i], leading, trailing, first, longest, ones);
    }
    return 0;
}
