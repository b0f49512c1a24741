/* Paths in blocks: lanes/flow.h, a block for a lane. */
#ifndef RELU_LANDSCAPE_BLOCK_FLOW_H
#define RELU_LANDSCAPE_BLOCK_FLOW_H

#include "../lanes/zero_loss.h"
#include "force.h"
#include "stiff.h"

#define LEAVE_STEPS 16 /* looks so often whether all shall leave */

typedef struct {
  real *W, *force, *k1, *k2, *middle; /* (K, p), rows STRIDE apart */
  Lengths here, there;                /* of W and of the middle */
  Room room;
  double *lengths, *squares; /* (K,) and (p,) of one check, which is double */
} Flow;
#define FLOW_REALS (5 * ARRAY + 2 * LENGTHS_REALS + ROOM_REALS)
#ifdef SINGLE
#define FLOW_DOUBLES (STUDENTS + COORDINATES + (FLOW_REALS + 1) / 2)
#else
#define FLOW_DOUBLES FLOW_REALS
#endif

INLINE Flow new_flow(double *room) {
  Flow f;
#ifdef SINGLE
  f.lengths = room;
  f.squares = room + STUDENTS;
  real *rest = (real *)(room + STUDENTS + COORDINATES);
#else
  real *rest = room;
#endif
  f.W = taken(&rest, ARRAY);
  f.force = taken(&rest, ARRAY);
  f.k1 = taken(&rest, ARRAY);
  f.k2 = taken(&rest, ARRAY);
  f.middle = taken(&rest, ARRAY);
  f.here = new_lengths(&rest);
  f.there = new_lengths(&rest);
  f.room = new_room(&rest);
#ifndef SINGLE
  f.lengths = f.room.row;
  f.squares = f.room.column;
#endif
  return f;
}

/* k1 and the point in the middle. */
INLINE void first_stage(Flow *f, Board *board, const Teacher *teacher) {
  take_stiff_part(teacher, f->room, board, f->W, f->here, board->step_size * GAMMA);
  prepare_for(f->room, board, f->W, f->here, f->force);
  const real half = board->step_size * (real)0.5;
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE), i = e / COORDINATES, c = e % COORDINATES;
    const real k = solved(f->room, board, i, c, f->force[at], f->W[at], f->here);
    f->k1[at] = k;
    f->middle[at] = fma_(half, k, f->W[at]);
  }
  sync();
}

/* k2, from the force in the middle plus that at W less k1; k2 - k1 in the place of k1. */
INLINE void second_stage(Flow *f, Board *board) {
  prepare_for(f->room, board, f->W, f->here, f->k2);
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE), i = e / COORDINATES, c = e % COORDINATES;
    const real k = solved(f->room, board, i, c, f->k2[at], f->W[at], f->here);
    f->k1[at] = k - f->k1[at];
    f->k2[at] = k;
  }
  sync();
}

/* Whether the step counts, and the point after it. */
INLINE void judge(Flow *f, Board *board, const Rules *rules) {
  if (warp() == 0) {
    const real squared = sum_of_entries(f->k1, f->k1);
    if (is_first_of_warp()) {
      board->change = root(squared);
      board->tried = board->step_size;
      board->error = error_of(rules, STUDENTS, board->time, board->tried, board->change);
      board->is_accepted = board->error <= (real)1.0; /* a NaN is not accepted */
    }
  }
  sync();
  const real h = board->tried;
  EACH(e, ENTRIES) {
    const int at = place(e, COORDINATES, STRIDE);
    f->W[at] = without_dust(board->is_accepted ? fma_(h, f->k2[at], f->W[at]) : f->W[at]);
  }
  sync();
}

/* By one thread: whether a student is too short for the method (lanes/flow.h). */
INLINE int has_short_student(const Flow *f, const Rules *rules) {
  real shortest = f->here.length[0];
  for (int i = 1; i < STUDENTS; i++) shortest = smaller(f->here.length[i], shortest);
  if ((double)shortest < rules->shortest) return 1;
  if (!((double)shortest < rules->falls_below)) return 0;
  for (int i = 0; i < STUDENTS; i++) {
    const double length = f->here.length[i];
    if (!(length < rules->falls_below)) continue;
    double along = 0.0;
    for (int at = i * STRIDE; at < i * STRIDE + COORDINATES; at++)
      along += (double)f->W[at] * (double)f->force[at];
    if (along < -rules->falls_at * length * length) return 1;
  }
  return 0;
}

/* What a call is given beside its problem. */
typedef struct {
  int64_t n, company;
  int64_t *queue;
  const volatile int32_t *cancel;
} Orders;

/* By one thread: whether paths shall leave without an event: the flag is raised, or nobody waits any
 * more and fewer than ``company`` blocks still have a path. (A block that finds no path counts too.) */
INLINE int all_shall_leave(const Orders *orders) {
  const int64_t idle = taken_from(orders->queue) - orders->n;
  return *orders->cancel || (idle > 0 && BLOCKS - idle < orders->company);
}

