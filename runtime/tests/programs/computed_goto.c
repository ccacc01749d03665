// An interpreter by computed goto; label addresses live in tables in memory and in the code itself.
//#ExpectFile
#include <stdio.h>

enum { PUSH, ADD, MUL, SUB, JUMP_IF, PRINT, DUP, HALT };

static int run(const int *code) {
    static const void *const labels[] = {&&push, &&add, &&mul, &&sub, &&jump_if, &&print, &&dup, &&halt};
    long stack[16], *top = stack;
    int count = 0;
    int pc = 0;
#define NEXT                                                                                                           \
    count++;                                                                                                           \
    goto *labels[code[pc]]
    NEXT;
push:
    *top++ = code[pc + 1];
    pc += 2;
    NEXT;
add:
    top--;
    top[-1] += *top;
    pc++;
    NEXT;
mul:
    top--;
    top[-1] *= *top;
    pc++;
    NEXT;
sub:
    top--;
    top[-1] -= *top;
    pc++;
    NEXT;
jump_if:
    pc = *--top ? code[pc + 1] : pc + 2;
    NEXT;
print:
    printf("%ld\n", top[-1]);
    pc++;
    NEXT;
dup:
    *top = top[-1];
    top++;
    pc++;
    NEXT;
halt:
    return count;
}

int main(void) {
    // 20 down to 0, printed, its square too.
    static const int program[64] = {PUSH, 20, PRINT, DUP, DUP, MUL, PRINT, PUSH, -1, MUL, DUP, MUL, PUSH, 0, MUL,
                                    ADD, PUSH, 1, SUB, DUP, JUMP_IF, 2, HALT};
    printf("%d steps\n", run(program));
    const void *state = &&first;
    int rounds = 0;
first:
    if (rounds++ > 5) goto done;
    state = &&second;
    fflush(stdout);
    goto *state;
second:
    state = rounds % 2 ? &&first : &&third;
    fflush(stdout);
    goto *state;
third:
    state = &&first;
    printf("third %d\n", rounds);
    goto *state;
done:
    return 0;
}
