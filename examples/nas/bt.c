// NAS BT, "block tridiagonal": an implicit scheme for the flow of fluid.h that splits each time step into solutions
// along x, y and z, each a block tridiagonal system a line. Small dense matrices.
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
    {12, 60, 0.01,
     {{1.7034283709541311e-1, 1.2975252070034097e-2, 3.2527926989486055e-2, 2.6436421275166801e-2,
       1.9211784131744430e-1},
      {4.9976913345811579e-4, 4.5195666782961927e-5, 7.3973765172921357e-5, 7.3821238632439731e-5,
       8.9269630987491446e-4}}},
    {24, 200, 0.0008,
     {{1.125590409344e2, 1.180007595731e1, 2.710329767846e1, 2.469174937669e1, 2.638427874317e2},
      {4.419655736008, 4.638531260002e-1, 1.011551749967, 9.235878729944e-1, 1.018045837718e1}}},
    {64, 200, 0.0008,
     {{1.0806346714637264e2, 1.1319730901220813e1, 2.5974354511582465e1, 2.3665622544678910e1, 2.5278963211748344e2},
      {4.2348416040525025, 4.4390282496995698e-1, 9.6692480136345650e-1, 8.8302063039765474e-1, 9.7379901770829278}}},
    {102, 200, 0.0003,
     {{1.4233597229287254e3, 9.9330522590150238e1, 3.5646025644535285e2, 3.2485447959084092e2, 3.2707541254659363e3},
      {5.2969847140936856e1, 4.4632896115670668, 1.3122573342210174e1, 1.2006925323559144e1, 1.2459576151035986e2}}},
    {162, 200, 0.0001,
     {{6.2398116551764615e3, 5.0793239190423964e2, 1.5423530093013596e3, 1.3302387929291190e3, 1.1604087428436455e4},
      {1.6462008369091265e2, 1.1497107903824313e1, 4.1207446207461508e1, 3.7087651059694167e1, 3.6211053051841265e2}}},
};

// The system of a line: below[i] v[i-1] + diagonal[i] v[i] + above[i] v[i+1] = rhs[i], i from 1 to n - 2; v is zero on
// the boundary. What is at either end is set up but not used.
struct line {
    block5 below[MAX_POINTS + 1], diagonal[MAX_POINTS], above[MAX_POINTS];
    vector5 rhs[MAX_POINTS];
};

// c = c - a b
NAS_INLINE void subtract_product(block5 c, const block5 a, const block5 b) {
    for (int i = 0; i < EQUATIONS; i++) {
        for (int k = 0; k < EQUATIONS; k++) {
            for (int j = 0; j < EQUATIONS; j++) {
                c[i][j] -= a[i][k] * b[k][j];
            }
        }
    }
}

// y = y - a x
NAS_INLINE void subtract_image(vector5 y, const block5 a, const vector5 x) {
    for (int i = 0; i < EQUATIONS; i++) {
        double sum = 0;
        for (int j = 0; j < EQUATIONS; j++) {
            sum += a[i][j] * x[j];
        }
        y[i] -= sum;
    }
}

// Gauss-Jordan elimination without pivots: b = a^-1 b and r = a^-1 r; a is lost.
NAS_INLINE void divide(block5 a, block5 b, vector5 r) {
    for (int p = 0; p < EQUATIONS; p++) {
        const double pivot = 1.0 / a[p][p];
        for (int j = p + 1; j < EQUATIONS; j++) {
            a[p][j] *= pivot;
        }
        for (int j = 0; j < EQUATIONS; j++) {
            b[p][j] *= pivot;
        }
        r[p] *= pivot;
        for (int i = 0; i < EQUATIONS; i++) {
            if (i != p) {
                const double factor = a[i][p];
                for (int j = p + 1; j < EQUATIONS; j++) {
                    a[i][j] -= factor * a[p][j];
                }
                for (int j = 0; j < EQUATIONS; j++) {
                    b[i][j] -= factor * b[p][j];
                }
                r[i] -= factor * r[p];
            }
        }
    }
}

// Sets up the blocks of a line that begins at point `first`: each point is in the equations of its neighbours.
NAS_INLINE void set_up(struct line *restrict line, const struct fluid *fluid, ptrdiff_t first, int axis, double dt) {
    const int n = fluid->n;
    const double slope = dt * fluid->slope, bend = dt * fluid->bend, spread = bend * dissipation2[axis];
    for (int i = 0; i < n; i++) {
        struct jacobians at;
        fluid_jacobians(&at, fluid, first + i * fluid->stride[axis], axis);
        block5 *below = &line->below[i + 1], *diagonal = &line->diagonal[i], *above = &line->above[i > 0 ? i - 1 : 0];
        for (int row = 0; row < EQUATIONS; row++) {
            for (int column = 0; column < EQUATIONS; column++) {
                const double convection = slope * at.convection[row][column];
                const double diffusion = bend * at.diffusion[row][column] + (row == column ? spread : 0);
                (*below)[row][column] = -convection - diffusion;
                (*diagonal)[row][column] = 2.0 * diffusion + (row == column ? 1 : 0);
                (*above)[row][column] = convection - diffusion;
            }
        }
    }
}

// Solves the systems of all lines along an axis for rhs times `scale`; the solution takes the place of rhs.
NAS_INLINE void solve_axis(struct fluid *fluid, int axis, double dt, double scale) {
    static struct line line;
    const int n = fluid->n, last = n - 2;
    const ptrdiff_t step = fluid->stride[axis];
    const ptrdiff_t inner = fluid->stride[axis == 0 ? 1 : 0], outer = fluid->stride[axis == 2 ? 1 : 2];
    for (int b = 1; b <= last; b++) {
        for (int a = 1; a <= last; a++) {
            const ptrdiff_t first = b * outer + a * inner;
            set_up(&line, fluid, first, axis, dt);
            for (int i = 1; i <= last; i++) {
                double *rhs = line.rhs[i];
                for (int m = 0; m < EQUATIONS; m++) {
                    rhs[m] = scale * fluid->rhs[first + i * step][m];
                }
                if (i > 1) {
                    subtract_image(rhs, line.below[i], line.rhs[i - 1]);
                    subtract_product(line.diagonal[i], line.below[i], line.above[i - 1]);
                }
                divide(line.diagonal[i], line.above[i], rhs);
            }
            for (int i = last; i >= 1; i--) {
                if (i < last) {
                    subtract_image(line.rhs[i], line.above[i], line.rhs[i + 1]);
                }
                memcpy(fluid->rhs[first + i * step], line.rhs[i], sizeof line.rhs[i]);
            }
        }
    }
}

static void advance(struct fluid *fluid, double dt) {
    fluid_compute_rhs(fluid);
    solve_axis(fluid, 0, dt, dt);
    solve_axis(fluid, 1, dt, 1);
    solve_axis(fluid, 2, dt, 1);
    fluid_add(fluid, 1);
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("BT", argc, argv);
    const struct problem *problem = &classes[run.class];
    struct fluid fluid = fluid_make(problem->n);
    nas_start(&run);
    for (int step = 0; step < problem->steps; step++) {
        advance(&fluid, problem->dt);
    }
    nas_stop(&run);
    fluid_check(&run, &fluid, &problem->norms);
    return nas_report(&run);
}
