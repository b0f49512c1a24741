/* A vector of doubles, one lane per path.
 *
 * Everything is elementwise and every multiplication that is added to something is an explicit
 * fused one (compile with -ffp-contract=off), so the bits of a lane are those of any other lane,
 * of any width of vector, and of every processor with a fused multiply-add. A GPU is one of them:
 * there, or where ONE_LANE is defined, a vector is one double. */
#ifndef RELU_LANDSCAPE_VECTOR_H
#define RELU_LANDSCAPE_VECTOR_H

#if defined(__CUDACC_RTC__) /* has no headers */
typedef long long int64_t;
typedef int int32_t;
#else
#include <stdint.h>
#endif

#define LARGEST_DOUBLE 1.7976931348623157e308
#define TWO_PI 6.283185307179586

#if defined(__CUDACC__)
#define INLINE static __device__ __forceinline__
#define TABLE static __constant__ const double
#define UNROLL _Pragma("unroll")
#else
#define INLINE static inline __attribute__((always_inline))
#define TABLE static const double
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* Of one double. */
#if defined(__CUDACC__)
INLINE double root_of(double a) { return sqrt(a); }
#else
INLINE double root_of(double a) { return __builtin_sqrt(a); }
#endif

#if defined(__CUDACC__) || defined(ONE_LANE) /* a lane is a thread of its own */
#define LANES 1
#define INSTRUCTIONS "scalar"
typedef double vec;
typedef int mask;
#if defined(__CUDACC__)
INLINE vec fma_(vec a, vec b, vec c) { return fma(a, b, c); }
INLINE vec magnitude(vec a) { return fabs(a); }
INLINE vec with_sign(vec a, vec sign) { return copysign(a, sign); }
#else
INLINE vec fma_(vec a, vec b, vec c) { return __builtin_fma(a, b, c); }
INLINE vec magnitude(vec a) { return __builtin_fabs(a); }
INLINE vec with_sign(vec a, vec sign) { return __builtin_copysign(a, sign); }
#endif
INLINE vec root(vec a) { return root_of(a); }
INLINE vec minus_product(vec a, vec b, vec c) { return fma_(-a, b, c); }

#elif defined(__AVX512F__) && !defined(LANES_PORTABLE)
#include <immintrin.h>
#define LANES 8
#define INSTRUCTIONS "avx512"
typedef double vec __attribute__((vector_size(64)));
typedef int64_t mask __attribute__((vector_size(64)));
INLINE vec fma_(vec a, vec b, vec c) {
  return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
INLINE vec minus_product(vec a, vec b, vec c) { /* c - a b */
  return (vec)_mm512_fnmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
INLINE vec root(vec a) { return (vec)_mm512_sqrt_pd((__m512d)a); }

#elif defined(__AVX2__) && defined(__FMA__) && !defined(LANES_PORTABLE)
#include <immintrin.h>
#define LANES 4
#define INSTRUCTIONS "avx2"
typedef double vec __attribute__((vector_size(32)));
typedef int64_t mask __attribute__((vector_size(32)));
INLINE vec fma_(vec a, vec b, vec c) {
  return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
INLINE vec minus_product(vec a, vec b, vec c) {
  return (vec)_mm256_fnmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
INLINE vec root(vec a) { return (vec)_mm256_sqrt_pd((__m256d)a); }

#else /* any processor; worth using where the compiler turns __builtin_fma into one instruction */
#define LANES 4
#if defined(__aarch64__)
#define INSTRUCTIONS "neon"
#else
#define INSTRUCTIONS "portable"
#endif
typedef double vec __attribute__((vector_size(32)));
typedef int64_t mask __attribute__((vector_size(32)));
INLINE vec fma_(vec a, vec b, vec c) {
  for (int lane = 0; lane < LANES; lane++) a[lane] = __builtin_fma(a[lane], b[lane], c[lane]);
  return a;
}
INLINE vec minus_product(vec a, vec b, vec c) { return fma_(-a, b, c); }
INLINE vec root(vec a) {
  for (int lane = 0; lane < LANES; lane++) a[lane] = __builtin_sqrt(a[lane]);
  return a;
}
#endif

#if LANES == 1
INLINE vec all_lanes(double x) { return x; }
INLINE vec choose(mask where, vec yes, vec no) { return where ? yes : no; }
#else
INLINE vec all_lanes(double x) { return x - (vec){0}; }
INLINE vec choose(mask where, vec yes, vec no) {
  return (vec)(((mask)yes & where) | ((mask)no & ~where));
}
INLINE vec magnitude(vec a) { return (vec)((mask)a & ~(mask)all_lanes(-0.0)); }
/* ``a`` without a sign, with the sign of ``sign``. */
INLINE vec with_sign(vec a, vec sign) {
  return (vec)((mask)a | ((mask)sign & (mask)all_lanes(-0.0)));
}
#endif
/* Of a NaN and a number: the second argument. */
INLINE vec smaller(vec a, vec b) { return choose(a < b, a, b); }
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }
INLINE mask is_finite(vec a) { return magnitude(a) <= LARGEST_DOUBLE; }

#endif
