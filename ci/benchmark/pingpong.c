// What a hop by the pair vehicle is measured against: two processes that share memory hand a turn to each other with
// bare futexes. Usage: pingpong COUNT PAUSE COMMAND...
// COMMAND runs this program, for either ISA; PAUSE is how many nanoseconds a side keeps the turn. Prints the nanoseconds
// of each way there and back, a pair a line.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HOME, VISITOR };
enum { FUTEX_WAIT, FUTEX_WAKE }; // musl has no header of the kernel

struct shared {
    uint32_t turn;
    uint32_t count;
    uint64_t pause, left;
    uint64_t ways[][2];
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void hand_over(struct shared *shared, uint32_t to) {
    uint64_t until = now() + shared->pause;
    do {
        shared->left = now();
    } while (shared->left < until);
    __atomic_store_n(&shared->turn, to, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &shared->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t wait_turn(struct shared *shared, uint32_t mine) {
    while (__atomic_load_n(&shared->turn, __ATOMIC_SEQ_CST) != mine) {
        syscall(SYS_futex, &shared->turn, FUTEX_WAIT, 1 - mine, NULL, NULL, 0);
    }
    return now() - shared->left;
}

static struct shared *map(int file, size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        perror("pingpong");
        exit(1);
    }
    return memory;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "visitor") == 0) {
        struct shared *shared = map(atoi(argv[2]), (size_t)atol(argv[3]));
        for (uint32_t i = 0; i < shared->count; i++) {
            shared->ways[i][0] = wait_turn(shared, VISITOR);
            hand_over(shared, HOME);
        }
        return 0;
    }
    if (argc < 4 || atoi(argv[1]) <= 0) {
        fprintf(stderr, "usage: pingpong COUNT PAUSE COMMAND...\n");
        return 2;
    }
    uint32_t count = (uint32_t)atoi(argv[1]);
    size_t size = sizeof(struct shared) + count * sizeof(uint64_t[2]);
    int file = memfd_create("pingpong", 0);
    if (file < 0 || ftruncate(file, (off_t)size)) {
        perror("pingpong");
        return 1;
    }
    struct shared *shared = map(file, size);
    shared->count = count;
    shared->pause = (uint64_t)atoll(argv[2]);
    pid_t child = fork();
    if (child == 0) {
        char number[16], bytes[24], *arguments[argc + 1];
        snprintf(number, sizeof number, "%d", file);
        snprintf(bytes, sizeof bytes, "%zu", size);
        memcpy(arguments, argv + 3, (size_t)(argc - 3) * sizeof *argv);
        memcpy(arguments + argc - 3, (char *[]){"visitor", number, bytes, NULL}, 4 * sizeof *argv);
        execvp(arguments[0], arguments);
        perror(arguments[0]);
        _exit(127);
    }
    for (uint32_t i = 0; i < count; i++) {
        hand_over(shared, VISITOR);
        shared->ways[i][1] = wait_turn(shared, HOME);
    }
    int status;
    waitpid(child, &status, 0);
    for (uint32_t i = 0; i < count; i++) {
        printf("%llu %llu\n", (unsigned long long)shared->ways[i][0], (unsigned long long)shared->ways[i][1]);
    }
    return status != 0;
}
