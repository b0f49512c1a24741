/* Whether a path may have reached the set of zero loss: a rule that descent/global_set.py implies,
 * so that what fails here need not be looked at there. The caller decides.
 *
 * With L = N^2/(4 pi) + |S|^2/8 + R and R >= 0 (R is a squared distance in the space of a positive
 * kernel: every coefficient of h in powers of the cosine is positive but for the two taken out), a
 * loss below l needs N^2 < 4 pi l and |S|^2 < 8 l; and every student must be within the angle of a
 * teacher or short. SLACK is far above the rounding of either side. */
#ifndef RELU_LANDSCAPE_ZERO_LOSS_H
#define RELU_LANDSCAPE_ZERO_LOSS_H

#include "gradient.h"

#define SLACK 1e-9

static double largest_of(const double *x, size_t count) {
  double found = x[0];
  for (size_t i = 1; i < count; i++)
    if (x[i] > found) found = x[i];
  return found;
}

static double length_of(const double *x, size_t count) {
  double squared = 0.0;
  for (size_t i = 0; i < count; i++) squared += x[i] * x[i];
  return __builtin_sqrt(squared);
}

/* Largest cosine of student ``w``, of length ``n``, with a teacher. */
static double nearest_cosine(const Gradient *g, const double *w, double n) {
  const size_t M = g->M;
  double nearest = -2.0;
  for (size_t m = 0; m < M; m++) {
    double overlap = g->teacher ? 0.0 : w[m];
    if (g->teacher)
      for (size_t c = 0; c <= m; c++) overlap += g->teacher[m * M + c] * w[c];
    const double cosine = overlap / (n * g->teacher_norms[m]);
    if (cosine > nearest) nearest = cosine;
  }
  return nearest;
}

/* |S|^2, S the sum of the students less that of the teachers. */
static double squared_sum(const Gradient *g, const double *W) {
  double squared = 0.0;
  for (size_t c = 0; c < g->p; c++) {
    double sum = 0.0;
    for (size_t i = 0; i < g->K; i++) sum += W[i * g->p + c];
    if (c < g->M) {
      if (!g->teacher) sum -= 1.0;
      for (size_t m = c; g->teacher && m < g->M; m++) sum -= g->teacher[m * g->M + c];
    }
    squared += sum * sum;
  }
  return squared;
}

static int may_be_at_zero_loss(const Gradient *g, const Rules *rules, const double *W) {
  const double largest = largest_of(g->teacher_norms, g->M);
  /* Lengths as large as the teachers' round by as much. */
  const double slack = SLACK * (1.0 + g->teacher_norm_sum * g->teacher_norm_sum);
  double N = -g->teacher_norm_sum;
  if (squared_sum(g, W) > 8.0 * rules->check_loss + slack) return 0;
  for (size_t i = 0; i < g->K; i++) {
    const double n = length_of(W + i * g->p, g->p);
    const int is_short = n < rules->check_floor * largest * (1.0 + SLACK);
    if (!is_short && nearest_cosine(g, W + i * g->p, n) < rules->check_cosine - SLACK) return 0;
    N += n;
  }
  return N * N <= 2.0 * TWO_PI * rules->check_loss + slack;
}

#endif
