// CUDA entry points of march.cuh: one thread per ray.
#include "march.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK) hp_blocks(int64 n, const unsigned char *bits, unsigned char *blocks) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) blocks[i] = hp::blocks_of(bits, i);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_march(int64 n, const real *origins, const real *directions, const int64 *ids, const unsigned char *bits, const unsigned char *blocks, const double *frame, int64 cells,
             int64 cascades, int64 most, int64 seed, int64 jittered, hp::uint64 *noted, int64 words, int64 *counts) {
  const int64 ray = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (ray >= n) return;
  const hp::march march(bits, blocks, frame, cells, cascades, most, seed, jittered);
  march.count(ray, ray + 1, n, origins, directions, ids, noted, words, counts);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_samples(int64 n, const real *origins, const real *directions, const int64 *ids, const unsigned char *bits, const unsigned char *blocks, const double *frame, int64 cells,
               int64 cascades, int64 most, int64 seed, int64 jittered, const hp::uint64 *noted, int64 words, int64 total, const int64 *offsets,
               real *t, real *dt, int64 *rays, real *positions) {
  const int64 ray = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (ray >= n) return;
  const hp::march march(bits, blocks, frame, cells, cascades, most, seed, jittered);
  march.fill(ray, n, origins, directions, ids, noted + ray * words, words, offsets[ray], offsets[ray + 1] - offsets[ray], total, t, dt, rays, positions);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_pull_back(int64 n, int64 total, const int64 *offsets, const real *t, const real *gradient, real *by_origin, real *by_direction) {
  const int64 ray = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (ray < n) hp::pull_back(ray, n, total, offsets, t, gradient, by_origin, by_direction);
}
