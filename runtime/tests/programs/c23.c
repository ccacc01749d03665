// What C23 adds.
//#Flags: -std=c23
//#Levels: O0 O2 Os
//#Hop: every=1 every=3
//#ExpectFile
#include <stdio.h>
#include <stddef.h>
static void hop(void) { fflush(stdout); }
constexpr int N = 12; constexpr double PI = 3.25;
enum e : unsigned char { X = 250, Y };
[[nodiscard]] static int nd(int a) { hop(); return a; }
static auto glob = 5L;
int open_args(...);
int open_args(...) { __builtin_va_list l; __builtin_c23_va_start(l); int t = 0, v; while ((v = __builtin_va_arg(l, int))) { hop(); t = t * 10 + v; } __builtin_va_end(l); return t; }
static int noparams() { hop(); return 3; }
struct { int a; } anon;
static const unsigned char data[] = {
#embed __FILE__ limit(20)
};
static int typeof_(int n) { typeof(n) m = n; typeof_unqual(const int) k = m; k++; hop(); return k; }
static bool truth(bool a) { hop(); return !a; }
[[noreturn]] static void leave(void) { puts("leave"); fflush(nullptr); __builtin_unreachable(); }
int main() {
    int a[N] = {}; a[3] = 0b1010'1010; int *p = nullptr;
    static_assert(sizeof(nullptr) == sizeof(void *));
    auto b = 3.5; thread_local static int t = 4;
    hop();
    printf("%d %d %g %d %g %d %ld\n", a[3], p == nullptr, PI, N, b, t, glob);
    printf("%d %d %d %d %d\n", Y, nd(3), open_args(1, 2, 3, 0), noparams(), typeof_(4));
    printf("%.20s|%zu %d\n", (const char *)data, sizeof data, truth(false));
    int sel = _Generic(b, double: 1, float: 2, default: 3); printf("%d\n", sel);
    unsigned _BitInt(9) w = 511uwb; w += 1; printf("%d\n", (int)w);
    const char *s = (const char *)u8"é"; printf("%d\n", s[0] & 255);
    switch (nd(2)) { case 1: puts("1"); [[fallthrough]]; case 2: puts("2"); default: puts("d"); }
    printf("%d %d\n", __builtin_popcountg(w | 5u), __builtin_clzg(1u));
    struct s { int n; char t[]; }; static struct s fl = {3, {'a', 'b', 'c'}}; printf("%c\n", fl.t[2]);
    [[maybe_unused]] int unused; if (a[0]) leave();
    label: return 0;
}
