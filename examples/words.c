// Counts words in a generated text with a hash table of chains, and prints the most frequent ones.
//#ExpectFile
//#Hop: every=1 every=19 every=1103
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 257

struct word {
    struct word *next;
    unsigned long count;
    char text[];
};

static struct word *table[BUCKETS];
static size_t distinct;

static unsigned hash(const char *text) {
    unsigned value = 2166136261u;
    while (*text) {
        value = (value ^ (unsigned char)*text++) * 16777619u;
    }
    return value % BUCKETS;
}

static void count(const char *text) {
    struct word **link = &table[hash(text)];
    while (*link && strcmp((*link)->text, text) != 0) {
        link = &(*link)->next;
    }
    if (!*link) {
        *link = calloc(1, sizeof **link + strlen(text) + 1);
        if (!*link) {
            perror("calloc");
            exit(1);
        }
        strcpy((*link)->text, text);
        distinct++;
    }
    (*link)->count++;
}

static void read_words(FILE *file) {
    char text[64];
    size_t length = 0;
    int c;
    do {
        c = fgetc(file);
        if (c != EOF && isalpha(c) && length < sizeof text - 1) {
            text[length++] = (char)tolower(c);
        } else if (length > 0) {
            text[length] = 0;
            count(text);
            length = 0;
        }
    } while (c != EOF);
}

static int by_count(const void *a, const void *b) {
    const struct word *p = *(struct word *const *)a, *q = *(struct word *const *)b;
    return p->count != q->count ? (p->count < q->count) - (p->count > q->count) : strcmp(p->text, q->text);
}

static void write_text(FILE *file) {
    static const char *const parts[] = {"The", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog;", "and",
                                        "sphinx", "of", "black", "quartz,", "judge", "my", "vow."};
    unsigned state = 7;
    for (int i = 0; i < 3000; i++) {
        state = state * 1664525u + 1013904223u;
        unsigned a = (state >> 16) % 17, b = (state >> 24) % 17;
        fprintf(file, "%s%c", parts[a < b ? a : b], i % 10 == 9 ? '\n' : ' ');
    }
}

int main(void) {
    FILE *file = tmpfile();
    if (!file) {
        perror("tmpfile");
        return 1;
    }
    write_text(file);
    rewind(file);
    read_words(file);
    fclose(file);
    struct word **all = malloc(distinct * sizeof *all);
    size_t n = 0;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        for (struct word *word = table[bucket]; word; word = word->next) {
            all[n++] = word;
        }
    }
    qsort(all, n, sizeof *all, by_count);
    for (size_t i = 0; i < n; i++) {
        printf("%6lu %s\n", all[i]->count, all[i]->text);
    }
    return 0;
}
