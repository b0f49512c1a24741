/* What the kernel and its caller share. Every field has eight bytes, so there is no padding and the
 * structures of native.py are these. Arrays are in C order; a batch of weights is (n, K, p): n
 * paths, K students, p coordinates of which the first M span the teacher. */
#ifndef RELU_LANDSCAPE_LANES_H
#define RELU_LANDSCAPE_LANES_H

#include "vector.h"

/* Version of this interface and of the numbers, in double and in single precision: raised with every
 * change of either (not where a function comes that others do not need), because the
 * name of the kernel, and with it every content id, is made from it. */
#define LANES_VERSION 3

typedef struct {
  int64_t students, teachers, coordinates; /* K, M, p */
  const double *teacher; /* (M, M) rows, zero above the diagonal; NULL: the identity */
  const double *teacher_norms; /* (M,) */
  double level; /* weight of |S|^2/2 in the loss: 1/4 for ReLU (model/activation.py) */
} Problem;

/* The method of descent/flow.py; its constants come from there, so that they are written once. */
typedef struct {
  double tolerance;                 /* local error per step and student */
  double first_tolerance_factor;    /* so many times smaller ... */
  double careful_time;              /* ... before this time */
  double stability;                 /* largest h lambda of the explicit part */
  double early_eigenvalue, late_eigenvalue, early_time;
  double shortest;                  /* a student below this norm ends the stay; ... */
  double falls_below, falls_at;     /* ... below this one if its length shrinks at such a rate */
  double check_steps;               /* a zero-loss check every so many steps; 0: never */
  double check_gradient;            /* ... below this gradient norm */
  double check_cosine, check_floor; /* global_set: within the angle of a teacher, or shorter */
  double check_loss;                /* global_set: loss below this */
} Rules;

/* The state of n paths, each (n,) but for W and force. A path's numbers depend on its own alone. */
typedef struct {
  double *W, *force;
  double *gradient_norm, *time, *step_size, *eigenvalue;
  int64_t *steps;
  const double *gradient_tolerance;
  const int64_t *step_limit;
  int64_t *event; /* out: why the path left, bits; 0: it is still on its way */
} Paths;

enum Event {
  SMALL_GRADIENT = 1, /* at most the path's gradient_tolerance */
  CHECK_DUE = 2,      /* may be at zero loss: the caller decides */
  AT_STEP_LIMIT = 4,
  SHORT_STUDENT = 8,
  NOT_FINITE = 16
};

typedef struct {
  double tolerance;      /* of the gradient norm */
  double iterations;     /* at most so many */
  double reach;          /* a path farther than this from its beginning is given up */
  double base_curvature; /* of what the stiff part does not hold */
} Polish;

/* A symmetric structure with n student blocks, B teacher blocks and m unknowns, of which the first
 * n B are x. Pairs of students come first, then lines: pairs of student and teacher. See
 * families/layout.py. */
typedef struct {
  int64_t students, blocks, naturals, unknowns, pairs, lines;
  double lonely;                /* teachers in blocks without a student of their own */
  double unmatched;             /* teachers without a student at their side */
  double level;                 /* as of a problem */
  const double *sizes;          /* (n,) students in a block */
  const double *base_sums;      /* (B,) */
  const double *base;           /* (m,) x at the base; y has its sign */
  const double *inverse_scale;  /* (m,) unknown = this times orthonormal coordinate */
  const double *y_square;       /* (n,) |w|^2 is the sum of x^2 and this times y^2 */
  const int64_t *y_place;       /* (n,) where y is; below 0: the block has none */
  const int64_t *match;         /* (n,) the line to the student's own teacher; below 0: none */
  const int64_t *off;           /* (n,) the line to the others of that block; below 0: none */
  const int64_t *first, *second; /* (pairs + lines,) student block; student or teacher block */
  const double *weight, *constant, *sign_factor, *x_factor, *y_factor; /* (pairs + lines,) */
} Shape;

/* The constants of families/solver.py and families/reduced.py. */
typedef struct {
  double tolerance;    /* of the gradient norm */
  double zero_loss;    /* a start at this loss or below is left */
  double newton_below, newton_gain;
  double diagonal_share, first_damping, ease, tighten;
  double most_damping, most_trials;
  double smallest_sine, series_angle;
} Search;

enum SearchOutcome { UNDECIDED = 0, CONVERGED = 1, AT_ZERO_LOSS = 2, GAVE_UP = 3 };

/* A stretch of SGD; see dynamics/chain.py. ``blocks`` of ``steps`` steps of ``batch`` inputs. */
typedef struct {
  int64_t students, teachers, coordinates; /* K, M, p */
  int64_t columns;                         /* k of T; 0: no dimension is outside the coordinates */
  int64_t batch, steps, blocks;
  double rate;        /* what multiplies delta x */
  double label_noise; /* what multiplies ``labels`` */
  double rounding;    /* added to a Gram matrix' diagonal, in units of K times its trace */
  const double *teacher; /* (M, M) rows, zero above the diagonal; NULL: the identity */
  const double *layers;  /* (K + M,) weights of the second layers; NULL: all 1 */
  double slope;          /* the activation is ReLU(x) + slope x */
} Sgd;

/* What was drawn for n runs: (n, blocks, ...) each. */
typedef struct {
  const double *normals;  /* inputs (inputs, p), then T below its diagonal */
  const double *diagonal; /* (k,) of T */
  const double *labels;   /* (inputs,) normals; NULL: no noise */
} Drawn;

/* The state of n runs: W (n, K, p), all else (n,). ``recorded`` (n, records, K, p + k): weights
 * after so many steps of this stretch, ascending. */
typedef struct {
  double *W;
  const double *limit; /* of a student's norm */
  int64_t *ran_away;   /* steps after which that was found; below 0: not */
  int64_t done;        /* steps before this stretch */
  int64_t records;
  const int64_t *record_at;
  double *recorded;
} SgdRuns;

/* How Sigma is computed; see noise/sigma.py, units.py and orthants.py. A path is rows (t, 1 - t,
 * weight) of its nodes. */
typedef struct {
  int64_t students, teachers, coordinates; /* K, M, p */
  int64_t easy_nodes, steep_nodes;
  double apart;          /* length of a unit's own coordinate */
  double orthogonal;     /* cosines below this are rounding */
  double flat;           /* variance below which three units lie in a plane */
  double steep_below;    /* sine between the pairs */
  double label_variance, batch;
  const double *easy, *steep;
  const double *layers; /* (K + M,) weights of the second layers; NULL: all 1 */
} Noise;

enum Status { FINISHED = 0, NO_MEMORY = 1, CANCELLED = 2 };

#endif
