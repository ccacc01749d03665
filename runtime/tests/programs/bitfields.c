// Bit-fields: signed, unsigned, packed, wide, in unions, changed between hops.
//#ExpectFile
#include <stdbool.h>
#include <stdio.h>

struct flags {
    unsigned a : 1, b : 3, c : 7;
    signed d : 5;
    unsigned long e : 40;
    bool f : 1;
    unsigned : 0;
    unsigned g : 12;
};
struct __attribute__((packed)) packed {
    char tag;
    unsigned long long wide : 57;
    int small : 3;
};
union view {
    struct {
        unsigned low : 4, mid : 24, high : 4;
    } parts;
    unsigned whole;
};

static struct flags step(struct flags f, int i) {
    f.a ^= 1;
    f.b += 3;
    f.c += (unsigned)i;
    f.d -= 5;
    f.e = f.e * 31 + (unsigned)i;
    f.f = !f.f;
    fflush(stdout);
    f.g -= 1;
    return f;
}

int main(void) {
    struct flags f = {0};
    static struct packed table[4];
    for (int i = 0; i < 25; i++) {
        f = step(f, i);
        printf("%u %u %u %d %lu %d %u\n", f.a, f.b, f.c, f.d, (unsigned long)f.e, f.f, f.g);
        struct packed *p = &table[i % 4];
        p->tag++;
        p->wide += f.e << 10;
        p->small = i;
    }
    for (int i = 0; i < 4; i++) {
        printf("%d %llx %d\n", table[i].tag, (unsigned long long)table[i].wide, table[i].small);
    }
    union view view = {.whole = 0xabcdef12};
    view.parts.mid++;
    printf("%x %x %x %x, sizes %zu %zu\n", view.parts.low, view.parts.mid, view.parts.high, view.whole, sizeof f, sizeof *table);
    return 0;
}