/* By one thread: what ended the stay of this path, but for the check of zero loss. */
INLINE int64_t events_of(const Flow *f, const Board *board, const Rules *rules,
                         const Paths *paths) {
  const double norm = (double)board->norm;
  int64_t events = 0;
  if (!(norm <= LARGEST_DOUBLE)) events |= NOT_FINITE;
  if (norm <= paths->gradient_tolerance[board->path]) events |= SMALL_GRADIENT;
  if (board->steps >= paths->step_limit[board->path]) events |= AT_STEP_LIMIT;
  if (has_short_student(f, rules)) events |= SHORT_STUDENT;
  return events;
}

/* The step's norms, the size of the next one, and what happened. */
INLINE void look(Flow *f, Board *board, const Rules *rules, const Paths *paths,
                 const Orders *orders) {
  if (warp() == 0) {
    const real squared = sum_of_entries(f->force, f->force);
    if (is_first_of_warp()) {
      board->norm = root(squared);
      if (board->is_accepted) board->time += board->tried;
      board->eigenvalue = next_eigenvalue(rules, board->time, board->tried, board->eigenvalue,
                                          board->speed, board->change);
      board->step_size =
          next_step_size(rules, board->time, board->tried, board->eigenvalue, board->error);
      board->steps++;
      board->events = events_of(f, board, rules, paths);
      board->is_leaving = board->steps % LEAVE_STEPS == 0 && all_shall_leave(orders);
      const int64_t every = (int64_t)rules->check_steps;
      board->is_check_due =
          every && board->steps % every == 0 && (double)board->norm < rules->check_gradient;
    }
  }
  sync();
}

INLINE void check_zero_loss(Flow *f, Board *board, const Problem *problem, const Rules *rules) {
  EACH(i, STUDENTS) f->lengths[i] = length_if_near(problem, rules, f->W + i * STRIDE);
  EACH(c, COORDINATES) f->squares[c] = squared_excess(problem, f->W, STRIDE, c);
  sync();
  if (thread() == 0 && is_maybe_zero(problem, rules, f->lengths, f->squares))
    board->events |= CHECK_DUE;
  sync();
}

INLINE void try_step(Flow *f, Board *board, const Teacher *teacher, const Problem *problem,
                     const Rules *rules, const Paths *paths, const Orders *orders) {
  first_stage(f, board, teacher);
  if (warp() == (WARPS > 2 ? WARPS - 2 : 0)) { /* |k1|, needed at the end; the last has lengths */
    const real squared = sum_of_entries(f->k1, f->k1);
    if (is_first_of_warp()) board->speed = root(squared);
  }
  compute_force(teacher, f->room, f->middle, f->there, f->k2, f->force, f->k1);
  second_stage(f, board);
  judge(f, board, rules);
  compute_force(teacher, f->room, f->W, f->here, f->force, 0, 0);
  look(f, board, rules, paths, orders);
  if (board->is_check_due) check_zero_loss(f, board, problem, rules);
}

INLINE void seat(Flow *f, Board *board, const Paths *paths, const Orders *orders) {
  const int64_t path = board->path;
  load(f->W, paths->W + path * ENTRIES);
  load(f->force, paths->force + path * ENTRIES);
  if (thread() == 0) {
    board->time = (real)paths->time[path];
    board->step_size = (real)paths->step_size[path];
    board->eigenvalue = (real)paths->eigenvalue[path];
    board->steps = paths->steps[path];
    board->norm = (real)paths->gradient_norm[path];
    board->events = 0;
    board->is_leaving = *orders->cancel != 0;
  }
  sync();
  lengths_at(f->W, f->here);
  sync();
}

INLINE void unseat(const Flow *f, const Board *board, Paths *paths) {
  const int64_t path = board->path;
  store(paths->W + path * ENTRIES, f->W);
  store(paths->force + path * ENTRIES, f->force);
  if (thread() == 0) {
    paths->gradient_norm[path] = board->norm;
    paths->time[path] = board->time;
    paths->step_size[path] = board->step_size;
    paths->eigenvalue[path] = board->eigenvalue;
    paths->steps[path] = board->steps;
    paths->event[path] = board->events;
  }
  sync();
}

/* Follows the paths of the queue, each until its event, or until all shall leave. */
INLINE void follow(const Problem *problem, const Teacher *teacher, const Rules *rules,
                   const Orders *orders, Paths *paths, int64_t *evaluations, Flow *f,
                   Board *board) {
  for (;;) {
    if (thread() == 0) board->path = next_of(orders->queue);
    sync();
    if (board->path >= orders->n) return;
    seat(f, board, paths, orders);
    while (!board->events && !board->is_leaving) {
      try_step(f, board, teacher, problem, rules, paths, orders);
      if (thread() == 0) add_to(evaluations, 2);
    }
    unseat(f, board, paths);
    if (board->is_leaving) return;
  }
}

#endif
