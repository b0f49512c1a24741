/* One block of threads works on one path: what its threads are, and sums over all entries.
 *
 * STUDENTS, TEACHERS, COORDINATES, THREADS and STRIDE are constants of the compilation (source.py),
 * so that every loop has a known length. ORTHONORMAL says that the teacher is the identity, WIDE
 * that the room of a path does not fit into shared memory and lies in the device's.
 *
 * Numbers are ``real`` (lanes/vector.h): doubles, or single precision where SINGLE is defined, for the
 * beginning of paths; what a kernel is given and gives back is double in either.
 *
 * The same text compiles for a processor, where threads are those of the system, or a single one
 * that does everything: the order of every sum is given, and does not depend on their number. */
#ifndef RELU_LANDSCAPE_BLOCK_H
#define RELU_LANDSCAPE_BLOCK_H

#include "../lanes/vector.h"

#if defined(__CUDACC__)
#define UNROLL_BY(count) UNROLL_TEXT(unroll count)
#define UNROLL_TEXT(text) _Pragma(#text)
#else
#define UNROLL_BY(count)
#endif

#define ENTRIES (STUDENTS * COORDINATES)
#define STRANDS 32

#if defined(__CUDACC__)
/* Blocks that a multiprocessor shall have registers for: 72 to 80 of them a thread, which is what
 * the flow of an orthonormal teacher needs in shared memory, else 128. */
#define LEAST_BLOCKS ((ORTHONORMAL && !WIDE ? 896 : 512) / THREADS)
#define KERNEL extern "C" __global__ void __launch_bounds__(THREADS, LEAST_BLOCKS)
#define SHARED __shared__
INLINE int thread(void) { return (int)threadIdx.x; }
#define BLOCK ((int)blockIdx.x)
#define BLOCKS ((int)gridDim.x)
INLINE void sync(void) { __syncthreads(); }
INLINE int64_t next_of(int64_t *queue) {
  return (int64_t)atomicAdd((unsigned long long *)queue, 1ULL);
}
INLINE int64_t taken_from(const int64_t *queue) { return *(const volatile int64_t *)queue; }
INLINE void add_to(int64_t *total, int64_t count) {
  atomicAdd((unsigned long long *)total, (unsigned long long)count);
}
#else /* tests: see simulated.c */
#define KERNEL void
#if THREADS == 1
#define SHARED static __thread /* every block is one */
#else
#define SHARED static
#endif
extern __thread int thread_number, block_number;
extern int block_count;
void wait_for_the_others(void);
INLINE int thread(void) { return thread_number; }
#define BLOCK block_number
#define BLOCKS block_count
INLINE void sync(void) { wait_for_the_others(); }
INLINE int64_t next_of(int64_t *queue) { return __atomic_fetch_add(queue, 1, __ATOMIC_RELAXED); }
INLINE int64_t taken_from(const int64_t *queue) {
  return __atomic_load_n(queue, __ATOMIC_RELAXED);
}
INLINE void add_to(int64_t *total, int64_t count) {
  __atomic_fetch_add(total, count, __ATOMIC_RELAXED);
}
#endif

#define WARPS (THREADS < 32 ? 1 : THREADS / 32)
INLINE int warp(void) { return thread() / 32; }
INLINE int is_first_of_warp(void) { return thread() % 32 == 0; }

/* Every index below ``count``, dealt out to the threads; ``EACH_BACK`` begins with the last thread,
 * so that two short loops of one phase do not wait for each other. */
#define EACH(index, count) for (int index = thread(); index < (count); index += THREADS)
#define EACH_BACK(index, count) \
  for (int index = THREADS - 1 - thread(); index < (count); index += THREADS)

/* Where entry e of a (rows, ``columns``) array is, whose rows are ``stride`` apart. */
INLINE int place(int e, int columns, int stride) { return e / columns * stride + e % columns; }

/* <a, b> in the order of lanes/sums.h, for a whole warp to call; its first thread gets the value.
 * The two arrays may lie in rows of different strides. */
INLINE real sum_by_warp(const real *a, int a_stride, const real *b, int b_stride, int count,
                        int columns) {
#if defined(__CUDACC__)
  real strand = (real)0.0;
  UNROLL_BY(4)
  for (int e = (int)threadIdx.x % STRANDS; e < count; e += STRANDS)
    strand = fma_(a[place(e, columns, a_stride)], b[place(e, columns, b_stride)], strand);
  for (int half = STRANDS / 2; half; half /= 2) strand += __shfl_xor_sync(~0u, strand, half);
  return strand;
#else
  real strand[STRANDS] = {(real)0.0};
  if (!is_first_of_warp()) return (real)0.0;
  for (int e = 0; e < count; e++) {
    real *own = &strand[e % STRANDS];
    *own = fma_(a[place(e, columns, a_stride)], b[place(e, columns, b_stride)], *own);
  }
  for (int half = STRANDS / 2; half; half /= 2)
    for (int t = 0; t < half; t++) strand[t] += strand[t + half];
  return strand[0];
#endif
}

/* <a, b> of two (STUDENTS, COORDINATES) arrays of the room, and of two short ones. */
INLINE real sum_of_entries(const real *a, const real *b) {
  return sum_by_warp(a, STRIDE, b, STRIDE, ENTRIES, COORDINATES);
}
INLINE real short_sum(const real *a, const real *b, int count) {
  return sum_by_warp(a, 0, b, 0, count, count);
}

#endif
