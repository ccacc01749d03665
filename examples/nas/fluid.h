// What BT, SP and LU share: a synthetic compressible flow in the unit cube. The three differ in how they solve
//
//     du/dt = L(u) + forcing,
//
// where u has density, momentum in x, y and z, and energy; L is discretised by central differences with second- and
// fourth-order dissipation; and the forcing is such that a given polynomial is the steady solution.
#pragma once
#include "common.h"

enum { EQUATIONS = 5, DENSITY = 0, MOMENTUM = 1, ENERGY = 4, AXES = 3, MAX_POINTS = 162 };

typedef double vector5[EQUATIONS];

// gamma of the gas and gamma - 1; viscosity; its ratio to the conductivity of heat
static const double gas_c1 = 1.4, gas_c2 = 0.4, viscosity = 0.1, conductivity = 1.4 * 1.4;

// Strength of the dissipation: second-order by axis, fourth-order.
static const double dissipation2[AXES] = {0.75, 0.75, 1.0}, dissipation4 = 0.25;

// What follows from u at a point and is needed more than once.
struct derived {
    double inverse_density;
    double velocity[AXES];
    double kinetic;      // kinetic energy by volume
    double kinetic_mass; // and by mass
};

struct fluid {
    int n;                  // points in each direction, with the boundary
    ptrdiff_t stride[AXES]; // between neighbouring points; an odd width keeps planes off the same cache sets
    double slope, bend;     // factors of first and second differences: 1 / 2h, 1 / h^2
    vector5 *u, *rhs, *forcing;
    struct derived *derived;
};

NAS_INLINE ptrdiff_t fluid_point(const struct fluid *fluid, int x, int y, int z) {
    return x + y * fluid->stride[1] + z * fluid->stride[2];
}

// ---- The solution that the forcing is made for: for each equation a polynomial of fourth degree ----

struct polynomial {
    double constant;
    double axis[AXES][4]; // coefficients of the powers 1 to 4 of x, y and z
};

static const struct polynomial fluid_solution[EQUATIONS] = {
    {2, {{0, 5, 0.02, 0.5}, {0, 3, 0.01, 0.4}, {4, 0.5, 0.03, 0.3}}},
    {1, {{0, 1, 0.01, 0.4}, {0, 2, 0.03, 0.3}, {0, 3, 0.02, 0.5}}},
    {2, {{2, 0, 0.04, 0.3}, {0, 2, 0.03, 0.5}, {0, 3, 0.05, 0.4}}},
    {2, {{2, 0, 0.03, 0.2}, {0, 2, 0.05, 0.1}, {0, 3, 0.04, 0.3}}},
    {5, {{4, 0.1, 0.05, 0.1}, {3, 0.4, 0.04, 0.3}, {2, 0.3, 0.03, 0.2}}},
};

static inline void fluid_exact(double value[EQUATIONS], const double position[AXES]) {
    for (int m = 0; m < EQUATIONS; m++) {
        const struct polynomial *p = &fluid_solution[m];
        value[m] = p->constant;
        for (int axis = 0; axis < AXES; axis++) {
            const double t = position[axis], *c = p->axis[axis];
            value[m] += t * (c[0] + t * (c[1] + t * (c[2] + t * c[3])));
        }
    }
}

// Start values: exact on the boundary, and inside a blend of the six boundary values on the axes through the point.
static inline void fluid_start(double value[EQUATIONS], const double position[AXES]) {
    double blend[AXES][EQUATIONS];
    for (int axis = 0; axis < AXES; axis++) {
        double end[AXES] = {position[0], position[1], position[2]}, low[EQUATIONS], high[EQUATIONS];
        end[axis] = 0;
        fluid_exact(low, end);
        end[axis] = 1;
        fluid_exact(high, end);
        for (int m = 0; m < EQUATIONS; m++) {
            blend[axis][m] = position[axis] * high[m] + (1 - position[axis]) * low[m];
        }
    }
    for (int m = 0; m < EQUATIONS; m++) {
        const double x = blend[0][m], y = blend[1][m], z = blend[2][m];
        value[m] = x + y + z - x * y - x * z - y * z + x * y * z;
    }
}

