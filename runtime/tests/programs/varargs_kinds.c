// va_list in structures, copied, by pointer; va_arg of every kind of type; variadic callbacks.
//#Levels: O0 O1 O2 Os O2v3
//#Hop: every=1 every=13
//#ExpectFile
#include <stdarg.h>
#include <stdio.h>
#include <complex.h>
#include <string.h>
#define NI __attribute__((noinline))
static void hop(void) { fflush(stdout); }
struct reader { int n; va_list list; char tail; };
struct s1 { char c; }; struct s3 { char c[3]; }; struct s8 { int a, b; }; struct s12 { int a[3]; }; struct s16 { long a; double b; };
struct s17 { char c[17]; }; struct s40 { double d[5]; }; struct hf { float x, y, z; }; struct ld { long double v; int i; };
struct al { _Alignas(32) int v[8]; };
union u { int i; double d; long double l; };
typedef int v4 __attribute__((vector_size(16)));
typedef double v4d __attribute__((vector_size(32)));
enum e { A = 5, B };
NI static void one(struct reader *r, char k) {
    hop();
    switch (k) {
    case 'i': printf("i %d\n", va_arg(r->list, int)); break;
    case 'd': printf("d %g\n", va_arg(r->list, double)); break;
    case 'L': printf("L %.5Lf\n", va_arg(r->list, long double)); break;
    case 'q': { __int128 v = va_arg(r->list, __int128); printf("q %lx %lx\n", (long)(v >> 64), (long)v); break; }
    case 'c': { double complex c = va_arg(r->list, double complex); printf("c %g %g\n", creal(c), cimag(c)); break; }
    case 'f': { float complex c = va_arg(r->list, float complex); printf("f %g %g\n", crealf(c), cimagf(c)); break; }
    case 'l': { long double complex c = va_arg(r->list, long double complex); printf("l %Lg %Lg\n", creall(c), cimagl(c)); break; }
    case '1': { struct s1 s = va_arg(r->list, struct s1); printf("1 %d\n", s.c); break; }
    case '3': { struct s3 s = va_arg(r->list, struct s3); printf("3 %d %d\n", s.c[0], s.c[2]); break; }
    case '8': { struct s8 s = va_arg(r->list, struct s8); printf("8 %d %d\n", s.a, s.b); break; }
    case '2': { struct s12 s = va_arg(r->list, struct s12); printf("12 %d %d\n", s.a[0], s.a[2]); break; }
    case '6': { struct s16 s = va_arg(r->list, struct s16); printf("16 %ld %g\n", s.a, s.b); break; }
    case '7': { struct s17 s = va_arg(r->list, struct s17); printf("17 %d %d\n", s.c[0], s.c[16]); break; }
    case '4': { struct s40 s = va_arg(r->list, struct s40); printf("40 %g %g\n", s.d[0], s.d[4]); break; }
    case 'h': { struct hf s = va_arg(r->list, struct hf); printf("hf %g %g %g\n", s.x, s.y, s.z); break; }
    case 'D': { struct ld s = va_arg(r->list, struct ld); printf("ld %Lg %d\n", s.v, s.i); break; }
    case 'a': { struct al s = va_arg(r->list, struct al); printf("al %d %d\n", s.v[0], s.v[7]); break; }
    case 'u': { union u s = va_arg(r->list, union u); printf("u %d\n", s.i); break; }
    case 'v': { v4 s = va_arg(r->list, v4); printf("v %d %d\n", s[0], s[3]); break; }
    case 'w': { v4d s = va_arg(r->list, v4d); printf("w %g %g\n", s[0], s[3]); break; }
    case 'e': printf("e %d\n", va_arg(r->list, enum e)); break;
    case 'p': printf("p %s\n", va_arg(r->list, char *)); break;
    case 'F': { int (*f)(const char *, ...) = va_arg(r->list, int (*)(const char *, ...)); f("F called %d\n", 8); break; }
    case 'b': { _BitInt(200) b = va_arg(r->list, _BitInt(200)); printf("b %lx %lx\n", (long)(b >> 150), (long)b); break; }
    }
    hop();
}
NI static void all(int a, double b, struct s17 c, const char *kinds, ...) {
    struct reader r = {.n = a, .tail = 't'}, copy;
    va_start(r.list, kinds);
    va_copy(copy.list, r.list);
    for (const char *k = kinds; *k; k++) one(&r, *k);
    printf("again %d %g %d %c\n", a, b, c.c[3], r.tail);
    for (const char *k = kinds; *k; k++) one(&copy, *k);
    va_end(copy.list); va_end(r.list);
}
typedef int cb(void *, int, ...);
NI static int sum(void *ctx, int n, ...) { va_list l; va_start(l, n); int t = *(int *)ctx; while (n--) { hop(); t += va_arg(l, int); } va_end(l); return t; }
NI static int prod(void *ctx, int n, ...) { va_list l; va_start(l, n); int t = *(int *)ctx; while (n--) { hop(); t *= va_arg(l, int); } va_end(l); return t; }
static cb *volatile cbs[] = {sum, prod};
NI static int first_of(int n, ...) { va_list l; va_start(l, n); va_list *p = &l; int v = va_arg(*p, int); hop(); v = v * 10 + va_arg(*p, int); va_end(l); va_start(l, n); v = v * 10 + va_arg(l, int); va_end(l); return v; }
NI static struct s40 ret(int n, ...) { va_list l; va_start(l, n); struct s40 s; for (int i = 0; i < 5; i++) { hop(); s.d[i] = va_arg(l, double); } va_end(l); return s; }
NI static void rec(int depth, ...) { va_list l; va_start(l, depth); int a = va_arg(l, int); if (depth) rec(depth - 1, a + 1, 0); hop(); printf("%d:%d ", a, va_arg(l, int)); va_end(l); }
int main(void) {
    struct s17 c = {"abcdefghijklmnop"}; c.c[16] = 9;
    all(1, 2.5, c, "idLqcfl138267 4hDauvwepFbidL" , 1, 2.5, 3.25L, ((__int128)4 << 64) | 5, 6.0 + 7.0 * I, 8.0f + 9.0f * I, 10.0L + 11.0L * I,
        (struct s1){12}, (struct s3){{13, 14, 15}}, (struct s8){16, 17}, (struct s12){{18, 19, 20}}, (struct s16){21, 22}, c,
        (struct s40){{1, 2, 3, 4, 5}}, (struct hf){1, 2, 3}, (struct ld){4.5L, 6}, (struct al){{1, 2, 3, 4, 5, 6, 7, 8}}, (union u){.i = 44},
        (v4){1, 2, 3, 4}, (v4d){5, 6, 7, 8}, B, "text", printf, ((_BitInt(200))77 << 150) | 99, 100, 101.5, 102.25L);
    int ctx = 3;
    for (int i = 0; i < 2; i++) printf("%d\n", cbs[i](&ctx, 5, 1, 2, 3, 4, 5));
    printf("%d\n", first_of(3, 1, 2));
    struct s40 s = ret(5, 1.0, 2.0, 3.0, 4.0, 5.0);
    printf("%g %g\n", s.d[0], s.d[4]);
    rec(6, 10, 20); puts("");
    char buf[100]; snprintf(buf, sizeof buf, "%*d|%-*s|%.*f|%hhd|%hd|%zu|%td|%jd|%n", 5, 1, 6, "ab", 2, 3.14159, 257, 65537, sizeof 1, (long)3, 4L, &ctx);
    printf("%s %d\n", buf, ctx);
}
