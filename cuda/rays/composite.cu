// CUDA entry points of composite.cuh: one thread per ray.
#include "composite.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_visible(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, int64 *counts) {
  const int64 ray = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (ray >= n) return;
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  counts[ray] = samples.visible(ray);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_composite(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, const real *t, const real *colours,
                 const real *background, real *colour, real *opacity, real *depth, real *weights) {
  const int64 ray = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (ray >= n) return;
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  samples.forward(ray, t, colours, background, colour, opacity, depth, weights);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_composite_adjoint(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, const real *t,
                         const real *colours, const real *background, const real *g_colour, const real *g_opacity, const real *g_depth,
                         const real *g_weights, real *by_sigma, real *by_t, real *by_dt, real *by_colours, real *by_background) {
  const int64 ray = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (ray >= n) return;
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  samples.adjoint(ray, t, colours, background, g_colour, g_opacity, g_depth, g_weights, by_sigma, by_t, by_dt, by_colours, by_background);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_fill(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, const int64 *kept, int64 *index) {
  const int64 ray = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (ray >= n) return;
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  for (int64 i = kept[ray]; i < kept[ray + 1]; ++i) index[i] = samples.offsets[ray] + i - kept[ray];
}
