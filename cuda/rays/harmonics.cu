// CUDA entry point of harmonics.cuh: one thread per direction.
#include "harmonics.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_harmonics(int64 n, const real *directions, int64 bands, const double *scales, real *out) {
  const int64 point = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (point < n) hp::harmonics(n, point, 1, directions, (int)bands, scales, out);
}
