// Attributes of GCC's and clang's, each with a hop in the middle.
//#Flags: -D_GNU_SOURCE
//#Levels: O0 O2 Os
//#Hop: every=1 every=5
//#Status: 3
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#define NI __attribute__((noinline))
static void hop(void) { fflush(stdout); }
static int cleaned;
static void clean(int *p) { hop(); cleaned += *p; }
static void clean_ptr(char **p) { hop(); free(*p); cleaned += 100; }
NI static int cleanup(int n) {
    __attribute__((cleanup(clean))) int a = n;
    __attribute__((cleanup(clean_ptr))) char *s = malloc(10);
    for (int i = 0; i < 3; i++) { __attribute__((cleanup(clean))) int b = i; if (i == 1) continue; hop(); if (n == 5 && i == 2) goto out; if (n == 6) return 1; }
    return cleaned;
out: return cleaned * 2;
}
static int order;
__attribute__((constructor(101))) static void c101(void) { hop(); order = order * 10 + 1; }
__attribute__((constructor(200))) static void c200(void) { hop(); order = order * 10 + 2; }
__attribute__((constructor)) static void cd(void) { hop(); order = order * 10 + 3; }
__attribute__((destructor(101))) static void d101(void) { printf("d101\n"); }
__attribute__((destructor)) static void dd(void) { printf("d\n"); }
extern int weak_missing(int) __attribute__((weak));
extern int weak_data __attribute__((weak));
NI int real(int x) { hop(); return x + 1; }
int aliased(int) __attribute__((alias("real")));
int weak_aliased(int) __attribute__((weak, alias("real")));
static int sreal(int x) { hop(); return x + 7; }
static int ref(int) __attribute__((weakref("real")));
__attribute__((section("my_sec"), used)) static int in_section[3] = {1, 2, 3};
__attribute__((section("my_sec"), used)) static int in_section2 = 4;
extern int __start_my_sec[], __stop_my_sec[];
__attribute__((section("text_sec"))) NI static int code_in_section(int x) { hop(); return x * 3; }
__attribute__((noreturn, cold)) static void die(int n) { printf("die %d\n", n); exit(n); }
__attribute__((hot, flatten)) static int flat(int x) { return sreal(x) + real(x); }
__attribute__((always_inline)) static inline int inl(int x) { hop(); return x ^ 5; }
__attribute__((const)) NI static int cnst(int x) { return x * x; }
__attribute__((pure)) NI static int pur(const char *s) { return (int)strlen(s); }
struct __attribute__((packed)) pk { char a; int b; long c; short d; };
struct __attribute__((packed, aligned(4))) pk4 { char a; long b; };
struct __attribute__((aligned(64))) al { int x; };
typedef int __attribute__((may_alias)) mai;
typedef union { int *ip; float *fp; void *vp; } tu __attribute__((transparent_union));
NI static int take(tu t) { hop(); return *t.ip; }
typedef int unaligned __attribute__((aligned(1)));
NI static int variable(int n) { __attribute__((aligned(128))) int x = n; hop(); return ((uintptr_t)&x & 127) == 0 ? x : -1; }
__attribute__((returns_nonnull, malloc, alloc_size(1), warn_unused_result)) NI static void *mal(size_t n) { hop(); return malloc(n); }
__attribute__((optnone, noinline)) static int opt_none(int a) { int b = a; for (int i = 0; i < 4; i++) { hop(); b += i; } return b; }
__attribute__((minsize)) NI static int small(int a) { hop(); return a - 1; }
__attribute__((noipa, noclone)) int gccish(int a) { return a; }
__attribute__((visibility("hidden"))) int hidden = 5;
__attribute__((tls_model("initial-exec"))) static _Thread_local int tl = 6;
__attribute__((sentinel)) static int sen(const char *a, ...) { __builtin_va_list l; __builtin_va_start(l, a); int n = 0; while (a) { hop(); n++; a = __builtin_va_arg(l, char *); } __builtin_va_end(l); return n; }
__attribute__((overloadable)) static int ov(int a) { return a; }
__attribute__((overloadable)) static int ov(double a) { hop(); return (int)a * 2; }
__attribute__((no_instrument_function, nothrow, leaf)) NI static int misc(int a) { return a; }
int common1, common2[100];
static int cmpaddr(const char *a, const char *b) { return a == b; }
__attribute__((regparm(3))) NI int rp(int a, int b) { hop(); return a - b; }
#define NOMERGE __attribute__((nomerge))
NI static int nm(int x) { if (x) { NOMERGE real(1); } else { NOMERGE real(1); } return x; }
__attribute__((enable_if(1, "x"))) static int ei(int x) { return x; }
__attribute__((diagnose_if(0, "y", "warning"))) static int di(int x) { return x; }
__attribute__((assume_aligned(16))) NI static void *aa(void *p) { return p; }
int main(void) {
    printf("%d %d %d %d\n", cleanup(1), cleanup(5), cleanup(6), cleaned);
    printf("order %d\n", order);
    printf("weak %d %d\n", weak_missing != 0, &weak_data != 0);
    printf("alias %d %d %d %d\n", aliased(1), weak_aliased(2), ref(3), aliased == real);
    int n = 0; for (int *p = __start_my_sec; p < __stop_my_sec; p++) n += *p; printf("section %d %d\n", n, code_in_section(5));
    printf("%d %d %d %d\n", flat(1), inl(2), cnst(3), pur("four"));
    struct pk pk = {1, 2, 3, 4}; struct pk4 p4 = {5, 6}; struct al al = {7};
    printf("%zu %zu %zu %d\n", sizeof pk, sizeof p4, sizeof al, ((uintptr_t)&al & 63) == 0);
    float f = 1; mai *m = (mai *)&f; printf("%x\n", *m);
    int i = 9; printf("%d %d\n", take(&i), variable(3));
    char bytes[8] = {0, 1, 2, 3, 4, 5}; printf("%x\n", *(unaligned *)(bytes + 1));
    void *p = mal(5); printf("%d\n", p != 0); free(p);
    printf("%d %d %d %d %d\n", opt_none(1), small(2), gccish(3), hidden, tl);
    printf("%d %d %d %d\n", sen("a", "b", "c", (char *)0), ov(1), ov(2.0), misc(3));
    printf("%d %d %d\n", common1, common2[50], cmpaddr("x", "x") | 1);
    printf("%d %d %d %d %d\n", rp(5, 3), nm(1), nm(0), ei(1), di(2));
    printf("%d\n", aa(bytes) == bytes);
    atexit(d101);
    die(3);
}
