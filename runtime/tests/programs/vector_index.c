// Elements of vectors by an index that is not constant.
//#ExpectFile
#include <stdio.h>

typedef short v32hi __attribute__((vector_size(64)));

int main(void) {
    v32hi v = {0};
    for (int i = 0; i < 32; i++) {
        v[i] = (short)(i * 3);
        fflush(stdout);
    }
    for (int i = 0; i < 32; i++) {
        printf("%d ", v[i]);
    }
    putchar('\n');
    return 0;
}
