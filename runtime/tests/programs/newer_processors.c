// What newer processors have, used by the compiler on its own: atomic operations in one instruction, arithmetic on half
// precision, dot products, registers of 32 bytes, which are spilled in between.
//#Flags: -Wno-psabi -mcx16
//#Levels: O0v3 O2v3 O3v3 Osv3
//#ExpectFile
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static void hop(void) { fflush(stdout); }

typedef unsigned char bytes __attribute__((vector_size(16)));
typedef unsigned words __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(32)));
typedef _Float16 halves __attribute__((vector_size(16)));

static _Atomic int counter = 7;
static signed char small = -5;
static _Atomic unsigned long mask = 0xff00ff;
static _Atomic __int128 wide = 1;

static void atomics(void) {
    hop();
    int old = atomic_fetch_add(&counter, 5), swapped = atomic_exchange(&counter, 40);
    signed char least = __atomic_fetch_min(&small, -9, __ATOMIC_SEQ_CST), most = __atomic_fetch_max(&small, 3, __ATOMIC_RELAXED);
    hop();
    unsigned long bits = atomic_fetch_and(&mask, 0xf0f0f0), ored = atomic_fetch_or(&mask, 1), odd = atomic_fetch_xor(&mask, 3);
    __int128 expected = 1;
    int taken = atomic_compare_exchange_strong(&wide, &expected, (__int128)5 << 70);
    hop();
    printf("%d %d %d %d %d %d %lx %lx %lx %lx %d %lx\n", old, swapped, counter, least, most, small, bits, ored, odd, mask,
           taken, (long)(wide >> 64));
}

static unsigned dot(bytes a, bytes b) {
    words products = __builtin_convertvector(a, words) * __builtin_convertvector(b, words);
    return __builtin_reduce_add(products);
}

static halves product(halves a, halves b) { return a * b; }

__attribute__((noinline)) static floats sum(floats a, floats b, int n) {
    floats c = a + b;
    hop();
    return c * (float)n;
}

__attribute__((noinline)) static float sum_all(int n, ...) {
    va_list list;
    va_start(list, n);
    floats total = {0};
    for (int i = 0; i < n; i++) {
        total += va_arg(list, floats);
        hop();
        total[va_arg(list, int)] += 1;
    }
    va_end(list);
    return total[0] + total[7];
}

// More vectors than registers, and no call among them: spilled in a frame that is aligned to 16 bytes.
__attribute__((noinline)) static void many(float *restrict to, const float *restrict from, int n) {
    floats v[24];
    for (int i = 0; i < 24; i++) __builtin_memcpy(&v[i], from + 8 * i, sizeof v[i]);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < 24; i++) v[i] = v[i] * v[(i + 7) % 24] + v[(i + 11) % 24];
    for (int i = 0; i < 24; i++) __builtin_memcpy(to + 8 * i, &v[i], sizeof v[i]);
}

// The same with calls, and an object that wants more than its frame has.
__attribute__((noinline)) static float aligned(const float *from) {
    _Alignas(64) float line[16];
    floats v[20];
    float total = 0;
    for (int i = 0; i < 20; i++) __builtin_memcpy(&v[i], from + i, sizeof v[i]);
    for (int i = 0; i < 16; i++) line[i] = from[i] + (float)((unsigned long)line % 64);
    hop();
    for (int i = 0; i < 20; i++) v[i] += v[(i + 3) % 20];
    hop();
    for (int i = 0; i < 20; i++) total += v[i][i % 8] + line[i % 16];
    return total;
}

int main(void) {
    atomics();
    bytes a, b;
    halves h, g;
    for (int i = 0; i < 16; i++) a[i] = (unsigned char)(200 + i), b[i] = (unsigned char)(7 * i);
    for (int i = 0; i < 8; i++) h[i] = (_Float16)(i * 0.3), g[i] = (_Float16)(1.1 - i);
    hop();
    printf("%u\n", dot(a, b));
    h = product(h, g);
    hop();
    for (int i = 0; i < 8; i++) printf("%a ", (double)h[i]);
    floats f = {1, 2, 3, 4, 5, 6, 7, 8};
    floats s = sum(f, f, 3);
    printf("\n%g %g %g\n", (double)s[0], (double)s[7], (double)sum_all(4, f, 0, s, 7, f, 7, s, 1));
    float from[8 * 24], to[8 * 24];
    for (int i = 0; i < 8 * 24; i++) from[i] = (float)(i % 13) / 16;
    many(to, from, 3);
    hop();
    float total = 0;
    for (int i = 0; i < 8 * 24; i++) total += to[i];
    printf("%.6g %g\n", (double)total, (double)aligned(from));
    return 0;
}