// Fills u: with the start values, or everywhere with the exact solution.
static inline void fluid_fill(struct fluid *fluid, bool exact) {
    const int n = fluid->n;
    for (int z = 0; z < n; z++) {
        for (int y = 0; y < n; y++) {
            for (int x = 0; x < n; x++) {
                const int index[AXES] = {x, y, z};
                double position[AXES];
                bool is_boundary = false;
                for (int axis = 0; axis < AXES; axis++) {
                    position[axis] = index[axis] / (n - 1.0);
                    is_boundary = is_boundary || index[axis] == 0 || index[axis] == n - 1;
                }
                double *value = fluid->u[fluid_point(fluid, x, y, z)];
                if (exact || is_boundary) {
                    fluid_exact(value, position);
                } else {
                    fluid_start(value, position);
                }
            }
        }
    }
}

// ---- The operator L ----

static inline void fluid_derive(struct fluid *fluid) {
    const int n = fluid->n;
    for (int z = 0; z < n; z++) {
        for (int y = 0; y < n; y++) {
            const ptrdiff_t row = fluid_point(fluid, 0, y, z);
            for (ptrdiff_t p = row; p < row + n; p++) {
                const double *u = fluid->u[p];
                struct derived *d = &fluid->derived[p];
                d->inverse_density = 1.0 / u[DENSITY];
                double sum = 0;
                for (int c = 0; c < AXES; c++) {
                    d->velocity[c] = u[MOMENTUM + c] * d->inverse_density;
                    sum += u[MOMENTUM + c] * u[MOMENTUM + c];
                }
                d->kinetic = 0.5 * sum * d->inverse_density;
                d->kinetic_mass = d->kinetic * d->inverse_density;
            }
        }
    }
}

NAS_INLINE double second_difference(double low, double middle, double high) {
    return low - 2.0 * middle + high;
}

// Adds at a point what the differences along an axis contribute, but for the fourth-order dissipation.
NAS_INLINE void fluid_add_fluxes(const struct fluid *fluid, double *restrict rhs, ptrdiff_t p, int axis) {
    const ptrdiff_t step = fluid->stride[axis];
    const double *low = fluid->u[p - step], *middle = fluid->u[p], *high = fluid->u[p + step];
    const struct derived *dl = &fluid->derived[p - step], *dm = &fluid->derived[p], *dh = &fluid->derived[p + step];
    const double vl = dl->velocity[axis], vm = dm->velocity[axis], vh = dh->velocity[axis];
    const double slope = fluid->slope, bend = fluid->bend, spread = dissipation2[axis] * bend;
    const double friction = viscosity * bend;
    rhs[DENSITY] += spread * second_difference(low[DENSITY], middle[DENSITY], high[DENSITY]) -
                    slope * (high[MOMENTUM + axis] - low[MOMENTUM + axis]);
    for (int c = 0; c < AXES; c++) {
        const int m = MOMENTUM + c;
        double flux = high[m] * vh - low[m] * vl, weight = friction;
        if (c == axis) { // pressure, and the longitudinal part of the viscosity
            flux += gas_c2 * ((high[ENERGY] - dh->kinetic) - (low[ENERGY] - dl->kinetic));
            weight *= 4.0 / 3.0;
        }
        rhs[m] += spread * second_difference(low[m], middle[m], high[m]) +
                  weight * second_difference(dl->velocity[c], dm->velocity[c], dh->velocity[c]) - slope * flux;
    }
    const double flux = (gas_c1 * high[ENERGY] - gas_c2 * dh->kinetic) * vh -
                        (gas_c1 * low[ENERGY] - gas_c2 * dl->kinetic) * vl;
    const double heat =
        (1.0 - conductivity) * second_difference(dl->kinetic_mass, dm->kinetic_mass, dh->kinetic_mass) +
        (1.0 / 6.0) * second_difference(vl * vl, vm * vm, vh * vh) +
        conductivity * second_difference(low[ENERGY] * dl->inverse_density, middle[ENERGY] * dm->inverse_density,
                                         high[ENERGY] * dh->inverse_density);
    rhs[ENERGY] +=
        spread * second_difference(low[ENERGY], middle[ENERGY], high[ENERGY]) + friction * heat - slope * flux;
}

// Fourth difference at a position of a line: weights of the points from two before to two behind. Next to the boundary
// it is one-sided; reach says which points there are.
struct fourth_difference {
    double weight[5];
    int first, last;
};

