// Host entry points of occupancy.cuh.
#include "occupancy.cuh"
#include "ranges.hpp"

extern "C" int hp_decay(int64 n, float *values, const float *fresh, double decay, int threads) {
  hp::each(threads, n, 1 << 15, [&](int64 i) { values[i] = hp::decayed(values[i], fresh[i], (float)decay); });
  return 0;
}

extern "C" int hp_bits(int64 n, const float *values, const float *threshold, unsigned char *bits, int threads) {
  hp::each(threads, n, 1 << 12, [&](int64 i) { bits[i] = hp::bits_of(values + 8 * i, *threshold); });
  return 0;
}

extern "C" int hp_pool(int64 n, unsigned char *coarse, const unsigned char *fine, int64 cells, int threads) {
  hp::each(threads, n, 1 << 12, [&](int64 i) { coarse[i] = hp::pooled(coarse, fine, (unsigned)i, (int)cells); });
  return 0;
}
