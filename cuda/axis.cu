// CUDA entry point of axis.cuh: one thread per output element.
#include "axis.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_axis(int64 before, int64 rows, int64 columns, int64 after, const int *start, const int *column, int terms,
            const real *const *values, const real *const *ins, real *out, int add) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= before * rows * after) return;
  hp::axis_arguments a{before, rows, columns, after, start, column, terms, {}, {}, out};
  for (int t = 0; t < terms; ++t) {
    a.value[t] = values[t];
    a.in[t] = ins[t];
  }
  const int64 q = i % after, r = i / after % rows, p = i / (after * rows);
  if (add) hp::axis_row<true>(a, p, r, q, 1);
  else hp::axis_row<false>(a, p, r, q, 1);
}
