// long double is binary128 on both ISAs: 113 bits of precision, arithmetic, conversions, printf and libm.
//#NoClang: long double has 64 bits of precision on x86-64
//#ExpectFile
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static long double series(int terms) {
    long double sum = 0, factorial = 1;
    for (int i = 0; i < terms; i++) {
        sum += 1 / factorial;
        factorial *= i + 1;
        fflush(stdout);
    }
    return sum;
}

__attribute__((noinline)) static long double mix(int a, long double b, double c, long double d) {
    fflush(stdout);
    return a + b * c - d;
}

int main(void) {
    printf("%zu bytes, %d bits, epsilon %Lg, max %Lg\n", sizeof(long double), LDBL_MANT_DIG, LDBL_EPSILON, LDBL_MAX);
    printf("e = %.33Lf\n", series(40));
    printf("1/3 = %.36Lg\n", 1.0L / 3);
    printf("%.33Lf\n", sqrtl(2));
    printf("%.30Lf %.30Lf\n", sinl(1), atanl(1));
    printf("%La\n", 1.5L);
    printf("%Lg\n", mix(1, 2.5L, 4.0, 0.5L));
    long double parsed = strtold("0.1", NULL);
    printf("%d %d %d\n", parsed == 0.1L, (double)parsed == 0.1, parsed == (long double)0.1);
    volatile long double big = 1e20L;
    printf("%lld %llu %d\n", (long long)(big / 100), (unsigned long long)(big / 10), (int)-2.75L);
    volatile long double zero = 0;
    printf("%Lg %Lg %d %d\n", 1 / zero, -1 / zero, isnan(zero / zero), signbit(-zero) != 0);
    long double values[] = {3.5L, -1.25L, 2, 1e-4000L};
    long double product = 1;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 4; i++) {
            product *= values[i];
            printf("%.6Le ", product);
        }
    }
    printf("\n%d\n", fpclassify(product) == FP_ZERO);
    return 0;
}
