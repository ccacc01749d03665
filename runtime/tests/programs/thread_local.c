// _Thread_local variables: initialised, zeroed, aligned, static, with their addresses taken.
//#ExpectFile
#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static _Thread_local int initialised = 42;
_Thread_local long zeroed;
static _Thread_local alignas(64) char aligned[100] = "thread-local text";
static _Thread_local struct {
    int *pointer;
    double value;
} both = {NULL, 2.5};

static int *address(void) {
    static _Thread_local int inner = 3;
    inner++;
    return &inner;
}

int main(void) {
    both.pointer = &initialised;
    int *inner = address();
    for (int i = 0; i < 20; i++) {
        fflush(stdout);
        initialised++;
        zeroed += initialised;
        both.value *= 1.5;
        aligned[17] = (char)('a' + i);
        if (address() != inner || both.pointer != &initialised || ((uintptr_t)aligned & 63)) {
            puts("moved");
        }
        errno = i;
        fflush(stdout);
        if (errno != i) {
            puts("errno is lost");
        }
    }
    printf("%d %ld %g %s %d %d\n", initialised, zeroed, both.value, aligned, *inner, *both.pointer);
    int result = close(-1);
    printf("%d %d\n", result, errno == EBADF);
    return 0;
}
