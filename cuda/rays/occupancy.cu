// CUDA entry points of occupancy.cuh: one thread per cell, or per byte.
#include "occupancy.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK) hp_decay(int64 n, float *values, const float *fresh, double decay) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) values[i] = hp::decayed(values[i], fresh[i], (float)decay);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK) hp_bits(int64 n, const float *values, const float *threshold, unsigned char *bits) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) bits[i] = hp::bits_of(values + 8 * i, *threshold);
}

extern "C" __global__ void __launch_bounds__(HP_BLOCK) hp_pool(int64 n, unsigned char *coarse, const unsigned char *fine, int64 cells) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) coarse[i] = hp::pooled(coarse, fine, (unsigned)i, (int)cells);
}
