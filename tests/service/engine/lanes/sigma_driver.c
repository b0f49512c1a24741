/* Computes the noise of SGD for builds that watch memory and undefined behaviour, with arrays of
 * exactly the size that the kernel may touch. Prints it, as bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"

int lanes_sigma_avx2(const Noise *, const double *, const double *, double *);

static double *some(size_t count) {
  static uint64_t state = 1;
  double *x = malloc(count * sizeof *x);
  if (!x) exit(3);
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x[i] = 2.0 * (double)(state >> 11) / 9007199254740992.0 - 1.0;
  }
  return x;
}

/* K, M, p, how many students are along the first teacher (sets in a plane), and whether there are
 * second layers */
static const int64_t CASES[][5] = {{1, 1, 1, 0, 0},  {1, 4, 5, 0, 0}, {3, 2, 5, 0, 1},
                                   {2, 6, 8, 2, 0},  {9, 3, 12, 0, 0}, {7, 5, 8, 4, 1},
                                   {5, 1, 9, 5, 0}};

int main(void) {
  int status = 0;
  /* Nodes need not be good ones to be read. */
  const double easy[6] = {0.3, 0.7, 0.5, 0.8, 0.2, 0.5}, steep[9] = {0.2, 0.8, 0.4, 0.6, 0.4, 0.3,
                                                                     0.9, 0.1, 0.3};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    const int64_t K = CASES[i][0], M = CASES[i][1], p = CASES[i][2];
    double *layers = some((size_t)(K + M));
    const Noise rules = {K, M, p, 2, 3, 1e-9, 1e-15, 1e-6, 0.3, 0.25, 2.0, easy, steep,
                         CASES[i][4] ? layers : NULL};
    double *W = some((size_t)(K * p)), *V = some((size_t)(M * M)), *Sigma = some((size_t)(K * K));
    for (int64_t a = 0; a < M; a++)
      for (int64_t b = a; b < M; b++) V[a * M + b] = a == b;
    for (int64_t k = 0; k < CASES[i][3]; k++) {
      memset(W + k * p, 0, (size_t)p * sizeof *W);
      W[k * p] = k % 2 ? -0.5 : 1.5;
    }
    status |= lanes_sigma_avx2(&rules, W, V, Sigma);
    for (int64_t k = 0; k < K; k++) {
      printf("student");
      for (int64_t j = 0; j < K; j++) printf(" %a", Sigma[k * K + j]);
      printf("\n");
    }
    free(W), free(V), free(Sigma), free(layers);
  }
  return status;
}
