// NAS SP, "scalar pentadiagonal": an implicit scheme for the flow of fluid.h that makes the equations independent of
// each other along each axis: scalar systems with five diagonals. Solves several lines at once, which suits vector
// instructions.
//#ExpectFile
//#Levels: O2 O3
//#Hop: every=10007
#include "fluid.h"

struct problem {
    int n, steps;
    double dt;
    struct fluid_norms norms;
};

static const struct problem classes[NAS_CLASSES] = {
    {12, 100, 0.015,
     {{2.7470315451339479e-2, 1.0360746705285417e-2, 1.6235745065095532e-2, 1.5840557224455615e-2,
       3.4849040609362460e-2},
      {2.7289258557377227e-5, 1.0364446640837285e-5, 1.6154798287166471e-5, 1.5750704994480102e-5,
       3.4177666183390531e-5}}},
    {36, 400, 0.0015,
     {{1.893253733584e-3, 1.717075447775e-4, 2.778153350936e-4, 2.887475409984e-4, 3.143611161242e-3},
      {7.542088599534e-5, 6.512852253086e-6, 1.049092285688e-5, 1.128838671535e-5, 1.212845639773e-4}}},
    {64, 400, 0.0015,
     {{2.4799822399300195, 1.1276337964368832, 1.5028977888770491, 1.4217816211695179, 2.1292113035138280},
      {1.0900140297820550e-4, 3.7343951769282091e-5, 5.0092785406541633e-5, 4.7671093939528255e-5,
       1.3621613399213001e-4}}},
    {102, 400, 0.001,
     {{6.903293579998e1, 3.095134488084e1, 4.103336647017e1, 3.864769009604e1, 5.643482272596e1},
      {9.810006190188e-3, 1.022827905670e-3, 1.720597911692e-3, 1.694479428231e-3, 1.847456263981e-2}}},
    {162, 400, 0.00067,
     {{5.881691581829e2, 2.454417603569e2, 3.293829191851e2, 3.081924971891e2, 4.597223799176e2},
      {2.598120500183e-1, 2.590888922315e-2, 5.132886416320e-2, 4.806073419454e-2, 5.483377491301e-1}}},
};

struct flow {
    struct fluid fluid;
    double *sound; // speed of sound
};

static void compute_sound(struct flow *flow) {
    const int n = flow->fluid.n;
    for (int z = 0; z < n; z++) {
        for (int y = 0; y < n; y++) {
            const ptrdiff_t row = fluid_point(&flow->fluid, 0, y, z);
            for (ptrdiff_t p = row; p < row + n; p++) {
                const struct derived *d = &flow->fluid.derived[p];
                const double internal = flow->fluid.u[p][ENERGY] - d->kinetic;
                flow->sound[p] = sqrt(gas_c1 * gas_c2 * d->inverse_density * internal);
            }
        }
    }
}

// ---- Changes of variables: in those of an axis, its convection matrix is diagonal ----

// From density, momentum and energy to those of x.
NAS_INLINE void to_x(double r[EQUATIONS], const struct flow *flow, ptrdiff_t p) {
    const struct derived *d = &flow->fluid.derived[p];
    const double *v = d->velocity, sound = flow->sound[p], root = sqrt(0.5);
    const double r0 = r[0], r1 = r[1], r2 = r[2], r3 = r[3], r4 = r[4];
    const double pressure =
        gas_c2 / (sound * sound) * (d->kinetic_mass * r0 - v[0] * r1 - v[1] * r2 - v[2] * r3 + r4);
    const double drift = root * d->inverse_density * (v[0] * r0 - r1);
    const double wave = root * d->inverse_density * sound * pressure;
    r[0] = r0 - pressure;
    r[1] = -d->inverse_density * (v[2] * r0 - r3);
    r[2] = d->inverse_density * (v[1] * r0 - r2);
    r[3] = wave - drift;
    r[4] = wave + drift;
}

