// CUDA entry point: one thread per sample, one row of blocks per level, so that the table of a level stays in the L2 cache.
#include "operations.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_run(int64 n, const real *x, const real *table, const real *weights, real *out, const int64 *levels, int level_count,
           int64 weights_stride, const double *frame, int periodic) {
  typedef hp::HP_OPERATION operation;
  const int64 point = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (point >= n) return;
  const hp::arguments a{n, x, table, weights, out, levels, level_count, weights_stride, {frame, frame + hp::DIM, periodic}};
  operation::run(a, blockIdx.y, point, 1, out);
}
