// Reading vertex records: a table holds one record of N numbers after another, the lanes one number of many points.
//
// Of indexed levels some vertices have no record: their slot is ABSENT, they read as zeros and receive nothing.
// Tables are stored in the precision of the arithmetic or, for values only, in half precision (16 bits, widened when read).
#pragma once
#include "../runtime/shuffles.cuh"

namespace hp {

enum : bool { INDEXED = HP_INDEXED }; // whether any level of the layout is
enum : unsigned { ABSENT = 0xffffffffu };

struct half {
  unsigned short bits;
};
typedef HP_STORED stored;

HP_INLINE float widened(float a) { return a; }
HP_INLINE double widened(double a) { return a; }
HP_INLINE float widened(half a) {
#if defined(__CUDA_ARCH__)
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(a.bits));
  return value;
#else
  // Exponent and mantissa in place, rebiased by a multiplication that is exact for subnormal numbers too; infinities and NaN by hand.
  const unsigned magnitude = (a.bits & 0x7fffu) << 13, sign = (a.bits & 0x8000u) << 16;
  float value;
  __builtin_memcpy(&value, &magnitude, 4);
  value *= 5.192296858534828e+33f; // 2**112
  unsigned bits;
  __builtin_memcpy(&bits, &value, 4);
  bits = (magnitude >= 0x0f800000u ? (magnitude | 0x7f800000u) : bits) | sign;
  __builtin_memcpy(&value, &bits, 4);
  return value;
#endif
}

// The largest power of two that divides n, at most `limit`.
constexpr int dividing_power(int n, int limit) { return limit > 1 && n % limit != 0 ? dividing_power(n, limit / 2) : limit; }

// W elements moved at once: one instruction of up to 16 bytes on a GPU.
template <class T, int W> struct alignas(W * sizeof(T)) pack {
  T v[W];
};

// `out = p[0 .. N-1]`, where p is a multiple of ALIGNED elements from an aligned start.
template <int N, int ALIGNED, class T> HP_INLINE void read_record(const T *p, T (&out)[N]) {
  constexpr int width = dividing_power(dividing_power(N, 16), dividing_power(ALIGNED, 16 / (int)sizeof(T)));
  HP_UNROLL for (int i = 0; i < N; i += width) {
    const pack<T, width> words = *reinterpret_cast<const pack<T, width> *>(p + i);
    HP_UNROLL for (int k = 0; k < width; ++k) out[i + k] = words.v[k];
  }
}

// table + offset.  NVRTC would add the offset to every slot before it multiplies and adds 64-bit addresses, four instructions a
// record; behind the asm, the address of a record is this one plus slot times size, one instruction.
template <class T> HP_INLINE T *beginning(T *table, int64 offset) {
#if defined(__CUDA_ARCH__)
  int64 bytes = offset * (int64)sizeof(T);
  asm("" : "+l"(bytes));
  return (T *)((char *)table + bytes);
#else
  return table + offset;
#endif
}

#ifdef __CUDACC__

// Record number `slot`.
template <int N, int ALIGNED> HP_INLINE void gather(const stored *table, uvec slot, vec (&out)[N]) {
  stored record[N];
  if constexpr (INDEXED) {
    if (slot == ABSENT) {
      HP_UNROLL for (int i = 0; i < N; ++i) out[i] = 0;
      return;
    }
  }
  read_record<N, ALIGNED>(table + (int64)slot * N, record);
  HP_UNROLL for (int i = 0; i < N; ++i) out[i] = widened(record[i]);
}

#else

// Where record number `slot` begins, or a record of zeros.
template <int N> HP_INLINE const stored *record_at(const stored *table, unsigned slot) {
  if constexpr (INDEXED) {
    static const stored zeros[N] = {};
    return slot == ABSENT ? zeros : table + (int64)slot * N;
  } else {
    return table + (int64)slot * N;
  }
}

template <int N> HP_INLINE stored element(const stored *table, unsigned slot, int j) {
  if constexpr (INDEXED) return record_at<N>(table, slot)[j];
  else return table[(int64)slot * N + j];
}

template <int N, int ALIGNED> HP_INLINE void gather(const stored *table, uvec slot, vec (&out)[N]) {
#ifdef HP_SHUFFLES
  if constexpr (is_power_of_two(N)) {
    real *records = reinterpret_cast<real *>(out);
    for (int i = 0; i < LANES; ++i) {
      if constexpr (sizeof(stored) == sizeof(real)) {
        __builtin_memcpy(records + i * N, record_at<N>(table, slot[i]), N * sizeof(real));
      } else {
        for (int j = 0; j < N; ++j) records[i * N + j] = widened(element<N>(table, slot[i], j));
      }
    }
    records_to_registers(out);
    return;
  }
#endif
  for (int i = 0; i < LANES; ++i) {
    const stored *p = record_at<N>(table, slot[i]);
    for (int j = 0; j < N; ++j) out[j][i] = widened(p[j]);
  }
}

#endif

} // namespace hp
