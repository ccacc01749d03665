// A binary search tree on the heap: insertion, in-order walk, removal of every other key.
//#Args: 2000
//#ExpectFile
//#Hop: every=1 every=11 every=1009
#include <stdio.h>
#include <stdlib.h>

struct node {
    unsigned key;
    int count;
    struct node *left, *right;
};

static struct node *insert(struct node *node, unsigned key) {
    if (!node) {
        struct node *fresh = malloc(sizeof *fresh);
        if (!fresh) {
            perror("malloc");
            exit(1);
        }
        *fresh = (struct node){.key = key, .count = 1};
        return fresh;
    }
    if (key == node->key) {
        node->count++;
    } else if (key < node->key) {
        node->left = insert(node->left, key);
    } else {
        node->right = insert(node->right, key);
    }
    return node;
}

static struct node *smallest(struct node *node) {
    while (node->left) {
        node = node->left;
    }
    return node;
}

static struct node *erase(struct node *node, unsigned key) {
    if (!node) {
        return NULL;
    }
    if (key < node->key) {
        node->left = erase(node->left, key);
    } else if (key > node->key) {
        node->right = erase(node->right, key);
    } else if (node->left && node->right) {
        struct node *next = smallest(node->right);
        node->key = next->key;
        node->count = next->count;
        node->right = erase(node->right, next->key);
    } else {
        struct node *child = node->left ? node->left : node->right;
        free(node);
        return child;
    }
    return node;
}

static int depth(const struct node *node) {
    if (!node) {
        return 0;
    }
    int left = depth(node->left), right = depth(node->right);
    return 1 + (left > right ? left : right);
}

struct summary {
    unsigned long nodes, keys, checksum;
};

static void walk(const struct node *node, struct summary *summary) {
    if (node) {
        walk(node->left, summary);
        summary->nodes++;
        summary->keys += (unsigned long)node->count;
        summary->checksum = summary->checksum * 31 + node->key;
        walk(node->right, summary);
    }
}

static void report(const char *when, const struct node *root) {
    struct summary summary = {0};
    walk(root, &summary);
    printf("%-8s %6lu nodes %6lu keys, depth %2d, checksum %016lx\n", when, summary.nodes, summary.keys, depth(root),
           summary.checksum);
}

static void discard(struct node *node) {
    if (node) {
        discard(node->left);
        discard(node->right);
        free(node);
    }
}

int main(int argc, char **argv) {
    int keys = argc > 1 ? atoi(argv[1]) : 2000;
    struct node *root = NULL;
    unsigned random = 1;
    for (int i = 0; i < keys; i++) {
        random = random * 1664525u + 1013904223u;
        root = insert(root, random >> 20);
    }
    report("inserted", root);
    for (unsigned key = 0; key < 4096; key += 2) {
        root = erase(root, key);
    }
    report("removed", root);
    discard(root);
    return 0;
}
