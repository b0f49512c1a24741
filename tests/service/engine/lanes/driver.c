/* Runs everything that the kernel exports on a few paths, for builds that watch memory and
 * undefined behaviour. Prints what it found as bits, so that two builds can be compared. */
#include <stdio.h>
#include <stdlib.h>

#include "lanes.h"

int lanes_force_avx2(const Problem *, int64_t, const double *, double *);
int lanes_flow_avx2(const Problem *, const Rules *, int64_t, Paths *, int64_t, const int32_t *,
                    int64_t *);
int lanes_force_avx2_single(const Problem *, int64_t, const double *, double *);
int lanes_flow_avx2_single(const Problem *, const Rules *, int64_t, Paths *, int64_t,
                           const int32_t *, int64_t *);
int lanes_polish_avx2(const Problem *, const Polish *, int64_t, double *, const double *, double *,
                      const int32_t *, int64_t *);

static double *room(size_t count) {
  double *x = calloc(count, sizeof *x); /* exactly as much as the kernel may touch */
  if (!x) exit(3);
  return x;
}

static void print(const char *what, const double *x, size_t count) {
  printf("%s", what);
  for (size_t i = 0; i < count; i++) printf(" %a", x[i]);
  printf("\n");
}

/* Teacher rows a little off the axes, or the axes themselves. */
static double *teacher_rows(int64_t M, double *norms, int is_orthonormal) {
  double *V = room((size_t)(M * M));
  for (int64_t m = 0; m < M; m++) {
    double squared = 0.0;
    for (int64_t c = 0; c <= m; c++) {
      V[m * M + c] = c == m ? 1.0 : is_orthonormal ? 0.0 : 0.25 / (double)(1 + m + c);
      squared += V[m * M + c] * V[m * M + c];
    }
    norms[m] = __builtin_sqrt(squared);
  }
  return V;
}

/* ``single``: in single precision, without the polish, which is always double. */
static int run(int64_t K, int64_t M, int64_t p, int64_t n, int is_orthonormal, double shortest,
               int single) {
  const size_t entries = (size_t)(n * K * p), count = (size_t)n;
  const int32_t cancel = 0;
  int64_t evaluations = 0;
  double *norms = room((size_t)M), *V = teacher_rows(M, norms, is_orthonormal);
  double *W = room(entries), *force = room(entries), *tolerance = room(count);
  int64_t *steps = calloc(count, 8), *limit = calloc(count, 8), *event = calloc(count, 8);
  Paths paths = {W, force, room(count), room(count), room(count), room(count), steps, tolerance,
                 limit, event};
  for (size_t i = 0; i < entries; i++) W[i] = ((double)(i * i * 7 + i * 3 + 1) / 101.0);
  for (size_t i = 0; i < entries; i++) W[i] = (W[i] - (double)(int64_t)W[i] - 0.5) * 1.5;
  for (size_t i = 0; i < count; i++) {
    paths.step_size[i] = 0.05;
    paths.eigenvalue[i] = 0.43;
    tolerance[i] = 2e-4;
    limit[i] = 300 + (int64_t)i;
  }
  const Problem problem = {K, M, p, is_orthonormal ? NULL : V, norms, 0.25};
  const Rules rules = {1e-3, 4.0, 20.0, 1.95, 0.9, 0.43, 10.0, shortest, 0.2, 1.0,
                       K > M ? 8.0 : 0.0, 2e-3, 0.97, 0.05, 1e-6};
  const Polish polish = {1e-11, 80.0, 0.4, 0.2};
  int status = (single ? lanes_force_avx2_single : lanes_force_avx2)(&problem, n, W, force);
  status |= (single ? lanes_flow_avx2_single : lanes_flow_avx2)(&problem, &rules, n, &paths, 2,
                                                                &cancel, &evaluations);
  print(single ? "single" : "W", W, entries);
  if (!single) {
    status |= lanes_force_avx2(&problem, n, W, force);
    status |= lanes_polish_avx2(&problem, &polish, n, W, force, paths.gradient_norm, &cancel,
                                &evaluations);
    print("polished", W, entries);
  }
  for (size_t i = 0; i < count; i++) printf("%ld %ld\n", (long)steps[i], (long)event[i]);
  free(norms), free(V), free(W), free(force), free(tolerance);
  free(steps), free(limit), free(event);
  free(paths.gradient_norm), free(paths.time), free(paths.step_size), free(paths.eigenvalue);
  return status;
}

int main(void) {
  int status = 0;
  for (int kind = 0; kind < 4; kind++) {
    const int is_orthonormal = kind % 2, single = kind / 2;
    status |= run(1, 1, 1, 1, is_orthonormal, 1e-6, single);
    status |= run(5, 5, 5, 11, is_orthonormal, 1e-6, single);
    status |= run(3, 6, 9, 7, is_orthonormal, 1e-6, single);
    status |= run(7, 4, 8, 9, is_orthonormal, 1e-6, single);
    status |= run(9, 9, 13, 5, is_orthonormal, 0.3, single); /* students count as short at once */
    status |= run(4, 4, 4, 0, is_orthonormal, 1e-6, single);
  }
  return status;
}
