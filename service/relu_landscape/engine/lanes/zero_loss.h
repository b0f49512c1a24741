/* Whether a path may have reached the set of zero loss: a rule that descent/global_set.py implies,
 * so that what fails here need not be looked at there. The caller decides.
 *
 * With L = N^2/(4 pi) + level |S|^2/2 + R and R >= 0 (R is a squared distance in the space of a positive
 * kernel: every coefficient of h in powers of the cosine is positive but for the two taken out), a
 * loss below l needs N^2 < 4 pi l and |S|^2 < 2 l/level; and every student must be within the angle of a
 * teacher or short. SLACK is far above the rounding of either side.
 *
 * W is one path's, its rows ``stride`` apart; all arithmetic is in double. */
#ifndef RELU_LANDSCAPE_ZERO_LOSS_H
#define RELU_LANDSCAPE_ZERO_LOSS_H

#include "lanes.h"

#define SLACK 1e-9
#define TOO_FAR (-1.0)

INLINE double largest_of(const double *x, int64_t count) {
  double found = x[0];
  for (int64_t i = 1; i < count; i++)
    if (x[i] > found) found = x[i];
  return found;
}

INLINE double sum_of(const double *x, int64_t count) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; i++) sum += x[i];
  return sum;
}

/* Largest cosine of student ``w``, of length ``n``, with a teacher. */
INLINE double nearest_cosine(const Problem *problem, const real *w, double n) {
  const int64_t M = problem->teachers;
  double nearest = -2.0;
  for (int64_t m = 0; m < M; m++) {
    double overlap = problem->teacher ? 0.0 : (double)w[m];
    if (problem->teacher)
      for (int64_t c = 0; c <= m; c++) overlap += problem->teacher[m * M + c] * (double)w[c];
    const double cosine = overlap / (n * problem->teacher_norms[m]);
    if (cosine > nearest) nearest = cosine;
  }
  return nearest;
}

/* Length of student ``w`` where it is short or near a teacher, else TOO_FAR. */
INLINE double length_if_near(const Problem *problem, const Rules *rules, const real *w) {
  double squared = 0.0;
  for (int64_t c = 0; c < problem->coordinates; c++) squared += (double)w[c] * (double)w[c];
  const double n = root_of(squared);
  const double floor = rules->check_floor * largest_of(problem->teacher_norms, problem->teachers);
  if (n < floor * (1.0 + SLACK)) return n;
  return nearest_cosine(problem, w, n) < rules->check_cosine - SLACK ? TOO_FAR : n;
}

/* Squared entry of S, the sum of the students less that of the teachers, in column c. */
INLINE double squared_excess(const Problem *problem, const real *W, int64_t stride, int64_t c) {
  const int64_t M = problem->teachers;
  double sum = 0.0;
  for (int64_t i = 0; i < problem->students; i++) sum += (double)W[i * stride + c];
  if (c < M) {
    if (!problem->teacher) sum -= 1.0;
    for (int64_t m = c; problem->teacher && m < M; m++) sum -= problem->teacher[m * M + c];
  }
  return sum * sum;
}

/* The verdict, from what the two functions above say of every student and of every column. */
INLINE int is_maybe_zero(const Problem *problem, const Rules *rules, const double *lengths,
                         const double *squares) {
  const double teachers = sum_of(problem->teacher_norms, problem->teachers);
  /* Lengths as large as the teachers' round by as much. */
  const double slack = SLACK * (1.0 + teachers * teachers);
  double N = -teachers;
  for (int64_t i = 0; i < problem->students; i++) {
    if (lengths[i] == TOO_FAR) return 0;
    N += lengths[i];
  }
  if (sum_of(squares, problem->coordinates) > 2.0 * rules->check_loss / problem->level + slack)
    return 0;
  return N * N <= 2.0 * TWO_PI * rules->check_loss + slack;
}

#endif
