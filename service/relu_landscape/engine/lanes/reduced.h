/* Loss, gradient and Hessian on the weights that a symmetry fixes: families/reduced.py in lanes.
 *
 * The same formulas, deviations from a known base included, on the few coordinates that each class
 * of pairs has. Of the Hessian, which is symmetric, the lower blocks are summed and mirrored. */
#ifndef RELU_LANDSCAPE_REDUCED_H
#define RELU_LANDSCAPE_REDUCED_H

#include "angle.h"
#include "lanes.h"
#include "memory.h"

#define H_ONE ((TWO_PI / 4.0 - 1.0) / TWO_PI) /* h(1), of parallel vectors */

typedef struct {
  const Shape *shape;
  size_t n, B, P, all, m; /* student and teacher blocks, student pairs, pairs in all, unknowns */
  const double *smallest_sine, *series_angle;
  vec *z, *middle, *grow;                 /* (m,) unknowns; base + d/2; gradients of the norms */
  vec *norm, *excess, *push, *sign;       /* (n,) */
  vec *gamma, *cosine, *sine, *arc;       /* (P + E,); arc: asin of the cosine */
  vec *sums;                              /* (B,) */
  vec *cross;                             /* (n, n) lower triangle */
  vec *zeta;                              /* (2, B + 1) of one pair */
} Reduced;

static Reduced new_reduced(Pool *pool, const Shape *shape, const Search *rules) {
  Reduced r = {.shape = shape, .n = (size_t)shape->students, .B = (size_t)shape->blocks,
               .P = (size_t)shape->pairs, .all = (size_t)(shape->pairs + shape->lines),
               .m = (size_t)shape->unknowns, .smallest_sine = &rules->smallest_sine,
               .series_angle = &rules->series_angle};
  vec **of_unknowns[] = {&r.z, &r.middle, &r.grow};
  for (size_t i = 0; i < 3; i++) *of_unknowns[i] = take(pool, r.m);
  vec **of_students[] = {&r.norm, &r.excess, &r.push, &r.sign};
  for (size_t i = 0; i < 4; i++) *of_students[i] = take(pool, r.n);
  vec **of_pairs[] = {&r.gamma, &r.cosine, &r.sine, &r.arc};
  for (size_t i = 0; i < 4; i++) *of_pairs[i] = take(pool, r.all);
  r.sums = take(pool, r.B);
  r.cross = take(pool, r.n * r.n);
  r.zeta = take(pool, 2 * (r.B + 1));
  return r;
}

/* Unknowns of student block s: B of x, then y if there is one. */
INLINE size_t count_of(const Reduced *r, size_t s) { return r->B + (r->shape->y_place[s] >= 0); }
INLINE size_t place_of(const Reduced *r, size_t s, size_t j) {
  return j < r->B ? s * r->B + j : (size_t)r->shape->y_place[s];
}
/* What the square of an unknown counts for in |w|^2, and its product with another in a pair. */
INLINE double in_norm(const Reduced *r, size_t s, size_t j) {
  return j < r->B ? 1.0 : r->shape->y_square[s];
}
INLINE double in_pair(const Reduced *r, size_t pair, size_t j) {
  return j < r->B ? 1.0 : r->shape->y_factor[pair];
}
/* Unknowns that two student blocks have in common in a pair: y where its factor is not zero. */
INLINE size_t shared(const Reduced *r, size_t pair) {
  return r->B + (r->shape->y_factor[pair] != 0.0);
}

/* Norms, and their differences from 1 without cancellation. */
static void take_norms(Reduced *r, const vec *d) {
  const Shape *shape = r->shape;
  for (size_t k = 0; k < r->m; k++) r->z[k] = d[k] + shape->base[k];
  for (size_t s = 0; s < r->n; s++)
    if (shape->y_place[s] >= 0) r->z[shape->y_place[s]] += r->sign[s];
  for (size_t k = 0; k < r->m; k++) r->middle[k] = r->z[k] - 0.5 * d[k];
  for (size_t s = 0; s < r->n; s++) {
    vec square = {0}, rise = {0};
    for (size_t j = 0; j < count_of(r, s); j++) {
      const size_t k = place_of(r, s, j);
      square = fma_(in_norm(r, s, j) * r->z[k], r->z[k], square);
      rise = fma_(2.0 * in_norm(r, s, j) * r->middle[k], d[k], rise);
    }
    const int natural = shape->y_place[s] >= 0;
    const mask near = natural ? rise > -0.5 : (mask){0};
    square = choose(near, 1.0 + rise, square);
    r->norm[s] = root(square);
    r->excess[s] = shape->match[s] < 0
                       ? r->norm[s]
                       : choose(near, rise, square - 1.0) / (1.0 + r->norm[s]);
    for (size_t j = 0; j < count_of(r, s); j++) {
      const size_t k = place_of(r, s, j);
      r->grow[k] = in_norm(r, s, j) * r->z[k] / r->norm[s];
    }
  }
}

