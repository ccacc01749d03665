// Tables of labels that list some twice, not all, in another order, or change while the program runs.
//#ExpectFile
#include <stdio.h>

static int run(const unsigned char *code) {
    static const void *const twice[] = {&&one, &&two, &&two, &&one, &&end};
    static const void *const some[] = {&&two, &&three, &&end};
    static const void *const back[] = {&&end, &&three, &&two, &&one};
    static const void *changing[] = {&&one, &&three, &&end};
    const void *const *table = twice;
    int sum = 0;
    goto *twice[*code++];
one:
    printf("one %d\n", sum += 1);
    changing[0] = changing[1];
    goto *table[*code++];
two:
    printf("two %d\n", sum *= 2);
    table = changing;
    goto *some[*code++];
three:
    printf("three %d\n", sum -= 3);
    changing[1] = &&one;
    goto *(sum & 1 ? table[*code++] : back[*code++]);
end:
    return sum;
}

int main(void) {
    printf("%d\n", run((const unsigned char[]){0, 0, 0, 3, 3, 3, 3, 3, 3, 0, 0, 3, 3, 1, 1, 0, 3, 1, 1, 0, 0, 0, 2}));
    printf("%d\n", run((const unsigned char[]){3, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 2}));
    return 0;
}
