// A value that is saved around a call, and the call's own result that needs a slot: they must not share one.
//#Args: 5
//#Expect: 5 6 5 11
//#Hop: every=1 every=3
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static long *make(long size) { return calloc((size_t)size, sizeof(long)); }

__attribute__((noinline)) static long *find(const unsigned char *flags) {
    long at = 0;
    while (!(flags[at] & 2)) {
        at++;
    }
    long *found = make(4);
    found[0] = at;
    found[1] = at + 1;
    found[2] = at;
    free(make(1));
    found[3] = flags[0];
    return found;
}

int main(int argc, char **argv) {
    unsigned char flags[4000] = {0};
    flags[argc > 1 ? atoi(argv[1]) : 5] = 2;
    long *found = find(flags);
    printf("%ld %ld %ld %ld\n", found[0], found[1], found[2], found[3] + found[0] + found[1]);
    free(found);
}
