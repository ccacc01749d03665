// Frames above 64 KiB, and above what an aarch64 instruction can add at once.
//#ExpectFile
#include <stdio.h>
#include <string.h>

struct block {
    int values[20000];
};

__attribute__((noinline)) static long large(int depth) {
    volatile char before = (char)depth;
    int array[30000];
    volatile char after = (char)(depth + 1);
    for (int i = 0; i < 30000; i += 97) {
        array[i] = i * depth;
    }
    fflush(stdout);
    long below = depth ? large(depth - 1) : 0;
    for (int i = 0; i < 30000; i += 97) {
        below += array[i];
    }
    return below + before + after;
}
__attribute__((noinline)) static struct block pass(struct block block, int i) {
    fflush(stdout);
    block.values[i] += i;
    return block;
}
__attribute__((noinline)) static int huge(void) {
    char bytes[5 << 20];
    memset(bytes, 3, sizeof bytes);
    fflush(stdout);
    int total = 0;
    for (size_t i = 0; i < sizeof bytes; i += 4099) {
        total += bytes[i];
    }
    return total;
}

int main(void) {
    printf("%ld\n", large(20));
    static struct block block;
    for (int i = 0; i < 20000; i += 1999) {
        block = pass(block, i);
    }
    long total = 0;
    for (int i = 0; i < 20000; i++) {
        total += block.values[i];
    }
    printf("%ld\n%d\n", total, huge());
    return 0;
}