static inline struct fourth_difference fourth_difference_at(int position, int n) {
    if (position == 1) {
        return (struct fourth_difference){{0, 0, 5, -4, 1}, 0, 2};
    }
    if (position == 2) {
        return (struct fourth_difference){{0, -4, 6, -4, 1}, -1, 2};
    }
    if (position == n - 3) {
        return (struct fourth_difference){{1, -4, 6, -4, 0}, -2, 1};
    }
    if (position == n - 2) {
        return (struct fourth_difference){{1, -4, 5, 0, 0}, -2, 0};
    }
    return (struct fourth_difference){{1, -4, 6, -4, 1}, -2, 2};
}

// The same on `count` points that are next to each other along x and have the same position on the axis.
static inline void fluid_dissipate(const struct fluid *fluid, ptrdiff_t first, int count, int axis, int position) {
    const ptrdiff_t step = fluid->stride[axis];
    const struct fourth_difference d = fourth_difference_at(position, fluid->n);
    if (d.last - d.first == 4) {
        const vector5 *restrict u = (const vector5 *)fluid->u;
        for (ptrdiff_t p = first; p < first + count; p++) {
            for (int m = 0; m < EQUATIONS; m++) {
                fluid->rhs[p][m] -= dissipation4 * (u[p - 2 * step][m] - 4.0 * u[p - step][m] + 6.0 * u[p][m] -
                                                    4.0 * u[p + step][m] + u[p + 2 * step][m]);
            }
        }
        return;
    }
    for (ptrdiff_t p = first; p < first + count; p++) {
        for (int m = 0; m < EQUATIONS; m++) {
            double sum = 0;
            for (int q = d.first; q <= d.last; q++) {
                sum += d.weight[q + 2] * fluid->u[p + q * step][m];
            }
            fluid->rhs[p][m] -= dissipation4 * sum;
        }
    }
}

// rhs = L(u) + forcing at all inner points, row by row.
static inline void fluid_compute_rhs(struct fluid *fluid) {
    const int n = fluid->n, inner = n - 2;
    fluid_derive(fluid);
    for (int z = 1; z <= inner; z++) {
        for (int y = 1; y <= inner; y++) {
            const ptrdiff_t first = fluid_point(fluid, 1, y, z);
            for (ptrdiff_t p = first; p < first + inner; p++) {
                double sum[EQUATIONS];
                memcpy(sum, fluid->forcing[p], sizeof sum);
                fluid_add_fluxes(fluid, sum, p, 0);
                fluid_add_fluxes(fluid, sum, p, 1);
                fluid_add_fluxes(fluid, sum, p, 2);
                memcpy(fluid->rhs[p], sum, sizeof sum);
            }
            fluid_dissipate(fluid, first, 1, 0, 1);
            fluid_dissipate(fluid, first + 1, 1, 0, 2);
            fluid_dissipate(fluid, first + 2, inner - 4, 0, 3);
            fluid_dissipate(fluid, first + inner - 2, 1, 0, n - 3);
            fluid_dissipate(fluid, first + inner - 1, 1, 0, n - 2);
            fluid_dissipate(fluid, first, inner, 1, y);
            fluid_dissipate(fluid, first, inner, 2, z);
        }
    }
}

// u = u + factor rhs at all inner points.
static inline void fluid_add(struct fluid *fluid, double factor) {
    const int n = fluid->n;
    for (int z = 1; z < n - 1; z++) {
        for (int y = 1; y < n - 1; y++) {
            const ptrdiff_t first = fluid_point(fluid, 1, y, z);
            for (ptrdiff_t p = first; p < first + n - 2; p++) {
                for (int m = 0; m < EQUATIONS; m++) {
                    fluid->u[p][m] += factor * fluid->rhs[p][m];
                }
            }
        }
    }
}

// How many points the arrays have.
static inline size_t fluid_points(const struct fluid *fluid) {
    return (size_t)(fluid->stride[2] * fluid->n);
}

// A fluid with n points in each direction, with its forcing and start values.
static inline struct fluid fluid_make(int n) {
    const ptrdiff_t width = n | 1;
    const double h = 1.0 / (n - 1);
    struct fluid fluid = {.n = n, .stride = {1, width, width * width}, .slope = 0.5 / h, .bend = 1.0 / (h * h)};
    const size_t points = fluid_points(&fluid);
    fluid.u = nas_allocate(points, sizeof *fluid.u);
    fluid.rhs = nas_allocate(points, sizeof *fluid.rhs);
    fluid.forcing = nas_allocate(points, sizeof *fluid.forcing);
    fluid.derived = nas_allocate(points, sizeof *fluid.derived);
    fluid_fill(&fluid, true);
    fluid_compute_rhs(&fluid);
    for (size_t p = 0; p < points; p++) {
        for (int m = 0; m < EQUATIONS; m++) {
            fluid.forcing[p][m] = -fluid.rhs[p][m];
        }
    }
    fluid_fill(&fluid, false);
    return fluid;
}

