// Threads of POSIX: each result depends on all threads having done their part, and on no other order.
//#Flags: -pthread -latomic
//#ExpectFile
//#NoExec: a program with several threads hops as a pair only
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 4, TURNS = 2000 };

static void check(int error, const char *what) {
    if (error) {
        printf("%s: %s\n", what, strerror(error));
        exit(1);
    }
}

static void all(void *(*work)(void *), long count, long *results) {
    pthread_t threads[16];
    for (long i = 0; i < count; i++) {
        check(pthread_create(&threads[i], 0, work, (void *)i), "pthread_create");
    }
    for (long i = 0; i < count; i++) {
        void *result;
        check(pthread_join(threads[i], &result), "pthread_join");
        if (results) {
            results[i] = (long)result;
        }
    }
}

// Mutual exclusion, atomics, thread-local variables.

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spin;
static long guarded, spun;
static atomic_long counted;
static _Thread_local long own = 5;
static _Atomic __int128 wide;

static void *count(void *number) {
    for (int i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&mutex);
        guarded++;
        pthread_mutex_unlock(&mutex);
        pthread_spin_lock(&spin);
        spun++;
        pthread_spin_unlock(&spin);
        counted += 3;
        wide += ((__int128)1 << 64) + 1;
        own += (long)number;
    }
    return (void *)own;
}

// A bounded buffer.

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t filled, drained;
    long items[3];
    int count;
} buffer = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0};

static void put(long item) {
    pthread_mutex_lock(&buffer.mutex);
    while (buffer.count == 3) {
        pthread_cond_wait(&buffer.drained, &buffer.mutex);
    }
    buffer.items[buffer.count++] = item;
    pthread_cond_signal(&buffer.filled);
    pthread_mutex_unlock(&buffer.mutex);
}

static long take(void) {
    pthread_mutex_lock(&buffer.mutex);
    while (!buffer.count) {
        pthread_cond_wait(&buffer.filled, &buffer.mutex);
    }
    long item = buffer.items[--buffer.count];
    pthread_cond_signal(&buffer.drained);
    pthread_mutex_unlock(&buffer.mutex);
    return item;
}

static void *produce_or_consume(void *number) {
    long sum = 0;
    for (long i = 1; i <= 500; i++) {
        if ((long)number % 2) {
            put(i);
        } else {
            sum += take();
        }
    }
    return (void *)sum;
}

// Barriers, reader-writer locks, semaphores.

static pthread_barrier_t barrier;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static long phase[THREADS], shared_value;

static void *take_turns(void *argument) {
    long number = (long)argument, serial = 0;
    for (long turn = 0; turn < 50; turn++) {
        phase[number] = turn;
        serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
        for (int i = 0; i < THREADS; i++) {
            if (phase[i] != turn) {
                printf("thread %d is in turn %ld, not %ld\n", i, phase[i], turn);
            }
        }
        pthread_barrier_wait(&barrier);
        pthread_rwlock_wrlock(&lock);
        shared_value++;
        pthread_rwlock_unlock(&lock);
        pthread_rwlock_rdlock(&lock);
        serial += shared_value < 0;
        pthread_rwlock_unlock(&lock);
        sem_post(&semaphore);
        sem_wait(&semaphore);
    }
    return (void *)serial;
}

// Keys with destructors, pthread_once, stacks of their own: deep recursion, alloca, setjmp.

static pthread_key_t key;
static atomic_long destroyed, once_count;
static void destroy(void *value) { destroyed += (long)value; }
static void make_key(void) {
    once_count++;
    pthread_key_create(&key, destroy);
}

static long deep(long depth, long *pointer) {
    long here = depth + *pointer;
    return depth ? deep(depth - 1, &here) + here % 7 : here % 7;
}

static void *use_stack(void *argument) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    long number = (long)argument, sum = 0;
    pthread_once(&once, make_key);
    pthread_setspecific(key, (void *)(number + 1));
    for (long size = 1; size < 200; size++) {
        volatile char *memory = alloca((size_t)size);
        char array[size];
        memory[size - 1] = (char)size;
        memset(array, (int)number, sizeof array);
        sum += memory[size - 1] + array[size - 1];
    }
    jmp_buf again;
    volatile long jumps = 0;
    if (setjmp(again) < 20) {
        jumps++;
        longjmp(again, (int)jumps);
    }
    return (void *)(sum + jumps + deep(1000, &number));
}

// Memory that one thread maps and others use at once; malloc.

static _Atomic(char *) page;
static atomic_int visited;

static void *share_memory(void *argument) {
    long number = (long)argument, sum = 0;
    for (int turn = 0; turn < 40; turn++) {
        if (number == 0) {
            char *fresh = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            fresh[0] = (char)turn;
            page = fresh;
        } else {
            while (!page) {
            }
            page[number] = (char)(turn + number);
            sum += page[0] + page[number];
        }
        visited++;
        pthread_barrier_wait(&barrier);
        if (number == 0) {
            munmap(page, 8192);
            page = 0;
        }
        char *blocks[20];
        for (int i = 0; i < 20; i++) {
            blocks[i] = malloc((size_t)(100 << i % 12));
            blocks[i][0] = (char)i;
        }
        for (int i = 0; i < 20; i++) {
            sum += blocks[i][0];
            free(blocks[i]);
        }
        pthread_barrier_wait(&barrier);
    }
    return (void *)sum;
}

// Threads that nobody waits for.

static atomic_int detached;
static void *leave(void *unused) {
    (void)unused;
    detached++;
    return 0;
}

static void *last(void *unused) {
    (void)unused;
    printf("the last thread ends the process\n");
    return 0;
}

int main(void) {
    long results[16];
    pthread_spin_init(&spin, 0);
    all(count, THREADS, results);
    printf("counted %ld %ld %ld %ld %ld, own", guarded, spun, (long)counted, (long)(wide >> 64), (long)wide);
    for (int i = 0; i < THREADS; i++) {
        printf(" %ld", results[i]);
    }
    all(produce_or_consume, 6, results);
    printf("\nbuffer %ld\n", results[0] + results[2] + results[4]);

    pthread_barrier_init(&barrier, 0, THREADS);
    sem_init(&semaphore, 0, 1);
    all(take_turns, THREADS, results);
    printf("turns %ld, serial %ld\n", shared_value, results[0] + results[1] + results[2] + results[3]);

    all(use_stack, 8, results);
    printf("stacks");
    for (int i = 0; i < 8; i++) {
        printf(" %ld", results[i]);
    }
    printf(", once %ld, destroyed %ld\n", (long)once_count, (long)destroyed);

    all(share_memory, THREADS, results);
    printf("memory %ld %ld %ld %ld, visited %d\n", results[0], results[1], results[2], results[3], visited);

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 65536);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        int error;
        while ((error = pthread_create(&thread, &attributes, leave, 0)) == EAGAIN) {
            usleep(1000);
        }
        check(error, "pthread_create");
    }
    while (detached < 100) {
        usleep(1000);
    }
    printf("detached %d\n", detached);

    pthread_t thread;
    fflush(stdout);
    check(pthread_create(&thread, 0, last, 0), "pthread_create");
    pthread_exit(0);
}
