/* Damped Newton steps to critical points of any index, in lanes: families/solver.py.
 *
 * Levenberg-Marquardt on |gradient|^2, and Newton's method close to a point. Each lane holds one
 * start at a time and has its own damping, so its numbers are those of the start alone. */
#ifndef RELU_LANDSCAPE_SEARCH_H
#define RELU_LANDSCAPE_SEARCH_H

#include "linear.h"
#include "reduced.h"

#define NOBODY (-1)

typedef struct {
  size_t m, c; /* unknowns, natural student blocks */
  Reduced reduced;
  vec *d, *gradient, *hessian;                   /* (m,), (m,), (m, m) where each lane is */
  vec *trial, *trial_gradient, *trial_hessian;   /* where it looks */
  vec *step, *pull, *matrix;                     /* (m,), (m,), (m, m) */
  vec merit, loss, damping, newton;              /* newton: 1 where the next step is Newton's */
  vec fresh;                                     /* 1 where a start has not been evaluated */
  int64_t start[LANES], trials[LANES], next;
  int active;
} Searcher;

static Searcher new_searcher(Pool *pool, const Shape *shape, const Search *rules) {
  Searcher q = {.m = (size_t)shape->unknowns, .c = (size_t)shape->naturals};
  vec **rows[] = {&q.d, &q.gradient, &q.trial, &q.trial_gradient, &q.step, &q.pull};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) *rows[i] = take(pool, q.m);
  vec **squares[] = {&q.hessian, &q.trial_hessian, &q.matrix};
  for (size_t i = 0; i < sizeof squares / sizeof *squares; i++)
    *squares[i] = take(pool, q.m * q.m);
  q.reduced = new_reduced(pool, shape, rules);
  for (int lane = 0; lane < LANES; lane++) q.start[lane] = NOBODY;
  return q;
}

/* Gives free lanes to the next starts. */
static void seat_starts(Searcher *q, const Search *rules, int64_t n, const double *deviations,
                        const double *signs) {
  const Shape *shape = q->reduced.shape;
  for (int lane = 0; lane < LANES && q->next < n; lane++) {
    if (q->start[lane] != NOBODY) continue;
    const size_t start = (size_t)q->next++;
    load(q->d, deviations + start * q->m, q->m, lane);
    for (size_t s = 0, i = 0; s < q->reduced.n; s++)
      q->reduced.sign[s][lane] = shape->y_place[s] < 0 ? 1.0 : signs[start * q->c + i++];
    q->merit[lane] = q->loss[lane] = 1.0 / 0.0;
    q->damping[lane] = rules->first_damping;
    q->newton[lane] = 0.0;
    q->fresh[lane] = 1.0;
    q->start[lane] = (int64_t)start;
    q->trials[lane] = -1; /* the start itself is none */
    q->active++;
  }
}

/* Steps in orthonormal coordinates: minus what solves the system of each lane. */
static void take_steps(Searcher *q, const Search *rules) {
  const size_t m = q->m;
  const mask newton = q->newton > 0.5, damped = ~newton;
  if (any(damped)) {
    square_of(q->hessian, q->matrix, m);
    for (size_t i = 0; i < m; i++) {
      vec *entry = q->matrix + i * m + i;
      *entry += q->damping * (1.0 + rules->diagonal_share * *entry);
      vec sum = {0};
      for (size_t k = 0; k < m; k++) sum = fma_(q->hessian[i * m + k], q->gradient[k], sum);
      q->step[i] = sum;
    }
    solve_definite(q->matrix, q->step, m);
  }
  if (any(newton)) {
    memcpy(q->matrix, q->hessian, m * m * sizeof(vec));
    memcpy(q->pull, q->gradient, m * sizeof(vec));
    solve_pivoting(q->matrix, q->pull, m);
    for (size_t i = 0; i < m; i++) q->step[i] = choose(newton, q->pull[i], q->step[i]);
  }
}

