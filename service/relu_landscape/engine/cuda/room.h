/* What a block keeps of its path, in shared memory (the device's where WIDE). */
#ifndef RELU_LANDSCAPE_ROOM_H
#define RELU_LANDSCAPE_ROOM_H

#include "../lanes/lanes.h"
#include "block.h"

#define PAIR_STRIDE (STUDENTS | 1)
#define ARRAY (STUDENTS * STRIDE)

/* The problem as kernels get it: ``teacher`` (M, M) is not read where ORTHONORMAL. */
typedef struct {
  const double *teacher, *norms, *inverse_norms;
  double level;
} Teacher;

typedef struct {
  real *pair;     /* (K, PAIR_STRIDE) products, then B above the diagonal and dips below it */
  real *pull;     /* (K, M) overlaps, then P */
  real *unit_sum; /* (p,) of the stiff part: sum of the unit vectors, ... */
  real *column;   /* (p,) ... sums of the right side's columns, ... */
  real *row;      /* (K,) ... and its rows times the students */
} Room;

/* The numbers that one thread writes and all read. */
typedef struct {
  real mean_share, pull_share, pull;
  real norm, change, speed, error, tried;
  real time, step_size, eigenvalue;
  int64_t path, steps, events;
  int is_accepted, is_check_due, is_leaving;
} Board;

/* Takes ``count`` numbers from what is left. */
INLINE real *taken(real **rest, int count) {
  real *own = *rest;
  *rest += count;
  return own;
}

INLINE Room new_room(real **rest) {
  Room r;
  r.pair = taken(rest, STUDENTS * PAIR_STRIDE);
  r.pull = taken(rest, STUDENTS * TEACHERS);
  r.unit_sum = taken(rest, COORDINATES);
  r.column = taken(rest, COORDINATES);
  r.row = taken(rest, STUDENTS);
  return r;
}
#define ROOM_REALS \
  (STUDENTS * PAIR_STRIDE + STUDENTS * TEACHERS + 2 * COORDINATES + STUDENTS)

/* Lengths of students and their inverses, (K,) each. */
typedef struct {
  real *length, *inverse;
} Lengths;

INLINE Lengths new_lengths(real **rest) {
  Lengths l;
  l.length = taken(rest, STUDENTS);
  l.inverse = taken(rest, STUDENTS);
  return l;
}
#define LENGTHS_REALS (2 * STUDENTS)

/* Between the compact arrays of one path and the room. */
INLINE void load(real *to, const double *from) {
  EACH(e, ENTRIES) to[place(e, COORDINATES, STRIDE)] = (real)from[e];
}
INLINE void store(double *to, const real *from) {
  EACH(e, ENTRIES) to[e] = from[place(e, COORDINATES, STRIDE)];
}

#endif
