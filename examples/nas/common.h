// What the eight kernels share: the random numbers, the command line, and the report of the verification.
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// For functions that are small, or that a constant argument makes small: what inlining makes of them is part of the
// benchmark, and compilers differ in when they do it.
#define NAS_INLINE static inline __attribute__((always_inline))

// ---- Random numbers: x' = a x mod 2^46, as a fraction of 2^46; a = 5^13 ----

static const uint64_t nas_multiplier = 1220703125;
static const uint64_t nas_seed = 314159265;

NAS_INLINE uint64_t nas_multiply(uint64_t a, uint64_t b) {
    return (a * b) & (((uint64_t)1 << 46) - 1);
}

// The next number in (0, 1); advances *state.
NAS_INLINE double nas_random(uint64_t *state) {
    *state = nas_multiply(nas_multiplier, *state);
    return (double)(int64_t)*state * 0x1p-46;
}

// base^exponent mod 2^46: what the state is to be multiplied with to skip `exponent` numbers.
static inline uint64_t nas_power(uint64_t base, uint64_t exponent) {
    uint64_t power = 1;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1) {
            power = nas_multiply(power, base);
        }
        base = nas_multiply(base, base);
    }
    return power;
}

// ---- A run of a kernel ----

enum { NAS_CLASSES = 5, NAS_VALUES = 48 };
static const char nas_letters[NAS_CLASSES + 1] = "SWABC";

// One computed value and what it has to be.
struct nas_value {
    char name[24];
    double computed, reference, tolerance; // the tolerance is relative; without one, it is a count
};

struct nas_run {
    const char *kernel;
    int class; // index into nas_letters, and into a kernel's table of classes
    bool timing;
    double started, seconds;
    struct nas_value values[NAS_VALUES];
    int value_count;
};

// Reads the command line, `KERNEL [-t] [CLASS]`.
static inline struct nas_run nas_begin(const char *kernel, int argc, char **argv) {
    struct nas_run run = {.kernel = kernel};
    for (int i = 1; i < argc; i++) {
        const char *letter = argv[i][0] && !argv[i][1] ? strchr(nas_letters, argv[i][0]) : NULL;
        if (strcmp(argv[i], "-t") == 0) {
            run.timing = true;
        } else if (letter) {
            run.class = (int)(letter - nas_letters);
        } else {
            fprintf(stderr, "usage: %s [-t] [CLASS]   CLASS: one of %s; -t: print the time\n", argv[0], nas_letters);
            exit(2);
        }
    }
    return run;
}

// Zeroed memory for `count` objects; ends the program if there is none. What lives until the end is not freed.
static inline void *nas_allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) {
        fprintf(stderr, "no memory for %zu x %zu bytes: choose a smaller class\n", count, size);
        exit(2);
    }
    return memory;
}

static inline double nas_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// What lies between these two is the benchmark; the rest is preparation and verification.
static inline void nas_start(struct nas_run *run) {
    run->started = nas_clock();
}
static inline void nas_stop(struct nas_run *run) {
    run->seconds = nas_clock() - run->started;
}

// Takes down a value for the report; a zero index is not shown.
static inline void nas_check(struct nas_run *run, const char *name, int index, double computed, double reference,
                             double tolerance) {
    struct nas_value *value = &run->values[run->value_count++];
    *value = (struct nas_value){.computed = computed, .reference = reference, .tolerance = tolerance};
    if (index > 0) {
        snprintf(value->name, sizeof value->name, "%s %d", name, index);
    } else {
        snprintf(value->name, sizeof value->name, "%s", name);
    }
}

// Prints the verdict and the values; the exit status of the program.
static inline int nas_report(const struct nas_run *run) {
    bool good[NAS_VALUES], verified = run->value_count > 0;
    for (int i = 0; i < run->value_count; i++) {
        const struct nas_value *value = &run->values[i];
        double allowed = value->tolerance * fabs(value->reference);
        good[i] = fabs(value->computed - value->reference) <= allowed; // false for NaN
        verified = verified && good[i];
    }
    printf("%s class %c: %s\n", run->kernel, nas_letters[run->class], verified ? "verified" : "WRONG");
    for (int i = 0; i < run->value_count; i++) {
        const struct nas_value *value = &run->values[i];
        printf(value->tolerance > 0 ? "  %-16s % .10e" : "  %-16s %17.0f", value->name, value->computed);
        if (!good[i]) {
            printf("  instead of % .13e", value->reference);
        }
        printf("\n");
    }
    if (run->timing) {
        printf("  %-16s %.3f s\n", "time", run->seconds);
    }
    return verified ? 0 : 1;
}
