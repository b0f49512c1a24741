/* The noise of one-pass SGD, Sigma_ij = E[e^2 1_i 1_j] of ReLU: the sums of noise/sigma.py over sets
 * of one to four units. Everything is added in the order of the sets, whatever the instructions. */
#ifndef RELU_LANDSCAPE_SIGMA_H
#define RELU_LANDSCAPE_SIGMA_H

#include "orthants.h"

typedef struct {
  const Noise *rules;
  Units units;
  Sets *sets;
  double *room;  /* of ``from_vectors`` */
  double *Sigma; /* (K, K), the upper triangle */
} Sums;

/* beta_qr(a, b) over 2 pi, from the place of pair (q, r). */
INLINE double beta(const Units *s, size_t pair, size_t a, size_t b) {
  const double *plus = s->plus + pair * s->n, *minus = s->minus + pair * s->n;
  return __builtin_fma(plus[a], plus[b], -(minus[a] * minus[b]));
}

/* E[e^2 1_i]: sets {i}, {i, k} and {i, k, l}. */
static double diagonal(const Units *s, size_t i) {
  const size_t n = s->n;
  const double *m = s->signed_length, own = m[i];
  double found = own * own / 2.0;
  for (size_t k = 0; k < n; k++) {
    if (k == i) continue;
    const size_t ik = i * n + k;
    found += m[k] * (2.0 * own * s->cosine[ik] + m[k]) * two(s->angle[ik]);
    found += m[k] * (2.0 * own * beta(s, ik, i, k) + m[k] * beta(s, ik, k, k));
    double with_k = 0.0;
    for (size_t l = 0; l < k; l++) {
      if (l == i) continue;
      const size_t il = i * n + l, kl = k * n + l;
      double trio = s->cosine[kl] * three(s->angle[ik], s->angle[il], s->angle[kl]);
      trio += 0.5 * (beta(s, ik, k, l) + beta(s, il, k, l) + beta(s, kl, k, l));
      with_k += m[l] * trio;
    }
    found += 2.0 * m[k] * with_k;
  }
  return found;
}

/* What sets of two and three units add to Sigma_ij. */
static double two_and_three(const Units *s, size_t i, size_t j) {
  const size_t n = s->n, ij = i * n + j;
  const double *m = s->signed_length, of_i = m[i], of_j = m[j];
  const double square = of_i * of_i + of_j * of_j + 2.0 * of_i * of_j * s->cosine[ij];
  double found = square * two(s->angle[ij]);
  found += of_i * of_i * beta(s, ij, i, i) + of_j * of_j * beta(s, ij, j, j);
  found += 2.0 * of_i * of_j * beta(s, ij, i, j);
  for (size_t k = 0; k < n; k++) {
    if (k == i || k == j) continue;
    const size_t pairs[3] = {ij, i * n + k, j * n + k};
    double more = m[k] + 2.0 * (of_i * s->cosine[pairs[1]] + of_j * s->cosine[pairs[2]]);
    more *= three(s->angle[ij], s->angle[pairs[1]], s->angle[pairs[2]]);
    for (int which = 0; which < 3; which++) {
      const size_t pair = pairs[which];
      more += of_i * beta(s, pair, i, k) + of_j * beta(s, pair, j, k);
      more += 0.5 * m[k] * beta(s, pair, k, k);
    }
    found += m[k] * more;
  }
  return found;
}

/* The order that suits the path of a set: its most parallel (or opposite) pairs inside, and
 * positions 0 and 2 the most parallel of the others. */
static void set_order(const Units *s, const size_t *set, int64_t *member) {
  static const int PAIRINGS[3][4] = {{0, 1, 2, 3}, {0, 2, 1, 3}, {0, 3, 1, 2}};
  static const int ORDERS[4][4] = {{0, 1, 2, 3}, {0, 1, 3, 2}, {1, 0, 2, 3}, {1, 0, 3, 2}};
  size_t chosen[4];
  double least = 0.0;
  for (int way = 0; way < 3; way++) {
    const int *order = PAIRINGS[way];
    const double product = s->sine[set[order[0]] * s->n + set[order[1]]] *
                           s->sine[set[order[2]] * s->n + set[order[3]]];
    if (way && !(product < least)) continue;
    least = product;
    for (int k = 0; k < 4; k++) chosen[k] = set[order[k]];
  }
  for (int way = 0; way < 4; way++) {
    const int *order = ORDERS[way];
    const double sine = s->sine[chosen[order[0]] * s->n + chosen[order[2]]];
    if (way && !(sine < least)) continue;
    least = sine;
    for (int k = 0; k < 4; k++) member[k] = (int64_t)chosen[order[k]];
  }
}

