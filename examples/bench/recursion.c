// How much stack deep recursion takes, for functions of several shapes: bytes a level. Usage: recursion -s [DEPTH]
// Without -s, the results of the functions instead, which do not depend on who compiled them.
//#ExpectFile
//#Levels: O2 O2lto
//#Hop: every=1009
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uintptr_t lowest;

// At the bottom of a recursion: a local variable's address, as deep as it gets.
__attribute__((noinline)) static uint32_t bottom(void) {
    volatile char here = 1;
    if ((uintptr_t)&here < lowest) {
        lowest = (uintptr_t)&here;
    }
    return (uint32_t)here;
}

// One value lives across one call.
__attribute__((noinline)) static uint32_t one_value(uint32_t depth) {
    return depth == 0 ? bottom() : depth - one_value(depth - 1) * 3;
}

// Two calls, as in a walk over a tree.
__attribute__((noinline)) static uint32_t two_calls(uint32_t depth, uint32_t side) {
    return depth == 0 ? bottom() : two_calls(depth - 1, 0) * 3 ^ two_calls(side, 0) ^ depth;
}

// A loop around the call, with much that lives across it, as in a search.
__attribute__((noinline)) static uint32_t many_values(uint32_t depth, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    uint32_t sum = bottom();
    for (uint32_t i = 0; i < depth; i += depth - 1 ? depth - 1 : 1) {
        sum += many_values(i ? 0 : depth - 1, b, c, d, a + sum) ^ (a + b * 3 + c * 5 + d * 7);
    }
    return sum + a - b + c - d;
}

// An array of its own, as in a parser.
__attribute__((noinline)) static uint32_t own_array(uint32_t depth, const char *text) {
    char token[48];
    size_t length = strcspn(text, " ");
    memcpy(token, text, length);
    token[length] = 0;
    uint32_t below = depth == 0 ? bottom() : own_array(depth - 1, text[length] ? text + length + 1 : text);
    return below * 31 + (unsigned char)token[depth % 4] + (uint32_t)strlen(token);
}

// Floating-point values live across the call.
__attribute__((noinline)) static double floating(uint32_t depth, double x, double y) {
    double z = x * y + 1, w = x - y;
    double below = depth == 0 ? bottom() : floating(depth - 1, w * 0.5, z * 0.25);
    return below + x * w + y * z;
}

int main(int argc, char **argv) {
    int measure = argc > 1 && strcmp(argv[1], "-s") == 0;
    uint32_t depth = argc > 1 + measure ? (uint32_t)atoi(argv[1 + measure]) : 1000;
    char here;
#define SHAPE(function, ...) \
    do { \
        lowest = (uintptr_t)&here; \
        double result = (double)function(depth, ##__VA_ARGS__); \
        if (measure) { \
            printf(#function " %.0f\n", (double)((uintptr_t)&here - lowest) / depth); \
        } else { \
            printf(#function " %.6g\n", result); \
        } \
    } while (0)
    SHAPE(one_value);
    SHAPE(two_calls, 0);
    SHAPE(many_values, 1, 2, 3, 4);
    SHAPE(own_array, "alpha beta gamma");
    SHAPE(floating, 1.5, 0.75);
}
