// NAS CG, "conjugate gradient": estimates the smallest eigenvalue of a large sparse symmetric matrix by inverse
// iteration. Sparse matrix times vector: indirect memory accesses.
//#ExpectFile
//#Levels: O2 O3
//#Hop: every=100003
#include "common.h"

enum { CG_STEPS = 25 };

struct problem {
    int order;          // of the matrix
    int vector_entries; // random entries of a vector that the matrix is made of
    int iterations;
    double shift, zeta;
};

static const struct problem classes[NAS_CLASSES] = {
    {1400, 7, 15, 10, 8.5971775078648},     {7000, 8, 15, 12, 10.362595087124},
    {14000, 11, 15, 20, 17.130235054029},   {75000, 13, 75, 60, 22.712745482631},
    {150000, 15, 75, 110, 28.973605592845},
};

// Compressed rows: row i has the entries start[i] up to but not including start[i + 1].
struct sparse {
    int rows;
    int *start, *column;
    double *value;
};

static struct sparse sparse_allocate(int rows, size_t entries) {
    struct sparse matrix = {.rows = rows};
    matrix.start = nas_allocate((size_t)rows + 1, sizeof *matrix.start);
    matrix.column = nas_allocate(entries, sizeof *matrix.column);
    matrix.value = nas_allocate(entries, sizeof *matrix.value);
    return matrix;
}

static void sparse_free(struct sparse *matrix) {
    free(matrix->start);
    free(matrix->column);
    free(matrix->value);
}

// ---- The matrix: A = V' D V + (0.1 - shift) I; V has random sparse rows, D a geometric series from 1 down to 0.1 ----

// Row i of V has random entries at different random columns; the one at column i is, or is added to be, one half.
static struct sparse random_rows(int order, int entries) {
    struct sparse v = sparse_allocate(order, (size_t)order * ((size_t)entries + 1));
    int columns_drawn_from = 1; // a power of two; columns past the order are drawn again
    while (columns_drawn_from < order) {
        columns_drawn_from *= 2;
    }
    uint64_t state = nas_seed;
    nas_random(&state); // the specification begins with the second number
    int end = 0;
    for (int row = 0; row < order; row++) {
        const int begin = end;
        v.start[row] = begin;
        while (end - begin < entries) {
            double value = nas_random(&state);
            int column = (int)(columns_drawn_from * nas_random(&state));
            bool is_new = column < order;
            for (int k = begin; k < end && is_new; k++) {
                is_new = v.column[k] != column;
            }
            if (is_new) {
                v.column[end] = column;
                v.value[end++] = value;
            }
        }
        int diagonal = begin;
        while (diagonal < end && v.column[diagonal] != row) {
            diagonal++;
        }
        v.column[diagonal] = row;
        v.value[diagonal] = 0.5;
        end += diagonal == end;
    }
    v.start[order] = end;
    return v;
}

static struct sparse transpose(const struct sparse *matrix) {
    const int rows = matrix->rows;
    struct sparse result = sparse_allocate(rows, (size_t)matrix->start[rows]);
    for (int k = 0; k < matrix->start[rows]; k++) {
        result.start[matrix->column[k] + 1]++;
    }
    for (int i = 0; i < rows; i++) {
        result.start[i + 1] += result.start[i];
    }
    int *next = nas_allocate((size_t)rows, sizeof *next);
    memcpy(next, result.start, (size_t)rows * sizeof *next);
    for (int i = 0; i < rows; i++) {
        for (int k = matrix->start[i]; k < matrix->start[i + 1]; k++) {
            int at = next[matrix->column[k]]++;
            result.column[at] = i;
            result.value[at] = matrix->value[k];
        }
    }
    free(next);
    return result;
}

