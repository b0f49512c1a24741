/* The native kernel: gradient flow of the population loss, one path per lane of a vector register.
 *
 * Compiled once for each set of instructions (VARIANT names it) into one shared library, and once
 * more in single precision (SINGLE), for the beginning of paths; native.py asks dispatch.c which of
 * them this processor has. Needs nothing but C. No function keeps anything between calls, so any
 * number of threads may call any of them. */
#include "flow.h"
#ifndef SINGLE /* a polish and the search of structures are always double */
#include "chain.h"
#include "polish.h"
#include "search.h"
#include "sigma.h"
#endif

#ifndef VARIANT
#define VARIANT portable
#endif
#define JOIN_(name, variant) lanes_##name##_##variant
#define JOIN(name, variant) JOIN_(name, variant)
#define NAME(name) JOIN(name, VARIANT)
#define EXPORTED __attribute__((visibility("default")))

/* Follows n paths, each until its event. Returns a Status.
 *
 * With ``company`` above zero it returns early, with event 0 for those still on their way, once
 * somebody has left, nobody waits, and fewer than ``company`` lanes are in use. ``cancel`` is read
 * before every step; after it, too, every path has a state from which it can go on.
 * ``evaluations`` is raised by the number of gradients. */
EXPORTED int NAME(flow)(const Problem *problem, const Rules *rules, int64_t n, Paths *paths,
                   int64_t company, const int32_t *cancel, int64_t *evaluations) {
  return follow(problem, rules, n, paths, company, cancel, evaluations);
}

#ifndef SINGLE
/* Polishes n points W (n, K, p), in place, given the forces and their norms there; ``norm`` is then
 * what is left. Returns a Status; after CANCELLED some points are as they were. */
EXPORTED int NAME(polish)(const Problem *problem, const Polish *rules, int64_t n, double *W,
                     const double *force, double *norm, const int32_t *cancel,
                     int64_t *evaluations) {
  return minimise(problem, rules, n, W, force, norm, cancel, evaluations);
}

/* Drives n starts of a structure, deviations (n, m) with signs (n, naturals), each to a critical
 * point or until it is given up, in place. Out, each (n,): ``norm`` of the gradient there,
 * ``outcome``, a SearchOutcome, and ``trials``, the points that were tried. Returns a Status. */
EXPORTED int NAME(search)(const Shape *shape, const Search *rules, int64_t n, double *deviations,
                     const double *signs, double *norm, int64_t *outcome, int64_t *trials) {
  return search(shape, rules, n, deviations, signs, norm, outcome, trials);
}

/* Advances n runs of SGD by a stretch whose inputs were drawn, in place. Returns a Status. */
EXPORTED int NAME(stretch)(const Sgd *rules, int64_t n, const Drawn *drawn, SgdRuns *runs) {
  return stretch(rules, n, drawn, runs);
}

/* The noise Sigma (K, K) of SGD at students W (K, p), V (M, M) the teacher's rows. Returns a
 * Status. */
EXPORTED int NAME(sigma)(const Noise *rules, const double *W, const double *V, double *Sigma) {
  return noise_of(rules, W, V, Sigma);
}
#endif

/* Forces -grad L (n, K, p) at n points. Returns a Status. */
EXPORTED int NAME(force)(const Problem *problem, int64_t n, const double *W, double *force) {
  Pool pool = {.count = 0};
  Gradient gradient = new_gradient(&pool, problem);
  const size_t entries = gradient.K * gradient.p;
  vec *point = take(&pool, entries), *result = take(&pool, entries);
  const int status = pool.failed ? NO_MEMORY : FINISHED;
  for (int64_t first = 0; !status && first < n; first += LANES) {
    const int count = n - first < LANES ? (int)(n - first) : LANES;
    for (int lane = 0; lane < LANES; lane++) /* the first one also in lanes that nobody uses */
      load(point, W + (size_t)(first + (lane < count ? lane : 0)) * entries, entries, lane);
    compute_force(&gradient, point, result);
    for (int lane = 0; lane < count; lane++)
      store(force + (size_t)(first + lane) * entries, result, entries, lane);
  }
  give_back(&pool);
  return status;
}

/* Lanes of this variant, and the instructions it was compiled for. */
EXPORTED int NAME(width)(void) { return LANES; }
EXPORTED const char *NAME(instructions)(void) { return INSTRUCTIONS; }
