// CUDA entry point of siren.cuh: a block per part, its tiles one after another.
#include "siren.cuh"

extern "C" __global__ void __launch_bounds__(HP_THREADS)
    hp_siren(int64 n, const real *features, const real *parameters, const real *transposed, const real *weights, real *out, real *sums, double omega) {
  __shared__ real memory[hp::MEMORY];
  const hp::network net{parameters, transposed, (real)omega};
  const int64 tiles = (n + hp::POINTS - 1) / hp::POINTS, part = blockIdx.x;
  bool first = true;
  for (int64 tile = part; tile < tiles; tile += gridDim.x) {
    hp::HP_OPERATION::run(net, n, tile * hp::POINTS, features, weights, out, sums + part * hp::PARAMETERS, first, memory);
    first = false;
  }
}
