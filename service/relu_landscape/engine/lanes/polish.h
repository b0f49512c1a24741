/* Limited-memory BFGS in lanes: descent/quasi_newton.py, two-loop recursion and all.
 *
 * A lane goes through the same operations whoever its neighbours are: pairs that it does not have
 * yet are zero, and count for nothing. */
#ifndef RELU_LANDSCAPE_POLISH_H
#define RELU_LANDSCAPE_POLISH_H

#include "stiff.h"

#define MEMORY 8
#define EMPTY (-1)

typedef struct {
  size_t K, p, entries;
  vec *start, *W, *force, *trial, *trial_force, *direction; /* (K, p) */
  vec *s[MEMORY], *y[MEMORY]; /* (K, p) steps and changes of the gradient; newest at ``newest`` */
  vec inverse[MEMORY];        /* 1/<s, y>; 0: no pair */
  int newest;
  vec norm;
  Gradient gradient;
  Stiff stiff;
  int64_t path[LANES], iterations[LANES], next;
  int active;
} Polisher;

static Polisher new_polisher(Pool *pool, const Problem *problem) {
  Polisher q = {.K = (size_t)problem->students, .p = (size_t)problem->coordinates};
  q.entries = q.K * q.p;
  vec **fields[] = {&q.start, &q.W, &q.force, &q.trial, &q.trial_force, &q.direction};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) *fields[i] = take(pool, q.entries);
  for (int k = 0; k < MEMORY; k++) {
    q.s[k] = take(pool, q.entries);
    q.y[k] = take(pool, q.entries);
  }
  q.gradient = new_gradient(pool, problem);
  q.stiff = new_stiff(pool, problem);
  for (int lane = 0; lane < LANES; lane++) q.path[lane] = EMPTY;
  return q;
}

static void forget_pairs(Polisher *q, int lane) {
  for (int k = 0; k < MEMORY; k++) {
    q->inverse[k][lane] = 0.0;
    for (size_t i = 0; i < q->entries; i++) q->s[k][i][lane] = q->y[k][i][lane] = 0.0;
  }
}

/* Gives free lanes to the next points that are not polished already. */
static void seat_points(Polisher *q, const Polish *rules, int64_t n, const double *W,
                        const double *force, const double *norm) {
  int came = 0;
  for (int lane = 0; lane < LANES; lane++) {
    if (q->path[lane] != EMPTY) continue;
    while (q->next < n && norm[q->next] <= rules->tolerance) q->next++;
    if (q->next >= n) break;
    const int64_t path = q->next++;
    load(q->W, W + (size_t)path * q->entries, q->entries, lane);
    load(q->start, W + (size_t)path * q->entries, q->entries, lane);
    load(q->force, force + (size_t)path * q->entries, q->entries, lane);
    q->norm[lane] = norm[path];
    forget_pairs(q, lane);
    q->path[lane] = path;
    q->iterations[lane] = 0;
    q->active++;
    came = 1;
  }
  if (!came) return;
  measure(&q->gradient, q->start);
  const vec theta = all_lanes(1.0) / rules->base_curvature;
  take_stiff_part(&q->stiff, q->start, q->gradient.inverse, theta);
}

static int pair_before(const Polisher *q, int age) { return (q->newest - age + MEMORY) % MEMORY; }

