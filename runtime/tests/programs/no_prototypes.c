// Calls without a prototype reach variadic functions as well as others; and calls through a type that says too little.
//#Flags: -std=gnu89 -w
//#ExpectFile
#include <stdarg.h>
#include <stdio.h>

static int digits(const char *s, ...) {
    va_list list;
    int total = 0;
    va_start(list, s);
    for (; *s; s++) {
        fflush(stdout);
        total = *s == 'd' ? total * 10 + (int)va_arg(list, double) : total * 10 + va_arg(list, int);
    }
    va_end(list);
    return total;
}
static int later(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j, int k, int l, ...) {
    va_list list;
    int total;
    va_start(list, l);
    fflush(stdout);
    total = a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l + va_arg(list, int);
    va_end(list);
    return total;
}
static twelve(a, b, c, d, e, f, g, h, i, j, k, l) {
    fflush(stdout);
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l;
}
static two(a, b) { fflush(stdout); return a * 10 + b; }
static none() { fflush(stdout); return 7; }
static double real(f, d) float f; double d; { fflush(stdout); return f + d; }
static char narrow(c, s) char c; short s; { fflush(stdout); return c + s; }

int main(argc, argv) int argc; char **argv; {
    int (*volatile f)() = (int (*)())digits;
    int (*volatile g)() = twelve;
    int (*volatile h)() = (int (*)())later;
    int (*volatile p)() = (int (*)())printf;
    double (*volatile r)() = real;
    char (*volatile n)() = narrow;
    printf("%d %d\n", f("iid", 1, 2, 3.0), f("ddddddddd", 1., 2., 3., 4., 5., 6., 7., 8., 9.));
    printf("%d\n", g(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    printf("%d\n", h(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
    p("%s %d %g %ld\n", "printf", 1, 2.5, 3L);
    printf("%g %d\n", r(1.5, 2.5), n(1, 2));
    f = two;
    printf("%d %d\n", f(1, 2), f(3, 4, 5, 6));
    f = none;
    printf("%d %d\n", f(), f(1, 2.0));
    printf("%d\n", ((int (*)(const char *, int, int))digits)("ii", 4, 5));
    return argc - 1;
}
