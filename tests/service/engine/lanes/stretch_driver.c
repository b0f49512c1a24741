/* Runs a stretch of SGD for builds that watch memory and undefined behaviour, with arrays of exactly
 * the size that the kernel may touch. Prints where the runs get to, as bits. */
#include <stdio.h>
#include <stdlib.h>

#include "lanes.h"

int lanes_stretch_avx2(const Sgd *, int64_t, const Drawn *, SgdRuns *);

static double *some(size_t count, double low, double high) {
  static uint64_t state = 1;
  double *x = malloc(count * sizeof *x);
  if (!x) exit(3);
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x[i] = low + (high - low) * (double)(state >> 11) / 9007199254740992.0;
  }
  return x;
}

/* K, M, p, k, batch, steps, and whether the teacher is orthonormal, labels are noisy, units have
 * second layers of their own and leak */
static const int64_t CASES[][9] = {
    {3, 2, 5, 16, 1, 16, 1, 0, 0}, {5, 3, 8, 4, 1, 16, 0, 1, 0}, {2, 3, 5, 15, 5, 3, 0, 1, 1},
    {4, 2, 4, 0, 1, 16, 1, 1, 0},  {1, 1, 2, 7, 40, 1, 1, 0, 0}, {6, 4, 10, 16, 1, 16, 0, 0, 1},
};

int main(void) {
  int status = 0;
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    const int64_t *c = CASES[i], K = c[0], M = c[1], p = c[2], k = c[3], inputs = c[4] * c[5];
    const int64_t blocks = 3, n = 6, at[] = {1, c[5], 2 * c[5] + 1};
    size_t normals = (size_t)(inputs * p);
    for (int64_t t = 0; t < inputs; t++) normals += (size_t)(t < k ? t : k);
    double *V = some((size_t)(M * M), 0.5, 1.0);
    double *layers = some((size_t)(K + M), -1.5, 1.5);
    const Sgd rules = {K, M, p, k, c[4], c[5], blocks, 0.01, 0.1, 4e-16, c[6] ? NULL : V,
                       c[8] ? layers : NULL, c[8] ? 0.4 : 0.0};
    double *x = some((size_t)(n * blocks) * normals, -2.0, 2.0);
    double *diagonal = some((size_t)(n * blocks * k), 3.0, 4.0);
    double *labels = some((size_t)(n * blocks * inputs), -1.0, 1.0);
    double *W = some((size_t)(n * K * p), -1.0, 1.0), *limit = some((size_t)n, 2.5, 4.0);
    double *recorded = some((size_t)(n * 3 * K * (p + k)), 0.0, 1.0);
    int64_t *gone = malloc((size_t)n * sizeof *gone);
    if (!gone) return 3;
    for (int64_t r = 0; r < n; r++) gone[r] = -1;
    const Drawn drawn = {x, diagonal, c[7] ? labels : NULL};
    SgdRuns runs = {W, limit, gone, 48, 3, at, recorded};
    status |= lanes_stretch_avx2(&rules, n, &drawn, &runs);
    for (int64_t j = 0; j < n * K * p; j++) printf("%a ", W[j]);
    for (int64_t j = 0; j < n * 3 * K * (p + k); j++) printf("%a ", recorded[j]);
    for (int64_t r = 0; r < n; r++) printf("\nrun %ld", (long)gone[r]);
    printf("\n");
    free(V), free(layers), free(x), free(diagonal), free(labels), free(W), free(limit), free(recorded);
    free(gone);
  }
  return status;
}
