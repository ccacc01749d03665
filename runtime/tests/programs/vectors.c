// GCC vectors of 16, 32 and 64 bytes, live across hops, as arguments, results and members.
//#Flags: -Wno-psabi
//#ExpectFile
#include <stdio.h>
#include <string.h>

typedef int v4si __attribute__((vector_size(16)));
typedef float v4sf __attribute__((vector_size(16)));
typedef double v2df __attribute__((vector_size(16)));
typedef double v4df __attribute__((vector_size(32)));
typedef unsigned char v16qi __attribute__((vector_size(16)));
typedef short v32hi __attribute__((vector_size(64)));

struct holder {
    char tag;
    v4df v;
};

__attribute__((noinline)) static v4si mul(v4si a, v4si b, int c) {
    fflush(stdout);
    return a * b + c;
}
__attribute__((noinline)) static v4df wide(v4df a, double b, v4df c) {
    fflush(stdout);
    return a * b - c;
}
__attribute__((noinline)) static v32hi widest(v32hi a, v32hi b) {
    fflush(stdout);
    return (a > b) & a | (a <= b) & (b + 1);
}
__attribute__((noinline)) static struct holder hold(struct holder h, v2df v) {
    fflush(stdout);
    h.v[0] += v[1];
    h.v[3] -= v[0];
    h.tag++;
    return h;
}

int main(void) {
    v4si a = {1, 2, 3, 4}, b = {5, -6, 7, -8};
    v4sf f = {1, 2, 3, 4};
    v4df d = {1, 2, 3, 4}, e = {0.5, 0.25, 0.125, 0.0625};
    v16qi q = {0};
    v32hi h = {0}, g;
    short elements[32], squares[32];
    for (int i = 0; i < 32; i++) {
        elements[i] = (short)(i * 1000);
        squares[i] = (short)(i * i);
    }
    memcpy(&h, elements, sizeof h);
    memcpy(&g, squares, sizeof g);
    struct holder holder = {'a', d};
    for (int i = 0; i < 20; i++) {
        a = mul(a, b, i);
        f = f * 1.25f + (v4sf){0, 1, 2, 3};
        d = wide(d, 1.0625, e);
        q = (q << 1) ^ (q + (unsigned char)i) ^ 7;
        h = widest(h, g);
        holder = hold(holder, (v2df){i, 2 * i});
        printf("%d %d %d %d ", a[0], a[1], a[2], a[3]);
    }
    putchar('\n');
    printf("%g %g %g %g\n", (double)f[0], (double)f[1], (double)f[2], (double)f[3]);
    printf("%.10g %.10g %.10g %.10g\n", d[0], d[1], d[2], d[3]);
    memcpy(elements, &h, sizeof h);
    for (int i = 0; i < 32; i++) {
        printf("%d ", elements[i]);
    }
    printf("\n%d %d %c %g %g\n", q[0], q[15], holder.tag, holder.v[0], holder.v[3]);
    return 0;
}
