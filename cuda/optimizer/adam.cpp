// Host entry point of adam.cuh: `live` numbers have a gradient, the others up to n a gradient of zero.
#include "adam.cuh"
#include "../runtime/parallel.hpp"

extern "C" int hp_adam(int64 n, int64 live, real *p, const real *gradient, real *m, real *v, real *average, const double *scalars, double first,
                       double second, double epsilon, double lower, double upper, double share, int threads) {
  const hp::adam a{(real)first, (real)second, (real)epsilon, (real)lower, (real)upper, (real)share, (real)scalars[0], (real)scalars[1]};
  constexpr int64 chunk = 1 << 15;
  hp::parallel(threads, (n + chunk - 1) / chunk, [&](int64 part) {
    const int64 begin = part * chunk, end = begin + chunk < n ? begin + chunk : n, middle = live < begin ? begin : live < end ? live : end;
#pragma GCC ivdep
    for (int64 i = begin; i < middle; ++i) a.step(gradient[i], p[i], m[i], v[i]);
#pragma GCC ivdep
    for (int64 i = middle; i < end; ++i) a.step(0, p[i], m[i], v[i]);
    if (average) {
#pragma GCC ivdep
      for (int64 i = begin; i < end; ++i) average[i] = a.averaged(average[i], p[i]);
    }
  });
  return 0;
}