NAS_INLINE void x_to_y(double r[EQUATIONS]) {
    const double root = sqrt(0.5), r0 = r[0], r1 = r[1];
    const double turned = root * r[2], mean = 0.5 * (r[3] + r[4]), difference = root * (r[3] - r[4]);
    r[0] = -r1;
    r[1] = r0;
    r[2] = difference;
    r[3] = mean - turned;
    r[4] = mean + turned;
}

NAS_INLINE void y_to_z(double r[EQUATIONS]) {
    const double root = sqrt(0.5), r1 = r[1], r2 = r[2];
    const double turned = root * r[0], mean = 0.5 * (r[3] + r[4]), difference = root * (r[3] - r[4]);
    r[0] = difference;
    r[1] = -r2;
    r[2] = r1;
    r[3] = mean - turned;
    r[4] = mean + turned;
}

// From the variables of z back to density, momentum and energy.
NAS_INLINE void from_z(double r[EQUATIONS], const struct flow *flow, ptrdiff_t p) {
    const struct derived *d = &flow->fluid.derived[p];
    const double *v = d->velocity, sound = flow->sound[p], density = flow->fluid.u[p][DENSITY];
    const double scaled = sqrt(0.5) * density;
    const double wave = scaled / sound * (r[3] + r[4]), total = r[2] + wave, difference = scaled * (r[3] - r[4]);
    const double r0 = r[0], r1 = r[1];
    r[0] = total;
    r[1] = v[0] * total - density * r1;
    r[2] = v[1] * total + density * r0;
    r[3] = v[2] * total + difference;
    r[4] = density * (v[1] * r0 - v[0] * r1) + d->kinetic_mass * total + sound * sound / gas_c2 * wave +
           v[2] * difference;
}

// ---- Lines ----

// The eigenvalues of the convection matrix are velocity (of three variables), velocity + sound, velocity - sound: three
// systems of equations for a line.
enum { LANES = 8, SYSTEMS = 3 };

// Several lines side by side; the elements 0 and n - 1 are on the boundary, where the solution is zero.
struct bundle {
    double velocity[MAX_POINTS][LANES], sound[MAX_POINTS][LANES], diffusion[MAX_POINTS][LANES];
    double rhs[MAX_POINTS][EQUATIONS][LANES];
    double above1[MAX_POINTS][SYSTEMS][LANES], above2[MAX_POINTS][SYSTEMS][LANES]; // diagonals after elimination
};

// Solves one system for its variables, `first` to `last`. The two points before the first inner one are rows of zeros.
NAS_INLINE void solve_system(struct bundle *restrict b, int n, double slope, double bend, double damping, int system,
                                double sign, int first, int last) {
    for (int i = 1; i < n - 1; i++) {
        const struct fourth_difference d = fourth_difference_at(i, n);
        const int before = i > 1 ? i - 2 : 0;
        for (int lane = 0; lane < LANES; lane++) {
            const double low = b->velocity[i - 1][lane] + sign * b->sound[i - 1][lane];
            const double high = b->velocity[i + 1][lane] + sign * b->sound[i + 1][lane];
            const double below2 = damping * d.weight[0];
            double below1 = damping * d.weight[1] - slope * low - bend * b->diffusion[i - 1][lane];
            double diagonal = 1.0 + 2.0 * bend * b->diffusion[i][lane] + damping * d.weight[2];
            double above1 = damping * d.weight[3] + slope * high - bend * b->diffusion[i + 1][lane];
            below1 -= below2 * b->above1[before][system][lane];
            diagonal -= below2 * b->above2[before][system][lane] + below1 * b->above1[i - 1][system][lane];
            above1 -= below1 * b->above2[i - 1][system][lane];
            const double pivot = 1.0 / diagonal;
            b->above1[i][system][lane] = pivot * above1;
            b->above2[i][system][lane] = pivot * (damping * d.weight[4]);
            for (int m = first; m <= last; m++) {
                b->rhs[i][m][lane] = pivot * (b->rhs[i][m][lane] - below2 * b->rhs[before][m][lane] -
                                              below1 * b->rhs[i - 1][m][lane]);
            }
        }
    }
    for (int i = n - 3; i >= 1; i--) {
        for (int m = first; m <= last; m++) {
            for (int lane = 0; lane < LANES; lane++) {
                b->rhs[i][m][lane] -= b->above1[i][system][lane] * b->rhs[i + 1][m][lane] +
                                      b->above2[i][system][lane] * b->rhs[i + 2][m][lane];
            }
        }
    }
}