// ---- Jacobians, for the implicit solvers ----

// A 5x5 block: block[row][column].
typedef double block5[EQUATIONS][EQUATIONS];

// The derivatives at a point of the fluxes along an axis: of convection and pressure, and of viscosity and heat.
struct jacobians {
    block5 convection, diffusion;
};

NAS_INLINE void fluid_jacobians(struct jacobians *restrict j, const struct fluid *fluid, ptrdiff_t p, int axis) {
    const struct derived *d = &fluid->derived[p];
    const double *velocity = d->velocity, along = velocity[axis];
    const double energy_mass = fluid->u[p][ENERGY] * d->inverse_density, kinetic_mass = d->kinetic_mass;
    const double friction = viscosity * d->inverse_density, heat = conductivity * friction;
    const int a = MOMENTUM + axis;
    memset(j, 0, sizeof *j);
    j->convection[DENSITY][a] = 1;
    double dissipated = heat * energy_mass;
    for (int c = 0; c < AXES; c++) {
        const int m = MOMENTUM + c;
        const double weight = c == axis ? friction * (4.0 / 3.0) : friction;
        j->convection[m][DENSITY] = -velocity[c] * along;
        j->convection[m][m] = along;
        j->convection[m][a] += velocity[c];
        j->convection[a][m] -= gas_c2 * velocity[c];
        j->convection[ENERGY][m] = -gas_c2 * velocity[c] * along;
        j->diffusion[m][DENSITY] = -weight * velocity[c];
        j->diffusion[m][m] = weight;
        j->diffusion[ENERGY][m] = (weight - heat) * velocity[c];
        dissipated += (weight - heat) * velocity[c] * velocity[c];
    }
    j->convection[a][DENSITY] += gas_c2 * kinetic_mass;
    j->convection[a][ENERGY] = gas_c2;
    j->convection[ENERGY][DENSITY] = (2.0 * gas_c2 * kinetic_mass - gas_c1 * energy_mass) * along;
    j->convection[ENERGY][a] += gas_c1 * energy_mass - gas_c2 * kinetic_mass;
    j->convection[ENERGY][ENERGY] = gas_c1 * along;
    j->diffusion[ENERGY][DENSITY] = -dissipated;
    j->diffusion[ENERGY][ENERGY] = heat;
}

// ---- Verification ----

static inline void fluid_root_mean_square(double norm[EQUATIONS], const struct fluid *fluid, bool of_error) {
    const int n = fluid->n;
    double sum[EQUATIONS] = {0};
    for (int z = 1; z < n - 1; z++) {
        for (int y = 1; y < n - 1; y++) {
            for (int x = 1; x < n - 1; x++) {
                const ptrdiff_t p = fluid_point(fluid, x, y, z);
                double exact[EQUATIONS];
                fluid_exact(exact, (double[AXES]){x / (n - 1.0), y / (n - 1.0), z / (n - 1.0)});
                for (int m = 0; m < EQUATIONS; m++) {
                    const double value = of_error ? fluid->u[p][m] - exact[m] : fluid->rhs[p][m];
                    sum[m] += value * value;
                }
            }
        }
    }
    for (int m = 0; m < EQUATIONS; m++) {
        norm[m] = sqrt(sum[m] / ((n - 2.0) * (n - 2.0) * (n - 2.0)));
    }
}

// Published norms after the last time step.
struct fluid_norms {
    double residual[EQUATIONS], error[EQUATIONS];
};

// Compares the norms of what is left of the equation, and of the difference from the exact solution.
static inline void fluid_check(struct nas_run *run, struct fluid *fluid, const struct fluid_norms *expected) {
    double error[EQUATIONS], residual[EQUATIONS];
    fluid_root_mean_square(error, fluid, true);
    fluid_compute_rhs(fluid);
    fluid_root_mean_square(residual, fluid, false);
    for (int m = 0; m < EQUATIONS; m++) {
        nas_check(run, "residual", m + 1, residual[m], expected->residual[m], 1e-8);
    }
    for (int m = 0; m < EQUATIONS; m++) {
        nas_check(run, "error", m + 1, error[m], expected->error[m], 1e-8);
    }
}
