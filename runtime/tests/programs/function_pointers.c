// Function pointers in initialised data, compared and called; addresses of native functions are taken as well.
//#Flags: -fno-builtin -lm
//#ExpectFile
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(int a, int b) { fflush(stdout); return a + b; }
static int sub(int a, int b) { fflush(stdout); return a - b; }
int mul(int a, int b) { fflush(stdout); return a * b; }

static const struct {
    const char *name;
    int (*function)(int, int);
} operations[] = {{"add", add}, {"sub", sub}, {"mul", mul}, {"again", add}};

static double (*const functions[])(double) = {sin, cos, exp, sqrt, fabs};
static void *(*copy)(void *, const void *, size_t) = memcpy;
static size_t (*length)(const char *) = strlen;
static int (*compare)(const char *, const char *) = strcmp;
static int (*print)(const char *, ...) = printf;

typedef struct shape {
    double (*area)(const struct shape *);
    double a, b;
} shape;
static double circle(const shape *s) { fflush(stdout); return 3.0 * s->a * s->a; }
static double rectangle(const shape *s) { fflush(stdout); return s->a * s->b; }

static int (*choose(int i))(int, int) { return operations[i % 4].function; }
static int apply(int (*f)(int, int), int n) {
    int value = 1;
    for (int i = 1; i < n; i++) {
        value = f(value, i);
    }
    return value;
}
static int by_text(const void *a, const void *b) { return compare(*(char *const *)a, *(char *const *)b); }

int main(void) {
    for (int i = 0; i < 4; i++) {
        print("%s %d %d %d\n", operations[i].name, operations[i].function(20, 3), apply(choose(i), 9), operations[i].function == add);
    }
    for (int i = 0; i < 5; i++) {
        print("%.10f\n", functions[i](1.44));
    }
    char text[32];
    copy(text, "function pointers", 18);
    print("%s %zu %d\n", text, length(text), compare(text, "function") > 0);
    shape shapes[] = {{circle, 2, 0}, {rectangle, 2, 5}, {circle, 1, 0}};
    double total = 0;
    for (int i = 0; i < 30; i++) {
        total += shapes[i % 3].area(&shapes[i % 3]);
    }
    print("%g %d %d\n", total, sin == functions[0], (void *)memcpy == (void *)copy);
    char *words[] = {"pear", "apple", "fig", "date", "cherry"};
    qsort(words, 5, sizeof *words, by_text);
    for (int i = 0; i < 5; i++) {
        print("%s ", words[i]);
    }
    int (*classify[])(int) = {isalpha, isdigit, isspace, toupper};
    for (int i = 0; i < 4; i++) {
        print("%d ", classify[i]('x') != 0);
    }
    print("\n");
    return 0;
}
