// GNU C: statement expressions, case ranges, local labels, label differences, VLAs left by goto, alloca in loops, volatile
// bit-fields, return and frame addresses.
//#Flags: -D_GNU_SOURCE -fno-omit-frame-pointer
//#Hop: every=1 every=13
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#define NI __attribute__((noinline))
static void hop(void) { fflush(stdout); }
#define MAX(a, b) ({ __typeof__(a) x_ = (a); hop(); __typeof__(b) y_ = (b); x_ > y_ ? x_ : y_; })
NI static const char *range(int c) { switch (c) { case '0' ... '9': return "digit"; case 'a' ... 'z': return "lower"; case -100 ... -1: return "neg"; case 1000000 ... 2000000000: return "big"; } return "other"; }
NI static int local_label(int n) {
    int r = 0;
#define LOOP() { __label__ again, done; int k = 0; again: hop(); if (k++ < n) goto again; goto done; done: r += k; }
    LOOP(); LOOP();
    return r;
}
NI static int threaded(const unsigned char *code) {
    static const void *const table[] = {&&push, &&add, &&dup, &&halt};
    static const int offsets[] = {&&push - &&push, &&add - &&push, &&dup - &&push, &&halt - &&push};
    int stack[20], *sp = stack; void *where = 0;
    goto *table[*code++];
push: *sp++ = *code++; hop(); where = &&dup; goto *table[*code++];
add: sp--; sp[-1] += sp[0]; hop(); goto *(&&push + offsets[*code++]);
dup: sp[0] = sp[-1]; sp++; goto *table[*code++];
halt: return sp[-1] * 10 + (where == &&dup);
}
struct za { int n; int data[0]; }; struct fl { short n; double d[]; };
NI static double flex(int n) { struct fl *f = malloc(sizeof *f + n * sizeof(double)); f->n = n; for (int i = 0; i < n; i++) f->d[i] = i; hop(); double t = 0; for (int i = 0; i < f->n; i++) t += f->d[i]; free(f); return t; }
static const char *const days[7] = {[6] = "sun", [0] = "mon", [2 ... 4] = "mid"};
struct nest { int a; struct { int b, c; union { int d; float e; }; }; int arr[3]; };
NI static struct nest init(int x) { hop(); return (struct nest){.c = x, .arr = {[1] = x + 1}, .d = 7, .a = 1}; }
NI static int vla2(int n, int m, int a[n][m]) { int t = 0; for (int i = 0; i < n; i++) for (int j = 0; j < m; j++) { hop(); t = t * 3 + a[i][j]; } return t + (int)sizeof(a[0]); }
NI static int vla_goto(int n) {
    int t = 0;
    for (int i = 1; i < n; i++) { int a[i * 100]; a[i * 99] = i; hop(); if (i == 3) continue; if (i == 7) goto next; { char b[i * 1000]; b[i] = 1; hop(); if (i == 5) continue; t += b[i]; } t += a[i * 99]; if (i == n - 2) break; }
next: { int c[t + 1]; c[t] = t; hop(); return c[t]; }
}
NI static uintptr_t loop_alloca(int n) { char *p = 0; uintptr_t t = 0; for (int i = 0; i < n; i++) { char *q = __builtin_alloca(1000); q[0] = (char)i; q[999] = 1; hop(); if (p) t += p[0] + p[999]; p = q; } return t; }
NI static uintptr_t deep_alloca(int d) { char *p = __builtin_alloca(1 + d % 50); p[0] = (char)d; if (d) { uintptr_t r = deep_alloca(d - 1); return r + (p[0] == (char)d); } hop(); return 0; }
typedef struct { long a[20]; } big;
NI static big mk(int s) { big b; for (int i = 0; i < 20; i++) b.a[i] = s + i; hop(); return b; }
NI static big flip(big b, big *out) { big c; for (int i = 0; i < 20; i++) c.a[i] = b.a[19 - i]; hop(); *out = b; return c; }
static big (*volatile mkp)(int) = mk;
struct bf { volatile unsigned a : 3; volatile int b : 5; unsigned long long c : 40; _Bool d : 1; int : 0; signed char e : 2; volatile long f : 33; } __attribute__((packed));
NI static long bfs(struct bf *b) { b->a += 3; hop(); b->b -= 9; b->c ^= 0xfedcba9876; hop(); b->d = !b->d; b->e--; b->f = b->f * 3 - 1; hop(); return b->a + b->b * 10L + (long)b->c + b->d + b->e + b->f; }
NI static int overlap(void) { union { struct { int a[8]; } x; char c[64]; } u; for (int i = 0; i < 8; i++) u.x.a[i] = i; struct s8 { int a[6]; } *p = (void *)u.x.a, *q = (void *)(u.x.a + 0); *p = *q; hop(); memmove(u.x.a + 1, u.x.a, 24); hop(); return u.x.a[6] * 10 + u.x.a[1]; }
NI static void restr(int *restrict a, const int *restrict b, int n) { for (int i = 0; i < n; i++) { a[i] += b[i]; if (i & 1) hop(); } }
NI static int comma(int a) { int x = (hop(), a++, hop(), a * 2); return x ? : 5; }
NI static int ptrcasts(void) { int (*f)(int) = comma; void *v = (void *)f; uintptr_t u = (uintptr_t)v; long (*g)(long, long) = (long (*)(long, long))u; hop(); return (int)((int (*)(int))g)(3) + (((void *)f) == v); }
NI static void *ret0(void) { hop(); return __builtin_return_address(0); }
NI static void *frame1(void) { hop(); return __builtin_frame_address(1); }
NI static int frames(void) { void *a = __builtin_frame_address(0); hop(); return a == frame1() && __builtin_frame_address(0) == a; }
NI static void *ret1(void) { hop(); return __builtin_return_address(1); }
NI static int rets(void) { void *r = __builtin_return_address(0); hop(); return ret1() == r; }
NI static unsigned char sat(int x) { unsigned char r; return __builtin_add_overflow(x, 200, &r) ? 255 : r; }
NI static int ovf(long a, long b) { long r; int k = __builtin_mul_overflow(a, b, &r); hop(); return k * 2 + (__builtin_sub_overflow((int)a, (int)b, &(int){0})); }
NI static int inner(int x) { hop(); return x; }
int main(void) {
    printf("%d %g\n", MAX(3, 4), MAX(2.5, 1));
    printf("%s %s %s %s %s\n", range('5'), range('q'), range(-50), range(1500000000), range(' '));
    printf("%d\n", local_label(4));
    printf("%d\n", threaded((const unsigned char[]){0, 5, 2, 1, 0, 7, 1, 2, 1, 3}));
    printf("%g %zu %s %s %s\n", flex(10), sizeof(struct za), days[6], days[3], days[1] ? "x" : "null");
    struct nest n = init(5); printf("%d %d %d %d %d\n", n.a, n.b, n.c, n.d, n.arr[1]);
    int m[2][3] = {{1, 2, 3}, {4, 5, 6}}; printf("%d %d\n", vla2(2, 3, m), vla_goto(12));
    printf("%lu %lu\n", loop_alloca(100), deep_alloca(3000));
    big o, b = flip(mkp(5), &o); b = flip(b, &b); printf("%ld %ld %ld\n", b.a[0], b.a[19], o.a[3]);
    struct bf bf = {5, -3, 0x123456789a, 1, -1, 12345678}; printf("%ld %ld\n", bfs(&bf), bfs(&bf));
    printf("%d\n", overlap()); int x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {6, 5, 4, 3, 2, 1}; restr(x, y, 6); printf("%d\n", x[5]);
    printf("%d %d\n", comma(1), ptrcasts());
    printf("%d %d %d\n", ret0() != 0, frames(), rets());
    printf("%d %d %d\n", sat(100), sat(20), ovf(1L << 40, 1L << 30));
    printf("%d\n", ((int (*)(int))inner)(3) + ({ int q = inner(4); goto l; l: q; }));
    return 0;
}
