/* Orthant probabilities of sets of four units, a set per lane: the arithmetic of
 * noise/orthants.py. Every lane is by itself, so the bits of a set are its own. */
#ifndef RELU_LANDSCAPE_ORTHANTS_H
#define RELU_LANDSCAPE_ORTHANTS_H

#include "units.h"

#define SETS 128 /* sets that are worked on together: what is known of them stays in the cache */

/* What is known of a set, in the order (0, 1, 2, 3) that suits its path: scalar products of the
 * orthonormal bases of the pairs (01) and (23), cosines and sines within either, sines between
 * them, the probability at the beginning of the path, and the volume over the two inner sines. */
enum Known {
  CROSS = 0, INNER = 4, BETWEEN = 8, START = 12, VOLUME = 13, KNOWN = 14
};

/* Positions of the pairs: the two inner ones, then those between. */
static const int PAIRS[6][2] = {{0, 1}, {2, 3}, {0, 2}, {0, 3}, {1, 2}, {1, 3}};

typedef struct {
  int count;
  int64_t member[SETS][4];
  int asked[SETS];             /* whether the probability of all four is */
  vec known[SETS / LANES][KNOWN];
  vec given[SETS / LANES][6];  /* of the others where those of a pair are zero, as PAIRS */
  vec all[SETS / LANES];       /* of all four */
} Sets;

/* P(both > 0) of two variables from the cosine and the sine, not negative, of their angle. */
INLINE void both_positive(int count, const vec *cosine, const vec *sine, vec *found) {
  vec x[4], q[4];
  for (int k = 0; k < count; k++) {
    x[k] = fma_(smaller(all_lanes(1.0), magnitude(cosine[k])), all_lanes(2.0), all_lanes(-1.0));
    q[k] = all_lanes(ARCSINE[ARCSINE_DEGREE]);
  }
  UNROLL
  for (int j = ARCSINE_DEGREE - 1; j >= 0; j--)
    for (int k = 0; k < count; k++) q[k] = fma_(q[k], x[k], all_lanes(ARCSINE[j]));
  for (int k = 0; k < count; k++) {
    vec up_to_right_angle = minus_product(sine[k] * q[k], all_lanes(1.0 / TWO_PI), all_lanes(0.25));
    found[k] = with_sign(up_to_right_angle, cosine[k]) + 0.25;
  }
}

/* The same of the angles of points (x, y), y not negative, four at most. */
INLINE void of_points(int count, const vec *x, const vec *y, vec *found) {
  vec cosine[4], sine[4];
  for (int k = 0; k < count; k++) {
    const vec r = root(fma_(x[k], x[k], y[k] * y[k])), inverse = 1.0 / larger(all_lanes(TINY), r);
    cosine[k] = x[k] * inverse, sine[k] = y[k] * inverse;
  }
  both_positive(count, cosine, sine, found);
}

/* Cross products in the bases that begin with units p of the first pair and q of the second. */
INLINE void turned(const vec *known, int p, int q, vec *G) {
  vec a = known[CROSS], b = known[CROSS + 1], c = known[CROSS + 2], d = known[CROSS + 3];
  const vec *inner = known + INNER;
  if (p) {
    const vec A = fma_(inner[0], a, inner[1] * c), B = fma_(inner[0], b, inner[1] * d);
    c = minus_product(inner[0], c, inner[1] * a), d = minus_product(inner[0], d, inner[1] * b);
    a = A, b = B;
  }
  if (q) {
    const vec A = fma_(inner[2], a, inner[3] * b), C = fma_(inner[2], c, inner[3] * d);
    b = minus_product(inner[2], b, inner[3] * a), d = minus_product(inner[2], d, inner[3] * c);
    a = A, c = C;
  }
  G[0] = a, G[1] = b, G[2] = c, G[3] = d;
}

/* ``given`` and the volume. Returns where three units lie so nearly in a plane that a difference
 * of squares does not show how far they are from it. */
INLINE mask conditional(vec *known, vec flat, vec *given) {
  const vec one = all_lanes(1.0), *inner = known + INNER, *between = known + BETWEEN;
  const vec a = known[CROSS], b = known[CROSS + 1], c = known[CROSS + 2], d = known[CROSS + 3];
  const vec first = b / between[0], second = c / between[0];
  const vec along = fma_(first * second, a, d);
  const vec area = minus_product(
      along, along, minus_product(second, second, one) * minus_product(first, first, one));
  const vec volume = between[0] * root(larger(area, all_lanes(0.0)));
  known[VOLUME] = volume;
  vec x[6], y[6];
  vec left = minus_product(c, c, minus_product(a, a, one));
  mask doubtful = left < flat;
  x[0] = minus_product(inner[3], fma_(a, b, c * d), inner[2] * left), y[0] = inner[3] * volume;
  left = minus_product(b, b, minus_product(a, a, one));
  doubtful |= left < flat;
  x[1] = minus_product(inner[1], fma_(a, c, b * d), inner[0] * left), y[1] = inner[1] * volume;
  for (int place = 0; place < 4; place++) {
    vec G[4];
    turned(known, place / 2, place % 2, G);
    const vec of_first = G[1] / between[place], of_second = G[2] / between[place];
    x[2 + place] = between[place] * fma_(of_first * of_second, G[0], G[3]), y[2 + place] = volume;
    doubtful |= minus_product(of_first, of_first, one) < flat;
    doubtful |= minus_product(of_second, of_second, one) < flat;
  }
  of_points(3, x, y, given);
  of_points(3, x + 3, y + 3, given + 3);
  return doubtful;
}

