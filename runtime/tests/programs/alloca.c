// Variable-length arrays and alloca, nested and in loops, live across hops.
//#ExpectFile
#include <alloca.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static long fill(int n, int m) {
    int grid[n][m];
    long total = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < m; j++) {
            grid[i][j] = i * 31 + j;
        }
        fflush(stdout);
    }
    for (int i = 0; i < n; i++) {
        double row[m];
        memset(row, 0, sizeof row);
        fflush(stdout);
        for (int j = 0; j < m; j++) {
            row[j] += grid[i][j];
            total += (long)row[j];
        }
    }
    return total + (long)sizeof grid;
}

static char *reversed(const char *text) {
    size_t length = strlen(text);
    char *copy = alloca(length + 1);
    for (size_t i = 0; i < length; i++) {
        copy[i] = text[length - 1 - i];
        fflush(stdout);
    }
    copy[length] = 0;
    return strdup(copy);
}

struct list {
    struct list *next;
    int value;
};

static int chain(int n) {
    struct list *head = NULL;
    for (int i = 0; i < n; i++) {
        struct list *node = alloca(sizeof *node);
        *node = (struct list){head, i};
        head = node;
        fflush(stdout);
    }
    int total = 0;
    for (struct list *node = head; node; node = node->next) {
        total = total * 7 + node->value;
    }
    return total;
}

static int recurse(int depth) {
    char block[depth * 3 + 1];
    memset(block, depth, sizeof block);
    int below = depth ? recurse(depth - 1) : 0;
    for (size_t i = 0; i < sizeof block; i++) {
        if (block[i] != (char)depth) {
            return -1;
        }
    }
    return below + (int)sizeof block;
}

static int jump_out(int n) {
    int rounds = 0;
again: {
    int array[n + rounds];
    array[n + rounds - 1] = rounds;
    fflush(stdout);
    if (array[n + rounds - 1] < 20) {
        rounds++;
        goto again;
    }
}
    return rounds;
}

int main(void) {
    printf("%ld\n", fill(9, 17));
    printf("%s\n", reversed("uniform"));
    printf("%d\n", chain(50));
    printf("%d\n", recurse(40));
    printf("%d\n", jump_out(3));
    int aligned = 1;
    for (int i = 1; i < 40; i++) {
        char *block = __builtin_alloca_with_align((size_t)i, 512);
        aligned &= ((uintptr_t)block & 63) == 0;
        fflush(stdout);
    }
    printf("aligned %d\n", aligned);
    return 0;
}