/* The direction: the inverse Hessian that the pairs suggest, times the force. */
static void apply_inverse(Polisher *q, double base_curvature) {
  const size_t p = q->p, entries = q->entries;
  vec *d = q->direction, weight[MEMORY];
  memcpy(d, q->force, entries * sizeof(vec));
  for (int age = 0; age < MEMORY; age++) {
    const int k = pair_before(q, age);
    weight[k] = q->inverse[k] * inner(q->s[k], d, entries);
    for (size_t i = 0; i < entries; i++) d[i] = minus_product(weight[k], q->y[k][i], d[i]);
  }
  prepare_for(&q->stiff, q->start, d);
  for (size_t i = 0; i < q->K; i++) {
    const vec row_pull = q->stiff.pull * q->stiff.inverse[i];
    for (size_t c = 0; c < p; c++) {
      const size_t at = i * p + c;
      d[at] = solved(&q->stiff, c, d[at], q->start[at], row_pull) / base_curvature;
    }
  }
  for (int age = MEMORY - 1; age >= 0; age--) {
    const int k = pair_before(q, age);
    const vec missing = weight[k] - q->inverse[k] * inner(q->y[k], d, entries);
    for (size_t i = 0; i < entries; i++) d[i] = fma_(missing, q->s[k][i], d[i]);
  }
}

/* Remembers the step that was taken; lanes in ``stay`` took none. */
static void remember_pair(Polisher *q, mask stay) {
  q->newest = (q->newest + 1) % MEMORY;
  vec *s = q->s[q->newest], *y = q->y[q->newest];
  for (size_t i = 0; i < q->entries; i++) {
    s[i] = choose(stay, (vec){0}, q->direction[i]);
    y[i] = choose(stay, (vec){0}, q->force[i] - q->trial_force[i]);
  }
  const vec curvature = inner(s, y, q->entries), squared = inner(y, y, q->entries);
  const mask useful = curvature > 1e-12 * squared;
  q->inverse[q->newest] = choose(useful, 1.0 / choose(useful, curvature, all_lanes(1.0)), (vec){0});
}

/* One iteration; which lanes blew up or left the reach, and stay where they were. */
static mask iterate(Polisher *q, const Polish *rules) {
  apply_inverse(q, rules->base_curvature);
  for (size_t i = 0; i < q->entries; i++) {
    q->trial[i] = q->W[i] + q->direction[i];
    q->trial_force[i] = q->trial[i] - q->start[i];
  }
  const vec way = frobenius(q->trial_force, q->entries);
  compute_force(&q->gradient, q->trial, q->trial_force);
  const vec norm = frobenius(q->trial_force, q->entries);
  const mask lost = ~(norm <= 4.0 * q->norm + rules->tolerance);
  const mask stay = lost | (way > rules->reach);
  remember_pair(q, stay);
  for (size_t i = 0; i < q->entries; i++) {
    q->W[i] = choose(stay, q->W[i], q->trial[i]);
    q->force[i] = choose(stay, q->force[i], q->trial_force[i]);
  }
  q->norm = choose(stay, q->norm, norm);
  return stay;
}

/* See ``polish`` in lanes.c. */
static int minimise(const Problem *problem, const Polish *rules, int64_t n, double *W,
                    const double *force, double *norm, const int32_t *cancel,
                    int64_t *evaluations) {
  Pool pool = {.count = 0};
  Polisher q = new_polisher(&pool, problem);
  int status = pool.failed ? NO_MEMORY : FINISHED;
  if (!status) {
    fill_unused(q.start, q.K, q.p);
    fill_unused(q.W, q.K, q.p);
    seat_points(&q, rules, n, W, force, norm);
  }
  while (!status && q.active) {
    if (__atomic_load_n(cancel, __ATOMIC_RELAXED)) {
      status = CANCELLED;
      break;
    }
    const mask given_up = iterate(&q, rules);
    *evaluations += q.active;
    int left = 0;
    for (int lane = 0; lane < LANES; lane++) {
      const int64_t path = q.path[lane];
      if (path == EMPTY) continue;
      const int is_last = ++q.iterations[lane] >= (int64_t)rules->iterations;
      if (!given_up[lane] && !is_last && !(q.norm[lane] <= rules->tolerance)) continue;
      store(W + (size_t)path * q.entries, q.W, q.entries, lane);
      norm[path] = q.norm[lane];
      q.path[lane] = EMPTY;
      q.active--;
      left = 1;
    }
    if (left) seat_points(&q, rules, n, W, force, norm);
  }
  give_back(&pool);
  return status;
}

#endif
