// Inline assembly of one ISA means nothing on the other.
//#Error: error_inline_assembly.c:8: error: inline assembly is not supported: `cpuid`
#include <stdio.h>

int main(void) {
    unsigned a = 0, b;
    fflush(stdout);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b) : : "ecx", "edx");
    return (int)b;
}
