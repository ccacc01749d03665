// SIGBUS, which polls use, is the program's own as well: raised by an access behind the end of a file, sent, blocked, ignored, deadly.
//#ExpectFile
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile sig_atomic_t jumped, noted;

static void jump(int signal, siginfo_t *info, void *context) {
    (void)context;
    jumped += signal == SIGBUS && info->si_code == BUS_ADRERR;
    siglongjmp(back, 1);
}

static void note(int signal) { noted += signal == SIGBUS; }

static void handle(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGBUS, &action, NULL);
}

__attribute__((noinline)) static unsigned long work(unsigned long n) {
    unsigned long sum = 0;
    for (unsigned long i = 0; i < n; i++) sum = sum * 3 + (i ^ sum >> 7);
    return sum;
}

static void in_child(const char *what, volatile char *behind_end, int blocked) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        sigset_t all;
        sigfillset(&all);
        if (blocked) sigprocmask(SIG_BLOCK, &all, NULL);
        if (behind_end)
            *behind_end = 1;
        else
            raise(SIGBUS);
        _exit(3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("%s: %d %d\n", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
}

int main(void) {
    FILE *file = tmpfile();
    volatile char *behind_end = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    struct sigaction action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    for (int i = 0; i < 3; i++)
        if (!sigsetjmp(back, 1)) *behind_end = 1;
    printf("raised: %d\n", (int)jumped);

    handle(note);
    sigset_t bus, pending, all;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    raise(SIGBUS);
    printf("%lx\n", work(100000));
    sigpending(&pending);
    printf("blocked: %d, pending %d\n", (int)noted, sigismember(&pending, SIGBUS));
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    printf("unblocked: %d\n", (int)noted);

    handle(SIG_IGN);
    raise(SIGBUS);
    in_child("ignored, raised", behind_end, 0);
    handle(SIG_DFL);
    in_child("sent", NULL, 0);
    in_child("sent, blocked", NULL, 1);
    in_child("raised, blocked", behind_end, 1);
    handle(note);
    in_child("sent, handled", NULL, 0);
    in_child("raised, handled, blocked", behind_end, 1);
    printf("%lx\n", work(1000));
}
