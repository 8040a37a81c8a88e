// A team works on one tile: the threads of a CUDA block on memory they share, or one thread of a CPU on its own.
//
// HP_EACH deals items of work to its members, HP_TOGETHER waits for all of them.
#pragma once
#include "../runtime/shuffles.cuh"

#ifdef __CUDACC__
#define HP_EACH(i, count) for (int i = threadIdx.x; i < (count); i += HP_THREADS)
#define HP_TOGETHER __syncthreads()
#else
#define HP_EACH(i, count) for (int i = 0; i < (count); ++i)
#define HP_TOGETHER
#endif

namespace hp {

// A register of points that reaches beyond the last of `count`: what is missing is zero, and is not written.
HP_INLINE vec load_some(const real *p, int64 count) {
  if (count >= LANES) return load(p, LANES);
  vec a = splat(0);
#ifndef __CUDACC__
  for (int i = 0; i < count; ++i) a[i] = p[i];
#endif
  return a;
}
HP_INLINE void store_some(real *p, vec a, int64 count) {
  if (count > 0) store(p, a, count < LANES ? (int)count : LANES);
}

// N neighbouring numbers; on a GPU in loads of 16 bytes, to which p must then be aligned.
template <int N> HP_INLINE void load_row(const real *p, real (&out)[N]) {
#ifdef __CUDACC__
  constexpr int WIDE = 16 / sizeof(real);
  struct alignas(16) packet { real part[WIDE]; };
  if constexpr (N % WIDE == 0) {
    HP_UNROLL for (int i = 0; i < N / WIDE; ++i) {
      const packet word = reinterpret_cast<const packet *>(p)[i];
      HP_UNROLL for (int k = 0; k < WIDE; ++k) out[i * WIDE + k] = word.part[k];
    }
    return;
  }
#endif
  HP_UNROLL for (int i = 0; i < N; ++i) out[i] = p[i];
}

// Sums over the lanes of each of N registers.  Adding the two halves of a pair of registers, interleaved, gives one register with
// the half sums of both; after log2(LANES) rounds over N registers sum number k is lane k / R of register k % R, R = N / LANES.
template <int N> HP_INLINE void totals(vec (&v)[N], real (&out)[N]) {
#ifdef __CUDACC__
  HP_UNROLL for (int k = 0; k < N; ++k) out[k] = v[k];
#else
#ifdef HP_SHUFFLES
  if constexpr (is_power_of_two(N) && N >= LANES) {
    HP_UNROLL for (int round = 1, half = N / 2; round < LANES; round *= 2, half /= 2)
      HP_UNROLL for (int k = 0; k < half; ++k) v[k] = shuffle::low(v[k], v[k + half]) + shuffle::high(v[k], v[k + half]);
    constexpr int R = N / LANES;
    real flat[N];
    __builtin_memcpy(flat, v, sizeof flat);
    HP_UNROLL for (int k = 0; k < N; ++k) out[k] = flat[k % R * LANES + k / R];
    return;
  }
#endif
  for (int k = 0; k < N; ++k) {
    out[k] = 0;
    for (int i = 0; i < LANES; ++i) out[k] += v[k][i];
  }
#endif
}

} // namespace hp
