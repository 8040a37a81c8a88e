// What the samples of a ray add up to, and the adjoint; HP_COLOURS numbers per sample.
//     tau_i = sigma_i dt_i      T_i = exp(-sum_{k<i} tau_k)      w_i = T_i (1 - exp(-tau_i)) = T_i - T_{i+1}
//     colour = sum w_i c_i + T_end background      opacity = sum w_i      depth = sum w_i t_i
// The sum ends behind the first sample with T_{i+1} < least; T_end is the transmittance there.
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

#ifndef __CUDACC__
HP_INLINE float expm1(float x) { return __builtin_expm1f(x); }
HP_INLINE double expm1(double x) { return __builtin_expm1(x); }
#endif

constexpr int COLOURS = HP_COLOURS;

struct samples {
  int64 n, total;
  const int64 *offsets;
  const real *sigma, *dt;
  real least;

  // Whether rays follow each other from the first sample to the last; a GPU takes it for granted.
  HP_INLINE bool ordered() const {
    for (int64 ray = 0; ray < n; ++ray)
      if (offsets[ray + 1] < offsets[ray]) return false;
    return offsets[0] == 0 && offsets[n] == total;
  }

  // Calls body(i, w_i, T_{i+1}) for what is seen of a ray; returns where that ends, and the transmittance there.
  template <class Body> HP_INLINE int64 seen(int64 ray, real &transmittance, const Body &body) const {
    real depth = 0; // optical
    transmittance = 1;
    int64 i = offsets[ray];
    for (const int64 end = offsets[ray + 1]; i < end && !(transmittance < least); ++i) {
      const real tau = sigma[i] * dt[i], weight = transmittance * -real(expm1(-tau));
      depth += tau;
      transmittance = real(exp(-depth));
      body(i, weight, transmittance);
    }
    return i;
  }

  HP_INLINE int64 visible(int64 ray) const {
    real transmittance;
    return seen(ray, transmittance, [](int64, real, real) {}) - offsets[ray];
  }

  HP_INLINE void forward(int64 ray, const real *t, const real *colours, const real *background, real *colour, real *opacity, real *depth,
                      real *weights) const {
    real sum[COLOURS] = {}, opaque = 0, far = 0, transmittance;
    int64 i = seen(ray, transmittance, [&](int64 at, real weight, real) {
      for (int c = 0; c < COLOURS; ++c) sum[c] += weight * colours[c * total + at];
      opaque += weight;
      far += weight * t[at];
      weights[at] = weight;
    });
    for (; i < offsets[ray + 1]; ++i) weights[i] = 0;
    for (int c = 0; c < COLOURS; ++c) colour[c * n + ray] = sum[c] + transmittance * background[c * n + ray];
    opacity[ray] = opaque;
    depth[ray] = far;
  }

  // With v_i = <g_colour, c_i> + g_opacity + g_depth t_i + g_weight_i, the loss is sum w_i v_i + T_end <g_colour, background>, hence
  //     dL/dtau_i = T_{i+1} v_i - sum_{k>i} w_k v_k - T_end <g_colour, background>.
  HP_INLINE void adjoint(int64 ray, const real *t, const real *colours, const real *background, const real *g_colour, const real *g_opacity,
                      const real *g_depth, const real *g_weights, real *by_sigma, real *by_t, real *by_dt, real *by_colours,
                      real *by_background) const {
    real transmittance, behind = 0, g[COLOURS];
    for (int c = 0; c < COLOURS; ++c) g[c] = g_colour[c * n + ray];
    const int64 end = seen(ray, transmittance, [&](int64 i, real weight, real after) {
      by_t[i] = weight; // both kept for the way back
      by_sigma[i] = after;
    });
    for (int c = 0; c < COLOURS; ++c) {
      behind += transmittance * g[c] * background[c * n + ray];
      by_background[c * n + ray] = transmittance * g[c];
    }
    for (int64 i = offsets[ray + 1] - 1; i >= offsets[ray]; --i) {
      const bool dark = i >= end;
      const real weight = dark ? real(0) : by_t[i];
      real value = g_opacity[ray] + g_depth[ray] * t[i] + g_weights[i];
      for (int c = 0; c < COLOURS; ++c) {
        value += g[c] * colours[c * total + i];
        by_colours[c * total + i] = weight * g[c];
      }
      const real by_tau = dark ? real(0) : by_sigma[i] * value - behind;
      if (!dark) behind += weight * value;
      by_t[i] = weight * g_depth[ray];
      by_sigma[i] = dt[i] * by_tau;
      by_dt[i] = sigma[i] * by_tau;
    }
  }
};

} // namespace hp