// Solves the lines along an axis that begin at `first` and, `lanes` of them in all, `gap` points apart.
NAS_INLINE void solve_bundle(struct flow *flow, int axis, double dt, ptrdiff_t first, ptrdiff_t gap, int lanes) {
    static struct bundle b; // the boundary values in it stay zero
    struct fluid *fluid = &flow->fluid;
    const int n = fluid->n;
    const ptrdiff_t step = fluid->stride[axis];
    for (int i = 0; i < n; i++) {
        for (int lane = 0; lane < LANES; lane++) {
            // Lanes without a line repeat the last one.
            const ptrdiff_t p = first + i * step + (lane < lanes ? lane : lanes - 1) * gap;
            const struct derived *d = &fluid->derived[p];
            b.velocity[i][lane] = d->velocity[axis];
            b.sound[i][lane] = flow->sound[p];
            // The strongest diffusion is that of heat.
            b.diffusion[i][lane] = dissipation2[axis] + conductivity * viscosity * d->inverse_density;
            if (i > 0 && i < n - 1) {
                double r[EQUATIONS];
                memcpy(r, fluid->rhs[p], sizeof r);
                if (axis == 0) {
                    for (int m = 0; m < EQUATIONS; m++) {
                        r[m] *= dt;
                    }
                    to_x(r, flow, p);
                }
                for (int m = 0; m < EQUATIONS; m++) {
                    b.rhs[i][m][lane] = r[m];
                }
            }
        }
    }
    memset(b.rhs[n - 1], 0, sizeof b.rhs[n - 1]);
    const double slope = dt * fluid->slope, bend = dt * fluid->bend, damping = dt * dissipation4;
    solve_system(&b, n, slope, bend, damping, 0, 0, 0, 2);
    solve_system(&b, n, slope, bend, damping, 1, 1, 3, 3);
    solve_system(&b, n, slope, bend, damping, 2, -1, 4, 4);
    for (int i = 1; i < n - 1; i++) {
        for (int lane = 0; lane < lanes; lane++) {
            const ptrdiff_t p = first + i * step + lane * gap;
            double r[EQUATIONS];
            for (int m = 0; m < EQUATIONS; m++) {
                r[m] = b.rhs[i][m][lane];
            }
            if (axis == 0) {
                x_to_y(r);
            } else if (axis == 1) {
                y_to_z(r);
            } else {
                from_z(r, flow, p);
            }
            memcpy(fluid->rhs[p], r, sizeof r);
        }
    }
}

NAS_INLINE void solve_axis(struct flow *flow, int axis, double dt) {
    const int inner_points = flow->fluid.n - 2;
    const ptrdiff_t inner = flow->fluid.stride[axis == 0 ? 1 : 0], outer = flow->fluid.stride[axis == 2 ? 1 : 2];
    for (int b = 1; b <= inner_points; b++) {
        for (int a = 1; a <= inner_points; a += LANES) {
            const int left = inner_points - a + 1;
            solve_bundle(flow, axis, dt, b * outer + a * inner, inner, left < LANES ? left : LANES);
        }
    }
}

static void advance(struct flow *flow, double dt) {
    fluid_compute_rhs(&flow->fluid);
    compute_sound(flow);
    solve_axis(flow, 0, dt);
    solve_axis(flow, 1, dt);
    solve_axis(flow, 2, dt);
    fluid_add(&flow->fluid, 1);
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("SP", argc, argv);
    const struct problem *problem = &classes[run.class];
    struct flow flow = {.fluid = fluid_make(problem->n)};
    flow.sound = nas_allocate(fluid_points(&flow.fluid), sizeof *flow.sound);
    nas_start(&run);
    for (int step = 0; step < problem->steps; step++) {
        advance(&flow, problem->dt);
    }
    nas_stop(&run);
    fluid_check(&run, &flow.fluid, &problem->norms);
    return nas_report(&run);
}
