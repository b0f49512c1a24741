/* The force -grad L of one path, by a block: lanes/gradient.h, sum for sum. */
#ifndef RELU_LANDSCAPE_FORCE_H
#define RELU_LANDSCAPE_FORCE_H

#include "../lanes/angle.h"
#include "room.h"

#define STUDENT_PAIRS (STUDENTS * (STUDENTS - 1) / 2)
#define TILE 2 /* students whose products with as many others a thread computes at once */
#define TILES ((STUDENTS + TILE - 1) / TILE)
#define TEACHER_PAIRS (STUDENTS * TEACHERS)
#define ROW_BLOCKS ((STUDENTS + 7) / 8)
/* Rows of the force that a thread computes at once: each column entry is read once. */
#define ROWS ((STUDENTS + ROW_BLOCKS - 1) / ROW_BLOCKS)
#define LAST_ROWS (STUDENTS - (ROW_BLOCKS - 1) * ROWS) /* of the last block */

/* Pair number q of i < j < count: a row and its partner from the end share a line. */
INLINE void pair_of(int q, int count, int *i, int *j) {
  const int is_even = count % 2 == 0, line = count - is_even;
  const int a = q / line, b = q % line, partner = count - 1 - a - !is_even;
  const int is_own = b < count - 1 - a;
  *i = is_own ? a : partner;
  *j = is_own ? a + 1 + b : b + is_even;
}

INLINE real product(const real *a, const real *b, int count) {
  real sum = (real)0.0;
  UNROLL_BY(8)
  for (int c = 0; c < count; c++) sum = fma_(a[c], b[c], sum);
  return sum;
}

/* Lengths of the students at X from their products with themselves. */
INLINE void lengths_at(const real *X, Lengths l) {
  EACH_BACK(i, STUDENTS) {
    l.length[i] = root(product(X + i * STRIDE, X + i * STRIDE, COORDINATES));
    l.inverse[i] = (real)1.0 / l.length[i];
  }
}

/* Products of every TILES-th student from ``first_i`` on with those from ``first_j`` on. (Threads
 * beside each other read rows beside each other, which lie in different banks.) */
INLINE void tile(Room r, const real *X, int first_i, int first_j) {
  const real *row[TILE], *column[TILE];
  real sum[TILE][TILE] = {{(real)0.0}};
  UNROLL
  for (int k = 0; k < TILE; k++) { /* students beyond the last repeat it, and are not kept */
    const int i = first_i + k * TILES, j = first_j + k * TILES;
    row[k] = X + (i < STUDENTS ? i : STUDENTS - 1) * STRIDE;
    column[k] = X + (j < STUDENTS ? j : STUDENTS - 1) * STRIDE;
  }
  UNROLL_BY(8)
  for (int c = 0; c < COORDINATES; c++) {
    UNROLL
    for (int k = 0; k < TILE * TILE; k++) {
      real *own = &sum[k / TILE][k % TILE];
      *own = fma_(row[k / TILE][c], column[k % TILE][c], *own);
    }
  }
  UNROLL
  for (int k = 0; k < TILE * TILE; k++) {
    const int i = first_i + k / TILE * TILES, j = first_j + k % TILE * TILES;
    const int low = i < j ? i : j, high = i < j ? j : i;
    if (low < high && high < STUDENTS) r.pair[low * PAIR_STRIDE + high] = sum[k / TILE][k % TILE];
  }
}

/* Products of the students with each other and, where it takes any, with the teachers. */
INLINE void products(const Teacher *teacher, Room r, const real *X) {
  EACH(q, TILES * (TILES + 1) / 2) {
    int from, to;
    pair_of(q, TILES + 1, &from, &to);
    tile(r, X, from, to - 1);
  }
  const int overlaps = ORTHONORMAL ? 0 : TEACHER_PAIRS;
  EACH(q, overlaps) {
    const int i = q / TEACHERS, m = q % TEACHERS, end = m / 4 * 4 + 4; /* zeros, as in lanes */
    const double *v = teacher->teacher + m * TEACHERS;
    real sum = (real)0.0;
    UNROLL_BY(8)
    for (int c = 0; c < (end < TEACHERS ? end : TEACHERS); c++)
      sum = fma_((real)v[c], X[i * STRIDE + c], sum);
    r.pull[q] = sum;
  }
}

/* Pulls and dips of all pairs; the dips of teachers go to ``dips`` (K, M), rows STRIDE apart. */
INLINE void all_angles(const Teacher *teacher, Room r, const real *X, Lengths l, real *dips) {
  EACH(q, STUDENT_PAIRS + TEACHER_PAIRS) {
    real cosine, pull, dip, *pull_to, *dip_to;
    if (q < STUDENT_PAIRS) {
      int i, j;
      pair_of(q, STUDENTS, &i, &j);
      pull_to = r.pair + i * PAIR_STRIDE + j;
      dip_to = r.pair + j * PAIR_STRIDE + i;
      cosine = *pull_to * (l.inverse[i] * l.inverse[j]);
    } else {
      const int e = q - STUDENT_PAIRS, i = e / TEACHERS, m = e % TEACHERS;
      pull_to = r.pull + e;
      dip_to = dips + i * STRIDE + m;
      const real overlap = ORTHONORMAL ? X[i * STRIDE + m] : *pull_to;
      cosine = overlap * (l.inverse[i] * (ORTHONORMAL ? (real)1.0 : (real)teacher->inverse_norms[m]));
    }
    angles(1, (real)teacher->level, &cosine, &pull, &dip);
    *pull_to = pull;
    *dip_to = dip;
  }
}

