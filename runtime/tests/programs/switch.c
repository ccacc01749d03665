// Dense, sparse, nested and string-like switches; jump tables are private to each ISA.
//#ExpectFile
#include <stdio.h>

static const char *dense(int i) {
    switch (i) {
    case 0: return "zero";
    case 1: return "one";
    case 2: return "two";
    case 3: return "three";
    case 4: return "four";
    case 5: return "five";
    case 6: return "six";
    case 8: return "eight";
    default: return "?";
    }
}
static int sparse(long i) {
    switch (i) {
    case -1000000000000: return 1;
    case -1: return 2;
    case 0: return 3;
    case 1000: return 4;
    case 1 << 20: return 5;
    case 0x7fffffffffffffff: return 6;
    case 'a' ... 'z': return 7;
    default: return 0;
    }
}
static int machine(const char *text) {
    int state = 0, count = 0;
    for (; *text; text++) {
        fflush(stdout);
        switch (state) {
        case 0:
            switch (*text) {
            case '/': state = 1; break;
            case '"': state = 4; break;
            default: count++;
            }
            break;
        case 1:
            if (*text == '*') state = 2;
            else state = 0, count += 2;
            break;
        case 2:
            if (*text == '*') state = 3;
            break;
        case 3: state = *text == '/' ? 0 : *text == '*' ? 3 : 2; break;
        case 4:
            if (*text == '"') state = 0;
            else if (*text == '\\') state = 5;
            count++;
            break;
        case 5: state = 4; break;
        }
    }
    return count * 10 + state;
}
// Duff's device.
static void duff(char *to, const char *from, int count) {
    int n = (count + 7) / 8;
    switch (count % 8) {
    case 0: do { *to++ = *from++; fflush(stdout); __attribute__((fallthrough));
    case 7: *to++ = *from++; __attribute__((fallthrough));
    case 6: *to++ = *from++; __attribute__((fallthrough));
    case 5: *to++ = *from++; __attribute__((fallthrough));
    case 4: *to++ = *from++; __attribute__((fallthrough));
    case 3: *to++ = *from++; __attribute__((fallthrough));
    case 2: *to++ = *from++; __attribute__((fallthrough));
    case 1: *to++ = *from++;
            } while (--n > 0);
    }
}
static int calls(int i) {
    fflush(stdout);
    switch (i % 11) {
    case 0: return printf("a\n");
    case 1: return printf("bb\n");
    case 2: return printf("ccc\n");
    case 3: return printf("%d\n", i);
    case 4: return fflush(stdout);
    case 5: return calls(i + 1) + 1;
    case 6: return calls(i + 3) + 2;
    case 9: return calls(i + 2) * 2;
    default: return i;
    }
}

int main(void) {
    for (int i = -1; i < 10; i++) {
        printf("%s ", dense(i));
    }
    static const long keys[] = {-1000000000000, -1, 0, 1, 1000, 1 << 20, 0x7fffffffffffffff, 'a', 'm', 'z', 'A'};
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        printf("%d ", sparse(keys[i]));
    }
    printf("\n%d\n", machine("int x; /* a \"comment\" **/ \"a string /* \\\" \" / 7 /* open"));
    char copy[40] = {0};
    duff(copy, "The quick brown fox jumps over it", 33);
    puts(copy);
    int total = 0;
    for (int i = 0; i < 33; i++) {
        total += calls(i);
    }
    printf("%d\n", total);
    return 0;
}
