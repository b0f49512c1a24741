/* The GPU's kernel on a processor: the threads of its one block are threads of the system.
 *
 * TEXT names the kernel's text. With THREADS 1 nothing waits; with more, every barrier is a real
 * one, so that a sanitiser of threads sees a missing one as a race. Where ALONE is defined there is
 * a program that computes a few steps. */
#include <pthread.h>
#include <stdlib.h>

#define ONE_LANE
#include TEXT

__thread int thread_number;
static pthread_barrier_t barrier;

void wait_for_the_others(void) {
  if (THREADS > 1) pthread_barrier_wait(&barrier);
}

typedef struct {
  int number;
  void (*kernel)(void *);
  void *arguments;
} Call;

static void *begin(void *call) {
  const Call *own = call;
  thread_number = own->number;
  own->kernel(own->arguments);
  return NULL;
}

static void launch(void (*kernel)(void *), void *arguments) {
  static pthread_t threads[THREADS];
  static Call calls[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int t = 0; t < THREADS; t++) {
    calls[t] = (Call){t, kernel, arguments};
    if (pthread_create(&threads[t], NULL, begin, &calls[t])) abort();
  }
  for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
  pthread_barrier_destroy(&barrier);
}

typedef struct {
  const Problem *problem;
  const Teacher *teacher;
  const Rules *rules;
  const Polish *polish;
  int64_t n;
  Paths *paths;
  double *W, *force, *norm, *work, *pairs;
  const int32_t *cancel;
  int64_t *evaluations;
  int64_t queue;
} Arguments;

static void run_flow(void *given) {
  Arguments *a = given;
  flow_paths(a->problem, a->teacher, a->rules, a->n, a->paths, &a->queue, a->cancel,
             a->evaluations, a->work);
}
#ifndef SINGLE
static void run_polish(void *given) {
  Arguments *a = given;
  polish_points(a->teacher, a->polish, a->n, a->W, a->force, a->norm, &a->queue, a->cancel,
                a->evaluations, a->work, a->pairs);
}
#endif
static void run_forces(void *given) {
  Arguments *a = given;
  forces_at(a->teacher, a->n, a->W, a->force, &a->queue, a->work);
}

void simulate_flow(const Problem *problem, const Teacher *teacher, const Rules *rules, int64_t n,
                   Paths *paths, const int32_t *cancel, int64_t *evaluations) {
  Arguments a = {.problem = problem, .teacher = teacher, .rules = rules, .n = n, .paths = paths,
                 .cancel = cancel, .evaluations = evaluations};
  a.work = calloc(FLOW_DOUBLES, sizeof(double)); /* no more than the kernel may touch */
  launch(run_flow, &a);
  free(a.work);
}

#ifndef SINGLE
void simulate_polish(const Teacher *teacher, const Polish *rules, int64_t n, double *W,
                     const double *force, double *norm, const int32_t *cancel,
                     int64_t *evaluations) {
  Arguments a = {.teacher = teacher, .polish = rules, .n = n, .W = W, .force = (double *)force,
                 .norm = norm, .cancel = cancel, .evaluations = evaluations};
  a.work = calloc(POLISH_DOUBLES, sizeof(double));
  a.pairs = calloc(PAIRS_DOUBLES, sizeof(double));
  launch(run_polish, &a);
  free(a.work);
  free(a.pairs);
}
#endif

void simulate_forces(const Teacher *teacher, int64_t n, const double *W, double *force) {
  Arguments a = {.teacher = teacher, .n = n, .W = (double *)W, .force = force};
  a.work = calloc(FLOW_DOUBLES, sizeof(double));
  launch(run_forces, &a);
  free(a.work);
}

#ifdef ALONE
static double *numbers(size_t count) {
  double *x = calloc(count, sizeof *x);
  for (size_t i = 0; x && i < count; i++) x[i] = (double)((i * i * 7 + i * 3 + 1) % 101) / 101 - 0.5;
  return x;
}

int main(void) {
  enum { PATHS = 3 };
  int64_t steps[PATHS] = {0}, limits[PATHS] = {4, 9, 7}, events[PATHS] = {0}, evaluations = 0;
  int32_t cancel = 0;
  double norms[TEACHERS], inverse[TEACHERS], V[TEACHERS * TEACHERS] = {0};
  double size[PATHS] = {0.05, 0.05, 0.05}, eigenvalue[PATHS] = {0.43, 0.43, 0.43};
  double tolerance[PATHS] = {0}, time[PATHS] = {0}, norm[PATHS] = {1.0, 1.0, 1.0};
  for (int m = 0; m < TEACHERS; m++) V[m * TEACHERS + m] = norms[m] = inverse[m] = 1.0;
  double *W = numbers(PATHS * ENTRIES), *force = numbers(PATHS * ENTRIES);
  const Problem problem = {STUDENTS, TEACHERS, COORDINATES, ORTHONORMAL ? 0 : V, norms, 0.25};
  const Teacher teacher = {V, norms, inverse, 0.25};
  const Rules rules = {1e-3, 4, 20, 1.95, 0.9, 0.43, 10, 1e-50, 1e-6, 1e3, 2, 1e3, 0.97, 0.05, 1e-6};
  Paths paths = {W, force, norm, time, size, eigenvalue, steps, tolerance, limits, events};
  simulate_forces(&teacher, PATHS, W, force);
  simulate_flow(&problem, &teacher, &rules, PATHS, &paths, &cancel, &evaluations);
#ifdef SINGLE
  evaluations += PATHS;
#else
  const Polish polish = {1e-11, 12, 0.4, 0.2};
  simulate_polish(&teacher, &polish, PATHS, W, force, norm, &cancel, &evaluations);
#endif
  free(W);
  free(force);
  return evaluations < 2 * (4 + 9 + 7) + PATHS;
}
#endif
