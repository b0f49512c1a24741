/* One-pass SGD, block by block, one run per lane: the arithmetic of dynamics/chain.py.
 *
 * A block is ``steps`` steps of ``batch`` inputs x_t = (z_t, T_t): p normals, and a row of a lower
 * triangular matrix. Every sum runs in one order, whatever the lanes, so the bits of a run are its
 * own. Nothing is drawn here. */
#ifndef RELU_LANDSCAPE_CHAIN_H
#define RELU_LANDSCAPE_CHAIN_H

#include "lanes.h"
#include "memory.h"

/* out[r] = start[r] + sum_c rows[r][c] by[c], for ``count`` rows of ``stride``, c in [from, to). */
INLINE void dots(vec *out, const vec *start, const vec *rows, size_t stride, size_t count,
                 const vec *by, size_t from, size_t to) {
  size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    const vec *a = rows + r * stride, *b = a + stride, *c = b + stride, *d = c + stride;
    vec A = start[r], B = start[r + 1], C = start[r + 2], D = start[r + 3];
    for (size_t k = from; k < to; k++) {
      const vec x = by[k];
      A = fma_(a[k], x, A), B = fma_(b[k], x, B), C = fma_(c[k], x, C), D = fma_(d[k], x, D);
    }
    out[r] = A, out[r + 1] = B, out[r + 2] = C, out[r + 3] = D;
  }
  for (; r < count; r++) {
    vec A = start[r];
    for (size_t k = from; k < to; k++) A = fma_(rows[r * stride + k], by[k], A);
    out[r] = A;
  }
}

/* out[c] -= by * row[c] for c in [from, to). */
INLINE void less(vec *out, vec by, const vec *row, size_t from, size_t to) {
  for (size_t c = from; c < to; c++) out[c] = minus_product(by, row[c], out[c]);
}

typedef struct {
  const Sgd *rules;
  size_t K, M, p, n, k, w; /* students, teachers, coordinates, inputs, columns of T, p + k */
  vec rate, noise;
  vec *x, *labels;         /* (n, w), (n,) */
  vec *W, *after;          /* (K, w): the first p columns between blocks; then all */
  vec *fields, *push;      /* (n, K): w_i . x_t, and rate delta_i of input t */
  vec *gram, *zero;        /* (n,) of one input with those before; zeros (w + K) */
  vec *root;               /* (K, K) */
} Block;

static Block new_block(Pool *pool, const Sgd *rules) {
  Block b = {.rules = rules,
             .K = (size_t)rules->students, .M = (size_t)rules->teachers,
             .p = (size_t)rules->coordinates, .n = (size_t)(rules->steps * rules->batch),
             .k = (size_t)rules->columns, .w = (size_t)(rules->coordinates + rules->columns),
             .rate = all_lanes(rules->rate), .noise = all_lanes(rules->label_noise)};
  b.x = take(pool, b.n * b.w), b.labels = take(pool, b.n);
  b.W = take(pool, b.K * b.w), b.after = take(pool, b.K * b.w);
  b.fields = take(pool, b.n * b.K), b.push = take(pool, b.n * b.K);
  b.gram = take(pool, b.n), b.zero = take(pool, b.w + b.K + b.n);
  b.root = take(pool, b.K * b.K);
  return b;
}

/* Normals of one block: z by input, then T below its diagonal, row by row; the diagonal beside. */
static size_t normals_of(const Block *b) {
  size_t count = b->n * b->p;
  for (size_t t = 0; t < b->n; t++) count += t < b->k ? t : b->k;
  return count;
}

INLINE void load_inputs(Block *b, const double *normals, const double *diagonal,
                        const double *labels, int lane) {
  const double *below = normals + b->n * b->p;
  for (size_t t = 0; t < b->n; t++) {
    vec *x = b->x + t * b->w;
    load(x, normals + t * b->p, b->p, lane);
    const size_t count = t < b->k ? t : b->k;
    load(x + b->p, below, count, lane);
    below += count;
    if (t < b->k) x[b->p + t][lane] = diagonal[t];
  }
  if (labels) load(b->labels, labels, b->n, lane);
}

