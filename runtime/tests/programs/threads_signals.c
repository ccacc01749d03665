// Threads with signals, cancellation, fork and blocking calls: each signal reaches the thread that it is for, wherever that runs.
//#Flags: -pthread -D_GNU_SOURCE
//#ExpectFile
//#NoExec: a program with several threads hops as a pair only
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Thread_local volatile int seen;
static atomic_int ready, wrong, noted;

static void note(int signal) {
    seen += signal == SIGUSR1 ? 1 : 100;
    noted++;
}

static void wait_until(atomic_int *value, int wanted) {
    while (*value < wanted) {
        usleep(500);
    }
}

// Computes until it has got its signals.
static void *compute(void *unused) {
    (void)unused;
    ready++;
    unsigned long sum = 1;
    while (seen < 103) {
        sum = sum * 6364136223846793005ul + 1;
    }
    return (void *)(long)(seen + (sum == 0));
}

// Waits with a time-out of a minute; a signal, which comes then only, ends that.
static void *sleep_until_signal(void *unused) {
    (void)unused;
    sigset_t set, none;
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    ready++;
    struct timespec minute = {60, 0};
    int result = ppoll(0, 0, &minute, &none);
    return (void *)(long)(result == -1 && errno == EINTR && seen == 1);
}

static void *take_signal(void *unused) {
    (void)unused;
    sigset_t set;
    int signal = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    ready++;
    sigwait(&set, &signal);
    return (void *)(long)(signal == SIGUSR2 && !seen);
}

static void signals(void) {
    pthread_t threads[6];
    void *result;
    long sum[3] = {0, 0, 0};
    void *(*work[])(void *) = {compute, sleep_until_signal, take_signal};
    for (int i = 0; i < 6; i++) {
        pthread_create(&threads[i], 0, work[i % 3], 0);
    }
    wait_until(&ready, 6);
    for (int i = 0; i < 6; i++) {
        switch (i % 3) {
        case 0:
            for (int turn = 0; turn < 4; turn++) { // a signal is pending once only
                int before = noted;
                pthread_kill(threads[i], turn < 3 ? SIGUSR1 : SIGUSR2);
                wait_until(&noted, before + 1);
            }
            break;
        case 1:
            pthread_kill(threads[i], SIGUSR1);
            pthread_join(threads[i], &result);
            sum[1] += (long)result;
            break;
        case 2:
            pthread_kill(threads[i], SIGUSR2);
        }
    }
    for (int i = 0; i < 6; i++) {
        if (i % 3 != 1) {
            pthread_join(threads[i], &result);
            sum[i % 3] += (long)result;
        }
    }
    printf("computed with %ld, slept %ld, waited %ld, main saw %d\n", sum[0], sum[1], sum[2], seen);
}

// Cancellation.

static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static atomic_int cleaned;

static void clean(void *unused) {
    (void)unused;
    cleaned++;
}

static void *block_in_read(void *unused) {
    char byte;
    pthread_cleanup_push(clean, unused);
    ready++;
    wrong += read(ends[0], &byte, 1) != -1;
    pthread_cleanup_pop(0);
    return 0;
}

static void unlock(void *unused) {
    (void)unused;
    cleaned += pthread_mutex_unlock(&mutex) == 0;
}

static void *block_in_wait(void *unused) {
    (void)unused;
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock, 0);
    ready++;
    for (;;) {
        pthread_cond_wait(&never, &mutex);
    }
    pthread_cleanup_pop(0);
    return 0;
}

static void *compute_for_ever(void *unused) {
    int old;
    pthread_cleanup_push(clean, unused);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    ready++;
    for (volatile unsigned long turn = 0;; turn++) {
    }
    pthread_cleanup_pop(0);
    return 0;
}

static void *test_often(void *unused) {
    int old;
    pthread_cleanup_push(clean, unused);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    ready++;
    usleep(50000); // not cancelled here
    cleaned++;
    pthread_setcancelstate(old, 0);
    for (;;) {
        pthread_testcancel();
    }
    pthread_cleanup_pop(0);
    return 0;
}