/* Which lanes have nothing but numbers there, and the squared gradient norm. */
static mask is_number(const Searcher *q, vec *merit) {
  vec sum = {0}, largest = {0};
  for (size_t i = 0; i < q->m; i++) sum = fma_(q->trial_gradient[i], q->trial_gradient[i], sum);
  for (size_t i = 0; i < q->m * q->m; i++)
    largest += magnitude(q->trial_hessian[i]) * 0.0; /* infinity and NaN become NaN */
  *merit = sum;
  return is_finite(sum) & is_finite(largest);
}

/* One trial point for every lane; those move that get better. */
static void try_steps(Searcher *q, const Search *rules) {
  const size_t m = q->m;
  const mask fresh = q->fresh > 0.5, newton = q->newton > 0.5;
  take_steps(q, rules);
  const double *inverse_scale = q->reduced.shape->inverse_scale;
  for (size_t i = 0; i < m; i++)
    q->trial[i] = choose(fresh, q->d[i], q->d[i] - q->step[i] * inverse_scale[i]);
  const vec loss = evaluate(&q->reduced, q->trial, q->trial_gradient, q->trial_hessian);
  vec merit;
  const mask finite = is_number(q, &merit);
  merit = choose(finite, merit, all_lanes(1.0 / 0.0));
  const vec needed = choose(newton, q->merit / rules->newton_gain, q->merit);
  const mask better = merit < needed;
  const vec factor = choose(better, all_lanes(rules->ease), all_lanes(rules->tighten));
  q->damping = choose(newton | fresh, q->damping, q->damping * factor);
  for (size_t i = 0; i < m; i++) {
    q->d[i] = choose(better, q->trial[i], q->d[i]);
    q->gradient[i] = choose(better, q->trial_gradient[i], q->gradient[i]);
  }
  for (size_t i = 0; i < m * m; i++)
    q->hessian[i] = choose(better, q->trial_hessian[i], q->hessian[i]);
  q->loss = choose(better, loss, q->loss);
  q->merit = choose(better, merit, q->merit);
  const mask close = newton | (q->merit < rules->newton_below);
  q->newton = choose(better & close, all_lanes(1.0), (vec){0});
  q->fresh = (vec){0};
}

/* What has become of a lane's start: a SearchOutcome, or UNDECIDED. */
static int outcome_of(const Searcher *q, const Search *rules, int lane) {
  if (!(q->merit[lane] < 1.0 / 0.0)) return GAVE_UP; /* no number at the start itself */
  if (q->loss[lane] <= rules->zero_loss) return AT_ZERO_LOSS;
  if (q->merit[lane] <= rules->tolerance * rules->tolerance) return CONVERGED;
  const int at_end = q->trials[lane] >= (int64_t)rules->most_trials;
  return at_end || !(q->damping[lane] < rules->most_damping) ? GAVE_UP : UNDECIDED;
}

/* See ``search`` in lanes.c. */
static int search(const Shape *shape, const Search *rules, int64_t n, double *deviations,
                  const double *signs, double *norm, int64_t *outcome, int64_t *trials) {
  Pool pool = {.count = 0};
  Searcher q = new_searcher(&pool, shape, rules);
  int status = pool.failed ? NO_MEMORY : FINISHED;
  if (!status) seat_starts(&q, rules, n, deviations, signs);
  while (!status && q.active) {
    try_steps(&q, rules);
    int left = 0;
    for (int lane = 0; lane < LANES; lane++) {
      const int64_t start = q.start[lane];
      if (start == NOBODY) continue;
      q.trials[lane]++;
      const int end = outcome_of(&q, rules, lane);
      if (end == UNDECIDED) continue;
      store(deviations + (size_t)start * q.m, q.d, q.m, lane);
      norm[start] = root_of(q.merit[lane]);
      outcome[start] = end;
      trials[start] = q.trials[lane];
      q.start[lane] = NOBODY;
      q.active--;
      left = 1;
    }
    if (left) seat_starts(&q, rules, n, deviations, signs);
  }
  give_back(&pool);
  return status;
}

#endif
