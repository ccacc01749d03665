// Functions without prototypes, and calls through types that are close to but not the same as the definition's.
//#Flags: -std=gnu89 -w
//#ExpectFile
#include <stdio.h>

old_style(a, b, c)
    int a;
    double b;
    char *c;
{
    fflush(stdout);
    return printf("%d %g %s\n", a, b, c);
}
int no_prototype();
static int ignores_arguments() { return 5; }
static void returns_nothing(int a) { printf("%d\n", a); }

int main() {
    int (*function)() = old_style;
    int (*other)(int) = (int (*)(int))returns_nothing;
    function(1, 2.5, "three");
    old_style(4, 5.5f, "six");
    printf("%d\n", no_prototype(7, 8L, "nine"));
    printf("%d\n", ignores_arguments());
    other(10);
    return 0;
}
int no_prototype(a, b, c)
    int a;
    long b;
    char *c;
{
    return a + b + c[0];
}
