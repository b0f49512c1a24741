/* Limited-memory BFGS in blocks: lanes/polish.h, a block for a lane. */
#ifndef RELU_LANDSCAPE_BLOCK_POLISH_H
#define RELU_LANDSCAPE_BLOCK_POLISH_H

#include "force.h"
#include "stiff.h"

#define MEMORY 8

typedef struct {
  double *start, *W, *force, *trial, *trial_force, *direction; /* (K, p), rows STRIDE apart */
  double *s, *y;    /* (MEMORY, K, p) in the device's memory */
  double *inverse;  /* (MEMORY,) 1/<s, y>; 0: no pair */
  double *weight;   /* (MEMORY,) of the first loop */
  Lengths at_start, there;
  Room room;
} Polisher;
#define POLISH_DOUBLES (6 * ARRAY + 2 * MEMORY + 2 * LENGTHS_REALS + ROOM_REALS)
#define PAIRS_DOUBLES (2 * MEMORY * ARRAY)

INLINE Polisher new_polisher(double *rest, double *pairs) {
  Polisher q;
  q.start = taken(&rest, ARRAY);
  q.W = taken(&rest, ARRAY);
  q.force = taken(&rest, ARRAY);
  q.trial = taken(&rest, ARRAY);
  q.trial_force = taken(&rest, ARRAY);
  q.direction = taken(&rest, ARRAY);
  q.inverse = taken(&rest, MEMORY);
  q.weight = taken(&rest, MEMORY);
  q.at_start = new_lengths(&rest);
  q.there = new_lengths(&rest);
  q.room = new_room(&rest);
  q.s = pairs;
  q.y = pairs + MEMORY * ARRAY;
  return q;
}

/* The direction from ``pairs`` pairs, the newest of iteration number ``pairs - 1``. */
INLINE void apply_inverse(Polisher *q, Board *board, int64_t pairs, double base_curvature) {
  const int known = pairs < MEMORY ? (int)pairs : MEMORY;
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE);
    q->direction[at] = q->force[at];
  }
  sync();
  for (int age = 0; age < known; age++) {
    const int k = (int)((pairs - 1 - age) % MEMORY);
    if (warp() == 0) {
      const double along = sum_of_entries(q->s + k * ARRAY, q->direction);
      if (is_first_of_warp()) q->weight[k] = q->inverse[k] * along;
    }
    sync();
    EACH(e, ENTRIES) {
      const int at = place(e, COORDINATES, STRIDE);
      q->direction[at] = minus_product(q->weight[k], q->y[k * ARRAY + at], q->direction[at]);
    }
    sync();
  }
  prepare_for(q->room, board, q->start, q->at_start, q->direction);
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE), i = e / COORDINATES, c = e % COORDINATES;
    q->direction[at] = solved(q->room, board, i, c, q->direction[at], q->start[at], q->at_start) /
                       base_curvature;
  }
  sync();
  for (int age = known - 1; age >= 0; age--) {
    const int k = (int)((pairs - 1 - age) % MEMORY);
    if (warp() == 0) {
      const double along = sum_of_entries(q->y + k * ARRAY, q->direction);
      if (is_first_of_warp()) board->change = q->weight[k] - q->inverse[k] * along;
    }
    sync();
    EACH(e, ENTRIES) {
      const int at = place(e, COORDINATES, STRIDE);
      q->direction[at] = fma_(board->change, q->s[k * ARRAY + at], q->direction[at]);
    }
    sync();
  }
}

/* Remembers the step that is about to be taken as pair number ``pairs``. */
INLINE void remember_pair(Polisher *q, int64_t pairs) {
  const int k = (int)(pairs % MEMORY);
  double *s = q->s + k * ARRAY, *y = q->y + k * ARRAY;
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE);
    s[at] = q->direction[at];
    y[at] = q->force[at] - q->trial_force[at];
  }
  sync();
  if (warp() == 0) {
    const double curvature = sum_of_entries(s, y), squared = sum_of_entries(y, y);
    if (is_first_of_warp()) {
      const int is_useful = curvature > 1e-12 * squared;
      q->inverse[k] = is_useful ? 1.0 / curvature : 0.0;
    }
  }
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE);
    q->W[at] = q->trial[at];
    q->force[at] = q->trial_force[at];
  }
  sync();
}

/* One iteration; whether the trial blew up or left the reach, and nothing moved. */
INLINE int iterate(Polisher *q, Board *board, const Teacher *teacher, const Polish *rules,
                   int64_t pairs) {
  apply_inverse(q, board, pairs, rules->base_curvature);
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE);
    q->trial[at] = q->W[at] + q->direction[at];
    q->trial_force[at] = q->trial[at] - q->start[at];
  }
  sync();
  if (warp() == 0) {
    const double squared = sum_of_entries(q->trial_force, q->trial_force);
    if (is_first_of_warp()) board->speed = root_of(squared);
  }
  sync();
  compute_force(teacher, q->room, q->trial, q->there, q->trial_force, 0, 0);
  if (warp() == 0) {
    const double squared = sum_of_entries(q->trial_force, q->trial_force);
    if (is_first_of_warp()) {
      const double norm = root_of(squared);
      const int is_lost = !(norm <= 4.0 * board->norm + rules->tolerance);
      board->is_accepted = !(is_lost || board->speed > rules->reach);
      if (board->is_accepted) board->norm = norm;
    }
  }
  sync();
  if (!board->is_accepted) return 1;
  remember_pair(q, pairs);
  return 0;
}

/* Polishes the points of the queue that are not polished already. */
INLINE void minimise(const Teacher *teacher, const Polish *rules, int64_t n, double *W,
                     const double *force, double *norm, int64_t *queue,
                     const volatile int32_t *cancel, int64_t *evaluations, Polisher *q,
                     Board *board) {
  for (;;) {
    if (thread() == 0) {
      do board->path = next_of(queue);
      while (board->path < n && norm[board->path] <= rules->tolerance);
      board->events = *cancel;
      if (board->path < n) board->norm = norm[board->path];
    }
    sync();
    const int64_t path = board->path;
    if (path >= n || board->events) return;
    load(q->W, W + path * ENTRIES);
    load(q->start, W + path * ENTRIES);
    load(q->force, force + path * ENTRIES);
    sync();
    lengths_at(q->start, q->at_start);
    sync();
    take_stiff_part(teacher, q->room, board, q->start, q->at_start, 1.0 / rules->base_curvature);
    for (int64_t pairs = 0; pairs < (int64_t)rules->iterations; pairs++) {
      const int has_given_up = iterate(q, board, teacher, rules, pairs);
      if (thread() == 0) add_to(evaluations, 1);
      if (has_given_up || board->norm <= rules->tolerance) break;
    }
    store(W + path * ENTRIES, q->W);
    if (thread() == 0) norm[path] = board->norm;
    sync();
  }
}

#endif
