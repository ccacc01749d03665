// Guaranteed tail calls with arguments and results in memory: structures by value, more than the registers hold, through
// pointers. The memory is the caller's own, so that a million calls need no stack.
//#Levels: O0 O1 O2 Os O2v3
//#Hop: every=3 every=97
//#ExpectFile
#include <stdio.h>

#define TAIL __attribute__((musttail)) return
#define NOINLINE __attribute__((noinline))

static void hop(void) { fflush(stdout); }

struct big {
    long v[6];
};
struct wide {
    char bytes[100];
};

NOINLINE static long weigh(struct big b, int n) {
    hop();
    return b.v[0] + b.v[1] * 2 + b.v[2] * 3 + b.v[3] * 4 + b.v[4] * 5 + b.v[5] * 6 + n;
}
NOINLINE static long rotate(struct big b, int n) {
    if (n == 0) {
        TAIL weigh(b, 7);
    }
    struct big c = {{b.v[5], b.v[0] + n, b.v[1], b.v[2], b.v[3], b.v[4]}};
    TAIL rotate(c, n - 1);
}

// Each argument goes where the other one was.
NOINLINE static int cross(struct big a, struct wide w, struct big b, int n) {
    if (n == 0) {
        hop();
        return (int)(a.v[0] * 1000 + b.v[5] + w.bytes[99]);
    }
    w.bytes[99]++;
    TAIL cross(b, w, a, n - 1);
}

NOINLINE static struct big grow(struct big b, int n) {
    if (n == 0) {
        return b;
    }
    b.v[n % 6] += n;
    TAIL grow(b, n - 1);
}

// More than the integer registers hold, and more than the floating-point ones.
NOINLINE static long many(int n, long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k,
                          double p, double q, double r, double s, double t, double u, double v, double w, double x) {
    if (n == 0) {
        hop();
        return a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + j * 10 + k * 11 +
               (long)(p + q * 2 + r * 3 + s * 4 + t * 5 + u * 6 + v * 7 + w * 8 + x * 9);
    }
    TAIL many(n - 1, k, a, b, c, d, e, f, g, h, i, j, x, p, q, r, s, t, u, v, w);
}

// Results of more than two registers come back through memory, too.
typedef long triple __attribute__((ext_vector_type(8)));
NOINLINE static triple spread(triple t, int n) {
    if (n == 0) {
        return t;
    }
    t[n % 8] += n;
    TAIL spread(t.s12345670, n - 1);
}

typedef long step(struct big b, int n, const int *code, long a, long c, long d, long e, long f, long g, long h, long i);
static step add, swap, stop;
static step *const steps[] = {add, swap, stop};
static long add(struct big b, int n, const int *code, long a, long c, long d, long e, long f, long g, long h, long i) {
    b.v[n % 6] += a + i;
    TAIL steps[*code](b, n + 1, code + 1, i, a, c, d, e, f, g, h);
}
static long swap(struct big b, int n, const int *code, long a, long c, long d, long e, long f, long g, long h, long i) {
    hop();
    struct big o = {{b.v[5], b.v[4], b.v[3], b.v[2], b.v[1], b.v[0]}};
    TAIL steps[*code](o, n + 1, code + 1, c, a, e, d, g, f, i, h);
}
static long stop(struct big b, int n, const int *code, long a, long c, long d, long e, long f, long g, long h, long i) {
    (void)code;
    return b.v[0] + b.v[1] * 3 + b.v[5] * 7 + n + a + c * 2 + d * 3 + e * 4 + f * 5 + g * 6 + h * 7 + i * 8;
}

int main(void) {
    struct big b = {{1, 2, 3, 4, 5, 6}}, c = {{7, 8, 9, 10, 11, 12}};
    printf("rotate %ld\n", rotate(b, 100000));
    printf("cross %d %d\n", cross(b, (struct wide){{0}}, c, 10), cross(b, (struct wide){{0}}, c, 11));
    struct big grown = grow(b, 50000);
    printf("grow %ld %ld %ld\n", grown.v[0], grown.v[3], grown.v[5]);
    printf("caller's own %ld %ld\n", b.v[0], c.v[5]);
    printf("many %ld\n", many(10000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    triple t = spread((triple){1, 2, 3, 4, 5, 6, 7, 8}, 1000);
    printf("spread %ld %ld\n", t[0], t[7]);
    static const int code[] = {0, 1, 0, 0, 1, 1, 0, 2};
    printf("steps %ld\n", steps[0](b, 0, code, 1, 2, 3, 4, 5, 6, 7, 8));
    return 0;
}
