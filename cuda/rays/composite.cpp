// Host entry points of composite.cuh; 1 where offsets do not rise from 0 to the number of samples.
#include "composite.cuh"
#include "ranges.hpp"

extern "C" int hp_visible(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, int64 *counts, int threads) {
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  if (!samples.ordered()) return 1;
  hp::each(threads, n, 256, [&](int64 ray) { counts[ray] = samples.visible(ray); });
  return 0;
}

extern "C" int hp_composite(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, const real *t,
                            const real *colours, const real *background, real *colour, real *opacity, real *depth, real *weights, int threads) {
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  if (!samples.ordered()) return 1;
  hp::each(threads, n, 256, [&](int64 ray) { samples.forward(ray, t, colours, background, colour, opacity, depth, weights); });
  return 0;
}

extern "C" int hp_composite_adjoint(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, const real *t,
                                    const real *colours, const real *background, const real *g_colour, const real *g_opacity, const real *g_depth,
                                    const real *g_weights, real *by_sigma, real *by_t, real *by_dt, real *by_colours, real *by_background,
                                    int threads) {
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  if (!samples.ordered()) return 1;
  hp::each(threads, n, 256, [&](int64 ray) {
    samples.adjoint(ray, t, colours, background, g_colour, g_opacity, g_depth, g_weights, by_sigma, by_t, by_dt, by_colours, by_background);
  });
  return 0;
}

extern "C" int hp_fill(int64 n, int64 total, const int64 *offsets, const real *sigma, const real *dt, double least, const int64 *kept, int64 *index,
                       int threads) {
  const hp::samples samples{n, total, offsets, sigma, dt, (real)least};
  if (!samples.ordered()) return 1;
  hp::each(threads, n, 256, [&](int64 ray) {
    for (int64 i = kept[ray]; i < kept[ray + 1]; ++i) index[i] = samples.offsets[ray] + i - kept[ray];
  });
  return 0;
}