/* P(all four > 0) along a path of ``nodes`` (t, 1 - t, weight). */
static vec along_path(const vec *known, int64_t nodes, const double *path) {
  const vec one = all_lanes(1.0), none = all_lanes(0.0), *between = known + BETWEEN;
  const vec *cross = known + CROSS, squared = known[VOLUME] * known[VOLUME];
  vec G[4][4], strength[4], room_begins[4], twist[4], total = none;
  for (int pair = 0; pair < 4; pair++) {
    turned(known, pair / 2, pair % 2, G[pair]);
    strength[pair] = magnitude(G[pair][0]);
    room_begins[pair] = between[pair] * between[pair] / (one + strength[pair]);
    twist[pair] = G[pair][1] * G[pair][2] * G[pair][0];
  }
  /* The volume's square is (1 - t^2 s^2)(1 - t^2 r^2), s and r the singular values of ``cross``. */
  vec sum = cross[0] * cross[0];
  for (int k = 1; k < 4; k++) sum = fma_(cross[k], cross[k], sum);
  const vec half = larger(minus_product(sum, all_lanes(0.5), one), none);
  const vec more = half + root(larger(minus_product(one, squared, half * half), none));
  const vec less_ = squared / choose(more > none, more, one);
  for (int64_t node = 0; node < nodes; node++, path += 3) {
    const vec t = all_lanes(path[0]), left = all_lanes(path[1]), square = t * t;
    const vec gone = left * (one + t);
    const vec volume = root(fma_(square, more, gone) * fma_(square, less_, gone));
    vec cosine[4], sine[4], factor[4], found[4], here = none;
    for (int pair = 0; pair < 4; pair++) {
      /* 1 - t^2 g^2 without cancellation */
      const vec room = fma_(left, strength[pair], room_begins[pair]) * fma_(t, strength[pair], one);
      const vec x = t * fma_(square, twist[pair], G[pair][3] * room);
      const vec wide = root(room), y = volume * wide;
      const vec r = root(fma_(x, x, y * y)), inverse = one / larger(all_lanes(TINY), r * wide);
      cosine[pair] = x * (inverse * wide), sine[pair] = y * (inverse * wide);
      factor[pair] = G[pair][0] * (inverse * r);
    }
    both_positive(4, cosine, sine, found);
    for (int pair = 0; pair < 4; pair++) here = fma_(factor[pair], found[pair], here);
    total = fma_(all_lanes(path[2]), here, total);
  }
  return fma_(total, all_lanes(1.0 / TWO_PI), known[START]);
}

/* ``given`` of one set from the vectors themselves, (p + 4) long: for sets with three units in a
 * plane, where what is left of one is its own coordinate. ``room``: of seven such vectors. */
static void from_vectors(const Units *s, const int64_t *member, double *room, double *given) {
  const size_t length = s->width + PARTS;
  double *u[4], *left = room + 4 * length, *rest[2] = {left + length, left + 2 * length};
  for (int k = 0; k < 4; k++) {
    u[k] = room + (size_t)k * length;
    memset(u[k], 0, length * sizeof *room);
    memcpy(u[k], s->u + (size_t)member[k] * s->width, s->width * sizeof *room);
    u[k][s->width + (size_t)k] = s->apart;
  }
  for (int place = 0; place < 6; place++) {
    const int q = PAIRS[place][0], r = PAIRS[place][1];
    const size_t pair = (size_t)member[q] * s->n + (size_t)member[r];
    memset(left, 0, length * sizeof *left);
    memcpy(left, s->left + pair * s->width, s->width * sizeof *left);
    left[s->width + (size_t)q] = s->others[pair], left[s->width + (size_t)r] = s->own[pair];
    for (int k = 0, count = 0; k < 4; k++) {
      if (k == q || k == r) continue;
      double *x = rest[count++];
      memcpy(x, u[k], length * sizeof *x);
      for (int pass = 0; pass < 4; pass++) { /* the second round for what rounding left */
        const double *axis = pass % 2 ? left : u[q], part = dot(x, axis, length);
        for (size_t c = 0; c < length; c++) x[c] = __builtin_fma(-part, axis[c], x[c]);
      }
      const double norm = root_of(dot(x, x, length));
      for (size_t c = 0; c < length; c++) x[c] /= norm;
    }
    const double apart = root_of(distance_squared(rest[0], rest[1], -1.0, length));
    const double along = root_of(distance_squared(rest[0], rest[1], 1.0, length));
    given[place] = two(2.0 * angle_of(along, apart));
  }
}

#endif
