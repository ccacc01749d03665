// Structures and unions of every size from 1 to 64 bytes, of characters alone and mixed with numbers, and aggregates of
// up to 64 bytes of one floating-point type: as arguments, results and variable arguments, directly and through
// pointers, each live across hops in the caller and in the callee.
//#Flags: -Wno-psabi
//#Levels: O0 O2
//#Hop: every=1
//#ExpectFile
#include <stdarg.h>
#include <stdio.h>

static int wrong, passed;
static void hop(void) { fflush(stdout); }
static unsigned char byte(int seed, int i) { return (unsigned char)(seed * 29 + i * 7 + 1); }
static void bytes(unsigned char *to, int n, int seed) {
    for (int i = 0; i < n; i++) to[i] = byte(seed, i);
}
static int has_bytes(const unsigned char *from, int n, int seed) {
    int good = 1;
    for (int i = 0; i < n; i++) good &= from[i] == byte(seed, i);
    return good;
}
static void check(int good, const char *type, const char *what) {
    passed++;
    if (!good) {
        wrong++;
        printf("%s: %s\n", type, what);
    }
}

// The type T comes with set_T(T *, int) and is_T(const T *, int).
#define CALLS(T)                                                                                                       \
    __attribute__((noinline)) static T give_##T(int seed) {                                                            \
        T x;                                                                                                           \
        set_##T(&x, seed);                                                                                             \
        hop();                                                                                                         \
        return x;                                                                                                      \
    }                                                                                                                  \
    __attribute__((noinline)) static T pass_##T(T a, int seed, T b, double number) {                                   \
        T kept = b;                                                                                                    \
        hop();                                                                                                         \
        check(is_##T(&a, seed) && is_##T(&b, seed + 1) && number == seed, #T, "arguments");                            \
        set_##T(&a, seed + 5);                                                                                         \
        set_##T(&b, seed + 6);                                                                                         \
        hop();                                                                                                         \
        check(is_##T(&a, seed + 5) && is_##T(&b, seed + 6), #T, "changed arguments");                                  \
        return kept;                                                                                                   \
    }                                                                                                                  \
    static T (*volatile pointer_##T)(T, int, T, double) = pass_##T;                                                    \
    __attribute__((noinline)) static T list_##T(int count, ...) {                                                      \
        va_list list;                                                                                                  \
        va_start(list, count);                                                                                         \
        T last;                                                                                                        \
        for (int i = 0; i < count; i++) {                                                                              \
            last = va_arg(list, T);                                                                                    \
            hop();                                                                                                     \
            check(is_##T(&last, i) && va_arg(list, int) == i, #T, "variable arguments");                               \
        }                                                                                                              \
        va_end(list);                                                                                                  \
        return last;                                                                                                   \
    }                                                                                                                  \
    __attribute__((noinline)) static void all_##T(void) {                                                              \
        T x = give_##T(3), y = give_##T(4), array[3];                                                                  \
        hop();                                                                                                         \
        T z = pass_##T(x, 3, y, 3);                                                                                    \
        check(is_##T(&x, 3) && is_##T(&y, 4), #T, "the caller's own");                                                 \
        check(is_##T(&z, 4), #T, "result");                                                                            \
        z = pointer_##T(give_##T(5), 5, give_##T(6), 5);                                                               \
        check(is_##T(&z, 6), #T, "result through a pointer");                                                          \
        for (int i = 0; i < 3; i++) array[i] = give_##T(i);                                                            \
        z = list_##T(3, array[0], 0, array[1], 1, array[2], 2);                                                        \
        check(is_##T(&z, 2) && is_##T(&array[1], 1) && is_##T(&x, 3), #T, "result of variable arguments");             \
    }

#define CHARACTERS(N)                                                                                                  \
    typedef struct { unsigned char b[N]; } chars##N;                                                                   \
    static void set_chars##N(chars##N *x, int seed) { bytes(x->b, N, seed); }                                          \
    static int is_chars##N(const chars##N *x, int seed) { return has_bytes(x->b, N, seed); }                           \
    CALLS(chars##N)
#define FLOAT_FIRST(N)                                                                                                 \
    typedef struct { float f; unsigned char b[N]; } float##N;                                                          \
    static void set_float##N(float##N *x, int seed) { bytes(x->b, N, seed), x->f = (float)seed + 0.5f; }               \
    static int is_float##N(const float##N *x, int seed) { return has_bytes(x->b, N, seed) && x->f == (float)seed + 0.5f; } \
    CALLS(float##N)
#define DOUBLE_LAST(N)                                                                                                 \
    typedef struct { unsigned char b[N]; double d; } double##N;                                                        \
    static void set_double##N(double##N *x, int seed) { bytes(x->b, N, seed), x->d = seed / 3.0; }                     \
    static int is_double##N(const double##N *x, int seed) { return has_bytes(x->b, N, seed) && x->d == seed / 3.0; }   \
    CALLS(double##N)
// Written as one member and read as another.
#define UNION(N)                                                                                                       \
    typedef union { unsigned char b[N]; struct { char c; float f[(N + 7) / 8]; } s; double d; } union##N;              \
    static void set_union##N(union##N *x, int seed) { *x = (union##N){.d = seed / 7.0}; bytes(x->b, N, seed); }        \
    static int is_union##N(const union##N *x, int seed) { return has_bytes(x->b, N, seed) && x->s.c == (char)byte(seed, 0); } \
    CALLS(union##N)
#define NUMBERS(NAME, T, N)                                                                                            \
    typedef struct { T v[N]; } NAME##N;                                                                                \
    static void set_##NAME##N(NAME##N *x, int seed) {                                                                  \
        for (int i = 0; i < N; i++) x->v[i] = (T)(seed * 100 + i) / (T)4;                                              \
    }                                                                                                                  \
    static int is_##NAME##N(const NAME##N *x, int seed) {                                                              \
        int good = 1;                                                                                                  \
        for (int i = 0; i < N; i++) good &= x->v[i] == (T)(seed * 100 + i) / (T)4;                                     \
        return good;                                                                                                   \
    }                                                                                                                  \
    CALLS(NAME##N)
#define HALVES(N) NUMBERS(halves, _Float16, N)
#define FLOATS(N) NUMBERS(floats, float, N)
#define DOUBLES(N) NUMBERS(doubles, double, N)
#define QUADS(N) NUMBERS(quads, long double, N)
#define COMPLEXES(N) NUMBERS(complexes, _Complex float, N)
// An aggregate of one type, but with other names and nesting; and one that is nearly one.
typedef struct { struct { float x, y; } p[2]; float z; struct { float w[1]; } q; } nested1;
static void set_nested1(nested1 *x, int seed) { float s = (float)seed; *x = (nested1){{{s, s + 1}, {s + 2, s + 3}}, s + 4, {{s + 5}}}; }
static int is_nested1(const nested1 *x, int seed) {
    float s = (float)seed;
    return x->p[0].x == s && x->p[0].y == s + 1 && x->p[1].x == s + 2 && x->p[1].y == s + 3 && x->z == s + 4 && x->q.w[0] == s + 5;
}
CALLS(nested1)
typedef struct { float a; double b; float c; long double d; int : 0; short e; } nearly1;
static void set_nearly1(nearly1 *x, int seed) { *x = (nearly1){(float)seed, seed, (float)-seed, seed, (short)seed}; }
static int is_nearly1(const nearly1 *x, int seed) {
    return x->a == (float)seed && x->b == seed && x->c == (float)-seed && x->d == seed && x->e == seed;
}
CALLS(nearly1)
typedef float lane4 __attribute__((vector_size(16)));
typedef struct { lane4 v[4]; } lanes1;
static void set_lanes1(lanes1 *x, int seed) {
    for (int i = 0; i < 16; i++) x->v[i / 4][i % 4] = (float)(seed + i);
}
static int is_lanes1(const lanes1 *x, int seed) {
    int good = 1;
    for (int i = 0; i < 16; i++) good &= x->v[i / 4][i % 4] == (float)(seed + i);
    return good;
}
CALLS(lanes1)

#define UP_TO_4(X) X(1) X(2) X(3) X(4)
#define UP_TO_8(X) UP_TO_4(X) X(5) X(6) X(7) X(8)
#define UP_TO_16(X) UP_TO_8(X) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define UP_TO_32(X) UP_TO_16(X) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31) X(32)
#define UP_TO_64(X)                                                                                                    \
    UP_TO_32(X) X(33) X(34) X(35) X(36) X(37) X(38) X(39) X(40) X(41) X(42) X(43) X(44) X(45) X(46) X(47) X(48) X(49)  \
    X(50) X(51) X(52) X(53) X(54) X(55) X(56) X(57) X(58) X(59) X(60) X(61) X(62) X(63) X(64)

UP_TO_64(CHARACTERS)
UP_TO_32(FLOAT_FIRST)
UP_TO_32(DOUBLE_LAST)
UP_TO_64(UNION)
UP_TO_32(HALVES)
UP_TO_16(FLOATS)
UP_TO_8(DOUBLES)
UP_TO_4(QUADS)
UP_TO_8(COMPLEXES)

static void report(const char *family) {
    printf("%s: %d of %d wrong\n", family, wrong, passed);
    wrong = passed = 0;
}

int main(void) {
#define RUN(NAME, N) all_##NAME##N();
#define RUN_CHARACTERS(N) RUN(chars, N)
#define RUN_FLOAT_FIRST(N) RUN(float, N)
#define RUN_DOUBLE_LAST(N) RUN(double, N)
#define RUN_UNION(N) RUN(union, N)
#define RUN_HALVES(N) RUN(halves, N)
#define RUN_FLOATS(N) RUN(floats, N)
#define RUN_DOUBLES(N) RUN(doubles, N)
#define RUN_QUADS(N) RUN(quads, N)
#define RUN_COMPLEXES(N) RUN(complexes, N)
    UP_TO_64(RUN_CHARACTERS) report("characters");
    UP_TO_32(RUN_FLOAT_FIRST) report("float first");
    UP_TO_32(RUN_DOUBLE_LAST) report("double last");
    UP_TO_64(RUN_UNION) report("unions");
    UP_TO_32(RUN_HALVES) report("_Float16");
    UP_TO_16(RUN_FLOATS) report("float");
    UP_TO_8(RUN_DOUBLES) report("double");
    UP_TO_4(RUN_QUADS) report("long double");
    UP_TO_8(RUN_COMPLEXES) report("_Complex float");
    all_nested1(), all_nearly1(), all_lanes1();
    report("others");
    return 0;
}
