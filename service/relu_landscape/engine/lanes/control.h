/* What a step decides about the next one, and the two numbers of the stiff part's solution. */
#ifndef RELU_LANDSCAPE_CONTROL_H
#define RELU_LANDSCAPE_CONTROL_H

#include "lanes.h"

#define GAMMA 0.2928932188134524 /* 1 - 1/sqrt 2, which makes the method of order two */

/* Entries smaller than this are zero: far below the rounding of anything, and far above where
 * arithmetic on a processor becomes a hundred times slower (1e-308), which the parts perpendicular
 * to the teacher would reach, since they die like exp(-t/7). Shortest students have 1e-50. */
#define SMALLEST_ENTRY 1e-120

INLINE vec without_dust(vec w) {
  return choose(magnitude(w) < SMALLEST_ENTRY, all_lanes(0.0), w); /* a NaN stays one */
}

/* The local error of a step, in units of what is allowed: accepted up to 1, and a NaN is not.
 * ``change`` = |k2 - k1|. */
INLINE vec error_of(const Rules *rules, double students, vec time, vec step_size, vec change) {
  const vec factor = choose(time < rules->careful_time, all_lanes(rules->first_tolerance_factor),
                            all_lanes(1.0));
  return step_size * change * factor / (root(all_lanes(students)) * rules->tolerance);
}

/* The largest eigenvalue of the explicit part, as a step of size h up to ``time`` shows it.
 * ``speed`` = |k1|. */
INLINE vec next_eigenvalue(const Rules *rules, vec time, vec h, vec eigenvalue, vec speed,
                           vec change) {
  const vec late = all_lanes(rules->late_eigenvalue);
  const vec seen = 2.0 * change / choose(speed > 0.0, speed, all_lanes(1.0));
  const mask unstable = (seen > 1.6) & (time > rules->early_time);
  const vec next = choose(unstable, 1.1 * seen / h, late + 0.98 * (eigenvalue - late));
  return choose(is_finite(next), next, late);
}

/* The size of the next step. */
INLINE vec next_step_size(const Rules *rules, vec time, vec h, vec eigenvalue, vec error) {
  const vec assumed = choose(time < rules->early_time, all_lanes(rules->early_eigenvalue),
                             eigenvalue);
  const vec limit = rules->stability / assumed;
  const vec known = choose(is_finite(error), error, all_lanes(1e6));
  const vec growth = smaller(larger(0.8 / root(known + 1e-300), all_lanes(0.2)), all_lanes(2.5));
  return smaller(h * growth, limit);
}

/* Of (I + theta A) x = b (stiff.h): the weight of the column sums, ... */
INLINE vec mean_share_of(vec theta, double students) {
  const vec quarter = theta * 0.25;
  return quarter / (1.0 + quarter * students);
}

/* ... and that of the unit vectors; ``squared`` = |sum of the unit vectors|^2, and
 * <u, u without its mean> = K - share |sum of units|^2. */
INLINE vec pull_share_of(vec theta, double students, vec mean_share, vec squared) {
  const vec weight = theta * (1.0 / TWO_PI);
  return weight / (1.0 + weight * (students - mean_share * squared));
}

#endif
