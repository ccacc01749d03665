// Conjugate gradients (Hestenes and Stiefel 1952) on the five-point Laplacian of a square grid.
//#Args: 24
//#ExpectFile
//#Hop: every=1 every=13 every=1013
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int n;

// y = A x with A = 4 on the diagonal and -1 for each neighbour.
static void multiply(double *y, const double *x) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double sum = 4.0 * x[i * n + j];
            if (i > 0) {
                sum -= x[(i - 1) * n + j];
            }
            if (i < n - 1) {
                sum -= x[(i + 1) * n + j];
            }
            if (j > 0) {
                sum -= x[i * n + j - 1];
            }
            if (j < n - 1) {
                sum -= x[i * n + j + 1];
            }
            y[i * n + j] = sum;
        }
    }
}

static double dot(const double *x, const double *y) {
    double sum = 0;
    for (int i = 0; i < n * n; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

// y += factor * x
static void add(double *y, double factor, const double *x) {
    for (int i = 0; i < n * n; i++) {
        y[i] += factor * x[i];
    }
}

int main(int argc, char **argv) {
    n = argc > 1 ? atoi(argv[1]) : 24;
    size_t unknowns = (size_t)n * (size_t)n;
    double *memory = calloc(5 * unknowns, sizeof *memory);
    if (n < 1 || !memory) {
        fprintf(stderr, "usage: %s [SIZE]\n", argv[0]);
        return 2;
    }
    double *x = memory, *b = x + unknowns, *r = b + unknowns, *p = r + unknowns, *q = p + unknowns;
    for (size_t i = 0; i < unknowns; i++) {
        b[i] = p[i] = r[i] = (double)(i % 7) - 3.0;
    }
    double rho = dot(r, r), start = rho;
    int step = 0;
    while (rho > 1e-20 * start && step < 10 * n) {
        multiply(q, p);
        double alpha = rho / dot(p, q);
        add(x, alpha, p);
        add(r, -alpha, q);
        double next = dot(r, r);
        double beta = next / rho;
        for (size_t i = 0; i < unknowns; i++) {
            p[i] = r[i] + beta * p[i];
        }
        rho = next;
        if (step % 8 == 0) {
            printf("step %3d: residual %.6e\n", step, sqrt(rho));
        }
        step++;
    }
    multiply(q, x);
    add(q, -1.0, b);
    printf("%d unknowns, %d steps, error below 1e-8: %s, x . b = %.12f\n", n * n, step,
           sqrt(dot(q, q)) < 1e-8 ? "yes" : "no", dot(x, b));
    free(memory);
    return 0;
}
