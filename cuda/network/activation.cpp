// Host entry point of activation.cuh.
#include "activation.cuh"
#include "../runtime/parallel.hpp"

extern "C" int hp_activation(int64 units, int64 n, const real *z, const real *bias, const real *other, real *out, double omega,
                             int threads) {
  if (units * n < 16384) threads = 1;
  hp::parallel(threads, units, [&](int64 unit) {
    for (int64 point = 0; point < n; point += hp::LANES) {
      const int active = n - point < hp::LANES ? (int)(n - point) : hp::LANES;
      const int64 at = unit * hp::CHANNELS * n + point;
      const hp::unit_jet u(z + at, n, bias[unit], (real)omega, active);
      hp::HP_OPERATION::run(u, other + at, out + at, n, active);
    }
  });
  return 0;
}
