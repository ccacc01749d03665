// Constructors and destructors in the order of their priorities, atexit handlers in reverse order, quick_exit.
//#ExpectFile
//#Status: 5
#include <stdio.h>
#include <stdlib.h>

static int order;
__attribute__((constructor(201))) static void second(void) { printf("constructor 201: %d\n", order++); }
__attribute__((constructor(101))) static void first(void) { printf("constructor 101: %d\n", order++); }
__attribute__((constructor)) static void third(void) { printf("constructor: %d\n", order++); }
__attribute__((destructor)) static void early(void) { printf("destructor: %d\n", order++); }
__attribute__((destructor(201))) static void late(void) { printf("destructor 201: %d\n", order++); }
__attribute__((destructor(101))) static void last(void) { printf("destructor 101: %d\n", order++); }

static void at_exit_nested(void) { printf("nested: %d\n", order++); }
static void at_exit_one(void) {
    printf("atexit one: %d\n", order++);
    atexit(at_exit_nested);
}
static void at_exit_two(void) { printf("atexit two: %d\n", order++); }

int main(void) {
    for (int i = 0; i < 40; i++) {
        atexit(i % 2 ? at_exit_one : at_exit_two);
    }
    printf("main: %d\n", order++);
    exit(5);
}
