// How processes end - abort, assert, traps, faults, exit codes - and faults that a handler leaves by siglongjmp.
//#Flags: -D_GNU_SOURCE
//#Levels: O0 O2 Os
//#Hop: every=1 every=7
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/resource.h>
#include <unistd.h>
#include <assert.h>
#include <setjmp.h>
static void hop(void) { fflush(stdout); }
static sigjmp_buf jb;
static void on(int s) { siglongjmp(jb, s); }
static void child(const char *what, void (*f)(void)) {
    fflush(stdout);
    pid_t p = fork();
    if (!p) { struct rlimit r = {0, 0}; setrlimit(RLIMIT_CORE, &r); hop(); f(); puts("survived"); fflush(stdout); _exit(0); }
    int st; waitpid(p, &st, 0);
    if (WIFSIGNALED(st)) printf("%s: signal %d\n", what, WTERMSIG(st)); else printf("%s: exit %d\n", what, WEXITSTATUS(st));
}
static void t_abort(void) { abort(); }
static void t_trap(void) { __builtin_trap(); }
static void t_dtrap(void) { __builtin_debugtrap(); }
static void t_null(void) { *(volatile int *)8 = 1; }
static void t_exit(void) { exit(300); }
static void t_assert(void) { close(2); volatile int x = 1; assert(x == 2); }
static void t_raise(void) { raise(SIGTERM); }
static void t_fpe(void) { raise(SIGFPE); }
static void t_ro(void) { *(volatile char *)"literal" = 1; }
static void t_code(void) { *(volatile char *)t_ro = 1; }
static void t_rec(void) { signal(SIGSEGV, SIG_DFL); struct rlimit r = {1 << 20, 1 << 20}; (void)r; *(volatile long *)-16l = 0; }
static void t_quick(void) { quick_exit(7); }
int main(void) {
    child("abort", t_abort); child("trap", t_trap); child("debugtrap", t_dtrap); child("null", t_null); child("exit", t_exit); child("assert", t_assert);
    child("raise", t_raise); child("fpe", t_fpe); child("ro", t_ro); child("code", t_code); child("wild", t_rec); child("quick", t_quick);
    signal(SIGILL, on); signal(SIGSEGV, on); signal(SIGTRAP, on); signal(SIGABRT, on);
    for (volatile int i = 0; i < 4; i++) {
        int s = sigsetjmp(jb, 1); hop();
        if (s) { printf("caught %d\n", s); continue; }
        switch (i) { case 0: __builtin_trap(); case 1: t_null(); case 2: t_dtrap(); case 3: abort(); }
    }
    return 0;
}
