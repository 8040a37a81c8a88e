// CUDA entry point: one thread per sample, one row of blocks per level, so that the table of a level stays in the L2 cache.
#include "operations.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_run(int64 n, const real *x, const hp::stored *table, const real *weights, const real *rows, void *out, const hp::level_words *levels,
           int level_count, int64 weights_stride, const hp::axis_frame *frame, const double *scales, int periodic) {
  typedef hp::HP_OPERATION operation;
  const int64 point = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  const int level = blockIdx.y;
  const hp::arguments a{n, x, table, weights, rows, out, levels, level_count, weights_stride, frame, periodic, scales};
  if constexpr (operation::to_table) {
    // a warp sums together, so all of its threads go on; those past the end repeat the last point and add nothing
    if (point - (threadIdx.x & 31) >= n) return;
    hp::total *sums = static_cast<hp::total *>(out) + a.levels[level].begin() * hp::WORDS;
    operation::run(a, level, point < n ? point : n - 1, point < n, a.target(level, sums));
  } else {
    if (point >= n) return;
    operation::run(a, level, point, 1, hp::sums{});
  }
}
