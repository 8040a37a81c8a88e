// CUDA entry point of activation.cuh: one thread per unit and point.
#include "activation.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_activation(int64 units, int64 n, const real *z, const real *bias, const real *other, real *out, double omega) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= units * n) return;
  const int64 unit = i / n, at = unit * hp::CHANNELS * n + i % n;
  const hp::unit_jet u(z + at, n, bias[unit], (real)omega, 1);
  hp::HP_OPERATION::run(u, other + at, out + at, n, 1);
}
