// Blocking calls - read, poll, select, nanosleep, wait - that signals and hops interrupt.
//#Flags: -D_GNU_SOURCE
//#ExpectFile
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks;
static void tick(int signal) {
    (void)signal;
    ticks++;
}
static void pause_for(long milliseconds) { nanosleep(&(struct timespec){0, milliseconds * 1000000}, NULL); }
// Again and again: a signal may come before the call that it is to interrupt.
static void alarm_every(long milliseconds) {
    setitimer(ITIMER_REAL, &(struct itimerval){{0, milliseconds * 1000}, {0, milliseconds * 1000}}, NULL);
}

int main(void) {
    int ends[2];
    pipe(ends);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            pause_for(5);
            write(ends[1], "word ", 5);
        }
        _exit(9);
    }
    close(ends[1]);
    char text[100] = {0};
    size_t length = 0;
    struct pollfd ready = {ends[0], POLLIN, 0};
    for (ssize_t got; poll(&ready, 1, -1) == 1 && (got = read(ends[0], text + length, 3)) > 0;) {
        length += (size_t)got;
    }
    int status;
    printf("%s%zu, %d\n", text, length, waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);

    sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick}, NULL);
    pipe(ends);
    alarm_every(10);
    ssize_t got = read(ends[0], text, 1);
    printf("read %zd %d, ticks %d\n", got, errno == EINTR, ticks > 0);
    printf("poll %d %d\n", poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, -1), errno == EINTR);
    struct timespec left = {0, 0};
    int slept = nanosleep(&(struct timespec){100, 0}, &left);
    printf("nanosleep %d %d, left %d\n", slept, errno == EINTR, left.tv_sec >= 90);
    sigset_t none;
    sigemptyset(&none);
    printf("sigsuspend %d %d\n", sigsuspend(&none), errno == EINTR);
    alarm_every(0);

    // With SA_RESTART the call goes on.
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, NULL);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        pause_for(50);
        write(ends[1], "late", 4);
        _exit(0);
    }
    int before = ticks;
    alarm_every(10);
    got = read(ends[0], text, 4);
    alarm_every(0);
    printf("restarted %zd %.4s, ticks %d\n", got, text, ticks > before);
    wait(NULL);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval timeout = {0, 10000};
    printf("select %d\n", select(ends[0] + 1, &set, NULL, NULL, &timeout));
    printf("ppoll %d\n", ppoll(&ready, 0, &(struct timespec){0, 1000000}, NULL));
    return 0;
}
