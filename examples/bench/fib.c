// Nothing but calls: Fibonacci numbers by their definition. Usage: fib [N]
//#Expect: 75025
//#Levels: O2 O2lto
//#Hop: every=1009
#include <stdio.h>
#include <stdlib.h>

static long fib(long n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv) {
    printf("%ld\n", fib(argc > 1 ? atol(argv[1]) : 25));
}
