// Sorts people with the C library's qsort: the callback runs in the middle of it. Then finds some by bsearch.
//#ExpectFile
//#Hop: every=1 every=10 every=1000
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct person {
    char name[12];
    int age;
    double height;
};

static unsigned random_state = 42;

static unsigned random_number(unsigned limit) {
    random_state = random_state * 1103515245u + 12345u;
    return (random_state >> 16) % limit;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct person *)a)->name, ((const struct person *)b)->name);
}

static int by_age_then_name(const void *a, const void *b) {
    const struct person *p = a, *q = b;
    return p->age != q->age ? p->age - q->age : by_name(a, b);
}

static int by_height(const void *a, const void *b) {
    double p = ((const struct person *)a)->height, q = ((const struct person *)b)->height;
    return p != q ? (p > q) - (p < q) : by_name(a, b);
}

static void make_name(char *name) {
    static const char consonants[] = "bdfgklmnprst", vowels[] = "aeiou";
    int syllables = 2 + (int)random_number(3);
    for (int i = 0; i < syllables; i++) {
        *name++ = consonants[random_number(sizeof consonants - 1)];
        *name++ = vowels[random_number(sizeof vowels - 1)];
    }
    *name = 0;
}

int main(void) {
    enum { COUNT = 400 };
    static struct person people[COUNT];
    static const struct {
        const char *title;
        int (*compare)(const void *, const void *);
    } orders[] = {{"name", by_name}, {"age", by_age_then_name}, {"height", by_height}, {"name", by_name}};

    for (int i = 0; i < COUNT; i++) {
        make_name(people[i].name);
        people[i].age = 18 + (int)random_number(60);
        people[i].height = 1.5 + random_number(500) / 1000.0;
    }
    for (size_t order = 0; order < sizeof orders / sizeof *orders; order++) {
        qsort(people, COUNT, sizeof *people, orders[order].compare);
        printf("by %s:", orders[order].title);
        for (int i = 0; i < COUNT; i += COUNT / 4) {
            printf(" %s (%d, %.3f)", people[i].name, people[i].age, people[i].height);
        }
        putchar('\n');
    }
    for (int i = 0; i < 5; i++) {
        struct person key = {0};
        make_name(key.name);
        const struct person *found = bsearch(&key, people, COUNT, sizeof *people, by_name);
        printf("%s: %s\n", key.name, found ? "found" : "not found");
    }
    return 0;
}
