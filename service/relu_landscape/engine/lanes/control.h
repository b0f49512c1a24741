/* What a step decides about the next one, and the two numbers of the stiff part's solution. */
#ifndef RELU_LANDSCAPE_CONTROL_H
#define RELU_LANDSCAPE_CONTROL_H

#include "lanes.h"

#define GAMMA ((real)0.2928932188134524) /* 1 - 1/sqrt 2, which makes the method of order two */

/* Entries smaller than this are zero: far below the rounding of anything, and far above where
 * arithmetic on a processor becomes a hundred times slower (1e-308), which the parts perpendicular
 * to the teacher would reach, since they die like exp(-t/7). Shortest students have 1e-50. In single
 * precision, where the limit is 1e-38, squares of what is left must be above it; students have 1e-3
 * there (descent/single.py). */
#ifdef SINGLE
#define SMALLEST_ENTRY 1e-12f
#else
#define SMALLEST_ENTRY 1e-120
#endif

INLINE vec without_dust(vec w) {
  return choose(magnitude(w) < SMALLEST_ENTRY, all_lanes(0.0), w); /* a NaN stays one */
}

/* The local error of a step, in units of what is allowed: accepted up to 1, and a NaN is not.
 * ``change`` = |k2 - k1|. */
INLINE vec error_of(const Rules *rules, real students, vec time, vec step_size, vec change) {
  const vec factor = choose(time < (real)rules->careful_time, all_lanes((real)rules->first_tolerance_factor),
                            all_lanes(1.0));
  return step_size * change * factor / (root(all_lanes(students)) * (real)rules->tolerance);
}

/* The largest eigenvalue of the explicit part, as a step of size h up to ``time`` shows it.
 * ``speed`` = |k1|. */
INLINE vec next_eigenvalue(const Rules *rules, vec time, vec h, vec eigenvalue, vec speed,
                           vec change) {
  const vec late = all_lanes((real)rules->late_eigenvalue);
  const vec seen = (real)2.0 * change / choose(speed > all_lanes(0.0), speed, all_lanes(1.0));
  const mask unstable = (seen > (real)1.6) & (time > (real)rules->early_time);
  const vec next = choose(unstable, (real)1.1 * seen / h, late + (real)0.98 * (eigenvalue - late));
  return choose(is_finite(next), next, late);
}

/* The size of the next step. */
INLINE vec next_step_size(const Rules *rules, vec time, vec h, vec eigenvalue, vec error) {
  const vec assumed = choose(time < (real)rules->early_time, all_lanes((real)rules->early_eigenvalue),
                             eigenvalue);
  const vec limit = (real)rules->stability / assumed;
  const vec known = choose(is_finite(error), error, all_lanes((real)1e6));
  const vec growth = smaller(larger((real)0.8 / root(known + TINY), all_lanes((real)0.2)), all_lanes(2.5));
  return smaller(h * growth, limit);
}

/* Of (I + theta A) x = b (stiff.h): the weight of the column sums, ... */
INLINE vec mean_share_of(vec theta, real students, real level) {
  const vec share = theta * level;
  return share / ((real)1.0 + share * students);
}

/* ... and that of the unit vectors; ``squared`` = |sum of the unit vectors|^2, and
 * <u, u without its mean> = K - share |sum of units|^2. */
INLINE vec pull_share_of(vec theta, real students, vec mean_share, vec squared) {
  const vec weight = theta * (real)(1.0 / TWO_PI);
  return weight / ((real)1.0 + weight * (students - mean_share * squared));
}

#endif
