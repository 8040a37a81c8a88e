// The grid of occupied cells: a decaying maximum of optical depths, its bits, and the bits of coarser cascades.
#pragma once
#include "cascades.cuh"

namespace hp {

// Cells that were never seen (below zero) stay so.
HP_INLINE float decayed(float value, float fresh, float decay) {
  const float old = value * decay;
  return value < 0 ? value : fresh > old ? fresh : old;
}

HP_INLINE byte bits_of(const float *values, float threshold) {
  unsigned found = 0;
  for (int i = 0; i < 8; ++i) found |= unsigned(values[i] > threshold) << i;
  return (byte)found;
}

// Byte `at` of a cascade with the bits of the next finer one, whose cube is the middle half: a byte there is a cell here.
HP_INLINE byte pooled(const byte *coarse, const byte *fine, unsigned at, int cells) {
  unsigned found = coarse[at];
  for (unsigned i = 0; i < 8; ++i) {
    const unsigned cell = at << 3 | i, quarter = cells / 4;
    const unsigned x = gathered(cell) - quarter, y = gathered(cell >> 1) - quarter, z = gathered(cell >> 2) - quarter, middle = cells / 2;
    if (x < middle && y < middle && z < middle) found |= unsigned(fine[morton(x, y, z)] != 0) << i; // below zero is large without a sign
  }
  return (byte)found;
}

} // namespace hp
