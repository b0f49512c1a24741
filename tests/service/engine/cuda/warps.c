/* What NVRTC made of the kernels, on a processor: TEXT names what assembly.py made of it.
 *
 * The threads of all blocks take turns on the one that calls. Each runs until it waits for others,
 * at a barrier or in a shuffle, or is done; every block goes on to its next barrier before the next
 * block does. Threads of a block go in the order of their numbers in one round and in the opposite
 * order in the next.
 *
 * What a GPU would not say is a fault here, which ends the launch with a sentence: shared memory
 * beyond what there is, and words of it that two threads use between two barriers and one of them
 * writes; a barrier that not every thread reaches, in the same line; a shuffle without the whole
 * warp. Shared memory is NaN at first. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { WARP = 32, MANY = -1 };
enum { STACK = 1 << 17 }; /* of a thread, in bytes: four times what the kernels take */
typedef enum { READY, AT_BARRIER, IN_SHUFFLE, DONE } State;
typedef enum { LOAD, STORE } Way;

/* Who used a word of shared memory last, and before which of the block's barriers. */
typedef struct {
  int writer, reader;
  int64_t written, read;
} Word;

typedef struct {
  int number, count, threads; /* blocks are so many */
  int64_t bytes, phase;       /* of shared memory; barriers so far, from one on */
  char *shared;
  Word *words;
  const uint64_t *arguments;
} Block;

typedef struct {
  int number;
  Block *block;
  State state;
  int line; /* where it waits */
  uint32_t shown, partner, seen;
  ucontext_t context;
} Thread;

typedef void (*Kernel)(Thread *);

static ucontext_t scheduler;
static Kernel running;
static char fault[200]; /* empty: none so far */

static void say(const char *format, ...) {
  va_list given;
  va_start(given, format);
  if (!*fault) vsnprintf(fault, sizeof fault, format, given);
  va_end(given);
}

/* Lets the others run. */
static void wait_as(Thread *self, State state, int line) {
  self->state = state;
  self->line = line;
  swapcontext(&self->context, &scheduler);
}

static void wait_at_barrier(Thread *self, int line) { wait_as(self, AT_BARRIER, line); }

/* What the thread shows whose number differs by these bits. */
static uint32_t shuffled(Thread *self, int line, uint32_t shown, uint32_t partner, uint32_t clamp,
                         uint32_t members) {
  if (clamp != WARP - 1 || members != ~0u || partner >= WARP)
    say("The shuffle of line %d is not of a whole warp.", line);
  self->shown = shown;
  self->partner = partner;
  wait_as(self, IN_SHUFFLE, line);
  return self->seen;
}

static void note(Thread *self, int64_t offset, Way way) {
  Word *word = &self->block->words[offset / 4];
  const int64_t phase = self->block->phase;
  const int own = self->number;
  const int is_after_write = word->written == phase && word->writer != own;
  const int is_after_read = word->read == phase && word->reader != own;
  if (is_after_write || (way == STORE && is_after_read))
    say("Threads %d and %d race for byte %lld of shared memory.", own,
        is_after_write ? word->writer : word->reader, (long long)offset);
  if (way == STORE) {
    word->written = phase;
    word->writer = own;
  } else {
    word->reader = is_after_read ? MANY : own;
    word->read = phase;
  }
}

/* Where these bytes of shared memory are. */
static void *shared(Thread *self, uint64_t offset, int size, Way way) {
  static _Thread_local uint64_t nowhere;
  if (offset % (unsigned)size || offset + (unsigned)size > (uint64_t)self->block->bytes) {
    say("Byte %lld of %lld of shared memory.", (long long)offset, (long long)self->block->bytes);
    return &nowhere;
  }
  for (int byte = 0; byte < size; byte += 4) note(self, (int64_t)offset + byte, way);
  return self->block->shared + offset;
}

/* An address that may be of either memory. */
static uint64_t generic(Thread *self, uint64_t offset) {
  return (uint64_t)(uintptr_t)self->block->shared + offset;
}
static void *anywhere(Thread *self, uint64_t address, int size, Way way) {
  const uint64_t offset = address - (uint64_t)(uintptr_t)self->block->shared;
  if (offset < (uint64_t)self->block->bytes) return shared(self, offset, size, way);
  return (void *)(uintptr_t)address;
}

static uint64_t added_to(uint64_t *total, uint64_t count) {
  const uint64_t before = *total;
  *total += count;
  return before;
}

#define SHARED(type, address, way) (*(type *)shared(self, address, sizeof(type), way))
#define GENERIC(type, address, way) (*(type *)anywhere(self, address, sizeof(type), way))
#define GLOBAL(type, address, way) (*(type *)(uintptr_t)(address))

/* Numbers and their bits. */
#define IN_BITS(name, number, bits)        \
  static inline bits bits_of_##name(number x) { \
    bits own;                              \
    memcpy(&own, &x, sizeof own);          \
    return own;                            \
  }                                        \
  static inline number number_of_##name(bits x) { \
    number own;                            \
    memcpy(&own, &x, sizeof own);          \
    return own;                            \
  }
IN_BITS(f64, double, uint64_t)
IN_BITS(f32, float, uint32_t)

#define FUNCTION(type, name) _Generic((type)0, float: __builtin_##name##f, double: __builtin_##name)
/* The number where the other is a NaN; zero is above minus zero. */
#define SMALLER(a, b) \
  (__builtin_isnan(a) || (b) < (a) || ((b) == (a) && __builtin_signbit(b)) ? (b) : (a))
