// Transpositions of registers on a CPU.
#pragma once
#include "lanes.cuh"

#ifndef __CUDACC__
namespace hp {

// Between records and registers lies a transposition of the N x LANES block.  For N a power of two it is log2(N) perfect shuffles of registers: interleaving the
// first half of the block with the second rotates the bits of every element's position by one.
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HP_SHUFFLES 1
#endif
#endif

constexpr bool is_power_of_two(int n) { return n > 1 && (n & (n - 1)) == 0; }

#ifdef HP_SHUFFLES
template <int... I> struct shuffles { // I = 0, 1, ..., LANES - 1
  static HP_INLINE vec low(vec a, vec b) { return __builtin_shufflevector(a, b, (I / 2 + I % 2 * LANES)...); }
  static HP_INLINE vec high(vec a, vec b) { return __builtin_shufflevector(a, b, (LANES / 2 + I / 2 + I % 2 * LANES)...); }
  static HP_INLINE vec even(vec a, vec b) { return __builtin_shufflevector(a, b, (2 * I)...); }
  static HP_INLINE vec odd(vec a, vec b) { return __builtin_shufflevector(a, b, (2 * I + 1)...); }
};
template <int N, int... I> struct numbered : numbered<N - 1, N - 1, I...> {};
template <int... I> struct numbered<0, I...> { typedef shuffles<I...> type; };
typedef numbered<LANES>::type shuffle;

template <int N> HP_INLINE void registers_to_records(vec (&v)[N]) {
  HP_UNROLL for (int stage = 1; stage < N; stage *= 2) {
    vec t[N];
    HP_UNROLL for (int k = 0; k < N / 2; ++k) {
      t[2 * k] = shuffle::low(v[k], v[k + N / 2]);
      t[2 * k + 1] = shuffle::high(v[k], v[k + N / 2]);
    }
    HP_UNROLL for (int k = 0; k < N; ++k) v[k] = t[k];
  }
}
template <int N> HP_INLINE void records_to_registers(vec (&v)[N]) {
  HP_UNROLL for (int stage = 1; stage < N; stage *= 2) {
    vec t[N];
    HP_UNROLL for (int k = 0; k < N / 2; ++k) {
      t[k] = shuffle::even(v[2 * k], v[2 * k + 1]);
      t[k + N / 2] = shuffle::odd(v[2 * k], v[2 * k + 1]);
    }
    HP_UNROLL for (int k = 0; k < N; ++k) v[k] = t[k];
  }
}
#endif

} // namespace hp
#endif
