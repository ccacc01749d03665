// Structures by value of 1 to 64 bytes, homogeneous float aggregates, unions, returned structures, through pointers too.
//#ExpectFile
#include <stdio.h>
#include <string.h>

#define SIZES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(11) X(12) X(15) X(16) X(17) X(24) X(31) X(32) X(33) X(48) X(63) X(64)

#define DEFINE(N)                                                                                                      \
    struct s##N {                                                                                                      \
        unsigned char bytes[N];                                                                                        \
    };                                                                                                                 \
    __attribute__((noinline)) static struct s##N make##N(int seed) {                                                   \
        struct s##N s;                                                                                                 \
        for (int i = 0; i < N; i++) {                                                                                  \
            s.bytes[i] = (unsigned char)(seed * 17 + i);                                                               \
        }                                                                                                              \
        fflush(stdout);                                                                                                \
        return s;                                                                                                      \
    }                                                                                                                  \
    __attribute__((noinline)) static unsigned sum##N(struct s##N a, int scale, struct s##N b) {                        \
        fflush(stdout);                                                                                                \
        unsigned total = 0;                                                                                            \
        for (int i = 0; i < N; i++) {                                                                                  \
            total = total * 31 + a.bytes[i] * (unsigned)scale + b.bytes[i];                                            \
        }                                                                                                              \
        a.bytes[0] = 0;                                                                                                \
        return total;                                                                                                  \
    }                                                                                                                  \
    static unsigned (*volatile pointer##N)(struct s##N, int, struct s##N) = sum##N;
SIZES(DEFINE)

struct f2 { float x, y; };
struct f3 { float x, y, z; };
struct f4 { float v[4]; };
struct d2 { double x, y; };
struct d4 { double a, b, c, d; };
struct mixed { int i; double d; char c; float f; };
struct nested { struct f2 f; struct { short s; long l; } inner; };
union number { int i; float f; double d; char bytes[12]; };
struct empty {};
struct flexible { int n; char tail[]; };

__attribute__((noinline)) static struct f2 swap2(struct f2 a) { fflush(stdout); return (struct f2){a.y, a.x}; }
__attribute__((noinline)) static struct f3 turn3(struct f3 a) { fflush(stdout); return (struct f3){a.y, a.z, a.x}; }
__attribute__((noinline)) static struct f4 twice4(struct f4 a) {
    fflush(stdout);
    for (int i = 0; i < 4; i++) a.v[i] *= 2;
    return a;
}
__attribute__((noinline)) static struct d2 add2(struct d2 a, struct d2 b) { fflush(stdout); return (struct d2){a.x + b.x, a.y + b.y}; }
__attribute__((noinline)) static struct d4 add4(struct d4 a, struct d4 b) {
    fflush(stdout);
    return (struct d4){a.a + b.a, a.b + b.b, a.c + b.c, a.d + b.d};
}
__attribute__((noinline)) static struct mixed change(struct mixed m, struct nested n) {
    fflush(stdout);
    m.i += n.inner.s;
    m.d += (double)n.inner.l;
    m.f += n.f.x;
    return m;
}
__attribute__((noinline)) static union number number(int which, union number old) {
    fflush(stdout);
    if (which == 0) old.i = 42;
    if (which == 1) old.f = 1.5f;
    if (which == 2) old.d = 2.25;
    return old;
}
__attribute__((noinline)) static int empty(struct empty a, int b, struct empty c) { (void)a, (void)c; fflush(stdout); return b; }
// More arguments than registers.
__attribute__((noinline)) static double many(int a, double b, struct d2 c, long d, struct s24 e, float f, char g, double h, double i, double j,
                   double k, double l, double m, double n, int o, int p, int q, int r, int s, int t, struct s3 u, double v) {
    fflush(stdout);
    return a + b * 2 + c.x * 3 + c.y * 4 + (double)d * 5 + e.bytes[23] * 6 + (double)f * 7 + g * 8 + h * 9 + i * 10 + j * 11 +
           k * 12 + l * 13 + m * 14 + n * 15 + o * 16 + p * 17 + q * 18 + r * 19 + s * 20 + t * 21 + u.bytes[2] * 22 + v * 23;
}

int main(void) {
#define CALL(N)                                                                                                        \
    {                                                                                                                  \
        struct s##N a = make##N(N), b = make##N(N + 1);                                                                \
        unsigned direct = sum##N(a, 3, b), indirect = pointer##N(b, 5, make##N(2));                                    \
        printf("%d %u %u %d\n", N, direct, indirect, a.bytes[0]);                                                      \
    }
    SIZES(CALL)
    struct f2 f2 = swap2((struct f2){1, 2});
    struct f3 f3 = turn3((struct f3){1, 2, 3});
    struct f4 f4 = twice4((struct f4){{1, 2, 3, 4}});
    struct d2 d2 = add2((struct d2){1, 2}, (struct d2){3, 4});
    struct d4 d4 = add4((struct d4){1, 2, 3, 4}, (struct d4){5, 6, 7, 8});
    struct mixed m = change((struct mixed){1, 2, 'c', 4}, (struct nested){{5, 6}, {7, 8}});
    printf("%g %g, %g %g %g, %g %g, %g %g, %g %g\n", (double)f2.x, (double)f2.y, (double)f3.x, (double)f3.y, (double)f3.z, (double)f4.v[0],
           (double)f4.v[3], d2.x, d2.y, d4.a, d4.d);
    printf("%d %g %c %g\n", m.i, m.d, m.c, (double)m.f);
    union number u = number(2, number(1, number(0, (union number){0})));
    printf("%g %d\n", u.d, empty((struct empty){}, 7, (struct empty){}));
    printf("%g\n", many(1, 2, (struct d2){3, 4}, 5, make24(6), 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, make3(22), 23));
    return 0;
}
