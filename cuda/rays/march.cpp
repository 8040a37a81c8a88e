// Host entry points of march.cuh.
#include "march.cuh"
#include "ranges.hpp"

extern "C" int hp_blocks(int64 n, const unsigned char *bits, unsigned char *blocks, int threads) {
  hp::each(threads, n, 1 << 10, [&](int64 i) { blocks[i] = hp::blocks_of(bits, i); });
  return 0;
}

extern "C" int hp_march(int64 n, const real *origins, const real *directions, const int64 *ids, const unsigned char *bits, const unsigned char *blocks, const double *frame,
                        int64 cells, int64 cascades, int64 most, int64 seed, int64 jittered, hp::uint64 *noted, int64 words, int64 *counts,
                        int threads) {
  const hp::march march(bits, blocks, frame, cells, cascades, most, seed, jittered);
  constexpr int64 chunk = 256;
  hp::parallel(threads, (n + chunk - 1) / chunk, [&](int64 part) {
    const int64 end = (part + 1) * chunk < n ? (part + 1) * chunk : n;
    march.count(part * chunk, end, n, origins, directions, ids, noted, words, counts);
  });
  return 0;
}

extern "C" int hp_samples(int64 n, const real *origins, const real *directions, const int64 *ids, const unsigned char *bits, const unsigned char *blocks, const double *frame,
                          int64 cells, int64 cascades, int64 most, int64 seed, int64 jittered, const hp::uint64 *noted, int64 words, int64 total,
                          const int64 *offsets, real *t, real *dt, int64 *rays, real *positions, int threads) {
  const hp::march march(bits, blocks, frame, cells, cascades, most, seed, jittered);
  hp::each(threads, n, 64, [&](int64 ray) {
    const int64 base = offsets[ray], room = offsets[ray + 1] - base;
    march.fill(ray, n, origins, directions, ids, noted + ray * words, words, base, room, total, t, dt, rays, positions);
  });
  return 0;
}

extern "C" int hp_pull_back(int64 n, int64 total, const int64 *offsets, const real *t, const real *gradient, real *by_origin, real *by_direction,
                            int threads) {
  hp::each(threads, n, 256, [&](int64 ray) { hp::pull_back(ray, n, total, offsets, t, gradient, by_origin, by_direction); });
  return 0;
}
