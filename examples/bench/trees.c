// Allocation and recursion over pointers: binary trees are made, counted and freed. Usage: trees [DEPTH]
//#Expect: 65504 nodes
//#Levels: O2 O2lto
//#Hop: every=1009
#include <stdio.h>
#include <stdlib.h>

enum { TREES = 32 };

struct tree {
    struct tree *left, *right;
};

static struct tree *grow(int depth) {
    struct tree *tree = malloc(sizeof *tree);
    if (!tree) {
        fprintf(stderr, "no memory\n");
        exit(2);
    }
    tree->left = depth > 0 ? grow(depth - 1) : NULL;
    tree->right = depth > 0 ? grow(depth - 1) : NULL;
    return tree;
}

static long count(const struct tree *tree) {
    return tree ? 1 + count(tree->left) + count(tree->right) : 0;
}

static void fell(struct tree *tree) {
    if (tree) {
        fell(tree->left);
        fell(tree->right);
        free(tree);
    }
}

int main(int argc, char **argv) {
    int depth = argc > 1 ? atoi(argv[1]) : 10;
    long nodes = 0;
    for (int i = 0; i < TREES; i++) {
        struct tree *tree = grow(depth);
        nodes += count(tree);
        fell(tree);
    }
    printf("%ld nodes\n", nodes);
}
