// NAS LU: solves for the steady flow of fluid.h by symmetric successive over-relaxation, a sweep from the lowest corner
// of the cube and one back from the highest. Small dense matrices and long chains of dependences.
//#ExpectFile
//#Levels: O2 O3
//#Hop: every=2003
#include "fluid.h"

struct problem {
    int n, steps;
    double dt;
    struct fluid_norms norms;
    double integral;
};

static const struct problem classes[NAS_CLASSES] = {
    {12, 50, 0.5,
     {{1.6196343210976702e-2, 2.1976745164821318e-3, 1.5179927653399185e-3, 1.5029584435994323e-3,
       3.4264073155896461e-2},
      {6.4223319957960924e-4, 8.4144342047347926e-5, 5.8588269616485186e-5, 5.8474222595157350e-5,
       1.3103347914111294e-3}},
     7.8418928865937083},
    {33, 300, 0.0015,
     {{1.236511638192e1, 1.317228477799, 2.550120713095, 2.326187750252, 2.826799444189e1},
      {4.867877144216e-1, 5.064652880982e-2, 9.281818101960e-2, 8.570126542733e-2, 1.084277417792}},
     1.161399311023e1},
    {64, 250, 2.0,
     {{7.7902107606689367e2, 6.3402765259692870e1, 1.9499249727292479e2, 1.7845301160418537e2, 1.8384760349464247e3},
      {2.9964085685471943e1, 2.8194576365003349, 7.3473412698774742, 6.7139225687777051, 7.0715315688392578e1}},
     2.6030925604886277e1},
    {102, 250, 2.0,
     {{3.5532672969982736e3, 2.6214750795310692e2, 8.8333721850952190e2, 7.7812774739425265e2, 7.3087969592545314e3},
      {1.1401176380212709e2, 8.1098963655421574, 2.8480597317698308e1, 2.5905394567832939e1, 2.6054907504857413e2}},
     4.7887162703308227e1},
    {162, 250, 2.0,
     {{1.03766980323537846e4, 8.92212458801008552e2, 2.56238814582660871e3, 2.19194343857831427e3,
       1.78078057261061185e4},
      {2.15986399716949279e2, 1.55789559239863600e1, 5.41318863077207766e1, 4.82262643154045421e1,
       4.55902910043250358e2}},
     6.66404553572181300e1},
};

static const double relaxation = 1.2;

// Subtracts from y what a neighbour's x contributes: the block of the neighbour on an axis times x. The side is -1 for
// the lower neighbour, +1 for the higher one.
NAS_INLINE void subtract_neighbour(double y[EQUATIONS], const struct fluid *fluid, ptrdiff_t neighbour, int axis,
                                      double side, double dt) {
    struct jacobians at;
    fluid_jacobians(&at, fluid, neighbour, axis);
    const double slope = side * dt * fluid->slope, bend = dt * fluid->bend, spread = bend * dissipation2[axis];
    const double *x = fluid->rhs[neighbour];
    for (int row = 0; row < EQUATIONS; row++) {
        double sum = -spread * x[row];
        for (int column = 0; column < EQUATIONS; column++) {
            sum += (slope * at.convection[row][column] - bend * at.diffusion[row][column]) * x[column];
        }
        y[row] -= relaxation * sum;
    }
}

// x = a^-1 x by Gauss elimination without pivots; a is lost.
NAS_INLINE void solve5(block5 a, double x[EQUATIONS]) {
    for (int p = 0; p < EQUATIONS; p++) {
        const double pivot = 1.0 / a[p][p];
        for (int i = p + 1; i < EQUATIONS; i++) {
            const double factor = pivot * a[i][p];
            for (int j = p + 1; j < EQUATIONS; j++) {
                a[i][j] -= factor * a[p][j];
            }
            x[i] -= factor * x[p];
        }
    }
    for (int i = EQUATIONS - 1; i >= 0; i--) {
        for (int j = i + 1; j < EQUATIONS; j++) {
            x[i] -= a[i][j] * x[j];
        }
        x[i] /= a[i][i];
    }
}

// x = (the diagonal block of a point)^-1 x
NAS_INLINE void divide_by_diagonal(double x[EQUATIONS], const struct fluid *fluid, ptrdiff_t p, double dt) {
    block5 diagonal = {{0}};
    const double bend = 2.0 * dt * fluid->bend;
    for (int axis = 0; axis < AXES; axis++) {
        struct jacobians at;
        fluid_jacobians(&at, fluid, p, axis);
        for (int row = 0; row < EQUATIONS; row++) {
            for (int column = 0; column < EQUATIONS; column++) {
                diagonal[row][column] += bend * at.diffusion[row][column];
            }
        }
    }
    for (int m = 0; m < EQUATIONS; m++) {
        diagonal[m][m] += 1.0 + bend * (dissipation2[0] + dissipation2[1] + dissipation2[2]);
    }
    solve5(diagonal, x);
}