/* Whether the probability of all four is asked for: two are students whose other two are not
 * orthogonal. */
static int is_asked(const Sums *sums, const size_t *set) {
  const Units *s = &sums->units;
  for (int place = 0; place < 6; place++) {
    const size_t x = set[PAIRS[place][0]], y = set[PAIRS[place][1]];
    if (x >= s->K || y >= s->K) continue;
    const int *others = PAIRS[place < 2 ? 1 - place : 7 - place];
    const double c = s->cosine[set[others[0]] * s->n + set[others[1]]];
    if (__builtin_fabs(c) > sums->rules->orthogonal) return 1;
  }
  return 0;
}

/* Set number ``count`` of the room, in its lane. */
static void add_set(Sums *sums, const size_t *set) {
  const Units *s = &sums->units;
  Sets *sets = sums->sets;
  const int number = sets->count++;
  int64_t *member = sets->member[number];
  set_order(s, set, member);
  sets->asked[number] = is_asked(sums, set);
  const size_t a = (size_t)member[0], b = (size_t)member[1], c = (size_t)member[2];
  const size_t d = (size_t)member[3], n = s->n, ab = a * n + b, cd = c * n + d;
  vec *known = sets->known[number / LANES];
  const int lane = number % LANES;
  known[CROSS][lane] = s->cosine[a * n + c];
  known[CROSS + 1][lane] = s->across[cd * n + a];
  known[CROSS + 2][lane] = s->across[ab * n + c];
  known[CROSS + 3][lane] = dot(s->left + ab * s->width, s->left + cd * s->width, s->width);
  known[INNER][lane] = s->cosine[ab], known[INNER + 1][lane] = s->sine[ab];
  known[INNER + 2][lane] = s->cosine[cd], known[INNER + 3][lane] = s->sine[cd];
  for (int place = 0; place < 4; place++)
    known[BETWEEN + place][lane] =
        s->sine[(size_t)member[place / 2] * n + (size_t)member[2 + place % 2]];
  known[START][lane] = two(s->angle[ab]) * two(s->angle[cd]);
}

/* The probability of all four of those sets whose path is easy, or of those where it is not. */
static void paths_of(Sums *sums, int is_steep) {
  const Noise *rules = sums->rules;
  Sets *sets = sums->sets;
  int chosen[SETS], count = 0;
  for (int number = 0; number < sets->count; number++) {
    const vec *between = sets->known[number / LANES] + BETWEEN;
    const int lane = number % LANES;
    int steep = 0;
    for (int place = 0; place < 4; place++) steep |= between[place][lane] < rules->steep_below;
    if (sets->asked[number] && steep == is_steep) chosen[count++] = number;
  }
  for (int first = 0; first < count; first += LANES) {
    vec known[KNOWN];
    for (int lane = 0; lane < LANES; lane++) { /* the last one also in lanes that nobody uses */
      const int number = chosen[first + lane < count ? first + lane : count - 1];
      for (int k = 0; k < KNOWN; k++)
        known[k][lane] = sets->known[number / LANES][k][number % LANES];
    }
    const vec found = is_steep ? along_path(known, rules->steep_nodes, rules->steep)
                               : along_path(known, rules->easy_nodes, rules->easy);
    for (int lane = 0; lane < LANES && first + lane < count; lane++) {
      const int number = chosen[first + lane];
      sets->all[number / LANES][number % LANES] = found[lane];
    }
  }
}

