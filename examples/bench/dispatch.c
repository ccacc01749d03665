// Calls through tables of function pointers, as virtual functions make them: an array of shapes of four kinds.
// Usage: dispatch [ROUNDS]
//#ExpectFile
//#Levels: O2 O2lto
//#Hop: every=3
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct shape;

struct class {
    uint32_t (*area)(const struct shape *);
    void (*grow)(struct shape *, uint32_t);
};

struct shape {
    const struct class *class;
    uint32_t a, b;
};

static uint32_t square_area(const struct shape *shape) { return shape->a * shape->a; }
static void square_grow(struct shape *shape, uint32_t by) { shape->a = (shape->a + by) % 64; }

static uint32_t box_area(const struct shape *shape) { return shape->a * shape->b; }
static void box_grow(struct shape *shape, uint32_t by) {
    shape->a = (shape->a + by) % 64;
    shape->b = (shape->b ^ by) % 64;
}

static uint32_t triangle_area(const struct shape *shape) { return shape->a * shape->b / 2; }
static void triangle_grow(struct shape *shape, uint32_t by) { shape->b = (shape->b + 2 * by) % 64; }

static uint32_t disc_area(const struct shape *shape) { return shape->a * shape->a * 355 / 113; }
static void disc_grow(struct shape *shape, uint32_t by) { shape->a = (shape->a * 5 + by) % 64; }

static const struct class classes[] = {
    {square_area, square_grow}, {box_area, box_grow}, {triangle_area, triangle_grow}, {disc_area, disc_grow}
};

enum { SHAPES = 1000 };

int main(int argc, char **argv) {
    static struct shape shapes[SHAPES];
    uint32_t random = 1, total = 0;
    for (int i = 0; i < SHAPES; i++) {
        random = random * 1664525 + 1013904223;
        shapes[i] = (struct shape){&classes[random >> 30], random >> 8 & 63, random >> 16 & 63};
    }
    long rounds = argc > 1 ? atol(argv[1]) : 20;
    for (long round = 0; round < rounds; round++) {
        for (int i = 0; i < SHAPES; i++) {
            total += shapes[i].class->area(&shapes[i]);
            shapes[i].class->grow(&shapes[i], total & 7);
        }
    }
    printf("%u\n", total);
}
