// Inline functions within inline functions, five deep, each with values that live across hops and a loop around the next;
// C's and GNU's kinds of inline; inlined recursion, inlined variable-length arrays, inlined callbacks.
//#Levels: O0 O1 O2 O3 Os O2g O2lto O3lto
//#ExpectFile
#include <stdio.h>

#define ALWAYS __attribute__((always_inline)) static inline
static void hop(void) { fflush(stdout); }

ALWAYS long level0(long x, double y) {
    long before = x * 3;
    hop();
    return before + (long)y;
}
#define LEVEL(N, BELOW)                                                                                                \
    ALWAYS long level##N(long x, double y) {                                                                           \
        long total = x, own = x ^ N;                                                                                   \
        double scaled = y * 1.5 + N;                                                                                   \
        for (int i = 0; i < 2; i++) {                                                                                  \
            int local[3] = {i, N, (int)own};                                                                           \
            total = total * 5 + BELOW(own + i, scaled) + local[i];                                                     \
            hop();                                                                                                     \
        }                                                                                                              \
        return (total + own + (long)scaled) & 0xffffff;                                                                \
    }
LEVEL(1, level0)
LEVEL(2, level1)
LEVEL(3, level2)
LEVEL(4, level3)

// C's: a definition for inlining here, and the one that others call.
inline int c_inline(int x) {
    hop();
    return x + 1;
}
extern int c_inline(int x);
// GNU's: for inlining only, with another definition somewhere.
extern __attribute__((gnu_inline, always_inline)) inline int gnu_inline(int x) {
    hop();
    return x * 2;
}
static inline int recursive(int n, int a) {
    int kept = a * n;
    hop();
    return n == 0 ? a : recursive(n - 1, a + n) + kept;
}
ALWAYS int with_array(int n) {
    int array[n];
    for (int i = 0; i < n; i++) {
        array[i] = i * n;
        hop();
    }
    return array[n - 1] + array[n / 2];
}
ALWAYS int each(int n, int (*visit)(int, void *), void *context) {
    int total = 0;
    for (int i = 0; i < n; i++) total = total * 3 + visit(i, context);
    return total;
}
static int visit(int i, void *context) {
    int *count = context;
    hop();
    ++*count;
    return i + *count;
}

int main(void) {
    for (int i = 0; i < 3; i++) printf("%ld\n", level4(i, i / 2.0));
    int (*volatile pointer)(int) = c_inline;
    printf("%d %d %d\n", c_inline(4), pointer(5), gnu_inline(6));
    printf("%d\n", recursive(12, 2));
    int total = 0;
    for (int n = 1; n < 8; n++) total += with_array(n);
    int count = 0;
    int visited = each(6, visit, &count);
    printf("%d %d %d\n", total, visited, count);
    return 0;
}