/* Q(c) of arcsine.h, for acos c = sqrt(1 - c^2) Q(c). */
INLINE vec quotient(vec c) {
  const vec x = fma_(c, all_lanes(2.0), all_lanes(-1.0));
  vec q = all_lanes(ARCSINE[ARCSINE_DEGREE]);
  UNROLL
  for (int j = ARCSINE_DEGREE - 1; j >= 0; j--) q = fma_(q, x, all_lanes(ARCSINE[j]));
  return q;
}

static vec inner_product(const Reduced *r, size_t pair, const vec *d) {
  const Shape *shape = r->shape;
  const size_t s = (size_t)shape->first[pair], other = (size_t)shape->second[pair];
  vec turn = r->sign[s];
  if (pair < r->P) turn *= r->sign[other];
  vec sum = fma_(all_lanes(shape->sign_factor[pair]), turn, all_lanes(shape->constant[pair]));
  if (pair >= r->P) {
    sum = fma_(all_lanes(shape->x_factor[pair]), d[s * r->B + other], sum);
    if (shape->y_factor[pair] != 0.0)
      sum = fma_(all_lanes(shape->y_factor[pair]), d[shape->y_place[s]], sum);
    return sum;
  }
  for (size_t j = 0; j < shared(r, pair); j++) {
    const size_t a = place_of(r, s, j), b = place_of(r, other, j);
    const vec both = fma_(r->middle[a], d[b], r->middle[b] * d[a]);
    sum = fma_(all_lanes(in_pair(r, pair, j)), both, sum);
  }
  return sum;
}

/* Angles of students to their own teachers, from what is across: 1 - c^2 would lose digits. */
static void own_angle(Reduced *r, size_t s) {
  const Shape *shape = r->shape;
  const size_t pair = (size_t)shape->match[s], t = (size_t)shape->second[pair];
  vec across = {0};
  for (size_t u = 0; u < r->B; u++)
    if (u != t) across = fma_(r->z[s * r->B + u], r->z[s * r->B + u], across);
  if (shape->off[s] >= 0) {
    const vec off = r->gamma[shape->off[s]];
    across = fma_((shape->sizes[s] - 1.0) * off, off, across);
  }
  r->sine[pair] = root(across) / r->norm[s];
  r->cosine[pair] = r->gamma[pair] / r->norm[s];
}

static void take_angles(Reduced *r, const vec *d) {
  for (size_t pair = 0; pair < r->all; pair++) {
    r->gamma[pair] = inner_product(r, pair, d);
    vec length = r->norm[r->shape->first[pair]];
    if (pair < r->P) length *= r->norm[r->shape->second[pair]];
    const vec c = smaller(all_lanes(1.0), larger(all_lanes(-1.0), r->gamma[pair] / length));
    r->cosine[pair] = c;
    r->sine[pair] = root((1.0 - c) * (1.0 + c));
  }
  for (size_t s = 0; s < r->n; s++)
    if (r->shape->match[s] >= 0) own_angle(r, s);
  /* asin(|c|) is acos of the sine, so |c| Q(sine): with full relative accuracy at both ends */
  for (size_t pair = 0; pair < r->all; pair++)
    r->arc[pair] = r->cosine[pair] * quotient(r->sine[pair]);
}

/* h(1) - h(c), accurate near |c| = 1, where it is quadratic in the angle. */
static vec own_defect(const Reduced *r, size_t pair) {
  const vec sine = r->sine[pair], level = magnitude(r->cosine[pair]);
  const vec angle = sine * quotient(smaller(all_lanes(1.0), level)), square = angle * angle;
  const vec series = square * angle *
      (1.0 / 3.0 - square * (1.0 / 30.0 - square * (1.0 / 840.0 - square / 45360.0)));
  const vec wedge = choose(angle < *r->series_angle, series, sine - angle * level);
  return (TWO_PI / 4.0 * sine * sine / (1.0 + level) - wedge) / TWO_PI;
}

