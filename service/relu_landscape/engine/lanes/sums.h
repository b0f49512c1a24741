/* Sums over all entries of a path, in an order that a processor and a GPU both find quick.
 *
 * Strand t of STRANDS adds the products of entries t, t + STRANDS, ...; then the upper half of the
 * strands is added to the lower half until one is left. A GPU has one thread for every strand. */
#ifndef RELU_LANDSCAPE_SUMS_H
#define RELU_LANDSCAPE_SUMS_H

#include "vector.h"

#define STRANDS 32
#define AT_ONCE 8 /* strands that a processor adds side by side */

/* <a, b>, of each lane its own. */
static vec inner(const vec *a, const vec *b, size_t count) {
  vec strand[STRANDS] = {{0}};
  for (size_t t = 0; t < STRANDS && t < count; t += AT_ONCE) {
    vec sum[AT_ONCE] = {{0}};
    size_t i = t;
    for (; i + AT_ONCE <= count; i += STRANDS)
      for (size_t k = 0; k < AT_ONCE; k++) sum[k] = fma_(a[i + k], b[i + k], sum[k]);
    for (size_t k = 0; i + k < count && k < AT_ONCE; k++) sum[k] = fma_(a[i + k], b[i + k], sum[k]);
    for (size_t k = 0; k < AT_ONCE; k++) strand[t + k] = sum[k];
  }
  for (size_t half = STRANDS / 2; half; half /= 2)
    for (size_t t = 0; t < half; t++) strand[t] += strand[t + half];
  return strand[0];
}

static vec frobenius(const vec *x, size_t count) { return root(inner(x, x, count)); }

#endif
