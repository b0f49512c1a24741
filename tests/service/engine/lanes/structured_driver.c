/* Runs the search of structures for builds that watch memory and undefined behaviour, on the shapes
 * and starts of cases.h, which the test writes. Prints what it found as bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"

#include "cases.h" /* CASES of {Shape, starts, deviations, signs} */

int lanes_search_avx2(const Shape *, const Search *, int64_t, double *, const double *, double *,
                      int64_t *, int64_t *);

static void *room(size_t count) {
  void *x = malloc(count * 8); /* exactly as much as the kernel may touch */
  if (!x) exit(3);
  return x;
}

int main(void) {
  const Search rules = {1e-13, 1e-8, 1e-3, 16.0, 1e-3, 1e-2, 0.3, 4.0, 1e8, 30.0, 1e-12, 0.1};
  int status = 0;
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    const int64_t n = CASES[i].starts, m = CASES[i].shape.unknowns;
    double *deviations = room((size_t)(n * m)), *norm = room((size_t)n);
    int64_t *outcome = room((size_t)n), *trials = room((size_t)n);
    memcpy(deviations, CASES[i].deviations, (size_t)(n * m) * 8);
    status |= lanes_search_avx2(&CASES[i].shape, &rules, n, deviations, CASES[i].signs, norm,
                                outcome, trials);
    for (int64_t k = 0; k < n * m; k++) printf("%a ", deviations[k]);
    for (int64_t k = 0; k < n; k++)
      printf("\nnorm %a %ld %ld", norm[k], (long)outcome[k], (long)trials[k]);
    printf("\n");
    free(deviations), free(norm), free(outcome), free(trials);
  }
  return status;
}
