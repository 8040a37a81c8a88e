// A CUDA grid on one CPU thread, to run kernels.cu itself where there is no GPU.
//
// The threads of a warp are fibers.  A warp-wide operation stores its operand and yields until all fibers have arrived, so that
// shuffles and ballots see what they would see on a GPU; a fiber that arrives elsewhere, or not at all, aborts the program.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <ucontext.h>
#include <vector>

#define __CUDACC__
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(n)

struct dimension { unsigned x, y; };
static dimension blockIdx, blockDim, threadIdx;

namespace simt {
constexpr int WARP = 32, STACK = 1 << 18;
static ucontext_t scheduler, fibers[WARP];
static std::vector<char> stacks(WARP *STACK);
static bool done[WARP];
static int current;
static unsigned long long slots[2][WARP]; // alternating, so that a fast fiber does not overwrite what a slow one reads
static int sites[WARP];
static unsigned rounds[WARP];

// All fibers of the warp come here with a value; returns the array of their values.
template <class T> const unsigned long long *exchange(T value, int site) {
  const unsigned parity = rounds[current]++ & 1;
  static_assert(sizeof(T) <= 8, "one word");
  slots[parity][current] = 0;
  std::memcpy(&slots[parity][current], &value, sizeof(T));
  sites[current] = site;
  swapcontext(&fibers[current], &scheduler);
  return slots[parity];
}
template <class T> T word(unsigned long long bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

static void (*body)();
static void entry() {
  body();
  done[current] = true;
  swapcontext(&fibers[current], &scheduler);
}

inline void run_warp(int first_thread) {
  for (int lane = 0; lane < WARP; ++lane) {
    done[lane] = false;
    rounds[lane] = 0;
    getcontext(&fibers[lane]);
    fibers[lane].uc_stack.ss_sp = stacks.data() + lane * STACK;
    fibers[lane].uc_stack.ss_size = STACK;
    fibers[lane].uc_link = nullptr;
    makecontext(&fibers[lane], entry, 0);
  }
  for (int left = WARP; left > 0;) {
    for (current = 0; current < WARP; ++current) {
      if (done[current]) continue;
      threadIdx.x = first_thread + current;
      swapcontext(&scheduler, &fibers[current]);
      if (done[current]) --left;
    }
    for (int lane = 1; lane < WARP && left == WARP; ++lane)
      if (sites[lane] != sites[0]) {
        std::fprintf(stderr, "threads of a warp wait at different operations\n");
        std::abort();
      }
    if (left != 0 && left != WARP) {
      std::fprintf(stderr, "a warp-wide operation without all threads\n");
      std::abort();
    }
  }
}

inline void launch(unsigned blocks_x, unsigned blocks_y, unsigned threads, void (*kernel)()) {
  body = kernel;
  blockDim = {threads, 1};
  for (blockIdx.y = 0; blockIdx.y < blocks_y; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x < blocks_x; ++blockIdx.x)
      for (unsigned warp = 0; warp < threads; warp += WARP) run_warp(warp);
}
} // namespace simt

#define __shfl_down_sync(mask, value, delta) simt_shuffle(value, delta, __LINE__)
#define __shfl_up_sync(mask, value, delta) simt_shuffle(value, -(delta), __LINE__)
#define __ballot_sync(mask, predicate) simt_ballot(predicate, __LINE__)

template <class T> T simt_shuffle(T value, int delta, int site) {
  const int lane = simt::current, from = lane + delta;
  const auto *values = simt::exchange(value, site);
  return simt::word<T>(values[from < 0 || from >= simt::WARP ? lane : from]);
}
inline unsigned simt_ballot(bool predicate, int site) {
  const auto *values = simt::exchange(predicate, site);
  unsigned found = 0;
  for (int i = 0; i < simt::WARP; ++i) found |= (values[i] ? 1u : 0u) << i;
  return found;
}
inline int __popc(unsigned a) { return __builtin_popcount(a); }
inline int __ffs(unsigned a) { return __builtin_ffs((int)a); }
inline void sincos(float x, float *s, float *c) {
  *s = std::sin(x);
  *c = std::cos(x);
}
template <class T, class U> void atomicAdd(T *p, U a) { *p += a; }