#define LARGER(a, b) \
  (__builtin_isnan(a) || (b) > (a) || ((b) == (a) && __builtin_signbit(a)) ? (b) : (a))
#define BITS(type) (8 * (unsigned)sizeof(type))
#define SHIFTED_LEFT(type, a, by) ((by) < BITS(type) ? (a) << (by) : 0)
#define SHIFTED_RIGHT(type, a, by) ((by) < BITS(type) ? (a) >> (by) : (type)((a) < 0 ? -1 : 0))
/* ``b`` with the lowest ``count`` bits of ``a`` from bit ``from`` on. */
#define LOWEST(type, count) ((type)((count) < BITS(type) ? ((type)1 << (count)) - 1 : ~(type)0))
#define INSERTED(type, a, b, from, count) \
  (((b) & ~(LOWEST(type, count) << (from))) | (((a) & LOWEST(type, count)) << (from)))

#include TEXT

static void begin(unsigned low, unsigned high) {
  Thread *self = (Thread *)(uintptr_t)((uint64_t)high << 32 | low);
  running(self);
  wait_as(self, DONE, 0);
}

static void prepare(Block *block, Thread *threads, char *stacks) {
  memset(block->shared, 0xff, (size_t)block->bytes);
  for (int t = 0; t < block->threads; t++) {
    Thread *own = &threads[t];
    own->number = t;
    own->block = block;
    getcontext(&own->context);
    own->context.uc_stack.ss_sp = stacks + (size_t)t * STACK;
    own->context.uc_stack.ss_size = STACK;
    const uint64_t address = (uint64_t)(uintptr_t)own;
    makecontext(&own->context, (void (*)(void))begin, 2, (unsigned)address,
                (unsigned)(address >> 32));
  }
}

/* The first of these threads that waits for something else than thread 0 does; ``count``: none. */
static int first_apart(const Thread *threads, int count) {
  int t = 1;
  while (t < count && threads[t].state == threads[0].state && threads[t].line == threads[0].line) t++;
  return t;
}

/* Whether a warp went on: its shuffle is done. */
static int has_exchanged(Thread *warp) {
  int waiting = 0;
  for (int t = 0; t < WARP; t++) waiting += warp[t].state == IN_SHUFFLE;
  if (!waiting) return 0;
  if (waiting < WARP || first_apart(warp, WARP) < WARP) {
    say("Only %d threads of a warp are in the same shuffle, or not in one.", waiting);
    return 0;
  }
  for (int t = 0; t < WARP; t++) warp[t].seen = warp[t ^ (int)warp[t].partner].shown;
  for (int t = 0; t < WARP; t++) warp[t].state = READY;
  return 1;
}

static void run_ready(Thread *threads, int count, int is_backwards) {
  for (int t = 0; t < count && !*fault; t++) {
    Thread *own = &threads[is_backwards ? count - 1 - t : t];
    if (own->state == READY) swapcontext(&scheduler, &own->context);
  }
}

/* Runs a block up to its next barrier; returns whether it has more to do. */
static int run_block(Block *block, Thread *threads) {
  static int round;
  for (int is_going_on = 1; is_going_on && !*fault;) {
    run_ready(threads, block->threads, round++ % 2);
    is_going_on = 0;
    for (int t = 0; t < block->threads && !*fault; t += WARP)
      is_going_on |= has_exchanged(threads + t);
  }
  const int apart = first_apart(threads, block->threads);
  if (apart < block->threads)
    say("Thread 0 is at the barrier of line %d, thread %d at that of line %d (0: at its end).",
        threads[0].line, apart, threads[apart].line);
  if (*fault || threads[0].state == DONE) return 0;
  block->phase++;
  for (int t = 0; t < block->threads; t++) threads[t].state = READY;
  return 1;
}

/* Runs a kernel, with so many bytes of shared memory for each block and arguments of eight bytes
 * each. Returns what went wrong, which is nothing where it is empty. */
const char *launch(Kernel kernel, int blocks, int threads, int64_t bytes,
                   const uint64_t *arguments) {
  const size_t count = (size_t)threads, all = (size_t)blocks * count;
  Block *block = calloc((size_t)blocks, sizeof *block);
  Thread *thread = calloc(all, sizeof *thread);
  char *stacks = malloc(all * STACK);
  running = kernel;
  *fault = 0;
  if (threads % WARP) say("%d threads are no whole warps.", threads);
  for (int b = 0; b < blocks; b++) {
    block[b] = (Block){b, blocks, threads, bytes, 1, 0, 0, arguments};
    block[b].shared = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64 + 64);
    block[b].words = calloc((size_t)bytes / 4 + 1, sizeof(Word));
    prepare(&block[b], thread + (size_t)b * count, stacks + (size_t)b * count * STACK);
  }
  int is_going_on = !*fault;
  while (is_going_on) {
    is_going_on = 0;
    for (int b = 0; b < blocks && !*fault; b++)
      is_going_on |= run_block(&block[b], thread + (size_t)b * count);
    is_going_on &= !*fault;
  }
  for (int b = 0; b < blocks; b++) {
    free(block[b].shared);
    free(block[b].words);
  }
  free(stacks);
  free(thread);
  free(block);
  return fault;
}
