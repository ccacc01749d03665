// Every kind of value, more of each than there are registers, live across hops: as locals, arguments, results, variable
// arguments, static and thread-local variables, elements of an array of variable length.
//#Flags: -Wno-psabi
//#Hop: every=1 every=7
//#ExpectFile
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

static int wrong;
static void hop(void) { fflush(stdout); }

typedef signed char schar;
typedef unsigned char uchar;
typedef unsigned __int128 u128;
typedef __int128 i128;
typedef _BitInt(37) bits37;
typedef unsigned _BitInt(200) bits200;
typedef _Complex float cfloat;
typedef _Complex double cdouble;
typedef _Complex long double clong;
typedef long double quad;
typedef _Float16 half;
typedef unsigned char bytes8 __attribute__((vector_size(8)));
typedef short shorts16 __attribute__((vector_size(16)));
typedef double doubles32 __attribute__((vector_size(32)));
typedef int ints64 __attribute__((vector_size(64)));
typedef long longs128 __attribute__((vector_size(128)));

#define SCALARS(X, Y)                                                                                                  \
    X(_Bool, Y) X(char, Y) X(schar, Y) X(uchar, Y) X(wchar_t, Y) X(short, Y) X(int, Y) X(long, Y) X(i128, Y) X(u128, Y) \
    X(bits37, Y) X(bits200, Y) X(half, Y) X(float, Y) X(double, Y) X(quad, Y) X(cfloat, Y) X(cdouble, Y) X(clong, Y)
#define VECTORS(X, Y) X(bytes8, Y) X(shorts16, Y) X(doubles32, Y) X(ints64, Y) X(longs128, Y)

#define MAKE_SCALAR(T, Y)                                                                                              \
    __attribute__((noinline)) static T make_##T(int n) { hop(); return (T)(n * 3 - 40); }                              \
    static int is_##T(T x, int n) { return x == (T)(n * 3 - 40); }
#define MAKE_VECTOR(T, Y)                                                                                              \
    __attribute__((noinline)) static T make_##T(int n) {                                                               \
        T x = {0};                                                                                                     \
        for (unsigned i = 0; i < sizeof x / sizeof x[0]; i++) x[i] = (__typeof__(x[0] + 0))(n * 3 + (int)i);            \
        hop();                                                                                                         \
        return x;                                                                                                      \
    }                                                                                                                  \
    static int is_##T(T x, int n) {                                                                                    \
        int good = 1;                                                                                                  \
        for (unsigned i = 0; i < sizeof x / sizeof x[0]; i++) good &= x[i] == (__typeof__(x[0] + 0))(n * 3 + (int)i);   \
        return good;                                                                                                   \
    }
SCALARS(MAKE_SCALAR, )
VECTORS(MAKE_VECTOR, )

#define EACH(X, T) X(T, 0) X(T, 1) X(T, 2) X(T, 3) X(T, 4) X(T, 5) X(T, 6) X(T, 7) X(T, 8) X(T, 9) X(T, 10) X(T, 11) X(T, 12) X(T, 13) X(T, 14) X(T, 15) X(T, 16) X(T, 17)
#define LOCAL(T, N) T v##N = make_##T(N);
#define PARAMETER(T, N) , T v##N
#define ARGUMENT(T, N) , v##N
#define CHECK(T, N) good &= is_##T(v##N, N);
// The default promotions of small types: what va_arg has to ask for.
#define PROMOTED(T) __typeof__(_Generic((T){0}, _Bool: 0, char: 0, schar: 0, uchar: 0, short: 0, float: 0.0, default: (T){0}))

#define WAYS(T, Y)                                                                                                     \
    static T static_##T[2];                                                                                            \
    static _Thread_local T local_##T;                                                                                  \
    __attribute__((noinline)) static int pass_##T(int count EACH(PARAMETER, T)) {                                      \
        int good = count == 18;                                                                                        \
        hop();                                                                                                         \
        EACH(CHECK, T)                                                                                                 \
        return good;                                                                                                   \
    }                                                                                                                  \
    __attribute__((noinline)) static int list_##T(int count, ...) {                                                    \
        va_list list, again;                                                                                           \
        va_start(list, count);                                                                                         \
        int good = 1;                                                                                                  \
        for (int i = 0; i < count; i++) {                                                                              \
            if (i == count / 2) va_copy(again, list);                                                                  \
            good &= is_##T((T)va_arg(list, PROMOTED(T)), i);                                                           \
            hop();                                                                                                     \
        }                                                                                                              \
        for (int i = count / 2; i < count; i++) {                                                                      \
            hop();                                                                                                     \
            good &= is_##T((T)va_arg(again, PROMOTED(T)), i);                                                          \
        }                                                                                                              \
        va_end(again);                                                                                                 \
        va_end(list);                                                                                                  \
        return good;                                                                                                   \
    }                                                                                                                  \
    __attribute__((noinline)) static int elements_##T(int n) {                                                         \
        T array[n];                                                                                                    \
        for (int i = 0; i < n; i++) array[i] = make_##T(i);                                                            \
        int good = 1;                                                                                                  \
        for (int i = 0; i < n; i++) good &= is_##T(array[i], i);                                                       \
        return good;                                                                                                   \
    }                                                                                                                  \
    __attribute__((noinline)) static void all_##T(void) {                                                              \
        int good = 1;                                                                                                  \
        local_##T = make_##T(50);                                                                                      \
        static_##T[1] = make_##T(51);                                                                                  \
        EACH(LOCAL, T)                                                                                                 \
        good &= pass_##T(18 EACH(ARGUMENT, T));                                                                        \
        good &= list_##T(18 EACH(ARGUMENT, T));                                                                        \
        good &= elements_##T(7);                                                                                       \
        EACH(CHECK, T)                                                                                                 \
        good &= is_##T(local_##T, 50) && is_##T(static_##T[1], 51);                                                    \
        printf(#T " %d\n", good);                                                                                      \
        wrong += !good;                                                                                                \
    }
SCALARS(WAYS, )
VECTORS(WAYS, )

int main(void) {
#define RUN(T, Y) all_##T();
    SCALARS(RUN, )
    VECTORS(RUN, )
    printf("%d wrong\n", wrong);
    return 0;
}
