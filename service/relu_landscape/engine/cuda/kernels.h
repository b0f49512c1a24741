/* The kernels for the GPU: gradient flow of the population loss, one path per block of threads.
 *
 * What is computed is what lanes/lanes.c computes, to the bit: the same sums in the same order, and
 * every operation rounded as IEEE 754 says (compile without contraction). source.py makes one text
 * of this file and what it includes. Arguments as in lanes.h; ``queue`` counts the paths that blocks
 * took; ``work`` has room for every block where WIDE, ``pairs`` always. */
#include "flow.h"
#ifndef SINGLE /* a polish is always double */
#include "polish.h"
#endif

/* Where the room of this block is. */
#if WIDE || !defined(__CUDACC__)
#define NEW_ROOM(work, doubles) ((work) + (int64_t)BLOCK * (doubles))
#else
extern __shared__ double shared_room[];
#define NEW_ROOM(work, doubles) shared_room
#endif

KERNEL flow_paths(const Problem *problem, const Teacher *teacher, const Rules *rules, int64_t n,
                  int64_t company, Paths *paths, int64_t *queue, const volatile int32_t *cancel,
                  int64_t *evaluations, double *work) {
  SHARED Board board;
  const Orders orders = {n, company, queue, cancel};
  Flow f = new_flow(NEW_ROOM(work, FLOW_DOUBLES));
  follow(problem, teacher, rules, &orders, paths, evaluations, &f, &board);
}

#ifndef SINGLE
KERNEL polish_points(const Teacher *teacher, const Polish *rules, int64_t n, double *W,
                     const double *force, double *norm, int64_t *queue,
                     const volatile int32_t *cancel, int64_t *evaluations, double *work,
                     double *pairs) {
  SHARED Board board;
  double *own_pairs = pairs + (int64_t)BLOCK * PAIRS_DOUBLES;
  Polisher q = new_polisher(NEW_ROOM(work, POLISH_DOUBLES), own_pairs);
  minimise(teacher, rules, n, W, force, norm, queue, cancel, evaluations, &q, &board);
}
#endif

KERNEL forces_at(const Teacher *teacher, int64_t n, const double *W, double *force,
                 int64_t *queue, double *work) {
  SHARED Board board;
  Flow f = new_flow(NEW_ROOM(work, FLOW_DOUBLES));
  for (;;) {
    if (thread() == 0) board.path = next_of(queue);
    sync();
    const int64_t path = board.path;
    if (path >= n) return;
    load(f.W, W + path * ENTRIES);
    sync();
    compute_force(teacher, f.room, f.W, f.here, f.force, 0, 0);
    store(force + path * ENTRIES, f.force);
    sync();
  }
}
