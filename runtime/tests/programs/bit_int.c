// _BitInt up to 512 bits: arithmetic, shifts, division, arguments, results, members, conversions.
//#Levels: O0 O2 Os O2v3
//#Hop: every=1 every=13
//#ExpectFile
#include <stdio.h>
#include <stdatomic.h>
#include <string.h>
#define NI __attribute__((noinline))
static void hop(void) { fflush(stdout); }
#define B(N) \
typedef unsigned _BitInt(N) u##N; typedef _BitInt(N) s##N; \
NI static u##N mul##N(u##N a, u##N b) { hop(); u##N c = a * b; hop(); return c + 1; } \
NI static s##N div##N(s##N a, s##N b, u##N c) { hop(); s##N q = a / b; s##N r = a % b; hop(); return q ^ r ^ (s##N)c; } \
NI static void show##N(u##N v) { printf("%d:", N); unsigned char by[sizeof v]; for (int i = 0; i < (N + 7) / 8; i++) { by[i] = (unsigned char)(v >> (i * 8 < N ? i * 8 : 0)); } for (int i = (N + 7) / 8; i--;) printf("%02x", by[i]); puts(""); } \
static void test##N(void) { u##N v = 3; s##N w = -1; for (int i = 0; i < 20; i++) { v = mul##N(v, v ^ (u##N)0x12345); w = div##N((s##N)v, (s##N)(i + 3), v >> 3); } show##N(v); show##N((u##N)w); u##N (*volatile f)(u##N, u##N) = mul##N; show##N(f(v, (u##N)w)); }
B(7) B(33) B(63) B(65) B(96) B(127) B(128)
#define BW(N) \
typedef unsigned _BitInt(N) u##N; \
NI static u##N mul##N(u##N a, u##N b, int k) { hop(); u##N c = a * b; hop(); return c + k; } \
NI static u##N sh##N(int k, u##N a, u##N b, u##N c, u##N d) { hop(); return ((a << k) | (a >> (N - k))) ^ b ^ (c - d); } \
static void test##N(void) { u##N v = 3; u##N w = ~(u##N)5; for (int i = 1; i < 20; i++) { v = mul##N(v, v ^ (u##N)0x12345, i); w = sh##N(i * 7 % N, w, v, v >> 3, w << 5); } printf("%d:", N); for (int i = N / 8; i--;) printf("%02x", (unsigned)(unsigned char)(v >> (i * 8))); putchar(' '); for (int i = N / 8; i--;) printf("%02x", (unsigned)(unsigned char)(w >> (i * 8))); puts(""); }
BW(129) BW(192) BW(256) BW(384) BW(512)
#define BD(N) NI static unsigned _BitInt(N) dv##N(unsigned _BitInt(N) a, unsigned _BitInt(N) b) { hop(); return a / b + a % b; }
BD(192) BD(256) BD(512)
struct hb { _BitInt(130) b : 120; unsigned _BitInt(37) c : 20; _BitInt(256) d; };
NI static struct hb hb(struct hb h) { hop(); h.b -= 5; h.c += 3; h.d = -h.d; return h; }
int main(void) {
    test7(); test33(); test63(); test65(); test96(); test127(); test128();
    test129(); test192(); test256(); test384(); test512();
    unsigned _BitInt(512) big = ((unsigned _BitInt(512))1 << 500) + 12345;
    printf("%lx %lx\n", (long)dv512(big, 97), (long)(dv512(big, (unsigned _BitInt(512))1 << 130) >> 300));
    printf("%lx\n", (long)dv192((unsigned _BitInt(192))big * 7 + 1, 1001)); printf("%lx\n", (long)dv256((unsigned _BitInt(256))big * 7 + 1, 1001));
    struct hb h = hb((struct hb){-100, 50, 12345}); printf("%ld %ld %ld\n", (long)h.b, (long)h.c, (long)h.d);
    printf("%g %g\n", (double)big, (double)-(_BitInt(300))big); printf("%lx\n", (long)(_BitInt(200))1.5e30);
    return 0;
}
