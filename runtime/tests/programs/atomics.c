// Atomic operations on 1 to 24 bytes, also those that are calls of a library.
//#Flags: -latomic
//#Levels: O0 O2 Os O2v3
//#Hop: every=1 every=13
//#NoClang: its library finds other sizes to be lock-free
//#ExpectFile
#include <stdio.h>
#include <stdatomic.h>
#include <string.h>
#define NI __attribute__((noinline))
static void hop(void) { fflush(stdout); }
struct s3 { char c[3]; }; struct s5 { char c[5]; }; struct s16 { long a, b; }; struct s24 { long a, b, c; };
#define T(N, TY) static _Atomic TY a##N; NI static void t##N(void) { TY v = (TY)N, e; atomic_store(&a##N, v); hop(); v = atomic_fetch_add(&a##N, (TY)3); v ^= atomic_fetch_xor(&a##N, (TY)0x55); v += atomic_fetch_or(&a##N, 8); v -= atomic_fetch_and(&a##N, (TY)~1); hop(); e = atomic_load(&a##N); int ok = atomic_compare_exchange_strong(&a##N, &e, (TY)77); e = 0; int no = atomic_compare_exchange_strong(&a##N, &e, (TY)78); a##N++; a##N += 5; a##N *= 3; v += atomic_exchange(&a##N, v); printf("%d: %lld %lld %d %d %lld\n", N, (long long)v, (long long)a##N, ok, no, (long long)e); }
T(1, signed char) T(2, short) T(4, unsigned) T(8, long)
T(16, __int128)
#define S(ST) static _Atomic struct ST g##ST; NI static void u##ST(void) { struct ST v, w; memset(&v, 3, sizeof v); memset(&w, 4, sizeof w); atomic_store(&g##ST, v); hop(); struct ST o = atomic_exchange(&g##ST, w); struct ST l = atomic_load(&g##ST); int ok = atomic_compare_exchange_strong(&g##ST, &l, v); hop(); l = g##ST; printf("%s %d %d %d\n", #ST, ((char *)&o)[0], ok, ((char *)&l)[sizeof l - 1]); }
S(s3) S(s5) S(s16) S(s24)
static _Atomic float af; static _Atomic double ad; static _Atomic long double al; static _Atomic _Bool ab; static int *_Atomic ap;
int main(void) {
    t1(); t2(); t4(); t8(); t16(); us3(); us5(); us16(); us24();
    for (int i = 0; i < 5; i++) { af += 1.5f; ad -= 2.5; al += 1.25L; hop(); }
    printf("%g %g %Lg\n", (double)af, ad, (long double)al);
    ab ^= 1; int arr[3]; ap = arr; ap++; atomic_fetch_add(&ap, 1); printf("%d %d\n", ab, ap == arr + 2);
    atomic_flag f = ATOMIC_FLAG_INIT; printf("%d", atomic_flag_test_and_set(&f)); printf("%d", atomic_flag_test_and_set(&f)); atomic_flag_clear(&f); printf("%d\n", atomic_flag_test_and_set(&f));
    int z = 5; __atomic_store_n(&z, 6, __ATOMIC_RELEASE); __sync_fetch_and_add(&z, 4); __sync_bool_compare_and_swap(&z, 10, 11); printf("%d %d\n", __sync_lock_test_and_set(&z, 1), __atomic_nand_fetch(&z, 3, 0));
    atomic_thread_fence(memory_order_seq_cst); atomic_signal_fence(memory_order_acquire); __sync_synchronize();
    printf("%d %d %d %d\n", atomic_is_lock_free(&a1), atomic_is_lock_free(&a8), atomic_is_lock_free(&gs3) , atomic_is_lock_free(&gs24));
    printf("%d %d %d\n", __atomic_fetch_min(&z, -5, 5), __atomic_max_fetch(&z, 9, 5), z);
    return 0;
}
