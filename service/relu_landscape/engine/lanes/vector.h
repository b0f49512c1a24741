/* A vector of doubles, one lane per path.
 *
 * Everything is elementwise and every multiplication that is added to something is an explicit
 * fused one (compile with -ffp-contract=off), so the bits of a lane are those of any other lane,
 * of any width of vector, and of every processor with a fused multiply-add. A GPU is one of them:
 * there, or where ONE_LANE is defined, a vector is one double.
 *
 * Where SINGLE is defined the numbers are single precision, and a vector has twice the lanes. */
#ifndef RELU_LANDSCAPE_VECTOR_H
#define RELU_LANDSCAPE_VECTOR_H

#if defined(__CUDACC_RTC__) /* has no headers */
typedef long long int64_t;
typedef int int32_t;
#else
#include <stdint.h>
#endif

#define LARGEST_DOUBLE 1.7976931348623157e308

/* A number of the vectors, a truth value as wide, and the name of a function of such numbers. */
#if defined(SINGLE)
typedef float real;
typedef int32_t truth;
#define REAL_BYTES 4
#define LARGEST_REAL 3.4028234663852886e38f
#define TINY 1e-30f /* next to nothing, and what is far below it is no denormal number */
#define OF_REAL(name) name##f
#define OF_REALS(name) name##_ps
#define REGISTER(bits) __m##bits
#else
typedef double real;
typedef int64_t truth;
#define REAL_BYTES 8
#define LARGEST_REAL LARGEST_DOUBLE
#define TINY 1e-300
#define OF_REAL(name) name
#define OF_REALS(name) name##_pd
#define REGISTER(bits) __m##bits##d
#endif
#define TWO_PI 6.283185307179586

#if defined(__CUDACC__)
#define INLINE static __device__ __forceinline__
#define TABLE static __constant__ const real
#define UNROLL _Pragma("unroll")
#else
#define INLINE static inline __attribute__((always_inline))
#define TABLE static const real
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
typedef real vec;
typedef int mask;
#if defined(__CUDACC__)
INLINE vec fma_(vec a, vec b, vec c) { return OF_REAL(fma)(a, b, c); }
INLINE vec magnitude(vec a) { return OF_REAL(fabs)(a); }
INLINE vec with_sign(vec a, vec sign) { return OF_REAL(copysign)(a, sign); }
INLINE vec root(vec a) { return OF_REAL(sqrt)(a); }
#else
INLINE vec fma_(vec a, vec b, vec c) { return OF_REAL(__builtin_fma)(a, b, c); }
INLINE vec magnitude(vec a) { return OF_REAL(__builtin_fabs)(a); }
INLINE vec with_sign(vec a, vec sign) { return OF_REAL(__builtin_copysign)(a, sign); }
INLINE vec root(vec a) { return OF_REAL(__builtin_sqrt)(a); }
#endif
INLINE vec minus_product(vec a, vec b, vec c) { return fma_(-a, b, c); }

#elif defined(__AVX512F__) && !defined(LANES_PORTABLE)
#include <immintrin.h>
#define LANES (64 / REAL_BYTES)
#define INSTRUCTIONS "avx512"
typedef real vec __attribute__((vector_size(64)));
typedef truth mask __attribute__((vector_size(64)));
INLINE vec fma_(vec a, vec b, vec c) {
  return (vec)OF_REALS(_mm512_fmadd)((REGISTER(512))a, (REGISTER(512))b, (REGISTER(512))c);
}
INLINE vec minus_product(vec a, vec b, vec c) { /* c - a b */
  return (vec)OF_REALS(_mm512_fnmadd)((REGISTER(512))a, (REGISTER(512))b, (REGISTER(512))c);
}
INLINE vec root(vec a) { return (vec)OF_REALS(_mm512_sqrt)((REGISTER(512))a); }

#elif defined(__AVX2__) && defined(__FMA__) && !defined(LANES_PORTABLE)
#include <immintrin.h>
#define LANES (32 / REAL_BYTES)
#define INSTRUCTIONS "avx2"
typedef real vec __attribute__((vector_size(32)));
typedef truth mask __attribute__((vector_size(32)));
INLINE vec fma_(vec a, vec b, vec c) {
  return (vec)OF_REALS(_mm256_fmadd)((REGISTER(256))a, (REGISTER(256))b, (REGISTER(256))c);
}
INLINE vec minus_product(vec a, vec b, vec c) {
  return (vec)OF_REALS(_mm256_fnmadd)((REGISTER(256))a, (REGISTER(256))b, (REGISTER(256))c);
}
INLINE vec root(vec a) { return (vec)OF_REALS(_mm256_sqrt)((REGISTER(256))a); }

#else /* any processor; worth using where the compiler turns __builtin_fma into one instruction */
#define LANES (32 / REAL_BYTES)
#if defined(__aarch64__)
#define INSTRUCTIONS "neon"
#else
#define INSTRUCTIONS "portable"
#endif
typedef real vec __attribute__((vector_size(32)));
typedef truth mask __attribute__((vector_size(32)));
INLINE vec fma_(vec a, vec b, vec c) {
  for (int lane = 0; lane < LANES; lane++) a[lane] = OF_REAL(__builtin_fma)(a[lane], b[lane], c[lane]);
  return a;
}
INLINE vec minus_product(vec a, vec b, vec c) { return fma_(-a, b, c); }
INLINE vec root(vec a) {
  for (int lane = 0; lane < LANES; lane++) a[lane] = OF_REAL(__builtin_sqrt)(a[lane]);
  return a;
}
#endif

#if LANES == 1
INLINE vec all_lanes(real x) { return x; }
INLINE vec choose(mask where, vec yes, vec no) { return where ? yes : no; }
#else
INLINE vec all_lanes(real x) { return x - (vec){0}; }
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
INLINE mask is_finite(vec a) { return magnitude(a) <= LARGEST_REAL; }

#endif