// One inner point of the sweep upwards: its equation with what is known of the three lower neighbours.
NAS_INLINE void relax_lower(struct fluid *fluid, ptrdiff_t p, double dt) {
    double x[EQUATIONS];
    for (int m = 0; m < EQUATIONS; m++) {
        x[m] = dt * fluid->rhs[p][m];
    }
    subtract_neighbour(x, fluid, p - fluid->stride[2], 2, -1, dt);
    subtract_neighbour(x, fluid, p - fluid->stride[1], 1, -1, dt);
    subtract_neighbour(x, fluid, p - fluid->stride[0], 0, -1, dt);
    divide_by_diagonal(x, fluid, p, dt);
    memcpy(fluid->rhs[p], x, sizeof x);
}

// One inner point of the sweep downwards: corrects it by what the three higher neighbours contribute.
NAS_INLINE void relax_upper(struct fluid *fluid, ptrdiff_t p, double dt) {
    double x[EQUATIONS] = {0};
    subtract_neighbour(x, fluid, p + fluid->stride[2], 2, 1, dt);
    subtract_neighbour(x, fluid, p + fluid->stride[1], 1, 1, dt);
    subtract_neighbour(x, fluid, p + fluid->stride[0], 0, 1, dt);
    divide_by_diagonal(x, fluid, p, dt);
    for (int m = 0; m < EQUATIONS; m++) {
        fluid->rhs[p][m] += x[m];
    }
}

static void advance(struct fluid *fluid, double dt) {
    const int n = fluid->n;
    fluid_compute_rhs(fluid); // zero on the boundary
    for (int z = 1; z < n - 1; z++) {
        for (int y = 1; y < n - 1; y++) {
            for (int x = 1; x < n - 1; x++) {
                relax_lower(fluid, fluid_point(fluid, x, y, z), dt);
            }
        }
    }
    for (int z = n - 2; z >= 1; z--) {
        for (int y = n - 2; y >= 1; y--) {
            for (int x = n - 2; x >= 1; x--) {
                relax_upper(fluid, fluid_point(fluid, x, y, z), dt);
            }
        }
    }
    fluid_add(fluid, 1.0 / (relaxation * (2.0 - relaxation)));
}

// ---- The integral of the pressure over the faces of a box inside the cube, by the trapezoidal rule ----

static double pressure(const struct fluid *fluid, const int index[AXES]) {
    const double *u = fluid->u[fluid_point(fluid, index[0], index[1], index[2])];
    const double square = u[1] * u[1] + u[2] * u[2] + u[3] * u[3];
    return gas_c2 * (u[ENERGY] - 0.5 * square / u[DENSITY]);
}

static double integrate_pressure(const struct fluid *fluid) {
    const int n = fluid->n;
    const int low[AXES] = {1, 1, 2}, high[AXES] = {n - 2, n - 3, n - 2}; // the box, as the specification has it
    double sum = 0;
    for (int axis = 0; axis < AXES; axis++) {
        const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
        int index[AXES];
        for (index[b] = low[b]; index[b] <= high[b]; index[b]++) {
            for (index[a] = low[a]; index[a] <= high[a]; index[a]++) {
                const double edge_a = index[a] == low[a] || index[a] == high[a] ? 0.5 : 1.0;
                const double edge_b = index[b] == low[b] || index[b] == high[b] ? 0.5 : 1.0;
                index[axis] = low[axis];
                double both = pressure(fluid, index);
                index[axis] = high[axis];
                both += pressure(fluid, index);
                sum += edge_a * edge_b * both;
            }
        }
    }
    return sum / ((n - 1.0) * (n - 1.0));
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("LU", argc, argv);
    const struct problem *problem = &classes[run.class];
    struct fluid fluid = fluid_make(problem->n);
    nas_start(&run);
    for (int step = 0; step < problem->steps; step++) {
        advance(&fluid, problem->dt);
    }
    nas_stop(&run);
    fluid_check(&run, &fluid, &problem->norms);
    nas_check(&run, "pressure", 0, integrate_pressure(&fluid), problem->integral, 1e-8);
    return nas_report(&run);
}
