// What the C library does with threads of its own, or with all threads: C11 threads, timers, asynchronous I/O, setuid; processes
// started by a thread, and a thread that becomes another program.
//#Flags: -pthread -lrt -D_GNU_SOURCE
//#ExpectFile
//#NoExec: a program with several threads hops as a pair only
#include <aio.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int add(void *pointer) { return (*(int *)pointer)++; }

static void c11(void) {
    thrd_t thread;
    int value = 41, result = 0;
    thrd_create(&thread, add, &value);
    thrd_join(thread, &result);
    printf("c11 %d %d\n", result, value);
}

static atomic_int ticks;
static void tick(union sigval value) { ticks += value.sival_int; }

static void timers(void) {
    timer_t timer;
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick, .sigev_value.sival_int = 2,
    };
    struct itimerspec often = {{0, 1000000}, {0, 1000000}};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &often, 0)) {
        perror("timer");
    }
    while (ticks < 10) {
        usleep(500);
    }
    timer_delete(timer);
    printf("timer %d\n", ticks % 2);
}

static void asynchronous(void) {
    FILE *file = tmpfile();
    char text[] = "hello", back[sizeof text] = "";
    struct aiocb block = {.aio_fildes = fileno(file), .aio_buf = text, .aio_nbytes = sizeof text};
    const struct aiocb *list[] = {&block};
    aio_write(&block);
    while (aio_error(&block) == EINPROGRESS) {
        aio_suspend(list, 1, 0);
    }
    ssize_t written = aio_return(&block);
    printf("aio %zd %zd %s\n", written, pread(fileno(file), back, sizeof back, 0), back);
}

static void *spawn(void *unused) {
    (void)unused;
    pid_t child;
    int status = -1;
    char *arguments[] = {"sh", "-c", "exit 7", 0};
    posix_spawn(&child, "/bin/sh", 0, 0, arguments, environ);
    waitpid(child, &status, 0);
    return (void *)(long)(WEXITSTATUS(status) * 10 + WEXITSTATUS(system("exit 3")));
}

static pthread_barrier_t barrier;
static void *meet(void *unused) {
    (void)unused;
    return (void *)(long)(pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void many(void) {
    enum { MANY = 200 };
    pthread_t threads[MANY];
    pthread_attr_t attributes;
    long serial = 0;
    pthread_barrier_init(&barrier, 0, MANY);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    for (int i = 0; i < MANY; i++) {
        int error = pthread_create(&threads[i], &attributes, meet, 0);
        if (error) {
            printf("thread %d: error %d\n", i, error);
            exit(1);
        }
    }
    for (int i = 0; i < MANY; i++) {
        void *result;
        pthread_join(threads[i], &result);
        serial += (long)result;
    }
    printf("many %ld\n", serial);
}

static void *become_echo(void *unused) {
    (void)unused;
    execl("/bin/sh", "sh", "-c", "echo another program", (char *)0);
    return 0;
}

int main(void) {
    pthread_attr_t attributes;
    void *base;
    size_t size;
    char here, name[16];
    pthread_t thread;
    void *result;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &size);
    printf("on the stack %d\n", &here >= (char *)base && &here < (char *)base + size);
    c11();
    timers();
    asynchronous();
    pthread_create(&thread, 0, spawn, 0);
    pthread_join(thread, &result);
    pthread_setname_np(pthread_self(), "first");
    pthread_getname_np(pthread_self(), name, sizeof name);
    printf("spawned %ld, name %s, setuid %d\n", (long)result, name, setuid(getuid()));
    many();
    fflush(stdout);
    pthread_create(&thread, 0, become_echo, 0);
    pthread_join(thread, 0);
    printf("not reached\n");
}
