// NAS EP, "embarrassingly parallel": Gaussian deviates from uniform ones by Marsaglia's polar method, counted by
// square annulus. Floating point, logarithms and square roots; next to no memory.
//#ExpectFile
//#Levels: O2
//#Hop: every=100003
#include "common.h"

enum { ANNULI = 10, BATCH_BITS = 16 };

struct problem {
    int pair_bits; // 2^pair_bits pairs of uniform numbers
    double sum_x, sum_y;
};

static const struct problem classes[NAS_CLASSES] = {
    {24, -3.247834652034740e3, -6.958407078382297e3}, {25, -2.863319731645753e3, -6.320053679109499e3},
    {28, -4.295875165629892e3, -1.580732573678431e4}, {30, 4.033815542441498e4, -2.660669192809235e4},
    {32, 4.764367927995374e4, -8.084072988043731e4},
};

struct tally {
    double sum_x, sum_y;
    int64_t counts[ANNULI];
};

// Adds the deviates from `pairs` pairs of random numbers.
static void tally_pairs(struct tally *tally, uint64_t state, int pairs) {
    for (int i = 0; i < pairs; i++) {
        double x = 2.0 * nas_random(&state) - 1.0;
        double y = 2.0 * nas_random(&state) - 1.0;
        double square = x * x + y * y;
        if (square <= 1.0) { // inside the unit circle
            double factor = sqrt(-2.0 * log(square) / square);
            double gauss_x = x * factor, gauss_y = y * factor;
            tally->counts[(int)fmax(fabs(gauss_x), fabs(gauss_y))]++;
            tally->sum_x += gauss_x;
            tally->sum_y += gauss_y;
        }
    }
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("EP", argc, argv);
    const struct problem *problem = &classes[run.class];
    // A batch knows its own first random number, so that batches could be computed in any order.
    const int64_t batches = (int64_t)1 << (problem->pair_bits - BATCH_BITS);
    const uint64_t skip = nas_power(nas_multiplier, (uint64_t)2 << BATCH_BITS);
    struct tally tally = {0};
    nas_start(&run);
    for (int64_t batch = 0; batch < batches; batch++) {
        uint64_t state = nas_multiply(271828183, nas_power(skip, (uint64_t)batch));
        tally_pairs(&tally, state, 1 << BATCH_BITS);
    }
    nas_stop(&run);
    nas_check(&run, "sum of x", 0, tally.sum_x, problem->sum_x, 1e-8);
    nas_check(&run, "sum of y", 0, tally.sum_y, problem->sum_y, 1e-8);
    int status = nas_report(&run);
    for (int i = 0; i < ANNULI; i++) {
        printf("  annulus %d %24lld\n", i, (long long)tally.counts[i]);
    }
    return status;
}
