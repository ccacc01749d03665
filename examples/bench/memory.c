// Much memory, all of it touched, and work on it: what a hop costs must not depend on how much there is.
// Usage: memory [-t] [MEBIBYTES] [ROUNDS]
// -t: prints how many nanoseconds memcpy takes for as many bytes, into pages that are new and into the same ones again
//#ExpectFile
//#Levels: O2 O2lto
//#Hop: every=101
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096 };

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (!memory) {
        fprintf(stderr, "no memory for %zu bytes\n", size);
        exit(2);
    }
    return memory;
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

// One word of each page changes.
static uint32_t walk(unsigned char *memory, size_t size, uint32_t sum) {
    for (size_t at = 0; at < size; at += PAGE) {
        uint32_t word;
        memcpy(&word, memory + at + sum % PAGE / 4 * 4, sizeof word);
        sum = sum * 31 + word;
        memcpy(memory + at, &sum, sizeof sum);
    }
    return sum;
}

int main(int argc, char **argv) {
    int timing = argc > 1 && strcmp(argv[1], "-t") == 0;
    size_t size = (argc > 1 + timing ? (size_t)atol(argv[1 + timing]) : 1) << 20;
    long rounds = argc > 2 + timing ? atol(argv[2 + timing]) : 100;
    unsigned char *memory = memset(allocate(size), 1, size);
    if (timing) {
        unsigned char *volatile copy = allocate(size); // volatile: both copies are made
        for (int i = 0; i < 2; i++) {
            long long start = now();
            memcpy(copy, memory, size);
            printf("%lld\n", now() - start);
        }
        free(copy);
    }
    uint32_t sum = 1;
    for (long round = 0; round < rounds; round++) {
        sum = walk(memory, size, sum);
    }
    printf("%u\n", sum);
    free(memory);
}
