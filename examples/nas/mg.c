// NAS MG, "multigrid": V-cycles for the Poisson equation on a periodic cube. Stencils with 27 points on grids of all
// sizes: memory bandwidth.
//#ExpectFile
//#Levels: O2 O3
//#Hop: every=10007
#include "common.h"

enum { LEVELS = 9, LINE = (1 << LEVELS) + 2, CHARGES = 10 };

struct problem {
    int levels, cycles; // the finest grid has 2^levels points in each direction
    double norm;
};

static const struct problem classes[NAS_CLASSES] = {
    {5, 4, 0.5307707005734e-4},  {7, 4, 0.6467329375339e-5},  {8, 4, 0.2433365309069e-5},
    {8, 20, 0.1800564401355e-5}, {9, 20, 0.5706732285740e-6},
};

// A point's weight in a stencil depends on what it shares with the centre: it is the centre, or it is across a face, an
// edge, or a corner.
static const double laplace_centre = -8.0 / 3.0, laplace_edge = 1.0 / 6.0, laplace_corner = 1.0 / 12.0;

struct smoother {
    double centre, face, edge;
};
static const struct smoother smoother_small = {-3.0 / 8.0, 1.0 / 32.0, -1.0 / 64.0};  // classes S, W and A
static const struct smoother smoother_large = {-3.0 / 17.0, 1.0 / 33.0, -1.0 / 61.0}; // the others

// n^3 points, and around them one layer that repeats the opposite side.
struct grid {
    int n;
    double *points;
};

static struct grid grid_allocate(int n) {
    const size_t width = (size_t)n + 2;
    return (struct grid){n, nas_allocate(width * width * width, sizeof(double))};
}

// The points with coordinates z and y; x counts along the line.
NAS_INLINE double *line(const struct grid *grid, int z, int y) {
    const ptrdiff_t width = grid->n + 2;
    return grid->points + (z * width + y) * width;
}

static void grid_clear(struct grid *grid) {
    memset(grid->points, 0, (size_t)(line(grid, grid->n + 2, 0) - grid->points) * sizeof(double));
}

// Brings the outer layer up to date.
static void wrap(struct grid *grid) {
    const int n = grid->n;
    const size_t line_size = ((size_t)n + 2) * sizeof(double);
    for (int z = 1; z <= n; z++) {
        for (int y = 1; y <= n; y++) {
            double *row = line(grid, z, y);
            row[0] = row[n];
            row[n + 1] = row[1];
        }
        memcpy(line(grid, z, 0), line(grid, z, n), line_size);
        memcpy(line(grid, z, n + 1), line(grid, z, 1), line_size);
    }
    memcpy(line(grid, 0, 0), line(grid, n, 0), line_size * ((size_t)n + 2));
    memcpy(line(grid, n + 1, 0), line(grid, 1, 0), line_size * ((size_t)n + 2));
}

// Sums over the neighbours of each point of a line in the plane across it: the four nearest, the four diagonal ones.
NAS_INLINE void sum_around(double *restrict nearest, double *restrict diagonal, const struct grid *grid, int z,
                              int y, int width) {
    const double *restrict below = line(grid, z - 1, y), *restrict above = line(grid, z + 1, y);
    const double *restrict left = line(grid, z, y - 1), *restrict right = line(grid, z, y + 1);
    const double *restrict below_left = line(grid, z - 1, y - 1), *restrict below_right = line(grid, z - 1, y + 1);
    const double *restrict above_left = line(grid, z + 1, y - 1), *restrict above_right = line(grid, z + 1, y + 1);
    for (int x = 0; x < width; x++) {
        nearest[x] = left[x] + right[x] + below[x] + above[x];
        diagonal[x] = below_left[x] + below_right[x] + above_left[x] + above_right[x];
    }
}

// r = v - A u, where A is the Laplacian; r and v may be the same.
static void residual(struct grid *r, const struct grid *v, const struct grid *u) {
    double nearest[LINE], diagonal[LINE];
    const int n = u->n;
    for (int z = 1; z <= n; z++) {
        for (int y = 1; y <= n; y++) {
            sum_around(nearest, diagonal, u, z, y, n + 2);
            const double *centre = line(u, z, y), *right_side = line(v, z, y);
            double *result = line(r, z, y);
            for (int x = 1; x <= n; x++) {
                double edges = diagonal[x] + nearest[x - 1] + nearest[x + 1];
                double corners = diagonal[x - 1] + diagonal[x + 1];
                result[x] =
                    right_side[x] - laplace_centre * centre[x] - laplace_edge * edges - laplace_corner * corners;
            }
        }
    }
    wrap(r);
}

// u = u + S r, where S is nearly an inverse of A.
static void smooth(struct grid *u, const struct grid *r, struct smoother weight) {
    double nearest[LINE], diagonal[LINE];
    const int n = u->n;
    for (int z = 1; z <= n; z++) {
        for (int y = 1; y <= n; y++) {
            sum_around(nearest, diagonal, r, z, y, n + 2);
            const double *restrict centre = line(r, z, y);
            double *restrict result = line(u, z, y);
            for (int x = 1; x <= n; x++) {
                double faces = centre[x - 1] + centre[x + 1] + nearest[x];
                double edges = diagonal[x] + nearest[x - 1] + nearest[x + 1];
                result[x] += weight.centre * centre[x] + weight.face * faces + weight.edge * edges;
            }
        }
    }
    wrap(u);
}

