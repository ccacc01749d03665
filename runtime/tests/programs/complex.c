// _Complex double: arithmetic, arguments, results, library functions.
//#ExpectFile
#include <complex.h>
#include <stdio.h>

__attribute__((noinline)) static double complex step(double complex z, double complex c) {
    fflush(stdout);
    return z * z + c;
}

int main(void) {
    double complex z = 0;
    for (int i = 0; i < 30; i++) {
        z = step(z, -0.4 + 0.6 * I);
    }
    printf("%.12f %.12f\n", creal(z), cimag(z));
    printf("%.10f %.10f\n", cabs(3 + 4 * I), carg(-1 + 0 * I));
    double complex root = csqrt(-2 + 2 * I), e = cexp(I * 2);
    printf("%.10f %.10f %.10f %.10f\n", creal(root), cimag(root), creal(e), cimag(e));
    double complex array[3] = {1, I, 1 + I}, product = 1;
    for (int i = 0; i < 9; i++) {
        product *= array[i % 3] / (1 + (double)i * I);
        fflush(stdout);
    }
    printf("%.10g %.10g %d\n", creal(product), cimag(product), product == conj(conj(product)));
    return 0;
}
