// _Complex float: multiplication and division are calls of compiler-rt.
//#ExpectFile
#include <complex.h>
#include <stdio.h>

__attribute__((noinline)) static float complex step(float complex a, float complex b, float c) {
    fflush(stdout);
    return a / b + c * I * a;
}

int main(void) {
    float complex f = 1;
    for (int i = 0; i < 10; i++) {
        f = step(f, 1.5f - 0.5f * I, 0.25f);
        printf("%.5f%+.5fi\n", (double)crealf(f), (double)cimagf(f));
    }
    float complex root = csqrtf(f), power = cexpf(I * 2);
    printf("%.4f %.4f %.4f %.4f\n", (double)crealf(root), (double)cimagf(root), (double)crealf(power), (double)cimagf(power));
    return 0;
}
