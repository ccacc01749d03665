// NAS FT, "Fourier transform": solves the diffusion equation on a periodic box by a three-dimensional fast Fourier
// transform, one back transform a time step. Floating point, and memory accesses with large strides.
//#ExpectFile
//#Levels: O2 O3
//#Hop: every=100003
#include "common.h"

enum { STEPS = 20, POINTS = 512, BATCH = 8, PROBES = 1024 };

struct complex_number {
    double re, im;
};

struct problem {
    int nx, ny, nz, steps;
    struct complex_number checksums[STEPS];
};

static const struct problem classes[NAS_CLASSES] = {
    {64, 64, 64, 6,
     {{5.546087004964e2, 4.845363331978e2}, {5.546385409189e2, 4.865304269511e2}, {5.546148406171e2, 4.883910722336e2},
      {5.545423607415e2, 4.901273169046e2}, {5.544255039624e2, 4.917475857993e2}, {5.542683411902e2, 4.932597244941e2},
     }},
    {128, 128, 32, 6,
     {{5.673612178944e2, 5.293246849175e2}, {5.631436885271e2, 5.282149986629e2}, {5.594024089970e2, 5.270996558037e2},
      {5.560698047020e2, 5.260027904925e2}, {5.530898991250e2, 5.249400845633e2}, {5.504159734538e2, 5.239212247086e2},
     }},
    {256, 256, 128, 6,
     {{5.046735008193e2, 5.114047905510e2}, {5.059412319734e2, 5.098809666433e2}, {5.069376896287e2, 5.098144042213e2},
      {5.077892868474e2, 5.101336130759e2}, {5.085233095391e2, 5.104914655194e2}, {5.091487099959e2, 5.107917842803e2},
     }},
    {512, 256, 256, 20,
     {{5.177643571579e2, 5.077803458597e2}, {5.154521291263e2, 5.088249431599e2}, {5.146409228649e2, 5.096208912659e2},
      {5.142378756213e2, 5.101023387619e2}, {5.139626667737e2, 5.103976610617e2}, {5.137423460082e2, 5.105948019802e2},
      {5.135547056878e2, 5.107404165783e2}, {5.133910925466e2, 5.108576573661e2}, {5.132470705390e2, 5.109577278523e2},
      {5.131197729984e2, 5.110460304483e2}, {5.130070319283e2, 5.111252433800e2}, {5.129070537032e2, 5.111968077718e2},
      {5.128182883502e2, 5.112616233064e2}, {5.127393733383e2, 5.113203605551e2}, {5.126691062020e2, 5.113735928093e2},
      {5.126064276004e2, 5.114218460548e2}, {5.125504076570e2, 5.114656139760e2}, {5.125002331720e2, 5.115053595966e2},
      {5.124551951846e2, 5.115415130407e2}, {5.124146770029e2, 5.115744692211e2}}},
    {512, 512, 512, 20,
     {{5.195078707457e2, 5.149019699238e2}, {5.155422171134e2, 5.127578201997e2}, {5.144678022222e2, 5.122251847514e2},
      {5.140150594328e2, 5.121090289018e2}, {5.137550426810e2, 5.121143685824e2}, {5.135811056728e2, 5.121496764568e2},
      {5.134569343165e2, 5.121870921893e2}, {5.133651975661e2, 5.122193250322e2}, {5.132955192805e2, 5.122454735794e2},
      {5.132410471738e2, 5.122663649603e2}, {5.131971141679e2, 5.122830879827e2}, {5.131605205716e2, 5.122965869718e2},
      {5.131290734194e2, 5.123075927445e2}, {5.131012720314e2, 5.123166486553e2}, {5.130760908195e2, 5.123241541685e2},
      {5.130528295923e2, 5.123304037599e2}, {5.130310107773e2, 5.123356167976e2}, {5.130103090133e2, 5.123399592211e2},
      {5.129905029333e2, 5.123435588985e2}, {5.129714421109e2, 5.123465164008e2}}},
};

// ---- Transforms of BATCH lines at once ----

// Element i of line b is at i * BATCH + b; real and imaginary parts are apart, which suits vector instructions.
struct batch {
    double re[POINTS * BATCH], im[POINTS * BATCH];
};

static struct complex_number roots[POINTS]; // roots[k] = exp(-2 pi i k / POINTS)

static void make_roots(void) {
    for (int k = 0; k < POINTS; k++) {
        const double angle = -2.0 * acos(-1.0) * k / (double)POINTS;
        roots[k] = (struct complex_number){cos(angle), sin(angle)};
    }
}

// One pass of Stockham's algorithm: of `parts` interleaved transforms of length `length` each, it makes twice as many
// of half the length. The order of the elements comes out right at the end without a bit reversal.
static void pass(struct batch *restrict out, const struct batch *restrict in, int length, int parts, double sign) {
    const int half = length / 2, run = parts * BATCH;
    for (int p = 0; p < half; p++) {
        const struct complex_number root = roots[p * (POINTS / length)];
        const double w_re = root.re, w_im = sign * root.im;
        const double *restrict a_re = in->re + p * run, *restrict a_im = in->im + p * run;
        const double *restrict b_re = a_re + half * run, *restrict b_im = a_im + half * run;
        double *restrict sum_re = out->re + 2 * p * run, *restrict sum_im = out->im + 2 * p * run;
        double *restrict turned_re = sum_re + run, *restrict turned_im = sum_im + run;
        for (int q = 0; q < run; q++) {
            const double difference_re = a_re[q] - b_re[q], difference_im = a_im[q] - b_im[q];
            sum_re[q] = a_re[q] + b_re[q];
            sum_im[q] = a_im[q] + b_im[q];
            turned_re[q] = difference_re * w_re - difference_im * w_im;
            turned_im[q] = difference_re * w_im + difference_im * w_re;
        }
    }
}

