// Real spherical harmonics of directions, from the recurrences of harmonics.py.
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

// Points `point` .. of n: row l^2 + l + m of `out` (bands^2, n) is scale_lm P_l^m(z) / sin^m times the real or imaginary part of (x + i y)^m.
HP_INLINE void harmonics(int64 n, int64 point, int active, const real *directions, int bands, const double *scales, real *out) {
  const vec x = load(directions + point, active), y = load(directions + n + point, active), z = load(directions + 2 * n + point, active);
  vec even = splat(1), odd = splat(0), first = splat(1); // real and imaginary part, and (2 m - 1)!!
  for (int m = 0; m < bands; ++m) {
    vec before = splat(0), legendre = first;
    for (int band = m; band < bands; ++band) {
      const int middle = band * band + band;
      const vec scaled = legendre * splat((real)scales[middle + m]);
      store(out + (middle + m) * n + point, scaled * even, active);
      if (m) store(out + (middle - m) * n + point, scaled * odd, active);
      const vec next = (splat(real(2 * band + 1)) * z * legendre - splat(real(band + m)) * before) * splat(1 / real(band + 1 - m));
      before = legendre;
      legendre = next;
    }
    const vec turned = x * even - y * odd;
    odd = x * odd + y * even;
    even = turned;
    first = first * splat(real(2 * m + 1));
  }
}

} // namespace hp
