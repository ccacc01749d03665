// Several functions in one section, with jumps between them and an alignment that is larger than that of functions:
// padding in one moves the others.
//#ExpectFile
#include <stdio.h>
#define S __attribute__((section("mine"), noinline))
S static int leaf(int x) { return x * 3 + 1; }
S static int tail(int x) { volatile int k = x; return leaf(k + 2); }
S int a(int n) { if (n < 2) return tail(n); return a(n - 1) + a(n - 2); }
S __attribute__((aligned(64))) int b(int n) { int s = 0; for (int i = 0; i < n; i++) s += a(i % 7); return s; }
S __attribute__((noreturn)) void c(int n) { printf("%d\n", n); __builtin_trap(); }
S int d(int n) { for (int i = 0; i < n; i++) printf("%d ", b(i)); puts(""); return tail(n); }
int main(int argc, char **argv) { if (argc > 3) c(argc); printf("%d\n", d(12)); return argv == NULL; }