// Transforms BATCH lines of length n: first[i * stride + b * gap] is element i of line b. sign: +1 forth, -1 back.
static void transform_lines(struct complex_number *first, int n, ptrdiff_t stride, ptrdiff_t gap, double sign) {
    static struct batch buffers[2];
    struct batch *from = &buffers[0], *to = &buffers[1];
    for (int i = 0; i < n; i++) {
        for (int b = 0; b < BATCH; b++) {
            const struct complex_number value = first[i * stride + b * gap];
            from->re[i * BATCH + b] = value.re;
            from->im[i * BATCH + b] = value.im;
        }
    }
    for (int length = n; length > 1; length /= 2) {
        pass(to, from, length, n / length, sign);
        struct batch *done = to;
        to = from;
        from = done;
    }
    for (int i = 0; i < n; i++) {
        for (int b = 0; b < BATCH; b++) {
            first[i * stride + b * gap] = (struct complex_number){from->re[i * BATCH + b], from->im[i * BATCH + b]};
        }
    }
}

// Transforms the box along all three axes.
static void transform(struct complex_number *box, const struct problem *problem, double sign) {
    const ptrdiff_t nx = problem->nx, ny = problem->ny, nz = problem->nz, plane = nx * ny;
    for (ptrdiff_t i = 0; i < ny * nz; i += BATCH) {
        transform_lines(box + i * nx, problem->nx, 1, nx, sign);
    }
    for (ptrdiff_t z = 0; z < nz; z++) {
        for (ptrdiff_t x = 0; x < nx; x += BATCH) {
            transform_lines(box + z * plane + x, problem->ny, nx, 1, sign);
        }
    }
    for (ptrdiff_t i = 0; i < plane; i += BATCH) {
        transform_lines(box + i, problem->nz, plane, 1, sign);
    }
}

// ---- The equation ----

static double *line_of_frequencies(int n) {
    double *squares = nas_allocate((size_t)n, sizeof *squares);
    for (int i = 0; i < n; i++) {
        const double frequency = i < n / 2 ? i : i - n;
        squares[i] = frequency * frequency;
    }
    return squares;
}

// What a time step multiplies each frequency with.
static void make_decay(double *decay, const struct problem *problem) {
    const double alpha = 1e-6, pi = acos(-1.0), factor = -4.0 * alpha * pi * pi;
    double *x2 = line_of_frequencies(problem->nx), *y2 = line_of_frequencies(problem->ny);
    double *z2 = line_of_frequencies(problem->nz);
    for (int z = 0; z < problem->nz; z++) {
        for (int y = 0; y < problem->ny; y++) {
            for (int x = 0; x < problem->nx; x++) {
                *decay++ = exp(factor * (x2[x] + y2[y] + z2[z]));
            }
        }
    }
    free(x2);
    free(y2);
    free(z2);
}

// Makes one time step in `spectrum`, and leaves a copy of it in `box`.
static void evolve(struct complex_number *restrict spectrum, struct complex_number *restrict box,
                   const double *restrict decay, size_t points) {
    for (size_t i = 0; i < points; i++) {
        spectrum[i].re *= decay[i];
        spectrum[i].im *= decay[i];
        box[i] = spectrum[i];
    }
}

static struct complex_number checksum(const struct complex_number *box, const struct problem *problem) {
    const int nx = problem->nx, ny = problem->ny, nz = problem->nz;
    struct complex_number sum = {0, 0};
    for (int i = 1; i <= PROBES; i++) {
        const ptrdiff_t x = i % nx, y = 3 * i % ny, z = 5 * i % nz;
        const struct complex_number value = box[(z * ny + y) * nx + x];
        sum.re += value.re;
        sum.im += value.im;
    }
    const double points = (double)nx * ny * nz;
    return (struct complex_number){sum.re / points, sum.im / points};
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("FT", argc, argv);
    const struct problem *problem = &classes[run.class];
    const size_t points = (size_t)problem->nx * (size_t)problem->ny * (size_t)problem->nz;
    struct complex_number *spectrum = nas_allocate(points, sizeof *spectrum);
    struct complex_number *box = nas_allocate(points, sizeof *box);
    double *decay = nas_allocate(points, sizeof *decay);
    nas_start(&run);
    make_roots();
    make_decay(decay, problem);
    uint64_t state = nas_seed;
    for (size_t i = 0; i < points; i++) {
        spectrum[i].re = nas_random(&state);
        spectrum[i].im = nas_random(&state);
    }
    transform(spectrum, problem, 1);
    struct complex_number sums[STEPS];
    for (int step = 0; step < problem->steps; step++) {
        evolve(spectrum, box, decay, points);
        transform(box, problem, -1);
        sums[step] = checksum(box, problem);
    }
    nas_stop(&run);
    for (int step = 0; step < problem->steps; step++) {
        nas_check(&run, "real", step + 1, sums[step].re, problem->checksums[step].re, 1e-12);
        nas_check(&run, "imaginary", step + 1, sums[step].im, problem->checksums[step].im, 1e-12);
    }
    return nas_report(&run);
}
