/* Students and teachers as directions, in double precision: the tables of noise/units.py.
 *
 * What tends to zero where two directions meet, or are opposite, is made from differences of
 * vectors. Sums run in one order, whatever the instructions. */
#ifndef RELU_LANDSCAPE_UNITS_H
#define RELU_LANDSCAPE_UNITS_H

#include "angle.h"
#include "lanes.h"
#include "memory.h"

#define PI 3.141592653589793
#define PARTS 8 /* partial sums of a scalar product */

/* n units, students first. Vectors have ``width`` coordinates, p and zeros up to a multiple of
 * PARTS; beside them each unit has a coordinate of its own, ``apart`` long. Tables (n, n) of units
 * a, b; ``left`` (n, n, width): the unit vector of what b has beside a, with ``own`` in b's own
 * coordinate and ``others`` in a's. (n, n, n): ``across[a][b][c]`` = left[a][b] . u[c], and
 * ``plus``, ``minus`` of units q, r, a, whose products make beta over 2 pi (noise/sigma.py). */
typedef struct {
  size_t K, n, width;
  double apart;
  double *u, *signed_length;
  double *cosine, *sine, *angle, *half, *own, *others;
  double *left, *across, *plus, *minus;
} Units;

static double *numbers(Pool *pool, size_t count) {
  return (double *)take(pool, (count + LANES - 1) / LANES);
}

static Units new_units(Pool *pool, size_t K, size_t M, size_t p, double apart) {
  const size_t n = K + M, width = (p + PARTS - 1) / PARTS * PARTS;
  Units s = {.K = K, .n = n, .width = width, .apart = apart};
  double **of_pairs[] = {&s.cosine, &s.sine, &s.angle, &s.half, &s.own, &s.others};
  double **of_triples[] = {&s.across, &s.plus, &s.minus};
  for (size_t i = 0; i < 6; i++) *of_pairs[i] = numbers(pool, n * n);
  for (size_t i = 0; i < 3; i++) *of_triples[i] = numbers(pool, n * n * n);
  s.u = numbers(pool, n * width), s.signed_length = numbers(pool, n);
  s.left = numbers(pool, n * n * width);
  return s;
}

static double add_up(const double *part) {
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

/* a . b, and |a + sign b|^2, of vectors of ``width`` coordinates. */
static double dot(const double *a, const double *b, size_t width) {
  double part[PARTS] = {0};
  for (size_t c = 0; c < width; c += PARTS)
    for (size_t k = 0; k < PARTS; k++) part[k] = __builtin_fma(a[c + k], b[c + k], part[k]);
  return add_up(part);
}
static double distance_squared(const double *a, const double *b, double sign, size_t width) {
  double part[PARTS] = {0};
  for (size_t c = 0; c < width; c += PARTS)
    for (size_t k = 0; k < PARTS; k++) {
      const double x = __builtin_fma(sign, b[c + k], a[c + k]);
      part[k] = __builtin_fma(x, x, part[k]);
    }
  return add_up(part);
}

/* The angle of (x, y), neither below zero: acos c = s Q(c) as in angle.h. */
static double angle_of(double x, double y) {
  const double r = root_of(__builtin_fma(x, x, y * y)), c = r > 0.0 ? x / r : 1.0;
  const double at = 2.0 * (c < 1.0 ? c : 1.0) - 1.0;
  double q = ARCSINE[ARCSINE_DEGREE];
  for (int j = ARCSINE_DEGREE - 1; j >= 0; j--) q = __builtin_fma(q, at, ARCSINE[j]);
  return r > 0.0 ? y / r * q : r; /* a NaN stays one */
}

/* Probabilities that all of two, three units are active, from their angles. */
static double two(double angle) { return (PI - angle) / TWO_PI; }
static double three(double a, double b, double c) { return (TWO_PI - a - b - c) / (2.0 * TWO_PI); }

/* Directions and signed lengths of W (K, p) and the teacher's rows V (M, M). */
static void set_directions(Units *s, const double *W, const double *V, const double *layers,
                           size_t p) {
  const size_t M = s->n - s->K;
  for (size_t a = 0; a < s->n; a++) {
    double *u = s->u + a * s->width;
    if (a < s->K) {
      memcpy(u, W + a * p, p * sizeof *u);
    } else {
      memcpy(u, V + (a - s->K) * M, M * sizeof *u);
    }
    const double length = root_of(dot(u, u, s->width));
    for (size_t c = 0; c < s->width; c++) u[c] /= length;
    s->signed_length[a] = a < s->K ? length : -length;
    if (layers) s->signed_length[a] *= layers[a];
  }
}

/* The tables' entry (a, b). */
static void set_pair(Units *s, size_t a, size_t b) {
  const size_t place = a * s->n + b;
  const double *u = s->u + a * s->width, *v = s->u + b * s->width;
  const double own = 2.0 * s->apart * s->apart;
  const double apart = root_of(distance_squared(u, v, -1.0, s->width) + own);
  const double along = root_of(distance_squared(u, v, 1.0, s->width) + own);
  const double c = s->cosine[place] = dot(u, v, s->width);
  s->sine[place] = apart * along / 2.0;
  s->angle[place] = 2.0 * angle_of(along, apart);
  s->half[place] = apart / along;
  /* Differences of vectors meet no cancellation; 1 - c does, but is second order there. */
  const double sign = c > 0.0 ? -1.0 : 1.0, rest = 1.0 + sign * c;
  double *left = s->left + place * s->width;
  for (size_t k = 0; k < s->width; k++)
    left[k] = __builtin_fma(-sign * rest, u[k], __builtin_fma(sign, u[k], v[k]));
  const double others = __builtin_fma(-sign * rest, s->apart, sign * s->apart);
  const double square = __builtin_fma(s->apart, s->apart, others * others);
  const double length = root_of(dot(left, left, s->width) + square);
  for (size_t k = 0; k < s->width; k++) left[k] /= length;
  s->own[place] = s->apart / length, s->others[place] = others / length;
}

static void set_triples(Units *s) {
  const size_t n = s->n;
  for (size_t q = 0; q < n; q++)
    for (size_t r = 0; r < n; r++) {
      const size_t pair = q * n + r;
      double *plus = s->plus + pair * n, *minus = s->minus + pair * n;
      double *across = s->across + pair * n;
      if (q == r) continue; /* never asked for */
      const double *left = s->left + pair * s->width;
      for (size_t a = 0; a < n; a++) across[a] = dot(left, s->u + a * s->width, s->width);
      const double scale = root_of(s->half[pair] / (2.0 * TWO_PI));
      const double inverse = 1.0 / root_of(s->half[pair] * (2.0 * TWO_PI));
      const double *of_q = s->cosine + q * n, *of_r = s->cosine + r * n;
      for (size_t a = 0; a < n; a++) {
        plus[a] = scale * (of_q[a] + of_r[a]);
        minus[a] = inverse * (of_q[a] - of_r[a]);
      }
    }
}

/* All of it; ``layers`` (n,) multiply lengths, NULL: none. No student may have norm zero: there
 * everything is NaN. */
static void set_units(Units *s, const double *W, const double *V, const double *layers, size_t p) {
  set_directions(s, W, V, layers, p);
  for (size_t a = 0; a < s->n; a++) {
    for (size_t b = 0; b < s->n; b++)
      if (a != b) set_pair(s, a, b);
    s->cosine[a * s->n + a] = 1.0;
  }
  set_triples(s);
}

#endif
