/* One trial step of the W-method of descent/flow.py for every lane:
 *
 *   k1 = Q F(W),   k2 = Q [F(W + h k1/2) + F(W) - k1],   W+ = W + h k2,   Q = (I + gamma h A)^-1.
 *
 * Each lane has its own step, and keeps its point where the step is rejected. */
#ifndef RELU_LANDSCAPE_STEP_H
#define RELU_LANDSCAPE_STEP_H

#include "stiff.h"

#define GAMMA 0.2928932188134524 /* 1 - 1/sqrt 2, which makes the method of order two */

/* The lanes. ``gradient.length`` and ``inverse`` are those of W between steps. */
typedef struct {
  size_t K, p;
  vec *W, *force, *k1, *k2, *middle; /* (K, p) */
  vec time, step_size, eigenvalue, gradient_norm, shortest;
  Gradient gradient;
  Stiff stiff;
} Flow;

static Flow new_flow(Pool *pool, const Problem *problem) {
  Flow f = {.K = (size_t)problem->students, .p = (size_t)problem->coordinates};
  vec **fields[] = {&f.W, &f.force, &f.k1, &f.k2, &f.middle};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) *fields[i] = take(pool, f.K * f.p);
  f.gradient = new_gradient(pool, problem);
  f.stiff = new_stiff(pool, f.K, f.p);
  return f;
}

/* k1 and the point in the middle; |k1|. */
static vec first_stage(Flow *f) {
  const size_t K = f->K, p = f->p;
  const vec half = f->step_size * 0.5;
  vec squared = {0};
  take_stiff_part(&f->stiff, f->W, f->gradient.inverse, f->step_size * GAMMA);
  prepare_for(&f->stiff, f->W, f->force);
  for (size_t i = 0; i < K; i++) {
    const vec row_pull = f->stiff.pull * f->stiff.inverse[i];
    for (size_t c = 0; c < p; c++) {
      const size_t at = i * p + c;
      const vec k = solved(&f->stiff, c, f->force[at], f->W[at], row_pull);
      f->k1[at] = k;
      f->middle[at] = fma_(half, k, f->W[at]);
      squared = fma_(k, k, squared);
    }
  }
  return root(squared);
}

/* k2, from the force in the middle that it holds; |k2 - k1|. */
static vec second_stage(Flow *f) {
  const size_t K = f->K, p = f->p;
  vec squared = {0};
  for (size_t at = 0; at < K * p; at++) f->k2[at] = f->k2[at] + f->force[at] - f->k1[at];
  prepare_for(&f->stiff, f->W, f->k2);
  for (size_t i = 0; i < K; i++) {
    const vec row_pull = f->stiff.pull * f->stiff.inverse[i];
    for (size_t c = 0; c < p; c++) {
      const size_t at = i * p + c;
      const vec k = solved(&f->stiff, c, f->k2[at], f->W[at], row_pull);
      const vec change = k - f->k1[at];
      f->k2[at] = k;
      squared = fma_(change, change, squared);
    }
  }
  return root(squared);
}

/* The largest eigenvalue of the explicit part, as this step shows it, and the next step. */
static void control(Flow *f, const Rules *rules, vec error, vec speed, vec change) {
  const vec h = f->step_size, late = all_lanes(rules->late_eigenvalue);
  const vec seen = 2.0 * change / choose(speed > 0.0, speed, all_lanes(1.0));
  const mask unstable = (seen > 1.6) & (f->time > rules->early_time);
  vec eigenvalue = late + 0.98 * (f->eigenvalue - late);
  eigenvalue = choose(unstable, 1.1 * seen / h, eigenvalue);
  f->eigenvalue = choose(is_finite(eigenvalue), eigenvalue, late);
  const vec assumed =
      choose(f->time < rules->early_time, all_lanes(rules->early_eigenvalue), f->eigenvalue);
  const vec limit = rules->stability / assumed;
  const vec known = choose(is_finite(error), error, all_lanes(1e6));
  const vec growth = smaller(larger(0.8 / root(known + 1e-300), all_lanes(0.2)), all_lanes(2.5));
  f->step_size = smaller(h * growth, limit);
}

static void try_step(Flow *f, const Rules *rules) {
  const size_t K = f->K, entries = f->K * f->p;
  const vec speed = first_stage(f);
  compute_force(&f->gradient, f->middle, f->k2);
  const vec change = second_stage(f);
  const vec factor = choose(f->time < rules->careful_time,
                            all_lanes(rules->first_tolerance_factor), all_lanes(1.0));
  const vec allowed = root(all_lanes((double)K)) * rules->tolerance;
  const vec error = f->step_size * change * factor / allowed;
  const mask accepted = error <= 1.0; /* a NaN is not accepted */
  const vec h = choose(accepted, f->step_size, (vec){0});
  for (size_t at = 0; at < entries; at++)
    f->W[at] = choose(accepted, fma_(h, f->k2[at], f->W[at]), f->W[at]);
  compute_force(&f->gradient, f->W, f->force);
  f->gradient_norm = frobenius(f->force, entries);
  f->shortest = f->gradient.length[0];
  for (size_t i = 1; i < K; i++) f->shortest = smaller(f->gradient.length[i], f->shortest);
  f->time += h;
  control(f, rules, error, speed, change);
}

#endif