/* Columns of x that input t has. */
INLINE size_t reach(const Block *b, size_t t) { return b->p + (t < b->k ? t + 1 : b->k); }

/* What a unit adds to the output of its network. */
INLINE vec output(const Block *b, size_t unit, vec field) {
  const double slope = b->rules->slope, *layers = b->rules->layers;
  vec found = larger(field, all_lanes(0.0));
  if (slope != 0.0) found = fma_(all_lanes(slope), field, found);
  return layers ? all_lanes(layers[unit]) * found : found;
}

/* ``change`` times the derivative of a student's output by its field. */
INLINE vec moved(const Block *b, size_t student, vec field, vec change) {
  const vec none = all_lanes(0.0);
  const double slope = b->rules->slope, *layers = b->rules->layers;
  vec found = choose(field > none, change, none);
  if (slope != 0.0) found = fma_(all_lanes(slope), change, found);
  return layers ? all_lanes(layers[student]) * found : found;
}

/* The teacher's answer to input t, with its noise. */
INLINE vec answer(const Block *b, size_t t) {
  const vec *z = b->x + t * b->w, none = all_lanes(0.0);
  const double *V = b->rules->teacher;
  vec sum = b->noise * b->labels[t];
  for (size_t m = 0; m < b->M; m++) {
    vec field = z[m];
    if (V) {
      field = none;
      for (size_t c = 0; c <= m; c++) field = fma_(all_lanes(V[m * b->M + c]), z[c], field);
    }
    sum = sum + output(b, b->K + m, field);
  }
  return sum;
}

/* ``push`` of every input of the block. */
static void steps_of(Block *b) {
  const size_t K = b->K, batch = (size_t)b->rules->batch;
  for (size_t t = 0; t < b->n; t++) {
    const vec *x = b->x + t * b->w;
    vec *fields = b->fields + t * K, *push = b->push + t * K;
    const size_t before = t / batch * batch; /* inputs whose steps this one has seen */
    dots(fields, b->zero, b->W, b->w, K, x, 0, b->p);
    dots(b->gram, b->zero, b->x, b->w, before, x, 0, before ? reach(b, before - 1) : 0);
    for (size_t s = 0; s < before; s++) less(fields, b->gram[s], b->push + s * K, 0, K);
    vec error = -answer(b, t);
    for (size_t i = 0; i < K; i++) error = error + output(b, i, fields[i]);
    const vec change = b->rate * error;
    for (size_t i = 0; i < K; i++) push[i] = moved(b, i, fields[i], change);
  }
}

/* ``after``: the weights after the first ``inputs`` inputs, (K, w). */
static void weights_after(Block *b, size_t inputs) {
  for (size_t i = 0; i < b->K; i++) {
    vec *row = b->after + i * b->w;
    for (size_t c = 0; c < b->w; c++) row[c] = c < b->p ? b->W[i * b->w + c] : all_lanes(0.0);
    for (size_t t = 0; t < inputs; t++)
      less(row, b->push[t * b->K + i], b->x + t * b->w, 0, reach(b, t));
  }
}

/* Which runs have a student that is not shorter than their limit. */
static mask has_gone(const Block *b, vec limit) {
  vec longest = all_lanes(0.0);
  for (size_t i = 0; i < b->K; i++) {
    const vec *row = b->after + i * b->w;
    vec square = all_lanes(0.0);
    for (size_t c = 0; c < b->w; c++) square = fma_(row[c], row[c], square);
    const vec norm = root(square);
    longest = choose(norm <= longest, longest, norm); /* a NaN stays */
  }
  return ~(longest < limit);
}