/* The diagonal of B. */
INLINE void radial_parts(const Teacher *teacher, Room r, Lengths l, const real *dips) {
  EACH(i, STUDENTS) {
    double teachers = 0.0;
    for (int m = 0; m < TEACHERS; m++) teachers += ORTHONORMAL ? 1.0 : teacher->norms[m];
    real N = (real)-teachers;
    for (int j = 0; j < STUDENTS; j++) N += l.length[j];
    real radial = N - l.length[i]; /* a student's own term is n_i (sin 0 - 1) */
    for (int j = 0; j < i; j++) radial = fma_(l.length[j], r.pair[i * PAIR_STRIDE + j], radial);
    for (int j = i + 1; j < STUDENTS; j++)
      radial = fma_(l.length[j], r.pair[j * PAIR_STRIDE + i], radial);
    for (int m = 0; m < TEACHERS; m++)
      radial = minus_product(ORTHONORMAL ? (real)1.0 : (real)teacher->norms[m], dips[i * STRIDE + m], radial);
    r.pair[i * PAIR_STRIDE + i] = fma_(radial * l.inverse[i], (real)(1.0 / TWO_PI),
                                           (real)0.25 + (real)teacher->level);
  }
}

/* Entry c of P V for student i. */
INLINE real teacher_sum(const Teacher *teacher, Room r, int i, int c) {
  if (c >= TEACHERS) return (real)0.0;
  if (ORTHONORMAL) return r.pull[i * TEACHERS + c];
  real sum = (real)0.0;
  for (int m = c / 4 * 4; m < TEACHERS; m++) /* zeros, as in lanes */
    sum = fma_((real)teacher->teacher[m * TEACHERS + c], r.pull[i * TEACHERS + m], sum);
  return sum;
}

/* sum[a] less B[a][j] x[j] for j from ``begin`` up to ``end``, x a column, where B[a][j] is entry
 * ``across`` * a + ``along`` * j of ``part``. */
INLINE void subtract(real *sum, const real *part, int across, int along, const real *x, int begin,
                     int end) {
  UNROLL_BY(2)
  for (int j = begin; j < end; j++) {
    UNROLL
    for (int a = 0; a < ROWS; a++)
      sum[a] = minus_product(part[across * a + along * j], x[j * STRIDE], sum[a]);
  }
}

/* P V - B X, and with ``plus`` and ``minus`` what they add and take away. */
INLINE void combine(const Teacher *teacher, Room r, const real *X, real *force,
                    const real *plus, const real *minus) {
  EACH(q, ROW_BLOCKS * COORDINATES) {
    const int first = q / COORDINATES * ROWS, c = q % COORDINATES;
    real sum[ROWS]; /* those of rows beyond the last are of any numbers, and not kept */
    UNROLL
    for (int a = 0; a < ROWS; a++)
      sum[a] = a < LAST_ROWS || first + a < STUDENTS ? teacher_sum(teacher, r, first + a, c) : (real)0.0;
    /* B is symmetric, and its upper half is kept: what is left of these rows' square, it, right. */
    subtract(sum, r.pair + first, 1, PAIR_STRIDE, X + c, 0, first);
    const real *square = r.pair + first * (PAIR_STRIDE + 1);
    UNROLL
    for (int b = 0; b < ROWS; b++) {
      if (b >= LAST_ROWS && first + b >= STUDENTS) break;
      const real x = X[(first + b) * STRIDE + c];
      UNROLL
      for (int a = 0; a < ROWS; a++)
        sum[a] = minus_product(square[PAIR_STRIDE * (a < b ? a : b) + (a < b ? b : a)], x, sum[a]);
    }
    subtract(sum, r.pair + first * PAIR_STRIDE, PAIR_STRIDE, 1, X + c, first + ROWS, STUDENTS);
    UNROLL
    for (int a = 0; a < ROWS; a++) {
      const int at = (first + a) * STRIDE + c;
      if (a < LAST_ROWS || first + a < STUDENTS)
        force[at] = plus ? sum[a] + plus[at] - minus[at] : sum[a];
    }
  }
}

/* ``force`` at X, or force + plus - minus, and the lengths there. NaN where a student has norm
 * zero. Between two synchronisations; X must be written before, ``force`` is read after. */
INLINE void compute_force(const Teacher *teacher, Room r, const real *X, Lengths l, real *force,
                          const real *plus, const real *minus) {
  products(teacher, r, X);
  lengths_at(X, l);
  sync();
  all_angles(teacher, r, X, l, force);
  sync();
  radial_parts(teacher, r, l, force);
  sync();
  combine(teacher, r, X, force, plus, minus);
  sync();
}

#endif
