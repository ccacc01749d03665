// Fast Fourier transform (Cooley and Tukey 1965), recursive, radix 2, forth and back.
//#Args: 11
//#ExpectFile
//#Hop: every=1 every=17 every=1021
#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Transforms x[0], x[stride], x[2 stride] ... into out[0 .. n-1]; sign is -1 forth and +1 back.
static void fft(double complex *out, const double complex *x, size_t n, size_t stride, double sign) {
    if (n == 1) {
        out[0] = x[0];
        return;
    }
    fft(out, x, n / 2, 2 * stride, sign);
    fft(out + n / 2, x + stride, n / 2, 2 * stride, sign);
    for (size_t k = 0; k < n / 2; k++) {
        double angle = sign * 2.0 * M_PI * (double)k / (double)n;
        double complex even = out[k];
        double complex odd = (cos(angle) + I * sin(angle)) * out[k + n / 2];
        out[k] = even + odd;
        out[k + n / 2] = even - odd;
    }
}

int main(int argc, char **argv) {
    int bits = argc > 1 ? atoi(argv[1]) : 11;
    size_t n = (size_t)1 << bits;
    double complex *signal = malloc(n * sizeof *signal);
    double complex *spectrum = malloc(n * sizeof *spectrum);
    double complex *back = malloc(n * sizeof *back);
    if (!signal || !spectrum || !back) {
        perror("malloc");
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        double t = (double)i / (double)n;
        signal[i] = cos(2 * M_PI * 5 * t) + 0.5 * sin(2 * M_PI * 40 * t) + 0.25 * cos(2 * M_PI * 300 * t);
    }
    fft(spectrum, signal, n, 1, -1);
    printf("peaks of %zu points:\n", n);
    for (size_t k = 0; k < n / 2; k++) {
        double amplitude = 2 * cabs(spectrum[k]) / (double)n;
        if (amplitude > 0.01) {
            printf("  frequency %4zu amplitude %.6f\n", k, amplitude);
        }
    }
    fft(back, spectrum, n, 1, 1);
    double error = 0;
    for (size_t i = 0; i < n; i++) {
        error = fmax(error, cabs(back[i] / (double)n - signal[i]));
    }
    printf("largest error after both transforms below 1e-12: %s\n", error < 1e-12 ? "yes" : "no");
    free(signal);
    free(spectrum);
    free(back);
    return 0;
}