/* W, from ``after``: what lies outside the teacher's span in K coordinates, a Cholesky root. */
static void turn(Block *b) {
  const size_t K = b->K, M = b->M, w = b->w;
  vec trace = all_lanes(0.0);
  for (size_t i = 0; i < K; i++) {
    dots(b->root + i * K, b->zero, b->after, w, i + 1, b->after + i * w, M, w);
    trace = trace + b->root[i * K + i];
  }
  const vec room = fma_(all_lanes(b->rules->rounding * (double)K), trace, all_lanes(TINY));
  for (size_t i = 0; i < K; i++) {
    vec *row = b->root + i * K;
    for (size_t j = 0; j < i; j++) {
      const vec *other = b->root + j * K;
      vec left = row[j];
      for (size_t c = 0; c < j; c++) left = minus_product(row[c], other[c], left);
      row[j] = left / other[j];
    }
    vec left = row[i] + room;
    for (size_t c = 0; c < i; c++) left = minus_product(row[c], row[c], left);
    row[i] = root(larger(left, all_lanes(TINY)));
  }
  for (size_t i = 0; i < K; i++)
    for (size_t c = 0; c < b->p; c++)
      b->W[i * w + c] = c < M ? b->after[i * w + c]
                              : c - M <= i ? b->root[i * K + c - M] : all_lanes(0.0);
}

/* The next block of the runs ``first`` to ``first + count``. */
static void one_block(Block *b, int64_t block, int64_t first, int count, const Drawn *drawn,
                      SgdRuns *runs) {
  const size_t normals = normals_of(b);
  const int64_t blocks = b->rules->blocks, steps = b->rules->steps;
  vec limit = all_lanes(0.0), gone_before = all_lanes(0.0);
  for (int lane = 0; lane < LANES; lane++) { /* the first one also in lanes that nobody uses */
    const int64_t run = first + (lane < count ? lane : 0), place = run * blocks + block;
    load_inputs(b, drawn->normals + (size_t)place * normals, drawn->diagonal + (size_t)place * b->k,
                drawn->labels ? drawn->labels + (size_t)place * b->n : NULL, lane);
    limit[lane] = runs->limit[run];
    gone_before[lane] = runs->ran_away[run] >= 0 ? 1.0 : 0.0;
  }
  steps_of(b);
  for (int64_t r = 0; r < runs->records; r++) {
    const int64_t at = runs->record_at[r] - block * steps; /* steps of this block */
    if (at <= 0 || at > steps) continue;
    weights_after(b, (size_t)(at * b->rules->batch));
    for (int lane = 0; lane < count; lane++) {
      const size_t place = (size_t)((first + lane) * runs->records + r);
      store(runs->recorded + place * b->K * b->w, b->after, b->K * b->w, lane);
    }
  }
  weights_after(b, b->n);
  const mask gone = has_gone(b, limit) | (gone_before > all_lanes(0.5));
  for (int lane = 0; lane < count; lane++)
    if (gone[lane] && runs->ran_away[first + lane] < 0)
      runs->ran_away[first + lane] = runs->done + (block + 1) * steps;
  /* A run that has gone stays where it last was. */
  for (size_t i = 0; i < b->K; i++)
    for (size_t c = 0; c < b->w; c++) {
      const vec here = c < b->p ? b->W[i * b->w + c] : all_lanes(0.0);
      b->after[i * b->w + c] = choose(gone, here, b->after[i * b->w + c]);
    }
  if (b->k) {
    turn(b);
  } else {
    for (size_t j = 0; j < b->K * b->w; j++) b->W[j] = b->after[j];
  }
}

static int stretch(const Sgd *rules, int64_t n, const Drawn *drawn, SgdRuns *runs) {
  Pool pool = {.count = 0};
  Block b = new_block(&pool, rules);
  const int status = pool.failed ? NO_MEMORY : FINISHED;
  for (int64_t first = 0; !status && first < n; first += LANES) {
    const int count = n - first < LANES ? (int)(n - first) : LANES;
    for (int lane = 0; lane < LANES; lane++) {
      const double *from = runs->W + (size_t)(first + (lane < count ? lane : 0)) * b.K * b.p;
      for (size_t i = 0; i < b.K; i++) load(b.W + i * b.w, from + i * b.p, b.p, lane);
    }
    for (int64_t block = 0; block < rules->blocks; block++)
      one_block(&b, block, first, count, drawn, runs);
    for (int lane = 0; lane < count; lane++)
      for (size_t i = 0; i < b.K; i++)
        store(runs->W + ((size_t)(first + lane) * b.K + i) * b.p, b.W + i * b.w, b.p, lane);
  }
  give_back(&pool);
  return status;
}

#endif
