// Structures of more than 16 bytes as variable arguments.
//#ExpectFile
#include <stdarg.h>
#include <stdio.h>

struct big {
    long values[5];
};

__attribute__((noinline)) static long sum(int count, ...) {
    long total = 0;
    va_list list;
    va_start(list, count);
    while (count-- > 0) {
        fflush(stdout);
        struct big big = va_arg(list, struct big);
        total = total * 10 + big.values[0] + big.values[4];
        total += va_arg(list, int);
    }
    va_end(list);
    return total;
}

int main(void) {
    for (long i = 0; i < 5; i++) {
        printf("%ld\n", sum(3, (struct big){{1, 2, 3, 4, i}}, 6, (struct big){{i, 0, 0, 0, 7}}, 8, (struct big){{9}}, 10));
    }
    return 0;
}
