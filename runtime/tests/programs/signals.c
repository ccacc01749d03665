// Signal handlers: raise, masks, siginfo, an alternate stack, handlers that are interrupted; never a hop inside one.
//#Flags: -D_GNU_SOURCE
//#ExpectFile
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t count, last, depth, deepest;
static volatile int value;
static char *stack;

static void simple(int signal) {
    count++;
    last = signal;
}
static void info(int signal, siginfo_t *info, void *context) {
    (void)context;
    count++;
    last = signal;
    value = info->si_value.sival_int + (info->si_pid == getpid());
}
static void on_stack(int signal) {
    char here;
    value = &here > stack && &here < stack + SIGSTKSZ * 4;
    last = signal;
}
static void nested(int signal) {
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (signal == SIGUSR1) {
        raise(SIGUSR2);
        fflush(stdout);
    }
    depth--;
}
static void polls(void) {
    for (int i = 0; i < 5; i++) {
        fflush(stdout);
    }
}

int main(void) {
    signal(SIGUSR1, simple);
    for (int i = 0; i < 10; i++) {
        raise(SIGUSR1);
        polls();
    }
    printf("%d signals, last %d\n", count, last);

    struct sigaction action = {.sa_sigaction = info, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
    sigaction(SIGUSR1, &action, &old);
    printf("old handler %d\n", old.sa_handler == simple);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 41});
    printf("value %d\n", value);

    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    count = 0;
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    polls();
    sigpending(&pending);
    printf("blocked: %d, pending %d\n", count, sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("unblocked: %d\n", count);

    stack = malloc(SIGSTKSZ * 4);
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = SIGSTKSZ * 4}, NULL);
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = on_stack, .sa_flags = SA_ONSTACK}, NULL);
    polls();
    raise(SIGUSR2);
    stack_t now;
    sigaltstack(NULL, &now);
    printf("alternate stack: %d %d\n", value, now.ss_sp == stack && now.ss_size == (size_t)SIGSTKSZ * 4);

    signal(SIGUSR1, nested);
    signal(SIGUSR2, nested);
    for (int i = 0; i < 5; i++) {
        raise(SIGUSR1);
        polls();
    }
    printf("nested %d\n", deepest);

    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = simple, .sa_flags = SA_RESETHAND}, NULL);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    printf("reset %d\n", old.sa_handler == SIG_DFL);

    signal(SIGUSR1, SIG_IGN);
    polls();
    raise(SIGUSR1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR2);
    polls();
    int received = 0;
    printf("sigwait %d %d\n", sigwait(&set, &received), received == SIGUSR2);
    return 0;
}
