// What surrounds a program: main with three parameters, auxv, brk, mremap; and types whose signs and sizes
// an ISA chooses.
//#Flags: -D_GNU_SOURCE
//#Levels: O0 O2 Os
//#Hop: every=5 every=13
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
static void hop(void) { fflush(stdout); }
_Static_assert((char)-1 < 0, "x");
int main(int argc, char **argv, char **envp) {
    printf("%d %d\n", argc, envp == environ);
    int n = 0; for (char **e = envp; *e; e++) n++;
    printf("%d\n", n > 0 || envp[0] == 0);
    printf("%lu %d %d\n", getauxval(AT_PAGESZ), getauxval(AT_RANDOM) != 0, getauxval(AT_PHDR) != 0);
    wchar_t w[] = L"wide \x263a"; hop(); printf("%zu %d %d\n", wcslen(w), (int)sizeof(wchar_t), (wchar_t)-1 < 0);
    _Bool b = 5; b += 3; hop(); printf("%d %d\n", b, (_Bool)0.5);
    char c = (char)200; hop(); printf("%d %d %d\n", c, (unsigned char)c, CHAR_MIN);
    char *brk0 = (char *)syscall(SYS_brk, 0), *p = brk0; printf("%d\n", (char *)syscall(SYS_brk, brk0 + 8192) == brk0 + 8192); p[0] = 1; p[8191] = 2; hop(); printf("%d %d\n", p == brk0, p[0] + p[8191]);
    long *m = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); m[1000] = 5; hop(); m = mremap(m, 1 << 20, 1 << 22, MREMAP_MAYMOVE); m[400000] = 6; hop(); printf("%ld\n", m[1000] + m[400000]); munmap(m, 1 << 22);
    return 0;
}
