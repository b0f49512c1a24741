/* The force -grad L, with the formulas of model/kernel.py:
 *
 *   force_i = -sum_j B_ij w_j + sum_m P_im v_m,    B_ij = asin(c_ij)/(2 pi) + level  (j != i),
 *   B_ii = 1/4 + level + (N + sum_j n_j (s_ij - 1) - sum_m |v_m| (s_im - 1)) / (2 pi n_i),
 *   P_im = asin(c_im)/(2 pi) + level.
 *
 * ``level`` is 1/4 for ReLU (model/activation.py): S/4 of the split form. Two products of matrices with the angles between them;
 * both go by blocks of four by four, which fit the registers. */
#ifndef RELU_LANDSCAPE_GRADIENT_H
#define RELU_LANDSCAPE_GRADIENT_H

#include "angle.h"
#include "lanes.h"
#include "memory.h"
#include "sums.h"

typedef struct {
  size_t K, M, p;
  const double *teacher; /* NULL: the identity */
  const double *teacher_norms;
  double teacher_norm_sum;
  real level;
  vec *B;              /* (K, K) products of the students, then the coefficients B */
  vec *P;              /* (K, M) pulls of the teachers, then their sums P V */
  vec *length, *inverse, *radial; /* (K,) */
  vec *overlap;        /* (M,) of one student, where the teacher is not orthonormal */
} Gradient;

static Gradient new_gradient(Pool *pool, const Problem *problem) {
  Gradient g = {.K = (size_t)problem->students,
                .M = (size_t)problem->teachers,
                .p = (size_t)problem->coordinates,
                .teacher = problem->teacher,
                .teacher_norms = problem->teacher_norms,
                .level = (real)problem->level};
  for (size_t m = 0; m < g.M; m++) g.teacher_norm_sum += g.teacher_norms[m];
  g.B = take(pool, g.K * g.K);
  g.P = take(pool, g.K * g.M);
  g.length = take(pool, g.K);
  g.inverse = take(pool, g.K);
  g.radial = take(pool, g.K);
  g.overlap = take(pool, g.M);
  return g;
}

INLINE size_t at_most_four(size_t count) { return count < 4 ? count : 4; }

/* Calls BLOCK(rows, columns) with constants, so that the accumulators become registers. */
#define WITH_CONSTANT_COLUMNS(rows, columns, BLOCK) \
  switch (columns) {                                \
    case 4: BLOCK(rows, 4); break;                  \
    case 3: BLOCK(rows, 3); break;                  \
    case 2: BLOCK(rows, 2); break;                  \
    default: BLOCK(rows, 1);                        \
  }
#define WITH_CONSTANTS(rows, columns, BLOCK)                     \
  switch (rows) {                                                \
    case 4: WITH_CONSTANT_COLUMNS(4, columns, BLOCK) break;      \
    case 3: WITH_CONSTANT_COLUMNS(3, columns, BLOCK) break;      \
    case 2: WITH_CONSTANT_COLUMNS(2, columns, BLOCK) break;      \
    default: WITH_CONSTANT_COLUMNS(1, columns, BLOCK)            \
  }

INLINE void products_block(int rows, int columns, const vec *a, const vec *b, size_t p, vec *to,
                           size_t stride) {
  vec sum[4][4] = {{{0}}};
  for (size_t c = 0; c < p; c++) {
    vec x[4];
    for (int i = 0; i < rows; i++) x[i] = a[(size_t)i * p + c];
    for (int j = 0; j < columns; j++) {
      vec y = b[(size_t)j * p + c];
      for (int i = 0; i < rows; i++) sum[i][j] = fma_(x[i], y, sum[i][j]);
    }
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) to[(size_t)i * stride + (size_t)j] = sum[i][j];
}

/* The upper triangle of W W^T, in blocks, into B. */
static void student_products(Gradient *g, const vec *W) {
  const size_t K = g->K, p = g->p;
  for (size_t i = 0; i < K; i += 4)
    for (size_t j = i; j < K; j += 4) {
#define BLOCK(r, c) products_block(r, c, W + i * p, W + j * p, p, g->B + i * K + j, K)
      WITH_CONSTANTS(at_most_four(K - i), at_most_four(K - j), BLOCK)
#undef BLOCK
    }
}

/* Lengths of the students and their inverses. The sums run as those of ``student_products`` do, so
 * they have the same bits. */
static void measure(Gradient *g, const vec *W) {
  for (size_t i = 0; i < g->K; i++) {
    vec squared = {0};
    for (size_t c = 0; c < g->p; c++) squared = fma_(W[i * g->p + c], W[i * g->p + c], squared);
    g->length[i] = root(squared);
    g->inverse[i] = 1.0 / g->length[i];
  }
}

/* ``angles`` for one to four: the count must be a constant for the chains to overlap. */
INLINE void some_angles(int count, real level, const vec *cosine, vec *pull, vec *dip) {
  switch (count) {
    case 4: angles(4, level, cosine, pull, dip); break;
    case 3: angles(3, level, cosine, pull, dip); break;
    case 2: angles(2, level, cosine, pull, dip); break;
    default: angles(1, level, cosine, pull, dip);
  }
}