/* Sums of all students, and the loss. */
static vec take_loss(Reduced *r, const vec *d, vec *N) {
  const Shape *shape = r->shape;
  *N = all_lanes(-shape->lonely);
  vec loss = all_lanes(0.5 * H_ONE * shape->unmatched);
  for (size_t s = 0; s < r->n; s++) *N = fma_(all_lanes(shape->sizes[s]), r->excess[s], *N);
  for (size_t t = 0; t < r->B; t++) {
    vec sum = all_lanes(shape->base_sums[t]);
    for (size_t s = 0; s < r->n; s++)
      sum = fma_(all_lanes(shape->sizes[s]), d[s * r->B + t], sum);
    r->sums[t] = sum;
    loss = fma_(sum * (0.5 * shape->level), sum, loss);
  }
  loss = fma_(*N * (0.5 / TWO_PI), *N, loss);
  for (size_t pair = 0; pair < r->all; pair++) {
    const size_t s = (size_t)shape->first[pair];
    if (pair >= r->P && shape->match[s] == (int64_t)pair) continue;
    const vec c = r->cosine[pair];
    vec h = c * (1.0 / TWO_PI) * (r->arc[pair] - c / (1.0 + r->sine[pair]));
    h *= shape->weight[pair] * r->norm[s];
    loss += pair < r->P ? h * r->norm[shape->second[pair]] : h;
  }
  for (size_t s = 0; s < r->n; s++) {
    const vec excess = r->excess[s];
    vec term = 0.5 * H_ONE * excess * excess; /* of a student without a teacher: |w|^2 */
    if (shape->match[s] >= 0) term += r->norm[s] * own_defect(r, (size_t)shape->match[s]);
    loss = fma_(all_lanes(shape->sizes[s]), term, loss);
  }
  return loss;
}

/* Adds strength a b^T to the block of the Hessian that student blocks s (rows) and u have. */
static void add_outer(const Reduced *r, size_t s, size_t u, vec strength, const vec *a,
                      const vec *b, vec *hessian) {
  const int has_y = count_of(r, u) > r->B;
  for (size_t i = 0; i < count_of(r, s); i++) {
    const vec pull = strength * a[i];
    vec *row = hessian + place_of(r, s, i) * r->m, *block = row + u * r->B;
    for (size_t j = 0; j < r->B; j++) block[j] = fma_(pull, b[j], block[j]);
    if (has_y) row[r->shape->y_place[u]] = fma_(pull, b[r->B], row[r->shape->y_place[u]]);
  }
}

/* What a pair puts before zeta zeta^T, by the chain rule over n n' h(gamma / (n n')). */
INLINE vec strength_of(const Reduced *r, size_t pair, vec partner) {
  const vec sine = r->sine[pair], length = r->norm[r->shape->first[pair]] * partner;
  const vec strength = r->shape->weight[pair] / TWO_PI / (sine * length);
  return choose(sine < *r->smallest_sine, (vec){0}, strength);
}
INLINE vec phi_of(const Reduced *r, size_t pair) {
  const vec c = r->cosine[pair];
  return -r->shape->weight[pair] / TWO_PI * c * c / (1.0 + r->sine[pair]);
}

/* Student and teacher: their share of gradient and Hessian. */
static void add_line(Reduced *r, size_t pair, vec *gradient, vec *hessian) {
  const Shape *shape = r->shape;
  const size_t s = (size_t)shape->first[pair], t = (size_t)shape->second[pair];
  const vec bend = shape->weight[pair] / TWO_PI * r->arc[pair];
  vec *zeta = r->zeta;
  r->push[s] += phi_of(r, pair);
  for (size_t j = 0; j < count_of(r, s); j++)
    zeta[j] = -r->cosine[pair] * r->grow[place_of(r, s, j)];
  zeta[t] += shape->x_factor[pair];
  gradient[s * r->B + t] = fma_(bend, all_lanes(shape->x_factor[pair]), gradient[s * r->B + t]);
  if (shape->y_factor[pair] != 0.0) {
    vec *y = gradient + shape->y_place[s];
    zeta[r->B] += shape->y_factor[pair];
    *y = fma_(bend, all_lanes(shape->y_factor[pair]), *y);
  }
  add_outer(r, s, s, strength_of(r, pair, all_lanes(1.0)), zeta, zeta, hessian);
}

