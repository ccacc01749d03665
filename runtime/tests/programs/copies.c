// memcpy, memmove, memset, memcmp of many short lengths at all alignments; copies over each other in both directions.
//#ExpectFile
#include <stdio.h>
#include <string.h>

#define SIZE 384
#define LENGTHS 150
#define MIDDLE 160

static unsigned char memory[SIZE], expected[SIZE];
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static void fill(unsigned seed) {
    for (int i = 0; i < SIZE; i++) {
        seed = seed * 1664525 + 1013904223;
        memory[i] = expected[i] = seed >> 24;
    }
}

static int differs(const void *result, const void *wanted) {
    int bad = result != wanted;
    for (int i = 0; i < SIZE; i++) {
        bad |= memory[i] != expected[i];
    }
    return bad;
}

int main(void) {
    long bad = 0, checks = 0;
    for (int length = 0; length < LENGTHS; length += length < 20 ? 1 : 11) {
        for (int distance = -80; distance <= 80; distance += distance < -17 || distance > 16 ? 21 : 5) {
            unsigned char saved[LENGTHS];
            int to = MIDDLE + distance, from = MIDDLE + length % 5;
            fill(length * 331 + distance);
            for (int i = 0; i < length; i++) {
                saved[i] = memory[from + i];
            }
            for (int i = 0; i < length; i++) {
                expected[to + i] = saved[i];
            }
            bad += differs(move(memory + to, memory + from, length), memory + to);
            checks++;
        }
        int to = 1 + length % 17, from = MIDDLE + 50 + length % 13;
        fill(length);
        for (int i = 0; i < length; i++) {
            expected[to + i] = expected[from + i];
        }
        bad += differs(copy(memory + to, memory + from, length), memory + to);
        for (int i = 0; i < length; i++) {
            expected[from + i] = (unsigned char)(length + 300);
        }
        bad += differs(set(memory + from, length + 300, length), memory + from);
        copy(memory + to, memory + from, length);
        bad += compare(memory + to, memory + from, length) != 0;
        // Differences that lie behind the first one do not count.
        for (int at = length - 1; at >= 0; at--) {
            memory[to + at] ^= 1 << at % 8;
            int result = compare(memory + to, memory + from, length);
            bad += memory[to + at] < memory[from + at] ? result >= 0 : result <= 0;
        }
    }
    printf("%ld of %ld differ\n", bad, checks);
    return bad != 0;
}