/* The angles of student ``i`` with those after it: B, and the radial sums of both. */
static void student_angles(Gradient *g, size_t i) {
  const size_t K = g->K;
  vec radial = g->radial[i];
  for (size_t j = i + 1; j < K; j += 4) {
    const size_t count = at_most_four(K - j);
    vec cosine[4] = {{0}}, pull[4], dip[4];
    for (size_t k = 0; k < count; k++)
      cosine[k] = g->B[i * K + j + k] * (g->inverse[i] * g->inverse[j + k]);
    some_angles((int)count, g->level, cosine, pull, dip);
    for (size_t k = 0; k < count; k++) {
      g->B[i * K + j + k] = g->B[(j + k) * K + i] = pull[k];
      radial = fma_(g->length[j + k], dip[k], radial);
      g->radial[j + k] = fma_(g->length[i], dip[k], g->radial[j + k]);
    }
  }
  g->radial[i] = radial;
}

/* Overlaps of one student with the teachers, four at a time. V is zero above the diagonal. */
static void teacher_overlaps(const Gradient *g, const vec *w) {
  const size_t M = g->M;
  for (size_t m = 0; m < M; m += 4) {
    const size_t count = at_most_four(M - m);
    vec sum[4] = {{0}};
    for (size_t c = 0; c < m + count; c++)
      for (size_t k = 0; k < count; k++)
        sum[k] = fma_(all_lanes((real)g->teacher[(m + k) * M + c]), w[c], sum[k]);
    for (size_t k = 0; k < count; k++) g->overlap[m + k] = sum[k];
  }
}

/* The angles of student ``i`` with the teachers: P, and the student's radial sum. */
static void teacher_angles(Gradient *g, size_t i, const vec *w) {
  const size_t M = g->M;
  vec radial = g->radial[i];
  const vec *overlap = w;
  if (g->teacher) {
    teacher_overlaps(g, w);
    overlap = g->overlap;
  }
  for (size_t m = 0; m < M; m += 4) {
    const size_t count = at_most_four(M - m);
    vec cosine[4] = {{0}}, pull[4], dip[4];
    for (size_t k = 0; k < count; k++)
      cosine[k] = overlap[m + k] * (g->inverse[i] * (real)(1.0 / g->teacher_norms[m + k]));
    some_angles((int)count, g->level, cosine, pull, dip);
    for (size_t k = 0; k < count; k++) {
      g->P[i * M + m + k] = pull[k];
      radial = minus_product(all_lanes((real)g->teacher_norms[m + k]), dip[k], radial);
    }
  }
  g->radial[i] = radial;
}

/* P V in the place of the pulls of one student: column c needs the teachers from c on. */
static void teacher_sums(Gradient *g, size_t i) {
  const size_t M = g->M;
  vec *pull = g->P + i * M;
  for (size_t c = 0; c < M; c += 4) {
    const size_t count = at_most_four(M - c);
    vec sum[4] = {{0}};
    for (size_t m = c; m < M; m++)
      for (size_t k = 0; k < count; k++)
        sum[k] = fma_(all_lanes((real)g->teacher[m * M + c + k]), pull[m], sum[k]);
    for (size_t k = 0; k < count; k++) pull[c + k] = sum[k]; /* not needed by later columns */
  }
}

INLINE void force_block(int rows, int columns, const Gradient *g, size_t i, size_t c, const vec *W,
                        vec *force) {
  const size_t K = g->K, M = g->M, p = g->p;
  vec sum[4][4];
  for (int a = 0; a < rows; a++)
    for (int b = 0; b < columns; b++) {
      const size_t column = c + (size_t)b;
      sum[a][b] = column < M ? g->P[(i + (size_t)a) * M + column] : (vec){0};
    }
  for (size_t j = 0; j < K; j++) {
    vec w[4];
    for (int b = 0; b < columns; b++) w[b] = W[j * p + c + (size_t)b];
    for (int a = 0; a < rows; a++) {
      const vec coefficient = g->B[(i + (size_t)a) * K + j];
      for (int b = 0; b < columns; b++) sum[a][b] = minus_product(coefficient, w[b], sum[a][b]);
    }
  }
  for (int a = 0; a < rows; a++)
    for (int b = 0; b < columns; b++) force[(i + (size_t)a) * p + c + (size_t)b] = sum[a][b];
}

/* ``force`` (K, p) at ``W``; leaves the lengths of W and their inverses. NaN where a student has
 * norm zero. */
static void compute_force(Gradient *g, const vec *W, vec *force) {
  const size_t K = g->K, p = g->p;
  student_products(g, W);
  vec N = all_lanes((real)-g->teacher_norm_sum);
  for (size_t i = 0; i < K; i++) {
    g->length[i] = root(g->B[i * K + i]);
    g->inverse[i] = 1.0 / g->length[i];
    N += g->length[i];
  }
  /* A student's own term is n_i (sin 0 - 1). */
  for (size_t i = 0; i < K; i++) g->radial[i] = N - g->length[i];
  for (size_t i = 0; i < K; i++) {
    student_angles(g, i);
    teacher_angles(g, i, W + i * p);
    if (g->teacher) teacher_sums(g, i);
    g->B[i * K + i] = fma_(g->radial[i] * g->inverse[i], all_lanes((real)(1.0 / TWO_PI)), all_lanes((real)0.25 + g->level));
  }
  for (size_t i = 0; i < K; i += 4)
    for (size_t c = 0; c < p; c += 4) {
#define BLOCK(rows, columns) force_block(rows, columns, g, i, c, W, force)
      WITH_CONSTANTS(at_most_four(K - i), at_most_four(p - c), BLOCK)
#undef BLOCK
    }
}

#endif