static void cancellation(void) {
    void *(*work[])(void *) = {block_in_read, block_in_wait, compute_for_ever, test_often};
    pthread_t threads[8];
    int cancelled = 0;
    wrong += pipe(ends) != 0;
    ready = 0;
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], 0, work[i % 4], 0);
    }
    wait_until(&ready, 8);
    for (int i = 0; i < 8; i++) {
        pthread_cancel(threads[i]);
        void *result;
        pthread_join(threads[i], &result);
        cancelled += result == PTHREAD_CANCELED;
    }
    printf("cancelled %d, cleaned up %d, wrong %d\n", cancelled, cleaned, wrong);
}

// fork by a thread: the child has that thread only.

static void *fork_child(void *argument) {
    int status;
    int *heap = malloc(sizeof *heap);
    *heap = (int)(long)argument;
    pid_t child = fork();
    if (!child) {
        seen = 30;
        _exit(*heap + seen);
    }
    waitpid(child, &status, 0);
    free(heap);
    return (void *)(long)(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

// A child has the parent's memory as it was at one moment, though other threads write.
static struct {
    atomic_long first;
    char between[4 << 20];
    atomic_long second;
} pages;
static atomic_int enough;

static void *write_pages(void *unused) {
    (void)unused;
    while (!enough) {
        pages.first++;
        pages.second++;
    }
    return 0;
}

static void moments(void) {
    pthread_t thread;
    int torn = 0;
    for (size_t i = 0; i < sizeof pages.between; i += 4096) {
        pages.between[i] = 1;
    }
    pthread_create(&thread, 0, write_pages, 0);
    for (int i = 0; i < 10; i++) {
        int status;
        pid_t child = fork();
        if (!child) {
            long ahead = pages.first - pages.second;
            _exit(ahead != 0 && ahead != 1);
        }
        waitpid(child, &status, 0);
        torn += status != 0;
    }
    enough = 1;
    pthread_join(thread, 0);
    printf("torn %d\n", torn);
}

static void forks(void) {
    pthread_t threads[3];
    printf("children");
    fflush(stdout);
    for (long i = 0; i < 3; i++) {
        pthread_create(&threads[i], 0, fork_child, (void *)i);
    }
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(threads[i], &result);
        printf(" %ld", (long)result);
    }
    printf("\n");
}

// A ring of pipes: each thread waits for its neighbour.

enum { RING = 5 };
static int ring[RING][2];

static void *pass(void *argument) {
    long number = (long)argument, sum = 0;
    for (int turn = 0; turn < 100; turn++) {
        int token;
        if (read(ring[number][0], &token, sizeof token) != sizeof token) {
            wrong++;
        }
        sum += token++;
        if (write(ring[(number + 1) % RING][1], &token, sizeof token) != sizeof token) {
            wrong++;
        }
    }
    return (void *)sum;
}

static void blocking(void) {
    pthread_t threads[RING];
    long sum = 0;
    int token = 1;
    for (int i = 0; i < RING; i++) {
        wrong += pipe(ring[i]) != 0;
    }
    for (long i = 0; i < RING; i++) {
        pthread_create(&threads[i], 0, pass, (void *)i);
    }
    wrong += write(ring[0][1], &token, sizeof token) != sizeof token;
    for (int i = 0; i < RING; i++) {
        void *result;
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    printf("passed on %ld, wrong %d\n", sum, wrong);
}

static void *leave_process(void *unused) {
    (void)unused;
    printf("a thread ends the process, while another one computes\n");
    exit(0);
}

int main(void) {
    struct sigaction action = {.sa_handler = note};
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGUSR2, &action, 0);
    signals();
    cancellation();
    forks();
    moments();
    blocking();
    pthread_t threads[2];
    ready = 0;
    pthread_create(&threads[0], 0, compute_for_ever, 0);
    wait_until(&ready, 1);
    pthread_create(&threads[1], 0, leave_process, 0);
    pause();
}
