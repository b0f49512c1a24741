/* The GPU's kernel on a processor.
 *
 * TEXT names the kernel's text. With THREADS 1 every block is a thread of the system, and nothing
 * waits; with more there is one block, whose threads are those of the system and whose barriers are
 * real ones, so that a sanitiser of threads sees a missing one as a race. Where ALONE is defined
 * there is a program that computes a few steps. */
#include <pthread.h>
#include <stdlib.h>

#define ONE_LANE
#include TEXT

__thread int thread_number, block_number;
int block_count;
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
  if (THREADS == 1)
    block_number = own->number;
  else
    thread_number = own->number;
  own->kernel(own->arguments);
  return NULL;
}

static void launch(void (*kernel)(void *), void *arguments) {
  const int count = THREADS > 1 ? THREADS : block_count;
  pthread_t *threads = calloc((size_t)count, sizeof *threads);
  Call *calls = calloc((size_t)count, sizeof *calls);
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int t = 0; t < count; t++) {
    calls[t] = (Call){t, kernel, arguments};
    if (pthread_create(&threads[t], NULL, begin, &calls[t])) abort();
  }
  for (int t = 0; t < count; t++) pthread_join(threads[t], NULL);
  pthread_barrier_destroy(&barrier);
  free(threads);
  free(calls);
}

/* No more than the kernel may touch. */
static double *room_of_blocks(size_t doubles) {
  return calloc((size_t)block_count * doubles, sizeof(double));
}

typedef struct {
  const Problem *problem;
  const Teacher *teacher;
  const Rules *rules;
  const Polish *polish;
  int64_t n, company;
  Paths *paths;
  double *W, *force, *norm, *work, *pairs;
  const int32_t *cancel;
  int64_t *evaluations, *queue;
} Arguments;

static void run_flow(void *given) {
  Arguments *a = given;
  flow_paths(a->problem, a->teacher, a->rules, a->n, a->company, a->paths, a->queue, a->cancel,
             a->evaluations, a->work);
}
#ifndef SINGLE
static void run_polish(void *given) {
  Arguments *a = given;
  polish_points(a->teacher, a->polish, a->n, a->W, a->force, a->norm, a->queue, a->cancel,
                a->evaluations, a->work, a->pairs);
}
#endif
static void run_forces(void *given) {
  Arguments *a = given;
  forces_at(a->teacher, a->n, a->W, a->force, a->queue, a->work);
}

void simulate_flow(int blocks, const Problem *problem, const Teacher *teacher, const Rules *rules,
                   int64_t n, int64_t company, Paths *paths, int64_t *queue, const int32_t *cancel,
                   int64_t *evaluations) {
  Arguments a = {.problem = problem, .teacher = teacher, .rules = rules, .n = n,
                 .company = company, .paths = paths, .queue = queue, .cancel = cancel,
                 .evaluations = evaluations};
  block_count = blocks;
  a.work = room_of_blocks(FLOW_DOUBLES);
  launch(run_flow, &a);
  free(a.work);
}

#ifndef SINGLE
void simulate_polish(int blocks, const Teacher *teacher, const Polish *rules, int64_t n, double *W,
                     const double *force, double *norm, int64_t *queue, const int32_t *cancel,
                     int64_t *evaluations) {
  Arguments a = {.teacher = teacher, .polish = rules, .n = n, .W = W, .force = (double *)force,
                 .norm = norm, .queue = queue, .cancel = cancel, .evaluations = evaluations};
  block_count = blocks;
  a.work = room_of_blocks(POLISH_DOUBLES);
  a.pairs = room_of_blocks(PAIRS_DOUBLES);
  launch(run_polish, &a);
  free(a.work);
  free(a.pairs);
}
#endif

void simulate_forces(int blocks, const Teacher *teacher, int64_t n, const double *W, double *force,
                     int64_t *queue) {
  Arguments a = {.teacher = teacher, .n = n, .W = (double *)W, .force = force, .queue = queue};
  block_count = blocks;
  a.work = room_of_blocks(FLOW_DOUBLES);
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
  int64_t queue[3] = {0};
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
  const int blocks = THREADS > 1 ? 1 : PATHS;
  simulate_forces(blocks, &teacher, PATHS, W, force, queue);
  simulate_flow(blocks, &problem, &teacher, &rules, PATHS, 0, &paths, queue + 1, &cancel,
                &evaluations);
#ifdef SINGLE
  evaluations += PATHS;
#else
  const Polish polish = {1e-11, 12, 0.4, 0.2};
  simulate_polish(blocks, &teacher, &polish, PATHS, W, force, norm, queue + 2, &cancel,
                  &evaluations);
#endif
  free(W);
  free(force);
  return evaluations < 2 * (4 + 9 + 7) + PATHS;
}
#endif