static int compare_columns(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static struct sparse make_matrix(const struct problem *problem) {
    const int order = problem->order;
    const double condition = 0.1;
    struct sparse v = random_rows(order, problem->vector_entries), vt = transpose(&v);
    double *weight = nas_allocate((size_t)order, sizeof *weight); // D
    double ratio = pow(condition, 1.0 / order);
    weight[0] = 1;
    for (int i = 1; i < order; i++) {
        weight[i] = weight[i - 1] * ratio;
    }
    const size_t row_entries = (size_t)problem->vector_entries + 1;
    struct sparse a = sparse_allocate(order, (size_t)order * row_entries * row_entries);
    double *sum = nas_allocate((size_t)order, sizeof *sum); // the row, dense; zero between rows
    bool *is_set = nas_allocate((size_t)order, sizeof *is_set);
    int end = 0;
    for (int row = 0; row < order; row++) {
        const int begin = end;
        a.start[row] = begin;
        for (int k = vt.start[row]; k < vt.start[row + 1]; k++) {
            const int i = vt.column[k];
            const double factor = weight[i] * vt.value[k];
            for (int l = v.start[i]; l < v.start[i + 1]; l++) {
                const int column = v.column[l];
                if (!is_set[column]) {
                    is_set[column] = true;
                    a.column[end++] = column;
                }
                sum[column] += v.value[l] * factor;
            }
        }
        sum[row] += condition - problem->shift;
        qsort(a.column + begin, (size_t)(end - begin), sizeof *a.column, compare_columns);
        for (int k = begin; k < end; k++) {
            a.value[k] = sum[a.column[k]];
            sum[a.column[k]] = 0;
            is_set[a.column[k]] = false;
        }
    }
    a.start[order] = end;
    free(is_set);
    free(sum);
    free(weight);
    sparse_free(&vt);
    sparse_free(&v);
    return a;
}

// ---- The solver ----

static double dot(const double *x, const double *y, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

// y = A x
static void multiply(double *restrict y, const struct sparse *a, const double *restrict x) {
    for (int i = 0; i < a->rows; i++) {
        double sum = 0;
        for (int k = a->start[i]; k < a->start[i + 1]; k++) {
            sum += a->value[k] * x[a->column[k]];
        }
        y[i] = sum;
    }
}

struct vectors {
    double *x, *z, *p, *q, *r;
};

// Solves A z = x with a fixed number of steps; the norm of what is left, x - A z.
static double solve(const struct sparse *a, struct vectors *v) {
    const int n = a->rows;
    double *restrict z = v->z, *restrict p = v->p, *restrict q = v->q, *restrict r = v->r;
    for (int i = 0; i < n; i++) {
        z[i] = 0;
        r[i] = p[i] = v->x[i];
    }
    double rho = dot(r, r, n);
    for (int step = 0; step < CG_STEPS; step++) {
        multiply(q, a, p);
        const double alpha = rho / dot(p, q, n);
        double next = 0;
        for (int i = 0; i < n; i++) {
            z[i] += alpha * p[i];
            r[i] -= alpha * q[i];
            next += r[i] * r[i];
        }
        const double beta = next / rho;
        rho = next;
        for (int i = 0; i < n; i++) {
            p[i] = r[i] + beta * p[i];
        }
    }
    multiply(r, a, z);
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double difference = v->x[i] - r[i];
        sum += difference * difference;
    }
    return sqrt(sum);
}

int main(int argc, char **argv) {
    struct nas_run run = nas_begin("CG", argc, argv);
    const struct problem *problem = &classes[run.class];
    const int n = problem->order;
    const struct sparse a = make_matrix(problem);
    double *memory = nas_allocate(5 * (size_t)n, sizeof *memory);
    struct vectors v = {memory, memory + n, memory + 2 * n, memory + 3 * n, memory + 4 * n};
    for (int i = 0; i < n; i++) {
        v.x[i] = 1;
    }
    double zeta = 0, residual = 0;
    nas_start(&run);
    for (int iteration = 0; iteration < problem->iterations; iteration++) {
        residual = solve(&a, &v);
        zeta = problem->shift + 1.0 / dot(v.x, v.z, n);
        const double scale = 1.0 / sqrt(dot(v.z, v.z, n));
        for (int i = 0; i < n; i++) {
            v.x[i] = scale * v.z[i];
        }
    }
    nas_stop(&run);
    nas_check(&run, "zeta", 0, zeta, problem->zeta, 1e-10);
    int status = nas_report(&run);
    printf("  %-16s %17d\n", "entries", a.start[n]);
    printf("  %-16s %17s\n", "residual", residual < 1e-10 ? "below 1e-10" : "above 1e-10");
    return status;
}
