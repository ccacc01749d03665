// Conditions that only one code generator may see to be constant, in front of calls: at -O0 they are loads of what was
// stored a little earlier, or loads of the same memory twice.
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>

static unsigned long global;
static int calls;

static int count(int value) {
    calls++;
    fflush(stdout);
    return value + calls;
}

static int stored_before(void) {
    short flag = 1;
    unsigned long *one = &global, *other = NULL;
    if (flag) {
        int kept = 5;
        return count(kept) + (one != other);
    }
    return count(7) + count(*(int *)other);
}

static int loaded_twice(void) {
    int result = 3;
    if (global ^ global) {
        for (int i = 0; i < 4; i++) {
            result += count(i);
        }
    }
    return result + count(result);
}

static int known_part(void) {
    union { unsigned long whole; unsigned short part; } value = {.whole = 0xffff};
    unsigned short limit = 0xffff;
    int *unrelated = &calls;
    int kept = count(1);
    if (value.part <= limit) {
        return *unrelated + kept;
    }
    return count(kept) + limit;
}

struct four { int parts[4]; };

// Nothing is copied, and nothing read.
static int copied_to_itself(void) {
    struct four four = {{1, 2, 3, 4}};
    count(4);
    four = four;
    count(5);
    return 6;
}

int main(int argc, char **argv) {
    (void)argv;
    global = (unsigned long)argc;
    for (int i = 0; i < 3; i++) {
        printf("%d ", stored_before());
        printf("%d ", loaded_twice());
        printf("%d ", known_part());
        printf("%d\n", copied_to_itself());
    }
    return 0;
}
