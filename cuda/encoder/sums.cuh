// Adding vertex records to a table that many points share.
//
// HP_LIMBS = 0: sums in the precision of the arithmetic; on a GPU by atomic additions, in no fixed order.
// HP_LIMBS = 1 or 2: every number is cut off to a multiple of 1/scale and summed as 64-bit integers, the rest with a second
// integer.  Integer sums do not depend on the order, so neither do the results on the order of points, threads or atomics.
#pragma once
#include "records.cuh"

namespace hp {

constexpr int LIMBS = HP_LIMBS;

template <bool FIXED> struct total_type { typedef int64 type; };
template <> struct total_type<false> { typedef real type; };
typedef total_type<(LIMBS > 0)>::type total;
constexpr int WORDS = LIMBS > 0 ? LIMBS : 1; // numbers per table element

// Where the sums of one level begin, and what multiplies numbers (first word) and rests (second word) before they are cut off.
struct sums {
  total *table;
  double scale, rest_scale;
};

// The words that stand for a number.
HP_INLINE void to_words(real value, const sums &target, total (&words)[WORDS]) {
  if constexpr (LIMBS == 0) {
    words[0] = value;
  } else {
    const double scaled = (double)value * target.scale;
    words[0] = (int64)scaled;
    if constexpr (LIMBS == 2) words[WORDS - 1] = (int64)((scaled - (double)words[0]) * target.rest_scale);
  }
}

#ifdef __CUDACC__

HP_INLINE void add_word(real *p, real a) { atomicAdd(p, a); }
HP_INLINE void add_word(int64 *p, int64 a) { atomicAdd(reinterpret_cast<unsigned long long *>(p), (unsigned long long)a); }

// p[0 .. W-1] += a; compute capability 9.0 adds two or four floats with one instruction.
template <int W, class T> HP_INLINE void add_words(T *p, const T *a) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  if constexpr (sizeof(T) == 4 && W == 4) {
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(p), "f"(a[0]), "f"(a[1]), "f"(a[2]), "f"(a[3]) : "memory");
    return;
  } else if constexpr (sizeof(T) == 4 && W == 2) {
    asm volatile("red.global.add.v2.f32 [%0], {%1, %2};" ::"l"(p), "f"(a[0]), "f"(a[1]) : "memory");
    return;
  }
#endif
  HP_UNROLL for (int i = 0; i < W; ++i) add_word(p + i, a[i]);
}

// Runs of neighbouring threads of a warp whose points lie in the same cell.  Where runs have four threads or more on average, as at coarse levels or
// with points along a space-filling curve, their records are summed by shuffles and the first thread of a run adds the sum.
struct runs {
  int lane, end;
  bool first, joined;
};

template <int DIM_> HP_INLINE runs find_runs(const uvec (&key)[DIM_]) {
  const int lane = threadIdx.x & 31;
  bool first = lane == 0;
  HP_UNROLL for (int i = 0; i < DIM_; ++i) {
    const uvec before = __shfl_up_sync(0xffffffffu, key[i], 1);
    first = first || before != key[i];
  }
  const unsigned heads = __ballot_sync(0xffffffffu, first);
  const unsigned later = lane == 31 ? 0u : heads >> (lane + 1);
  return {lane, later ? lane + __ffs(later) : 32, first, __popc(heads) <= 8};
}

// Adds to record number `slot` of those that begin at `offset`.  All threads of a warp call this together; those without a point of
// their own (active = 0) add nothing, and bring zeros (if_active).
template <int N, int ALIGNED>
HP_INLINE void scatter(const sums &target, int64 offset, uvec slot, const vec (&in)[N], int active, const runs &r) {
  total words[N * WORDS];
  HP_UNROLL for (int i = 0; i < N; ++i) {
    total one[WORDS];
    to_words(in[i], target, one);
    HP_UNROLL for (int k = 0; k < WORDS; ++k) words[i * WORDS + k] = one[k];
  }
  if (r.joined) {
    HP_UNROLL for (int step = 1; step < 32; step *= 2) {
      const bool take = r.lane + step < r.end;
      HP_UNROLL for (int i = 0; i < N * WORDS; ++i) {
        const total other = __shfl_down_sync(0xffffffffu, words[i], step);
        if (take) words[i] += other;
      }
    }
    if (!r.first) return;
  } else if (!active) {
    return;
  }
  if constexpr (INDEXED) {
    if (slot == ABSENT) return;
  }
  constexpr int width = dividing_power(dividing_power(N, 16), dividing_power(ALIGNED, 4));
  total *p = target.table + offset * WORDS + (int64)slot * (N * WORDS);
  HP_UNROLL for (int i = 0; i < N * WORDS; i += width) add_words<width>(p + i, words + i);
}

#else

HP_INLINE void add_word(total *p, total a) { *p += a; }

struct runs {};
template <int DIM_> HP_INLINE runs find_runs(const uvec (&)[DIM_]) { return {}; }

template <int N, int ALIGNED>
HP_INLINE void scatter(const sums &target, int64 offset, uvec slot, const vec (&in)[N], int active, const runs &) {
  real records[N * LANES];
#ifdef HP_SHUFFLES
  if constexpr (is_power_of_two(N)) {
    vec block[N];
    HP_UNROLL for (int k = 0; k < N; ++k) block[k] = in[k];
    registers_to_records(block);
    __builtin_memcpy(records, block, sizeof block);
  } else
#endif
  {
    for (int i = 0; i < LANES; ++i)
      for (int j = 0; j < N; ++j) records[i * N + j] = in[j][i];
  }
  total words[N * LANES * WORDS];
  for (int i = 0; i < N * LANES; ++i) {
    total one[WORDS];
    to_words(records[i], target, one);
    for (int k = 0; k < WORDS; ++k) words[i * WORDS + k] = one[k];
  }
  total *const first = target.table + offset * WORDS;
  for (int i = 0; i < active; ++i) {
    if constexpr (INDEXED) {
      if (slot[i] == ABSENT) continue;
    }
    total *p = first + (int64)slot[i] * (N * WORDS);
    for (int j = 0; j < N * WORDS; ++j) p[j] += words[i * N * WORDS + j];
  }
}

#endif

// table[j] += a for one lane.
HP_INLINE void add_one(const sums &target, int64 j, real a) {
  total words[WORDS];
  to_words(a, target, words);
  HP_UNROLL for (int k = 0; k < WORDS; ++k) add_word(target.table + j * WORDS + k, words[k]);
}

} // namespace hp
