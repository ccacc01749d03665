// NAS IS, "integer sort": ranks small integer keys by counting, ten times. Integer arithmetic and scattered memory
// accesses.
//#ExpectFile
//#Levels: O2 O3
//#Hop: every=10007
#include "common.h"

enum { ROUNDS = 10, PROBES = 5 };

// The ranks of a few keys are known. From round to round they move by one, upwards or downwards, because each round
// puts in a smaller and a larger key.
struct problem {
    int key_bits, range_bits; // 2^key_bits keys in [0, 2^range_bits)
    int position[PROBES];     // of the probed keys
    int rank[PROBES];         // as published
    int step[PROBES];         // what a round adds to the rank
    int rising, falling;      // the round in which a rank that rises, or falls, is the published one
};

static const struct problem classes[NAS_CLASSES] = {
    {16, 11, {48427, 17148, 23627, 62548, 4431}, {0, 18, 346, 64917, 65463}, {1, 1, 1, -1, -1}, 0, 0},
    {20, 16, {357773, 934767, 875723, 898999, 404505}, {1249, 11698, 1039987, 1043896, 1048018}, {1, 1, -1, -1, -1},
     2, 0},
    {23, 19, {2112377, 662041, 5336171, 3642833, 4250760}, {104, 17523, 123928, 8288932, 8388264}, {1, 1, 1, -1, -1},
     1, 1},
    {25, 21, {41869, 812306, 5102857, 18232239, 26860214}, {33422937, 10244, 59149, 33135281, 99}, {-1, 1, 1, -1, 1},
     0, 0},
    {27, 23, {44172927, 72999161, 74326391, 129606274, 21736814}, {61147, 882988, 266290, 133997595, 133525895},
     {1, 1, 1, -1, -1}, 0, 0},
};

// A key is the sum of four random numbers, scaled to the range: nearly a Gaussian distribution.
static void generate(int *keys, int count, int range) {
    uint64_t state = nas_seed;
    for (int i = 0; i < count; i++) {
        double sum = nas_random(&state);
        sum += nas_random(&state);
        sum += nas_random(&state);
        sum += nas_random(&state);
        keys[i] = (int)(range / 4 * sum);
    }
}

// below[k] becomes the number of keys that are less than k, for k from 0 to `range`.
static void rank_keys(int *restrict below, const int *restrict keys, int count, int range) {
    memset(below, 0, ((size_t)range + 1) * sizeof *below);
    for (int i = 0; i < count; i++) {
        below[keys[i] + 1]++;
    }
    for (int k = 0; k < range; k++) {
        below[k + 1] += below[k];
    }
}

// Puts each key where its rank says, and counts the keys that are then not in order.
static int count_disorder(int *restrict sorted, int *restrict below, const int *restrict keys, int count) {
    for (int i = 0; i < count; i++) {
        sorted[below[keys[i]]++] = keys[i];
    }
    int disorder = 0;
    for (int i = 1; i < count; i++) {
        disorder += sorted[i - 1] > sorted[i];
    }
    return disorder;
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("IS", argc, argv);
    const struct problem *problem = &classes[run.class];
    const int count = 1 << problem->key_bits, range = 1 << problem->range_bits;
    int *keys = nas_allocate((size_t)count, sizeof *keys);
    int *sorted = nas_allocate((size_t)count, sizeof *sorted);
    int *below = nas_allocate((size_t)range + 1, sizeof *below);
    generate(keys, count, range);
    int wrong = 0;
    nas_start(&run);
    for (int round = 1; round <= ROUNDS; round++) {
        keys[round] = round;
        keys[round + ROUNDS] = range - round;
        rank_keys(below, keys, count, range);
        for (int i = 0; i < PROBES; i++) {
            int step = problem->step[i];
            int moved = step * (round - (step > 0 ? problem->rising : problem->falling));
            wrong += below[keys[problem->position[i]]] != problem->rank[i] + moved;
        }
    }
    nas_stop(&run);
    int64_t checksum = 0; // of the last ranks: for comparing runs, not part of the specification
    for (int i = 0; i < count; i++) {
        checksum += (int64_t)below[keys[i]] * (i % 1009);
    }
    nas_check(&run, "wrong ranks", 0, wrong, 0, 0);
    nas_check(&run, "keys in disorder", 0, count_disorder(sorted, below, keys, count), 0, 0);
    int status = nas_report(&run);
    printf("  %-16s %17lld\n", "checksum", (long long)checksum);
    return status;
}
