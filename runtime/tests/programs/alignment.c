// Locals, globals, members and arguments with alignments up to a page.
//#ExpectFile
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static alignas(4096) char page[4096];
alignas(256) int global = 3;
struct line {
    alignas(64) int a;
    char b;
};
static int aligned(const volatile void *pointer, uintptr_t to) { return ((uintptr_t)pointer & (to - 1)) == 0; }

__attribute__((noinline)) static int locals(int depth) {
    char first = (char)depth;
    alignas(4096) volatile char big[5000];
    alignas(128) volatile double vector[3] = {depth, 2, 3};
    alignas(32) volatile int small = depth;
    big[4999] = first;
    fflush(stdout);
    int good = aligned(big, 4096) + aligned(vector, 128) + aligned(&small, 32);
    int below = depth ? locals(depth - 1) : 0;
    return below + good + (big[4999] == depth) + (vector[0] == depth) + (small == depth);
}
__attribute__((noinline)) static int by_value(struct line line, int scale, struct line other) {
    fflush(stdout);
    return aligned(&line, 64) * 1000 + aligned(&other, 64) * 100 + line.a * scale + other.b;
}
__attribute__((noinline)) static struct line result(int a) {
    fflush(stdout);
    return (struct line){a, 'b'};
}

int main(void) {
    printf("%d\n", locals(12));
    printf("%d %d\n", aligned(page, 4096), aligned(&global, 256));
    printf("%d\n", by_value((struct line){4, 5}, 6, (struct line){7, 8}));
    struct line r = result(9);
    printf("%d %c %zu\n", r.a, r.b, sizeof r);
    for (size_t alignment = 8; alignment <= 65536; alignment *= 4) {
        void *block = aligned_alloc(alignment, alignment * 2);
        printf("%d", aligned(block, alignment));
        memset(block, 1, alignment * 2);
        free(block);
    }
    putchar('\n');
    return 0;
}
