// Recursion with a loop in it: in how many ways N queens stand on a board without threatening each other.
// Usage: queens [N]
//#Expect: 92
//#Levels: O2 O2lto
//#Hop: every=101
#include <stdio.h>
#include <stdlib.h>

// Bits are the columns that are taken, as seen from the row.
static long place(unsigned all, unsigned columns, unsigned falling, unsigned rising) {
    if (columns == all) {
        return 1;
    }
    long count = 0;
    for (unsigned free = all & ~(columns | falling | rising); free; free &= free - 1) {
        unsigned queen = free & -free;
        count += place(all, columns | queen, (falling | queen) << 1, (rising | queen) >> 1);
    }
    return count;
}

int main(int argc, char **argv) {
    unsigned all = (1u << (argc > 1 ? atoi(argv[1]) : 8)) - 1;
    printf("%ld\n", place(all, 0, 0, 0));
}