// Projects a fine grid onto one of half the size: each coarse point takes a weighted mean around the fine one.
static void restrict_to(struct grid *coarse, const struct grid *fine) {
    double nearest[LINE], diagonal[LINE];
    const int n = coarse->n;
    for (int z = 1; z <= n; z++) {
        for (int y = 1; y <= n; y++) {
            sum_around(nearest, diagonal, fine, 2 * z, 2 * y, fine->n + 2);
            const double *restrict centre = line(fine, 2 * z, 2 * y);
            double *restrict result = line(coarse, z, y);
            for (int x = 1; x <= n; x++) {
                const int f = 2 * x;
                double faces = centre[f - 1] + centre[f + 1] + nearest[f];
                double edges = nearest[f - 1] + nearest[f + 1] + diagonal[f];
                double corners = diagonal[f - 1] + diagonal[f + 1];
                result[x] = 0.5 * centre[f] + 0.25 * faces + 0.125 * edges + 0.0625 * corners;
            }
        }
    }
    wrap(coarse);
}

// Adds to a line of a fine grid what `values`, `scale` times too large, is in between the coarse points.
NAS_INLINE void add_between(double *restrict fine, const double *restrict values, double scale, int n) {
    for (int x = 0; x <= n; x++) {
        fine[2 * x] += scale * values[x];
        fine[2 * x + 1] += 0.5 * scale * (values[x] + values[x + 1]);
    }
}

// fine = fine + the trilinear interpolation of coarse; both with their outer layers.
static void interpolate(struct grid *fine, const struct grid *coarse) {
    double values[LINE];
    const int n = coarse->n;
    for (int z = 0; z <= n; z++) {
        for (int y = 0; y <= n; y++) {
            const double *near = line(coarse, z, y), *right = line(coarse, z, y + 1);
            const double *above = line(coarse, z + 1, y), *far = line(coarse, z + 1, y + 1);
            add_between(line(fine, 2 * z, 2 * y), near, 1.0, n);
            for (int x = 0; x <= n + 1; x++) {
                values[x] = near[x] + right[x];
            }
            add_between(line(fine, 2 * z, 2 * y + 1), values, 0.5, n);
            for (int x = 0; x <= n + 1; x++) {
                values[x] = near[x] + above[x];
            }
            add_between(line(fine, 2 * z + 1, 2 * y), values, 0.5, n);
            for (int x = 0; x <= n + 1; x++) {
                values[x] = far[x] + above[x] + right[x] + near[x];
            }
            add_between(line(fine, 2 * z + 1, 2 * y + 1), values, 0.25, n);
        }
    }
}

// ---- The right side: zero, but for ten points with -1 and ten with +1 ----

// The points with the smallest random numbers, or with the largest ones: a sorted list that a better one gets into.
struct charge {
    double number;
    double *point;
};

static void offer(struct charge charges[CHARGES], struct charge candidate) {
    int at = 0; // charges[0] is the first to go
    for (; at + 1 < CHARGES && charges[at + 1].number < candidate.number; at++) {
        charges[at] = charges[at + 1];
    }
    charges[at] = candidate;
}

static void place_charges(struct grid *v) {
    struct charge largest[CHARGES], smallest[CHARGES]; // the numbers of the latter are negated
    for (int i = 0; i < CHARGES; i++) {
        largest[i] = smallest[i] = (struct charge){-2, NULL};
    }
    uint64_t state = nas_seed;
    for (int z = 1; z <= v->n; z++) {
        for (int y = 1; y <= v->n; y++) {
            for (int x = 1; x <= v->n; x++) {
                const double number = nas_random(&state);
                double *point = line(v, z, y) + x;
                if (number > largest[0].number) {
                    offer(largest, (struct charge){number, point});
                }
                if (-number > smallest[0].number) {
                    offer(smallest, (struct charge){-number, point});
                }
            }
        }
    }
    for (int i = 0; i < CHARGES; i++) {
        *largest[i].point = 1;
        *smallest[i].point = -1;
    }
    wrap(v);
}

// ---- The cycles ----

struct level {
    struct grid u, r; // correction and residual; on the finest level the solution
};

// One V-cycle: down to two points in each direction, and up again. levels[top] has solution and residual.
static void cycle(struct level *levels, int top, const struct grid *v, struct smoother weight) {
    for (int k = top; k > 1; k--) {
        restrict_to(&levels[k - 1].r, &levels[k].r);
    }
    grid_clear(&levels[1].u);
    smooth(&levels[1].u, &levels[1].r, weight);
    for (int k = 2; k <= top; k++) {
        struct grid *u = &levels[k].u, *r = &levels[k].r;
        if (k < top) {
            grid_clear(u);
        }
        interpolate(u, &levels[k - 1].u);
        residual(r, k < top ? r : v, u);
        smooth(u, r, weight);
    }
}

static double norm(const struct grid *grid) {
    double sum = 0;
    for (int z = 1; z <= grid->n; z++) {
        for (int y = 1; y <= grid->n; y++) {
            const double *row = line(grid, z, y);
            for (int x = 1; x <= grid->n; x++) {
                sum += row[x] * row[x];
            }
        }
    }
    return sqrt(sum / ((double)grid->n * grid->n * grid->n));
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("MG", argc, argv);
    const struct problem *problem = &classes[run.class];
    const int top = problem->levels;
    const struct smoother weight = run.class < 3 ? smoother_small : smoother_large;
    struct level levels[LEVELS + 1];
    for (int k = 1; k <= top; k++) {
        levels[k] = (struct level){grid_allocate(1 << k), grid_allocate(1 << k)};
    }
    struct grid v = grid_allocate(1 << top), *u = &levels[top].u, *r = &levels[top].r;
    place_charges(&v);
    nas_start(&run);
    residual(r, &v, u);
    for (int i = 0; i < problem->cycles; i++) {
        cycle(levels, top, &v, weight);
        residual(r, &v, u);
    }
    nas_stop(&run);
    nas_check(&run, "residual", 0, norm(r), problem->norm, 1e-8);
    return nas_report(&run);
}