/* What set ``number`` adds to Sigma_ij for each two students i, j of it. */
static void add_moments(Sums *sums, int number) {
  const Units *s = &sums->units;
  const Sets *sets = sums->sets;
  const int block = number / LANES, lane = number % LANES;
  size_t unit[4], pair[6];
  double given[6];
  for (int k = 0; k < 4; k++) unit[k] = (size_t)sets->member[number][k];
  for (int k = 0; k < 6; k++) {
    pair[k] = unit[PAIRS[k][0]] * s->n + unit[PAIRS[k][1]];
    given[k] = sets->given[block][k][lane];
  }
  for (int place = 0; place < 6; place++) {
    const size_t i = unit[PAIRS[place][0]], j = unit[PAIRS[place][1]];
    if (i >= s->K || j >= s->K) continue;
    const int *others = PAIRS[place < 2 ? 1 - place : 7 - place];
    const size_t a = unit[others[0]], b = unit[others[1]];
    double moment = sets->asked[number] ? s->cosine[a * s->n + b] * sets->all[block][lane] : 0.0;
    for (int k = 0; k < 6; k++) moment = __builtin_fma(beta(s, pair[k], a, b), given[k], moment);
    const size_t at = i < j ? i * s->K + j : j * s->K + i;
    sums->Sigma[at] += 2.0 * s->signed_length[a] * s->signed_length[b] * moment;
  }
}

/* Work on the sets in the room, and empty it. */
static void finish_sets(Sums *sums) {
  Sets *sets = sums->sets;
  if (!sets->count) return;
  const vec flat = all_lanes(sums->rules->flat);
  for (int first = 0; first < sets->count; first += LANES) {
    const int block = first / LANES;
    const mask doubtful = conditional(sets->known[block], flat, sets->given[block]);
    for (int lane = 0; lane < LANES && first + lane < sets->count; lane++) {
      if (!doubtful[lane]) continue;
      double given[6];
      from_vectors(&sums->units, sets->member[first + lane], sums->room, given);
      for (int k = 0; k < 6; k++) sets->given[block][k][lane] = given[k];
    }
  }
  paths_of(sums, 0);
  paths_of(sums, 1);
  for (int number = 0; number < sets->count; number++) add_moments(sums, number);
  sets->count = 0;
}

/* Every set of four units with two students at least. */
static void add_fours(Sums *sums) {
  const size_t n = sums->units.n, K = sums->units.K;
  size_t set[4];
  for (set[0] = 0; set[0] < K; set[0]++)
    for (set[1] = set[0] + 1; set[1] < K; set[1]++)
      for (set[2] = set[1] + 1; set[2] < n; set[2]++)
        for (set[3] = set[2] + 1; set[3] < n; set[3]++) {
          add_set(sums, set);
          if (sums->sets->count == SETS) finish_sets(sums);
        }
  finish_sets(sums);
}

/* ``Sigma`` (K, K) of students W (K, p) and the teacher's rows V (M, M): E[e^2 1_i 1_j]. */
static int noise_of(const Noise *rules, const double *W, const double *V, double *Sigma) {
  const size_t K = (size_t)rules->students, M = (size_t)rules->teachers;
  const size_t p = (size_t)rules->coordinates;
  Pool pool = {.count = 0};
  Sums sums = {.rules = rules, .units = new_units(&pool, K, M, p, rules->apart), .Sigma = Sigma};
  sums.sets = (Sets *)take(&pool, (sizeof(Sets) + sizeof(vec) - 1) / sizeof(vec));
  sums.room = numbers(&pool, 7 * (sums.units.width + PARTS));
  const int status = pool.failed ? NO_MEMORY : FINISHED;
  if (!status) {
    const Units *s = &sums.units;
    set_units(&sums.units, W, V, rules->layers, p);
    for (size_t i = 0; i < K; i++) {
      Sigma[i * K + i] = diagonal(s, i);
      for (size_t j = i + 1; j < K; j++) Sigma[i * K + j] = two_and_three(s, i, j);
    }
    add_fours(&sums);
    for (size_t i = 0; i < K; i++)
      for (size_t j = i; j < K; j++) {
        const double both = i == j ? 0.5 : two(s->angle[i * s->n + j]);
        const double all = __builtin_fma(rules->label_variance, both, Sigma[i * K + j]);
        Sigma[i * K + j] = Sigma[j * K + i] = all / rules->batch;
      }
  }
  give_back(&pool);
  return status;
}

#endif
