// What the drivers of libraries share: their input, and a checksum of their output.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static inline void *allocate(size_t size) {
    void *memory = malloc(size);
    if (!memory) {
        fprintf(stderr, "no memory for %zu bytes\n", size);
        exit(2);
    }
    return memory;
}

// `size` bytes of text, the same ones always: lines of words of a small language, with numbers and addresses.
static inline char *make_text(size_t size) {
    static const char *const syllables[] = {"ra", "ne", "to", "mil", "sha", "ko", "ur", "vi", "den", "po", "as", "lu"};
    uint32_t random = 7;
    char *text = allocate(size + 80);
    for (size_t at = 0, column = 0; at < size;) {
        size_t start = at;
        uint32_t kind = next_random(&random) % 24;
        if (kind == 0) {
            at += (size_t)sprintf(text + at, "%u", next_random(&random) % 100000);
        } else {
            // Some words are much more frequent than others.
            uint32_t word = kind < 12 ? kind * 2654435761u : next_random(&random);
            for (uint32_t i = 0; i < 2 + word % 3; i++) {
                at += (size_t)sprintf(text + at, "%s", syllables[(word >> (4 * i + 2)) % 12]);
            }
            if (kind == 1) {
                at += (size_t)sprintf(text + at, "@%s.org", syllables[word % 11]);
            }
        }
        column += at - start + 1;
        text[at++] = column > 72 ? '\n' : ' ';
        column = column > 72 ? 0 : column;
    }
    text[size] = 0;
    return text;
}

static inline uint32_t checksum(const void *bytes, size_t size) {
    const unsigned char *byte = bytes;
    uint32_t sum = 2166136261;
    for (size_t i = 0; i < size; i++) {
        sum = (sum ^ byte[i]) * 16777619;
    }
    return sum;
}

// The number on the command line.
static inline size_t argument(int argc, char **argv) {
    if (argc != 2 || atol(argv[1]) <= 0) {
        fprintf(stderr, "usage: %s NUMBER\n", argv[0]);
        exit(2);
    }
    return (size_t)atol(argv[1]);
}
