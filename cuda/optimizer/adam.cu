// CUDA entry point of adam.cuh: one thread per number; `live` of them have a gradient, the others up to n a gradient of zero.
#include "adam.cuh"

extern "C" __global__ void __launch_bounds__(HP_BLOCK)
    hp_adam(int64 n, int64 live, real *p, const real *gradient, real *m, real *v, real *average, const double *scalars, double first, double second,
            double epsilon, double lower, double upper, double share) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const hp::adam a{(real)first, (real)second, (real)epsilon, (real)lower, (real)upper, (real)share, (real)scalars[0], (real)scalars[1]};
  real q = p[i], mean = m[i], square = v[i];
  a.step(i < live ? gradient[i] : real(0), q, mean, square);
  p[i] = q;
  m[i] = mean;
  v[i] = square;
  if (average) average[i] = a.averaged(average[i], q);
}
