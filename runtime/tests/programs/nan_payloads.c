// Every bit pattern of a floating-point value survives a hop: payloads of quiet and signalling NaNs, denormals, negative
// zero, in all types, as locals, arguments, results, variable arguments, lanes of vectors and parts of complex numbers.
//#NoClang: long double has another format there
//#ExpectFile
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef float float4 __attribute__((vector_size(16)));
typedef double double4 __attribute__((vector_size(32)));
static void hop(void) { fflush(stdout); }
static int wrong;

#define KIND(NAME, T, BITS, ...)                                                                                       \
    static const BITS patterns_##NAME[] = {__VA_ARGS__};                                                               \
    static T value_##NAME(BITS bits) {                                                                                 \
        T x;                                                                                                           \
        memcpy(&x, &bits, sizeof x);                                                                                   \
        return x;                                                                                                      \
    }                                                                                                                  \
    static int same_##NAME(const T *x, BITS bits) { return memcmp(x, &bits, sizeof *x) == 0; }                         \
    __attribute__((noinline)) static T pass_##NAME(T a, int n, T b) {                                                  \
        hop();                                                                                                         \
        return n % 2 ? a : b;                                                                                          \
    }                                                                                                                  \
    __attribute__((noinline)) static void all_##NAME(void) {                                                           \
        enum { N = sizeof patterns_##NAME / sizeof *patterns_##NAME };                                                 \
        for (int i = 0; i < N; i++) {                                                                                  \
            T kept = value_##NAME(patterns_##NAME[i]), other = value_##NAME(patterns_##NAME[(i + 1) % N]);             \
            hop();                                                                                                     \
            T first = pass_##NAME(kept, 1, other), second = pass_##NAME(kept, 2, other);                               \
            T array[3] = {kept, first, second}, copy[3];                                                               \
            hop();                                                                                                     \
            memcpy(copy, array, sizeof copy);                                                                          \
            int good = same_##NAME(&copy[0], patterns_##NAME[i]) && same_##NAME(&copy[1], patterns_##NAME[i]) &&       \
                       same_##NAME(&copy[2], patterns_##NAME[(i + 1) % N]) && same_##NAME(&kept, patterns_##NAME[i]);  \
            if (!good) printf(#NAME " %d\n", i);                                                                       \
            wrong += !good;                                                                                            \
        }                                                                                                              \
        printf(#NAME ": %d patterns\n", N);                                                                            \
    }

typedef unsigned long u64;
typedef struct { u64 low, high; } u128;
typedef struct { u64 part[4]; } u256;
KIND(half, _Float16, unsigned short, 0x7e01, 0x7c01, 0xfd55, 0x0001, 0x8000, 0x83ff, 0x3c00)
KIND(float, float, unsigned, 0x7fc12345, 0x7f812345, 0xffbfffff, 1, 0x80000000, 0x807fffff, 0x3f800000)
KIND(double, double, u64, 0x7ff8dead0000beef, 0x7ff0dead0000beef, 0xfff7ffffffffffff, 1, 1ul << 63, 0x800fffffffffffff, 0x3ff0000000000000)
KIND(quad, long double, u128, {0xbeef, 0x7fff8000dead0000}, {0xbeef, 0x7fff0000dead0000}, {~0ul, 0xffff7fffffffffff}, {1, 0}, {0, 1ul << 63}, {5, 0x3fff000000000000})
KIND(complex_float, _Complex float, u64, 0x7fc123457f812345, 0xffbfffff00000001, 0x800000007fa00001)
KIND(complex_double, _Complex double, u128, {0x7ff8dead0000beef, 0x7ff0dead0000beef}, {1, 0xfff7ffffffffffff})
KIND(float4, float4, u128, {0x7fc123457f812345, 0xffbfffff00000001}, {0x8000000080000001, 0x3f8000007f800001})
KIND(double4, double4, u256, {{0x7ff8dead0000beef, 0x7ff0dead0000beef, 1, 1ul << 63}}, {{5, 0xfff7ffffffffffff, 0x7ff0000000000001, 0}})

// A float would become a double: only the types that stay what they are.
__attribute__((noinline)) static int list(int count, ...) {
    va_list list;
    va_start(list, count);
    int good = 1;
    for (int i = 0; i < count; i++) {
        double d = va_arg(list, double);
        hop();
        long double q = va_arg(list, long double);
        hop();
        good &= same_double(&d, patterns_double[i]) && same_quad(&q, patterns_quad[i]);
    }
    va_end(list);
    return good;
}

int main(void) {
    all_half(), all_float(), all_double(), all_quad(), all_complex_float(), all_complex_double(), all_float4(), all_double4();
#define PAIR(N) value_double(patterns_double[N]), value_quad(patterns_quad[N])
    printf("variable arguments %d\n", list(5, PAIR(0), PAIR(1), PAIR(2), PAIR(3), PAIR(4)));
    printf("%d wrong\n", wrong);
    return 0;
}
