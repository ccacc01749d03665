// The return address is asked for behind a call; it is the same on both ISAs.
//#ExpectFile
#include <stdio.h>

__attribute__((noinline)) static void note(const char *what) { puts(what); }

__attribute__((noinline)) static void *caller(void) {
    note("before");
    return __builtin_return_address(0);
}

int main(void) {
    for (int i = 0; i < 10; i++) {
        char *address = caller(), *start = (char *)main;
        note(address > start && address < start + 4096 ? "in main" : "elsewhere");
    }
    return 0;
}
