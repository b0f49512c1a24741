/* One trial step of the W-method of descent/flow.py for every lane:
 *
 *   k1 = Q F(W),   k2 = Q [F(W + h k1/2) + F(W) - k1],   W+ = W + h k2,   Q = (I + gamma h A)^-1.
 *
 * Each lane has its own step, and keeps its point where the step is rejected. */
#ifndef RELU_LANDSCAPE_STEP_H
#define RELU_LANDSCAPE_STEP_H

#include "stiff.h"

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
  f.stiff = new_stiff(pool, problem);
  return f;
}

/* k1 and the point in the middle; |k1|. */
static vec first_stage(Flow *f) {
  const size_t K = f->K, p = f->p;
  const vec half = f->step_size * 0.5;
  take_and_prepare(&f->stiff, f->W, f->gradient.inverse, f->step_size * GAMMA, f->force);
  for (size_t i = 0; i < K; i++) {
    const vec row_pull = f->stiff.pull * f->stiff.inverse[i];
    for (size_t c = 0; c < p; c++) {
      const size_t at = i * p + c;
      const vec k = solved(&f->stiff, c, f->force[at], f->W[at], row_pull);
      f->k1[at] = k;
      f->middle[at] = fma_(half, k, f->W[at]);
    }
  }
  return frobenius(f->k1, K * p);
}

/* k2, from the force in the middle that it holds; |k2 - k1|. */
static vec second_stage(Flow *f) {
  const size_t K = f->K, p = f->p;
  Stiff *s = &f->stiff;
  for (size_t c = 0; c < p; c++) s->mean[c] = (vec){0};
  for (size_t i = 0; i < K; i++) {
    vec row = {0};
    for (size_t c = 0; c < p; c++) {
      const size_t at = i * p + c;
      const vec entry = f->k2[at] = f->k2[at] + f->force[at] - f->k1[at];
      s->mean[c] += entry;
      row = fma_(entry, f->W[at], row);
    }
    s->row[i] = row;
  }
  prepare(s, inner(s->row, s->inverse, K));
  for (size_t i = 0; i < K; i++) {
    const vec row_pull = s->pull * s->inverse[i];
    for (size_t c = 0; c < p; c++) {
      const size_t at = i * p + c;
      const vec k = solved(s, c, f->k2[at], f->W[at], row_pull);
      f->k1[at] = k - f->k1[at];
      f->k2[at] = k;
    }
  }
  return frobenius(f->k1, K * p);
}

static void try_step(Flow *f, const Rules *rules) {
  const size_t K = f->K, entries = f->K * f->p;
  const vec speed = first_stage(f);
  compute_force(&f->gradient, f->middle, f->k2);
  const vec change = second_stage(f);
  const vec tried = f->step_size;
  const vec error = error_of(rules, (real)K, f->time, tried, change);
  const mask accepted = error <= 1.0; /* a NaN is not accepted */
  const vec h = choose(accepted, tried, (vec){0});
  for (size_t at = 0; at < entries; at++)
    f->W[at] = without_dust(choose(accepted, fma_(h, f->k2[at], f->W[at]), f->W[at]));
  compute_force(&f->gradient, f->W, f->force);
  f->gradient_norm = frobenius(f->force, entries);
  f->shortest = f->gradient.length[0];
  for (size_t i = 1; i < K; i++) f->shortest = smaller(f->gradient.length[i], f->shortest);
  f->time += h;
  f->eigenvalue = next_eigenvalue(rules, f->time, tried, f->eigenvalue, speed, change);
  f->step_size = next_step_size(rules, f->time, tried, f->eigenvalue, error);
}

#endif
