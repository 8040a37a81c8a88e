// Host entry point of harmonics.cuh.
#include "harmonics.cuh"
#include "ranges.hpp"

extern "C" int hp_harmonics(int64 n, const real *directions, int64 bands, const double *scales, real *out, int threads) {
  hp::each(threads, (n + hp::LANES - 1) / hp::LANES, 64, [&](int64 i) {
    const int64 point = i * hp::LANES, left = n - point;
    hp::harmonics(n, point, left < hp::LANES ? (int)left : hp::LANES, directions, (int)bands, scales, out);
  });
  return 0;
}
