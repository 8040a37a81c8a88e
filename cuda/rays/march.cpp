// Host entry points of march.cuh.
#include "march.cuh"
#include "ranges.hpp"

extern "C" int hp_march(int64 n, int64 total, const real *origins, const real *directions, const int64 *ids, const unsigned char *bits,
                        const double *frame, int64 cells, int64 cascades, int64 most, int64 seed, int64 jittered, int64 *counts, const int64 *offsets,
                        real *t, real *dt, int64 *rays, real *positions, int threads) {
  const hp::march march(bits, frame, cells, cascades, most, seed, jittered);
  hp::each(threads, n, 256, [&](int64 ray) {
    const int64 base = offsets ? offsets[ray] : 0, room = offsets ? offsets[ray + 1] - base : 0;
    const int64 found = march.run(ray, n, origins, directions, ids, base, room, total, t, dt, rays, positions);
    if (counts) counts[ray] = found;
  });
  return 0;
}

extern "C" int hp_pull_back(int64 n, int64 total, const int64 *offsets, const real *t, const real *gradient, real *by_origin, real *by_direction,
                            int threads) {
  hp::each(threads, n, 256, [&](int64 ray) { hp::pull_back(ray, n, total, offsets, t, gradient, by_origin, by_direction); });
  return 0;
}
