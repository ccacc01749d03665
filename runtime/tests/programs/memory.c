// malloc, realloc, brk and mmap under stress; regions and their contents stay where they are.
//#Flags: -D_GNU_SOURCE
//#ExpectFile
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOTS = 64, ROUNDS = 3000, PAGE = 4096 };

static unsigned state = 12345;
static unsigned next(void) { return (state = state * 1664525u + 1013904223u) >> 8; }

static int is_filled(const unsigned char *block, size_t size, int value) {
    return size == 0 || (block[0] == value && block[size / 2] == value && block[size - 1] == value);
}

static void heap(void) {
    static unsigned char *blocks[SLOTS];
    static size_t sizes[SLOTS];
    int wrong = 0;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned slot = next() % SLOTS;
        size_t size = next() % 8 == 0 ? next() % 300000 : next() % 500;
        wrong += !is_filled(blocks[slot], sizes[slot], (int)slot);
        if (next() % 3) {
            size_t kept = size < sizes[slot] ? size : sizes[slot];
            blocks[slot] = realloc(blocks[slot], size + 1);
            wrong += !is_filled(blocks[slot], kept ? 1 : 0, (int)slot);
        } else {
            free(blocks[slot]);
            blocks[slot] = calloc(1, size + 1);
            wrong += blocks[slot][size] != 0;
        }
        memset(blocks[slot], (int)slot, size + 1);
        sizes[slot] = size;
    }
    for (int slot = 0; slot < SLOTS; slot++) {
        free(blocks[slot]);
    }
    printf("heap: %d wrong\n", wrong);
}

static void maps(void) {
    char *region = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(region, 'r', 64 * PAGE);
    munmap(region + 8 * PAGE, 8 * PAGE);
    mprotect(region, PAGE, PROT_READ);
    fflush(stdout);
    char *again = mmap(region + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("%d %d %c %c\n", again == region + 8 * PAGE, again[0], region[0], region[63 * PAGE]);
    char *moved = mremap(region + 32 * PAGE, 32 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);
    printf("%c %c %d\n", moved[0], moved[31 * PAGE + 5], moved[100 * PAGE]);
    memset(moved, 'm', 128 * PAGE);
    madvise(moved, 64 * PAGE, MADV_DONTNEED);
    fflush(stdout);
    printf("%d %c\n", moved[PAGE], moved[64 * PAGE]);
    munmap(moved, 128 * PAGE);

    int file = open("mapped", O_RDWR | O_CREAT, 0644);
    ftruncate(file, 3 * PAGE);
    pwrite(file, "from the file", 13, PAGE);
    char *private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    char *shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, PAGE);
    fflush(stdout);
    printf("%.13s|%.13s\n", private + PAGE, shared);
    strcpy(shared, "FROM THE MAP");
    strcpy(private, "private");
    fflush(stdout);
    msync(shared, 2 * PAGE, MS_SYNC);
    char text[20] = {0};
    pread(file, text, 12, PAGE);
    printf("%s %s\n", text, private);
    pread(file, text, 7, 0);
    printf("%d\n", text[0]);
    close(file);
    fflush(stdout);
    printf("%s\n", shared);
}

static void breaks(void) {
    char *start = (char *)syscall(SYS_brk, 0);
    char *end = (char *)syscall(SYS_brk, start + 10 * PAGE);
    if (end != start + 10 * PAGE) {
        puts("no break");
        return;
    }
    memset(start, 'b', 10 * PAGE);
    fflush(stdout);
    printf("%c %d\n", start[10 * PAGE - 1], (char *)syscall(SYS_brk, 0) == end);
}

int main(void) {
    heap();
    maps();
    breaks();
    return 0;
}
