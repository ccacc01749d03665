// A table of labels in which some stand more than once.
//#Broken: [O0] internal error: invalid IR after lowering: "Duplicate integer as switch case"
//#ExpectFile
#include <stdio.h>

static int run(const char *text) {
    static const void *const labels[] = {&&digit, &&other, &&digit, &&other, &&digit};
    int count = 0;
next:
    if (!*text) {
        return count;
    }
    fflush(stdout);
    goto *labels[*text++ % 5];
digit:
    count += 10;
    goto next;
other:
    count++;
    goto next;
}

int main(void) {
    printf("%d\n", run("Labels that stand more than once in a table"));
    return 0;
}
