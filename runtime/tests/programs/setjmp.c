// setjmp, longjmp and sigsetjmp, with hops between the two and many frames thrown away.
//#ExpectFile
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

static jmp_buf outer, inner;

static int deep(int depth, int value) {
    char block[100];
    block[depth % 100] = (char)value;
    if (depth == 0) {
        longjmp(outer, value);
    }
    fflush(stdout);
    return deep(depth - 1, value) + block[depth % 100];
}

static void ping(int n) {
    volatile int count = 0;
    int code = setjmp(inner);
    count++;
    fflush(stdout);
    if (code < n) {
        longjmp(inner, code + 1);
    }
    printf("ping %d %d\n", count, code);
}

static int with_vla(int n) {
    volatile int rounds = 0;
    jmp_buf here;
    int code = setjmp(here);
    int array[n + code];
    for (int i = 0; i < n + code; i++) {
        array[i] = i;
    }
    fflush(stdout);
    rounds++;
    if (code < 10) {
        longjmp(here, code + 1);
    }
    return array[n + code - 1] * 100 + rounds;
}

static sigjmp_buf from_handler;
static void handler(int signal) { siglongjmp(from_handler, signal); }

int main(void) {
    for (volatile int i = 1; i < 8; i++) {
        volatile double kept = i * 1.5;
        int code = setjmp(outer);
        if (code == 0) {
            deep(i * 10, i);
        }
        printf("caught %d, kept %g\n", code, kept);
    }
    ping(9);
    printf("vla %d\n", with_vla(5));
    printf("zero becomes %d\n", setjmp(outer) ? 1 : (longjmp(outer, 0), 2));
    signal(SIGUSR1, handler);
    for (volatile int i = 0; i < 5; i++) {
        int code = sigsetjmp(from_handler, 1);
        if (code == 0) {
            raise(SIGUSR1);
        }
        sigset_t blocked;
        sigprocmask(SIG_BLOCK, NULL, &blocked);
        printf("signal %d, blocked %d\n", code, sigismember(&blocked, SIGUSR1));
    }
    return 0;
}
