// CUDA entry point of perceptron.cuh: a block per part, its tiles one after another.
#include "perceptron.cuh"

extern "C" __global__ void __launch_bounds__(HP_THREADS)
    hp_perceptron(int64 n, const real *features, const real *straight, const real *turned, const real *seed, real *out, real *sums) {
  __shared__ real memory[hp::MEMORY];
  const hp::weights net{straight, turned};
  const int64 tiles = (n + hp::POINTS - 1) / hp::POINTS, part = blockIdx.x;
  bool first = true;
  for (int64 tile = part; tile < tiles; tile += gridDim.x) {
    hp::HP_OPERATION::run(net, n, tile * hp::POINTS, features, seed, out, sums ? sums + part * hp::PARAMETERS : nullptr, first, memory);
    first = false;
  }
}
