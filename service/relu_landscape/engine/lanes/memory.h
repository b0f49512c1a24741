/* The workspaces of one call: taken one by one, given back together. */
#ifndef RELU_LANDSCAPE_MEMORY_H
#define RELU_LANDSCAPE_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "vector.h"

typedef struct {
  void *blocks[64];
  int count;
  int failed;
} Pool;

/* ``count`` vectors, all zero; NULL after a failure, which ``failed`` remembers. */
static vec *take(Pool *pool, size_t count) {
  size_t bytes = (count * sizeof(vec) + 63) / 64 * 64;
  vec *block = pool->count < 64 ? aligned_alloc(64, bytes ? bytes : 64) : NULL;
  if (!block) {
    pool->failed = 1;
    return NULL;
  }
  memset(block, 0, bytes);
  pool->blocks[pool->count++] = block;
  return block;
}

static void give_back(Pool *pool) {
  for (int i = 0; i < pool->count; i++) free(pool->blocks[i]);
  pool->count = 0;
}

/* Between the arrays of one path and its lane. */
INLINE void load(vec *to, const double *from, size_t count, int lane) {
  for (size_t i = 0; i < count; i++) to[i][lane] = (real)from[i];
}
INLINE void store(double *to, const vec *from, size_t count, int lane) {
  for (size_t i = 0; i < count; i++) to[i] = from[i][lane];
}

/* Something harmless for lanes that nobody uses: no two students of it are parallel. */
static void fill_unused(vec *W, size_t K, size_t p) {
  for (size_t i = 0; i < K; i++)
    for (size_t c = 0; c < p; c++)
      W[i * p + c] = all_lanes((real)(1.0 / (1.0 + (double)((i * 7 + c * 3) % 11))));
}

#endif
