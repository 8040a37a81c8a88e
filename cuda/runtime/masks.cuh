// Choices per lane: what a GPU thread decides by a branch, a register of a CPU decides for every lane.
#pragma once
#include "lanes.cuh"
#if !defined(__CUDACC__) && defined(__AVX512F__) && defined(__AVX512DQ__)
#define HP_MASKS 1
#include <immintrin.h>
#endif

namespace hp {

#ifdef __CUDACC__

typedef bool mask;
HP_INLINE vec chosen(mask m, vec a, vec b) { return m ? a : b; }
HP_INLINE ivec chosen(mask m, ivec a, ivec b) { return m ? a : b; }
HP_INLINE bool any(mask m) { return m; }
HP_INLINE unsigned lanes_of(mask m) { return m; }
HP_INLINE mask as_mask(bool m) { return m; }
HP_INLINE uvec gather(const unsigned *p, uvec i) { return p[i]; }
HP_INLINE vec filled(vec, real a) { return a; }
HP_INLINE ivec filled(ivec, int a) { return a; }
HP_INLINE vec logarithm(vec a) { return log(a); }
HP_INLINE uvec as_unsigned(ivec a) { return (uvec)a; }
template <class A> HP_INLINE A component_of(A a, int) { return a; }
template <class A, class B> HP_INLINE void set(A &a, int, B b) { a = b; }

#else

HP_INLINE float log(float x) { return __builtin_logf(x); }
HP_INLINE double log(double x) { return __builtin_log(x); }

HP_INLINE vec chosen(mask m, vec a, vec b) { return m ? a : b; }
HP_INLINE ivec chosen(mask m, ivec a, ivec b) { return __builtin_convertvector(m, ivec) ? a : b; }
// One bit per lane.
HP_INLINE unsigned lanes_of(mask m) {
#ifdef HP_MASKS
  if constexpr (sizeof(real) == 4) return _mm512_movepi32_mask((__m512i)m);
  else return _mm512_movepi64_mask((__m512i)m);
#else
  unsigned found = 0;
  for (int i = 0; i < LANES; ++i) found |= unsigned(m[i] != 0) << i;
  return found;
#endif
}
HP_INLINE bool any(mask m) { return lanes_of(m) != 0; }
template <class Lanes> HP_INLINE Lanes gather(const unsigned *p, Lanes i) {
#ifdef HP_MASKS
  if constexpr (sizeof i == 64) return (Lanes)_mm512_i32gather_epi32((__m512i)i, p, 4);
#endif
  Lanes a;
  for (int k = 0; k < LANES; ++k) a[k] = p[i[k]];
  return a;
}
template <class Lanes> HP_INLINE mask as_mask(Lanes m) { return __builtin_convertvector(m, mask); }
HP_INLINE vec filled(vec, real a) { return splat(a); }
HP_INLINE ivec filled(ivec, int a) { return a - ivec{}; }
HP_INLINE vec logarithm(vec a) {
  for (int i = 0; i < LANES; ++i) a[i] = log(a[i]);
  return a;
}
HP_INLINE uvec as_unsigned(ivec a) { return (uvec)a; }
template <class A> HP_INLINE auto component_of(A a, int lane) { return a[lane]; }
template <class A, class B> HP_INLINE void set(A &a, int lane, B b) { a[lane] = b; }

// The same for a single number.
HP_INLINE real chosen(bool m, real a, real b) { return m ? a : b; }
HP_INLINE bool any(bool m) { return m; }
HP_INLINE real filled(real, real a) { return a; }
HP_INLINE real exponential(real a) { return exp(a); }
HP_INLINE real logarithm(real a) { return log(a); }

#endif

} // namespace hp
