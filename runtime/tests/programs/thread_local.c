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

// Calls one after the other that get addresses of variables: the thread pointer is read anew for each.
__attribute__((noinline)) static int add(int *variable, int value) {
    fflush(stdout);
    return *variable += value;
}

static int addresses_in_a_row(void) {
    static _Thread_local int first = 1, second = 2, third[4];
    int sum = add(&first, 1);
    sum += add(&second, sum);
    sum += add(&third[1], sum);
    sum += add(&first, sum);
    sum += add(&third[3], first);
    return sum + add(&second, 1) + first;
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
    printf("%d\n", addresses_in_a_row());
    printf("%d\n", addresses_in_a_row());
    int result = close(-1);
    printf("%d %d\n", result, errno == EBADF);
    return 0;
}
