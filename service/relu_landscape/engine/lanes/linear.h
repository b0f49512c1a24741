/* Small systems of linear equations, one per lane. */
#ifndef RELU_LANDSCAPE_LINEAR_H
#define RELU_LANDSCAPE_LINEAR_H

#include <stddef.h>

#include "vector.h"

/* Whether any lane is set. */
INLINE int any(mask where) {
  for (int lane = 0; lane < LANES; lane++)
    if (where[lane]) return 1;
  return 0;
}

/* The lower triangle of A A (m, m) for a symmetric A. */
static void square_of(const vec *A, vec *result, size_t m) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j <= i; j++) {
      vec sum = {0};
      for (size_t k = 0; k < m; k++) sum = fma_(A[i * m + k], A[j * m + k], sum);
      result[i * m + j] = sum;
    }
}

/* Solves A x = b by Cholesky's method, in place of b; A (m, m) positive definite, of which the
 * lower triangle is read and becomes the factor. NaN where a lane's A is not positive definite. */
static void solve_definite(vec *A, vec *b, size_t m) {
  for (size_t i = 0; i < m; i++) {
    vec *row = A + i * m;
    for (size_t j = 0; j < i; j++) {
      vec sum = row[j];
      for (size_t k = 0; k < j; k++) sum = minus_product(row[k], A[j * m + k], sum);
      row[j] = sum * A[j * m + j]; /* of the factor the diagonal is kept inverted */
    }
    vec rest = row[i];
    for (size_t k = 0; k < i; k++) rest = minus_product(row[k], row[k], rest);
    row[i] = 1.0 / root(rest);
    for (size_t k = 0; k < i; k++) b[i] = minus_product(row[k], b[k], b[i]);
    b[i] *= row[i];
  }
  for (size_t i = m; i-- > 0;) {
    for (size_t k = i + 1; k < m; k++) b[i] = minus_product(A[k * m + i], b[k], b[i]);
    b[i] *= A[i * m + i];
  }
}

INLINE void exchange(mask where, vec *a, vec *b) {
  const vec kept = *a;
  *a = choose(where, *b, kept);
  *b = choose(where, kept, *b);
}

/* Brings each lane's largest entry of column k to row k. */
static void pivot(vec *A, vec *b, size_t m, size_t k) {
  vec largest = magnitude(A[k * m + k]), row = all_lanes((double)k);
  for (size_t i = k + 1; i < m; i++) {
    const vec size = magnitude(A[i * m + k]);
    const mask better = size > largest;
    largest = choose(better, size, largest);
    row = choose(better, all_lanes((double)i), row);
  }
  for (size_t i = k + 1; i < m; i++) {
    const mask here = row == (double)i;
    if (!any(here)) continue;
    for (size_t j = k; j < m; j++) exchange(here, A + k * m + j, A + i * m + j);
    exchange(here, b + k, b + i);
  }
}

/* Solves A x = b by Gauss's method with each lane's own pivots, in place of b; A is used up. Not
 * finite where a lane's A is singular. */
static void solve_pivoting(vec *A, vec *b, size_t m) {
  for (size_t k = 0; k < m; k++) {
    pivot(A, b, m, k);
    const vec inverse = 1.0 / A[k * m + k];
    for (size_t i = k + 1; i < m; i++) {
      const vec factor = A[i * m + k] * inverse;
      for (size_t j = k + 1; j < m; j++)
        A[i * m + j] = minus_product(factor, A[k * m + j], A[i * m + j]);
      b[i] = minus_product(factor, b[k], b[i]);
    }
  }
  for (size_t i = m; i-- > 0;) {
    for (size_t k = i + 1; k < m; k++) b[i] = minus_product(A[i * m + k], b[k], b[i]);
    b[i] = b[i] / A[i * m + i];
  }
}

#endif
