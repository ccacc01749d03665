// The C library calls back: qsort and bsearch with a comparison of records. Usage: qsort [RECORDS]
//#ExpectFile
//#Levels: O2 O2lto
//#Hop: every=1009
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
    char name[8];
    uint32_t key;
};

static int by_name_and_key(const void *left, const void *right) {
    const struct record *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : (a->key > b->key) - (a->key < b->key);
}

int main(int argc, char **argv) {
    size_t count = argc > 1 ? (size_t)atol(argv[1]) : 2000;
    struct record *records = calloc(count, sizeof *records);
    if (!records) {
        fprintf(stderr, "no memory\n");
        return 2;
    }
    uint32_t random = 1;
    for (size_t i = 0; i < count; i++) {
        for (int c = 0; c < 3; c++) {
            random = random * 1664525 + 1013904223;
            records[i].name[c] = (char)('a' + (random >> 24) % 4);
        }
        records[i].key = random >> 8;
    }
    qsort(records, count, sizeof *records, by_name_and_key);
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        struct record wanted = records[i * 7919 % count];
        const struct record *found = bsearch(&wanted, records, count, sizeof *records, by_name_and_key);
        sum = sum * 31 + (uint32_t)(found - records) + found->key;
    }
    printf("%s %u .. %s %u: %u\n", records[0].name, records[0].key, records[count - 1].name, records[count - 1].key, sum);
    free(records);
}
