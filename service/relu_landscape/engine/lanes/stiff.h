/* Linear systems with the stiff part A of the Hessian (model/stiff.py): (I + theta A) x = b.
 *
 *   A = level (1 1^T (x) I_p) + 1/(2 pi) u u^T,   u the stacked unit vectors w_i/|w_i|.
 *
 * Sherman-Morrison twice gives x_i = b_i - mean - pull u_i with one row ``mean`` and one number
 * ``pull``, so a solution needs two passes over b and no room of its own:
 * ``prepare`` sums, ``solved`` gives an entry. */
#ifndef RELU_LANDSCAPE_STIFF_H
#define RELU_LANDSCAPE_STIFF_H

#include "control.h"
#include "gradient.h"

typedef struct {
  size_t K, p;
  real level;                 /* of the problem */
  vec mean_share, pull_share; /* of the two formulas */
  vec *unit_sum;              /* (p,) sum of the unit vectors */
  vec *inverse;               /* (K,) 1/|w_i| where A was taken */
  vec *row;                   /* (K,) <b_i, w_i> of the system at hand */
  vec *mean;                  /* (p,) of the system at hand */
  vec pull;
} Stiff;

static Stiff new_stiff(Pool *pool, const Problem *problem) {
  const size_t K = (size_t)problem->students, p = (size_t)problem->coordinates;
  Stiff s = {.K = K, .p = p, .level = (real)problem->level};
  s.unit_sum = take(pool, p);
  s.inverse = take(pool, K);
  s.row = take(pool, K);
  s.mean = take(pool, p);
  return s;
}

/* From the sum of the unit vectors, and theta. */
static void set_shares(Stiff *s, vec theta) {
  const vec squared = inner(s->unit_sum, s->unit_sum, s->p);
  s->mean_share = mean_share_of(theta, (real)s->K, s->level);
  s->pull_share = pull_share_of(theta, (real)s->K, s->mean_share, squared);
}

/* The point W, whose students have the inverse lengths ``inverse``, and theta. */
static inline void take_stiff_part(Stiff *s, const vec *W, const vec *inverse, vec theta) {
  const size_t K = s->K, p = s->p;
  for (size_t c = 0; c < p; c++) s->unit_sum[c] = (vec){0};
  for (size_t i = 0; i < K; i++) {
    s->inverse[i] = inverse[i];
    for (size_t c = 0; c < p; c++) s->unit_sum[c] = fma_(W[i * p + c], inverse[i], s->unit_sum[c]);
  }
  set_shares(s, theta);
}

/* From the column sums of b (in ``mean``) and <u, b> to ``mean`` and ``pull`` of the solution. */
static void prepare(Stiff *s, vec along_units) {
  const vec summed = inner(s->unit_sum, s->mean, s->p);
  s->pull = (along_units - s->mean_share * summed) * s->pull_share;
  for (size_t c = 0; c < s->p; c++)
    s->mean[c] = s->mean_share * minus_product(s->pull, s->unit_sum[c], s->mean[c]);
}

/* Sums of b (K, p) and what follows from them. */
static inline void prepare_for(Stiff *s, const vec *W, const vec *b) {
  const size_t K = s->K, p = s->p;
  for (size_t c = 0; c < p; c++) s->mean[c] = (vec){0};
  for (size_t i = 0; i < K; i++) {
    vec row = {0};
    for (size_t c = 0; c < p; c++) {
      s->mean[c] += b[i * p + c];
      row = fma_(b[i * p + c], W[i * p + c], row);
    }
    s->row[i] = row;
  }
  prepare(s, inner(s->row, s->inverse, K));
}

/* ``take_stiff_part`` and ``prepare_for`` in one pass over W and b. */
static void take_and_prepare(Stiff *s, const vec *W, const vec *inverse, vec theta, const vec *b) {
  const size_t K = s->K, p = s->p;
  for (size_t c = 0; c < p; c++) s->unit_sum[c] = s->mean[c] = (vec){0};
  for (size_t i = 0; i < K; i++) {
    const vec own = s->inverse[i] = inverse[i];
    vec row = {0};
    for (size_t c = 0; c < p; c++) {
      const vec w = W[i * p + c], entry = b[i * p + c];
      s->unit_sum[c] = fma_(w, own, s->unit_sum[c]);
      s->mean[c] += entry;
      row = fma_(entry, w, row);
    }
    s->row[i] = row;
  }
  set_shares(s, theta);
  prepare(s, inner(s->row, s->inverse, K));
}

/* Entry c of row i of the solution; ``row_pull`` = pull/|w_i|. */
INLINE vec solved(const Stiff *s, size_t c, vec b, vec w, vec row_pull) {
  return minus_product(row_pull, w, b - s->mean[c]);
}

#endif
