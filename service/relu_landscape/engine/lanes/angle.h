/* asin(c)/(2 pi) + level and sqrt(1 - c^2) - 1 of cosines: all that a pair of units needs.
 *
 * acos c = sqrt(1 - c^2) Q(c) with Q smooth on [0, 1], of which arcsine.h holds a polynomial in
 * 2 c - 1 (tools/arcsine_polynomial.py makes it). The sine carries the square root at c = 1, so
 * small angles keep their relative accuracy; the angle is known to 5e-16 everywhere. */
#ifndef RELU_LANDSCAPE_ANGLE_H
#define RELU_LANDSCAPE_ANGLE_H

#include "arcsine.h"
#include "vector.h"

/* ``count`` cosines at a time: Horner's rule is one long chain, and several of them overlap. A
 * cosine that rounding took beyond one counts as one. */
INLINE void angles(int count, real level, const vec *cosine, vec *pull, vec *dip) {
  const vec one = all_lanes(1.0);
  vec sine[4], x[4], q[4];
  UNROLL
  for (int k = 0; k < count; k++) {
    vec a = smaller(one, magnitude(cosine[k])); /* a NaN stays one */
    sine[k] = root((one - a) * (one + a));
    x[k] = fma_(a, all_lanes(2.0), all_lanes(-1.0));
    q[k] = all_lanes(ARCSINE[ARCSINE_DEGREE]);
  }
  UNROLL
  for (int j = ARCSINE_DEGREE - 1; j >= 0; j--) {
    const vec coefficient = all_lanes(ARCSINE[j]);
    UNROLL
    for (int k = 0; k < count; k++) q[k] = fma_(q[k], x[k], coefficient);
  }
  UNROLL
  for (int k = 0; k < count; k++) {
    vec up_to_right_angle = minus_product(sine[k] * q[k], all_lanes((real)(1.0 / TWO_PI)), all_lanes(0.25));
    pull[k] = with_sign(up_to_right_angle, cosine[k]) + level;
    dip[k] = sine[k] - one;
  }
}

#endif
