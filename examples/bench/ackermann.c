// Deep recursion: Ackermann's function. Usage: ackermann [N]
//#Expect: 125
//#Levels: O2 O2lto
//#Hop: every=1009
#include <stdio.h>
#include <stdlib.h>

static long ackermann(long m, long n) {
    if (m == 0) {
        return n + 1;
    }
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

int main(int argc, char **argv) {
    printf("%ld\n", ackermann(3, argc > 1 ? atol(argv[1]) : 4));
}
