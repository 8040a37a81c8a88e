// CUDA entry point of axis.cuh: one thread per output element.  HP_TERMS pairs of pointers are passed by value, so that a launch
// copies nothing to the device.
#include "axis.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_axis(int64 before, int64 rows, int64 columns, int64 after, const int *start, const int *column, real *out, int add,
            const real *value0, const real *in0
#if HP_TERMS > 1
            , const real *value1, const real *in1
#endif
#if HP_TERMS > 2
            , const real *value2, const real *in2
#endif
#if HP_TERMS > 3
            , const real *value3, const real *in3
#endif
    ) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x, total = before * rows * after;
  if (i >= total) return;
  hp::axis_arguments a{before, rows, columns, after, start, column, HP_TERMS, {}, {}, out};
  a.value[0] = value0;
  a.in[0] = in0;
#if HP_TERMS > 1
  a.value[1] = value1;
  a.in[1] = in1;
#endif
#if HP_TERMS > 2
  a.value[2] = value2;
  a.in[2] = in2;
#endif
#if HP_TERMS > 3
  a.value[3] = value3;
  a.in[3] = in3;
#endif
  int64 p, r, q;
  if (total <= 0xffffffffll) { // division of 64-bit numbers takes longer than the memory
    const unsigned u = (unsigned)i, n = (unsigned)after, v = u / n;
    q = u % n;
    r = v % (unsigned)rows;
    p = v / (unsigned)rows;
  } else {
    q = i % after;
    r = i / after % rows;
    p = i / (after * rows);
  }
  if (add) hp::axis_row<true>(a, p, r, q, 1);
  else hp::axis_row<false>(a, p, r, q, 1);
}
