// A CUDA grid on one CPU thread, to run the kernels themselves where there is no GPU.
//
// The threads of a block are fibers.  A warp-wide operation stores its operand and yields until all fibers of the warp have
// arrived, so that shuffles and ballots see what they would see on a GPU; a barrier yields until all fibers of the block have.  A
// fiber that arrives elsewhere, or not at all, is an error.  Threads that never wait share one fiber and cost a function call each.
#pragma once
#undef _FORTIFY_SOURCE // which forbids jumps between stacks
#include <cmath>
#include <cstring>
#include <memory>
#include <setjmp.h>
#include <type_traits>
#include <ucontext.h>
#include <vector>

#define __CUDACC__
#define __global__
#define __device__
#define __shared__ static __attribute__((section("simt_memory")))
#define __forceinline__ inline
#define __launch_bounds__(n)

struct dimension { unsigned x, y; };
static dimension blockIdx, blockDim, threadIdx, gridDim;

namespace simt {
constexpr int WARP = 32, THREADS = 1024, STACK = 1 << 18;
enum state { STARTED, AT_WARP, AT_BLOCK, DONE };

static jmp_buf scheduler, fibers[THREADS];
static std::vector<std::unique_ptr<char[]>> stacks; // one per fiber made; fibers are used again by the next block
static int used, running, count, next, current; // fibers and the one that runs; threads of the block, the next to start, the one that runs
static state states[THREADS];
static int fiber_of[THREADS], sites[THREADS];
static unsigned long long slots[2][THREADS]; // alternating, so that a fast fiber does not overwrite what a slow one reads
static unsigned rounds[THREADS];
static const char *failure;
static void (*body)();

// From one stack to another; system calls for every change (swapcontext) would take most of the time.
static void go(jmp_buf &from, jmp_buf &to) {
  if (!_setjmp(from)) _longjmp(to, 1);
}

// A thread ends the launch.
inline void fail(const char *what) {
  failure = what;
  _longjmp(scheduler, 1);
}

static void wait(state what, int site) {
  states[current] = what;
  sites[current] = site;
  fiber_of[current] = running;
  go(fibers[running], scheduler);
}

// All fibers of the warp come here with a value; returns the array of their values.
template <class T> const unsigned long long *exchange(T value, int site) {
  const unsigned parity = rounds[current]++ & 1;
  static_assert(sizeof(T) <= 8, "one word");
  slots[parity][current] = 0;
  std::memcpy(&slots[parity][current], &value, sizeof(T));
  wait(AT_WARP, site);
  return slots[parity] + current / WARP * WARP;
}
template <class T> T word(unsigned long long bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

// A fiber starts threads until one of them waits; that one it keeps.
static void entry() {
  for (;;) {
    while (next < count) {
      current = next++;
      threadIdx.x = current;
      states[current] = STARTED;
      rounds[current] = 0;
      body();
      states[current] = DONE;
    }
    go(fibers[running], scheduler);
  }
}

static void start() {
  running = used++;
  if (running < (int)stacks.size()) return go(scheduler, fibers[running]);
  stacks.emplace_back(new char[STACK]);
  ucontext_t fiber;
  getcontext(&fiber);
  fiber.uc_stack.ss_sp = stacks[running].get();
  fiber.uc_stack.ss_size = STACK;
  fiber.uc_link = nullptr;
  makecontext(&fiber, entry, 0);
  if (!_setjmp(scheduler)) setcontext(&fiber);
}

static void resume(int thread) {
  current = thread;
  threadIdx.x = thread;
  running = fiber_of[thread];
  states[thread] = STARTED;
  go(scheduler, fibers[running]);
}

// Resumes the threads from `first` to `last` if they wait for one another; otherwise says what is wrong, or nothing if none waits.
static const char *together(int first, int last, state what, bool &moved) {
  int waiting = 0;
  for (int i = first; i < last; ++i) waiting += states[i] == what;
  if (!waiting) return nullptr;
  if (waiting < last - first) return what == AT_WARP ? "a warp-wide operation without all threads" : "a barrier without all threads";
  for (int i = first; i < last; ++i)
    if (sites[i] != sites[first]) return "threads wait at different operations";
  for (int i = first; i < last && !failure; ++i) resume(i);
  moved = true;
  return failure;
}

static const char *run_block() {
  used = next = 0;
  while (next < count && !failure) start();
  for (bool moved = !failure; moved;) {
    moved = false;
    for (int warp = 0; warp < count; warp += WARP)
      if (const char *wrong = together(warp, warp + WARP, AT_WARP, moved)) return wrong;
    if (!moved)
      if (const char *wrong = together(0, count, AT_BLOCK, moved)) return wrong;
  }
  return failure;
}

// Runs a grid; returns what went wrong, or a null pointer.
inline const char *launch(unsigned blocks_x, unsigned blocks_y, unsigned threads, void (*kernel)()) {
  if (threads % WARP || threads > THREADS) return "a block is at most 1024 threads in whole warps here";
  body = kernel;
  failure = nullptr;
  count = (int)threads;
  blockDim = {threads, 1};
  gridDim = {blocks_x, blocks_y};
  for (blockIdx.y = 0; blockIdx.y < blocks_y; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x < blocks_x; ++blockIdx.x)
      if (const char *wrong = run_block()) {
        stacks.clear(); // their threads will never end
        return wrong;
      }
  return nullptr;
}
} // namespace simt

#define __syncthreads() simt::wait(simt::AT_BLOCK, __LINE__)
#define __shfl_down_sync(mask, value, delta) simt_shuffle(value, delta, __LINE__)
#define __shfl_up_sync(mask, value, delta) simt_shuffle(value, -(delta), __LINE__)
#define __ballot_sync(mask, predicate) simt_ballot(predicate, __LINE__)

template <class T> T simt_shuffle(T value, int delta, int site) {
  const int lane = simt::current % simt::WARP, from = lane + delta;
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
using std::exp;
using std::floor;
using std::log1p;
using std::tanh;
// Conversions on a GPU stay within the range of the result.
template <class T> unsigned simt_unsigned(T a) { return a >= T(4294967295.0) ? 4294967295u : a > 0 ? (unsigned)a : 0u; }
inline unsigned __float2uint_rz(float a) { return simt_unsigned(a); }
inline unsigned __double2uint_rz(double a) { return simt_unsigned(a); }
inline void sincos(float x, float *s, float *c) {
  *s = std::sin(x);
  *c = std::cos(x);
}
template <class T, class U> void atomicAdd(T *p, U a) { *p += a; }
