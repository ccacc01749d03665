// A poll in front of a call that is a jump, with a frame for the poll alone, which the two ISAs set up in different parts of the
// function: its return address is a landing (compiler/src/align/returns.rs).
//#Hop: every=1 every=7
//#Expect: 507
#include <stdio.h>

struct value {
    long number;
    int tag;
};

struct state {
    struct value *base, *top;
    struct value nil;
};

typedef int comparison(struct state *, const struct value *, const struct value *);

static int same_number(struct state *state, const struct value *x, const struct value *y) {
    (void)state;
    return x->number == y->number;
}

static comparison *volatile equal = same_number;

static inline const struct value *at(struct state *state, int n) {
    if (n > 0) {
        struct value *value = state->base + n;
        return value < state->top ? value : &state->nil;
    }
    return n > -1000000 ? state->top + n : &state->nil;
}

__attribute__((noinline)) static int raw_equal(struct state *state, int a, int b) {
    const struct value *x = at(state, a), *y = at(state, b);
    if ((x->tag == 0 && x == &state->nil) || (y->tag == 0 && y == &state->nil)) {
        return 0;
    }
    return equal(state, x, y);
}

int main(void) {
    static struct value values[101];
    for (int n = 0; n < 101; n++) {
        values[n] = (struct value){n % 3, 1};
    }
    struct state state = {values, values + 101, {0, 0}};
    int found = 0;
    for (int a = -100; a < 100; a += 5) {
        for (int b = -100; b < 100; b += 5) {
            found += raw_equal(&state, a == 0 ? 200 : a, b == 0 ? -2000000 : b);
        }
    }
    printf("%d\n", found);
}