/* Two students, of one block or of two (the second one is the later): likewise. */
static void add_students(Reduced *r, size_t pair, vec *gradient, vec *hessian) {
  const Shape *shape = r->shape;
  const size_t s = (size_t)shape->first[pair], u = (size_t)shape->second[pair];
  const vec c = r->cosine[pair], phi = phi_of(r, pair);
  const vec bend = shape->weight[pair] / TWO_PI * r->arc[pair];
  const vec strength = strength_of(r, pair, r->norm[u]);
  vec *mine = r->zeta, *theirs = r->zeta + r->B + 1;
  r->push[s] = fma_(phi, r->norm[u], r->push[s]);
  r->push[u] = fma_(phi, r->norm[s], r->push[u]);
  r->cross[u * r->n + s] += s == u ? 2.0 * phi : phi;
  for (size_t j = 0; j < count_of(r, s); j++)
    mine[j] = -c * r->norm[u] * r->grow[place_of(r, s, j)];
  for (size_t j = 0; j < count_of(r, u); j++)
    theirs[j] = -c * r->norm[s] * r->grow[place_of(r, u, j)];
  for (size_t j = 0; j < shared(r, pair); j++) {
    const size_t a = place_of(r, s, j), b = place_of(r, u, j);
    const vec factor = all_lanes(in_pair(r, pair, j));
    mine[j] = fma_(factor, r->z[b], mine[j]);
    theirs[j] = fma_(factor, r->z[a], theirs[j]);
    gradient[a] = fma_(factor * bend, r->z[b], gradient[a]);
    gradient[b] = fma_(factor * bend, r->z[a], gradient[b]);
    hessian[b * r->m + a] += s == u ? 2.0 * factor * bend : factor * bend;
  }
  if (s == u) {
    for (size_t j = 0; j < count_of(r, s); j++) mine[j] += theirs[j];
  } else {
    add_outer(r, u, s, strength, theirs, mine, hessian);
    add_outer(r, u, u, strength, theirs, theirs, hessian);
  }
  add_outer(r, s, s, strength, mine, mine, hessian);
}

/* What norms and sums contribute; then both in orthonormal coordinates, the Hessian whole. */
static void finish(Reduced *r, vec N, vec *gradient, vec *hessian) {
  const Shape *shape = r->shape;
  const size_t m = r->m, n = r->n, B = r->B;
  for (size_t s = 0; s < n; s++) {
    const double q = shape->sizes[s];
    r->push[s] = fma_(N, all_lanes(q / TWO_PI), r->push[s]);
    const vec pull = fma_(r->norm[s], all_lanes(H_ONE * q), r->push[s]);
    const vec bend = r->push[s] / r->norm[s];
    r->cross[s * n + s] -= bend;
    for (size_t j = 0; j < count_of(r, s); j++) {
      const size_t k = place_of(r, s, j);
      gradient[k] = fma_(pull, r->grow[k], gradient[k]);
      if (j < B) gradient[k] = fma_(r->sums[j], all_lanes(shape->level * q), gradient[k]);
      hessian[k * m + k] += (bend + H_ONE * q) * in_norm(r, s, j);
    }
  }
  for (size_t s = 0; s < n; s++)
    for (size_t u = 0; u <= s; u++) {
      const double both = shape->sizes[s] * shape->sizes[u];
      const vec cross = r->cross[s * n + u] + both / TWO_PI;
      for (size_t i = 0; i < count_of(r, s); i++) {
        const size_t row = place_of(r, s, i);
        const vec pull = cross * r->grow[row];
        for (size_t j = 0; j < (u == s ? i + 1 : count_of(r, u)); j++) {
          const size_t column = place_of(r, u, j);
          vec entry = fma_(pull, r->grow[column], hessian[row * m + column]);
          if (i == j && i < B) entry += shape->level * both;
          entry *= shape->inverse_scale[row] * shape->inverse_scale[column];
          hessian[row * m + column] = hessian[column * m + row] = entry;
        }
      }
    }
  for (size_t k = 0; k < m; k++) gradient[k] *= shape->inverse_scale[k];
}

/* Loss, gradient (m,) and Hessian (m, m) at deviations d (m,); ``r->sign`` says from which base. */
static vec evaluate(Reduced *r, const vec *d, vec *gradient, vec *hessian) {
  vec N;
  take_norms(r, d);
  take_angles(r, d);
  const vec loss = take_loss(r, d, &N);
  memset(gradient, 0, r->m * sizeof(vec));
  memset(hessian, 0, r->m * r->m * sizeof(vec));
  memset(r->push, 0, r->n * sizeof(vec));
  memset(r->cross, 0, r->n * r->n * sizeof(vec));
  for (size_t pair = 0; pair < r->P; pair++) add_students(r, pair, gradient, hessian);
  for (size_t pair = r->P; pair < r->all; pair++) add_line(r, pair, gradient, hessian);
  finish(r, N, gradient, hessian);
  return loss;
}

#endif
