// qsort and bsearch with callbacks that call further library functions, elements of odd sizes.
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct odd {
    char key[3];
    unsigned char rest[10];
};

static long comparisons;
static int by_double(const void *a, const void *b) {
    comparisons++;
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static int by_key(const void *a, const void *b) { return memcmp(a, b, 3); }
static int by_text(const void *a, const void *b) {
    char left[20], right[20];
    snprintf(left, sizeof left, "%d", *(const int *)a);
    snprintf(right, sizeof right, "%d", *(const int *)b);
    return strcmp(left, right);
}
static int nested(const void *a, const void *b) {
    int left[3], right[3];
    memcpy(left, a, sizeof left);
    memcpy(right, b, sizeof right);
    qsort(left, 3, sizeof *left, by_text);
    qsort(right, 3, sizeof *right, by_text);
    return by_text(left, right);
}

int main(void) {
    unsigned state = 1;
    static double doubles[300];
    static struct odd odds[100];
    static int numbers[150];
    for (int i = 0; i < 300; i++) {
        state = state * 1103515245u + 12345u;
        doubles[i] = (double)(state >> 8) / 997;
        numbers[i % 150] = (int)(state >> 12);
        struct odd *o = &odds[i % 100];
        snprintf(o->key, 3, "%02x", (state >> 16) & 255);
        memset(o->rest, i, sizeof o->rest);
    }
    qsort(doubles, 300, sizeof *doubles, by_double);
    qsort(odds, 100, sizeof *odds, by_key);
    int sorted = comparisons > 300;
    for (int i = 1; i < 300; i++) {
        sorted &= doubles[i - 1] <= doubles[i];
    }
    double *found = bsearch(&doubles[77], doubles, 300, sizeof *doubles, by_double);
    printf("%d %td %g %g\n", sorted, found - doubles, doubles[0], doubles[299]);
    printf("%s %s %s\n", odds[0].key, odds[50].key, odds[99].key);
    qsort(numbers, 150, sizeof *numbers, by_text);
    printf("%d %d %d\n", numbers[0], numbers[75], numbers[149]);
    qsort(numbers, 20, 3 * sizeof *numbers, nested);
    printf("%d %d %d\n", numbers[0], numbers[30], numbers[57]);
    return 0;
}
