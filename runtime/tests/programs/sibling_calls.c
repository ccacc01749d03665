// Calls in front of a return, direct and through pointers, with results, parts of results, structs and many arguments;
// a hundred thousand of them in a row use no stack at -O2.
//#ExpectFile
#include <stdarg.h>
#include <stdio.h>

struct pair { long a, b; };
struct big { long words[9]; };

__attribute__((noinline)) static long leaf(long a, long b) { printf("leaf %ld %ld\n", a, b); return a - b; }
__attribute__((noinline)) static long direct(long a, long b) { return leaf(b, a); }
__attribute__((noinline)) static long indirect(long (*f)(long, long), long a) { return f(a, a * 2); }
__attribute__((noinline)) static int narrow(long a) { return (int)leaf(a, 1); }
__attribute__((noinline)) static unsigned char byte(long a) { return (unsigned char)leaf(a, 2); }
__attribute__((noinline)) static void nothing(long a) { leaf(a, 3); }
__attribute__((noinline)) static double real(double x, int n) { printf("%g\n", x); return x * n; }
__attribute__((noinline)) static double both(int n, double x) { return real(x + n, n); }
__attribute__((noinline)) static struct pair make(long a) { printf("make\n"); return (struct pair){a, -a}; }
__attribute__((noinline)) static struct pair pass(long a) { return make(a + 1); }
__attribute__((noinline)) static struct big fill(long a) { struct big b; for (int i = 0; i < 9; i++) { printf("."); b.words[i] = a * i; } return b; }
__attribute__((noinline)) static struct big pass_big(long a) { return fill(a + 2); }
__attribute__((noinline)) static long by_value(struct big b, long a) { printf("%ld\n", b.words[8]); return b.words[1] + a; }
__attribute__((noinline)) static long hand_on(struct big b) { return by_value(b, 5); }
__attribute__((noinline)) static long many(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k, long l, long m) {
    printf("%ld %ld\n", a, m);
    return a + b + c + d + e + f + g + h + i + j + k + l + m;
}
__attribute__((noinline)) static long more(long a) { return many(a, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13); }
__attribute__((noinline)) static int say(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vprintf(format, list);
    va_end(list);
    return n;
}
__attribute__((noinline)) static int talk(int a, double b) { return say("%d %g %s\n", a, b, "talk"); }
__attribute__((noinline)) static long local(long a) { long array[4] = {a, a + 1, a + 2, a + 3}; printf("%ld\n", array[a & 3]); return leaf(array[2], array[3]); }

static volatile long turns;
static long even(long n);
__attribute__((noinline)) static long odd(long n) { turns++; return n == 0 ? 0 : even(n - 1); }
__attribute__((noinline)) static long even(long n) { turns++; return n == 0 ? 1 : odd(n - 1); }

int main(void) {
    printf("%ld %ld\n", direct(1, 2), indirect(leaf, 7));
    printf("%d %d\n", narrow(-5), byte(300));
    nothing(4);
    printf("%g\n", both(2, 1.5));
    struct pair p = pass(3);
    struct big b = pass_big(1);
    printf("%ld %ld %ld\n", p.a, p.b, b.words[8]);
    printf("%ld %ld %d %ld\n", hand_on(b), more(1), talk(3, 2.5), local(1));
    printf("%ld %ld\n", even(100000), turns);
    return 0;
}
