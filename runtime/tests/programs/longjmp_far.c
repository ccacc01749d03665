// longjmp over frames with alloca, out of handlers on an alternate stack, within loops and switches.
//#Flags: -D_GNU_SOURCE
//#Hop: every=1 every=13
//#ExpectFile
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <alloca.h>
#include <unistd.h>
static jmp_buf jb; static sigjmp_buf sjb;
static void hop(void) { fflush(stdout); }
__attribute__((noinline)) static void eat(int n) {
    char *p = alloca(n * 100); memset(p, n, n * 100);
    char vla[n + 1]; memset(vla, n, n + 1);
    hop();
    if (n > 20) longjmp(jb, p[5] + vla[3] - n);
    eat(n + 1);
}
__attribute__((noinline)) static char *where(void) { char *p = alloca(16); hop(); *p = 1; return p; }
static void on(int s) { siglongjmp(sjb, s); }
static void crash(int s, siginfo_t *i, void *c) { (void)i; (void)c; siglongjmp(sjb, s); }
__attribute__((noinline)) static int unmodified(int a, long b, double c) {
    jmp_buf here; int x = a * 3; double y = c * 2; char *s = malloc(10); strcpy(s, "heap");
    volatile int tries = 0;
    int r = setjmp(here); hop();
    tries++;
    if (tries < 4) longjmp(here, tries);
    int v = r + x + a + (int)b + (int)(y + c) + (int)strlen(s); free(s); return v;
}
static void loops(void) {
    static jmp_buf t[3];
    for (volatile int i = 0; i < 3; i++) {
        volatile int k = 0;
        switch (setjmp(t[i])) {
        case 0: printf("first %d\n", i); longjmp(t[i], 1);
        case 1: k++; hop(); printf("one %d %d\n", i, k); longjmp(t[i], 2);
        default: printf("two %d %d\n", i, k);
        }
    }
    if (!setjmp(t[0])) { hop(); longjmp(t[0], 5); } else puts("else");
    while (setjmp(t[1]) < 3) { static int z; hop(); longjmp(t[1], ++z); }
}
int main(void) {
    char *volatile first = where();
    for (volatile int i = 0; i < 5; i++) { int v = setjmp(jb); if (!v) eat(1); printf("eaten %d same %d\n", v, where() == first); }
    printf("%d\n", unmodified(1, 2, 3.5));
    signal(SIGUSR1, on); signal(SIGALRM, on);
    for (volatile int i = 0; i < 4; i++) { if (sigsetjmp(sjb, 1) == 0) { int vla[10 + i]; vla[i] = 0; raise(i & 1 ? SIGUSR1 : SIGALRM); } else printf("out %d\n", i); hop(); }
    stack_t st = {.ss_sp = malloc(65536), .ss_size = 65536}; sigaltstack(&st, 0);
    struct sigaction sa = {.sa_sigaction = crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &sa, 0); sigaction(SIGBUS, &sa, 0); sigaction(SIGFPE, &sa, 0); sigaction(SIGTRAP, &sa, 0); sigaction(SIGILL, &sa, 0);
    for (volatile int i = 0; i < 4; i++) {
        int s = sigsetjmp(sjb, 1);
        hop();
        if (s == 0) { *(volatile int *)(long)(i * 8) = 1; puts("not here"); }
        stack_t now; sigaltstack(0, &now);
        printf("fault %d on %d\n", s, now.ss_flags & SS_ONSTACK);
    }
    loops();
    return 0;
}
