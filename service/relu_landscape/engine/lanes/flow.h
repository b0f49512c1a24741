/* Paths in lanes: a lane whose path leaves takes the next one of the queue. */
#ifndef RELU_LANDSCAPE_FLOW_H
#define RELU_LANDSCAPE_FLOW_H

#include "step.h"
#include "zero_loss.h"

#define NOBODY (-1)

typedef struct {
  int64_t path[LANES];  /* whose lane it is */
  int64_t steps[LANES];
  int64_t next;         /* of the queue */
  int active;
  real *point;          /* (K, p) room for one check, ... */
  double *lengths, *squares; /* ... (K,) and (p,) */
} Seats;

/* Gives free lanes to the next paths; says whether any came. */
static int seat(Seats *seats, Flow *f, const Paths *paths, int64_t n) {
  const size_t entries = f->K * f->p;
  int came = 0;
  for (int lane = 0; lane < LANES && seats->next < n; lane++) {
    if (seats->path[lane] != NOBODY) continue;
    const int64_t path = seats->next++;
    load(f->W, paths->W + (size_t)path * entries, entries, lane);
    load(f->force, paths->force + (size_t)path * entries, entries, lane);
    f->time[lane] = (real)paths->time[path];
    f->step_size[lane] = (real)paths->step_size[path];
    f->eigenvalue[lane] = (real)paths->eigenvalue[path];
    seats->steps[lane] = paths->steps[path];
    seats->path[lane] = path;
    seats->active++;
    came = 1;
  }
  if (came) measure(&f->gradient, f->W);
  return came;
}

/* Writes the state of a lane back, and frees the lane. */
static void unseat(Seats *seats, Flow *f, Paths *paths, int lane, int64_t event) {
  const size_t entries = f->K * f->p;
  const int64_t path = seats->path[lane];
  store(paths->W + (size_t)path * entries, f->W, entries, lane);
  store(paths->force + (size_t)path * entries, f->force, entries, lane);
  paths->gradient_norm[path] = f->gradient_norm[lane];
  paths->time[path] = f->time[lane];
  paths->step_size[path] = f->step_size[lane];
  paths->eigenvalue[path] = f->eigenvalue[lane];
  paths->steps[path] = seats->steps[lane];
  paths->event[path] = event;
  seats->path[lane] = NOBODY;
  seats->active--;
  f->step_size[lane] = 0.0; /* whatever is left in the lane stays there and is looked at no more */
}

static int check_is_due(const Seats *seats, const Flow *f, const Problem *problem,
                        const Rules *rules, int lane) {
  const int64_t every = (int64_t)rules->check_steps;
  if (!every || seats->steps[lane] % every || !(f->gradient_norm[lane] < rules->check_gradient))
    return 0;
  const int64_t p = problem->coordinates;
  for (size_t at = 0; at < f->K * f->p; at++) seats->point[at] = f->W[at][lane];
  for (int64_t i = 0; i < problem->students; i++)
    seats->lengths[i] = length_if_near(problem, rules, seats->point + i * p);
  for (int64_t c = 0; c < p; c++)
    seats->squares[c] = squared_excess(problem, seats->point, p, c);
  return is_maybe_zero(problem, rules, seats->lengths, seats->squares);
}

/* Whether a student of this lane is too short for the method: below ``shortest``, or below
 * ``falls_below`` while d log(length)/dt = <w, force>/|w|^2 is less than -``falls_at``. */
static int has_short_student(const Flow *f, const Rules *rules, int lane) {
  if (f->shortest[lane] < rules->shortest) return 1;
  if (!(f->shortest[lane] < rules->falls_below)) return 0;
  for (size_t i = 0; i < f->K; i++) {
    const double length = f->gradient.length[i][lane];
    if (!(length < rules->falls_below)) continue;
    double along = 0.0;
    for (size_t at = i * f->p; at < (i + 1) * f->p; at++)
      along += (double)f->W[at][lane] * (double)f->force[at][lane];
    if (along < -rules->falls_at * length * length) return 1;
  }
  return 0;
}

/* What ended the stay of the path in this lane; 0: nothing. */
static int64_t events_of(const Seats *seats, const Flow *f, const Problem *problem,
                         const Paths *paths, const Rules *rules, int lane) {
  const int64_t path = seats->path[lane];
  const double norm = f->gradient_norm[lane];
  int64_t events = 0;
  if (!(norm <= LARGEST_DOUBLE)) events |= NOT_FINITE;
  if (norm <= paths->gradient_tolerance[path]) events |= SMALL_GRADIENT;
  if (seats->steps[lane] >= paths->step_limit[path]) events |= AT_STEP_LIMIT;
  if (has_short_student(f, rules, lane)) events |= SHORT_STUDENT;
  if (check_is_due(seats, f, problem, rules, lane)) events |= CHECK_DUE;
  return events;
}

/* See ``flow`` in lanes.c. */
static int follow(const Problem *problem, const Rules *rules, int64_t n, Paths *paths,
                  int64_t company, const int32_t *cancel, int64_t *evaluations) {
  Pool pool = {.count = 0};
  Flow f = new_flow(&pool, problem);
  Seats seats = {.next = 0};
  seats.point = (real *)take(&pool, f.K * f.p / LANES + 1);
  seats.lengths = (double *)take(&pool, f.K * 8 / sizeof(vec) + 1);
  seats.squares = (double *)take(&pool, f.p * 8 / sizeof(vec) + 1);
  for (int64_t path = 0; path < n; path++) paths->event[path] = 0;
  for (int lane = 0; lane < LANES; lane++) seats.path[lane] = NOBODY;
  int status = pool.failed ? NO_MEMORY : FINISHED, left = 0, came = 0;
  if (!status) {
    fill_unused(f.W, f.K, f.p);
    seat(&seats, &f, paths, n);
  }
  while (!status && seats.active) {
    /* Some have left and nobody waits: a fuller set of lanes is what the caller can make. Whoever has
     * just come makes a step first, as it does in any other company. */
    if (left && !came && seats.next >= n && seats.active < company) break;
    if (__atomic_load_n(cancel, __ATOMIC_RELAXED)) {
      status = CANCELLED;
      break;
    }
    try_step(&f, rules);
    *evaluations += 2 * seats.active;
    for (int lane = 0; lane < LANES; lane++) {
      if (seats.path[lane] == NOBODY) continue;
      seats.steps[lane]++;
      const int64_t events = events_of(&seats, &f, problem, paths, rules, lane);
      if (!events) continue;
      unseat(&seats, &f, paths, lane, events);
      left = 1;
    }
    came = seats.active < LANES && seat(&seats, &f, paths, n);
  }
  for (int lane = 0; lane < LANES && !pool.failed; lane++)
    if (seats.path[lane] != NOBODY) unseat(&seats, &f, paths, lane, 0);
  give_back(&pool);
  return status;
}

#endif
