// Second-order jets through an elementwise activation a = s(z): forward and adjoint, one pass each.
//
// Channel 0 is the value, every other channel c a derivative of first order (no pairs) or of second order, with the pairs (p, q, w) of
// first-order channels whose products it needs: for the Laplacian w = 1, p = q = each axis.
//     a_0 = s(z_0)
//     a_c = s'(z_0) z_c + s''(z_0) sum_pairs w z_p z_q
// The specialisation defines HP_CHANNELS, HP_ACTIVATION and `quadratic`, the list of (channel, p, q, w).
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

constexpr int CHANNELS = HP_CHANNELS;

// Activations: d[m] = m-th derivative of the function at z.
struct sine {
  static HP_INLINE void derivatives(vec z, vec (&d)[4]) {
    sine_cosine(z, d[0], d[1]);
    d[2] = -d[0];
    d[3] = -d[1];
  }
};
struct tanh_ {
  static HP_INLINE void derivatives(vec z, vec (&d)[4]) {
    const vec t = hyperbolic_tangent(z);
    d[0] = t;
    d[1] = splat(1) - t * t;
    d[2] = splat(-2) * t * d[1];
    d[3] = d[1] * (splat(6) * t * t - splat(2));
  }
};
HP_INLINE void logistic(vec z, vec (&d)[4]) {
  const vec s = splat(1) / (splat(1) + exponential(-z));
  d[0] = s;
  d[1] = s * (splat(1) - s);
  d[2] = d[1] * (splat(1) - splat(2) * s);
  d[3] = d[2] * (splat(1) - splat(2) * s) - splat(2) * d[1] * d[1];
}
struct silu {
  static HP_INLINE void derivatives(vec z, vec (&d)[4]) {
    vec s[4];
    logistic(z, s);
    d[0] = z * s[0];
    d[1] = s[0] + z * s[1];
    d[2] = splat(2) * s[1] + z * s[2];
    d[3] = splat(3) * s[2] + z * s[3];
  }
};
struct softplus {
  static HP_INLINE void derivatives(vec z, vec (&d)[4]) {
    vec s[4];
    logistic(z, s);
    d[0] = highest(z, splat(0)) + log_one_plus(exponential(-highest(z, -z)));
    d[1] = s[0];
    d[2] = s[1];
    d[3] = s[2];
  }
};

struct unit_jet {
  vec z[CHANNELS];
  vec d[4];

  // The jet of one unit at `p`, channels `plane` apart, and the derivatives of s(omega z) with respect to z.
  HP_INLINE unit_jet(const real *p, int64 plane, real bias, real omega, int active) {
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c) z[c] = load(p + c * plane, active);
    differentiate(bias, omega);
  }
  HP_INLINE unit_jet(const vec (&jet)[CHANNELS], real bias, real omega) {
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c) z[c] = jet[c];
    differentiate(bias, omega);
  }
  HP_INLINE void differentiate(real bias, real omega) {
    z[0] = z[0] + splat(bias);
    HP_ACTIVATION::derivatives(z[0] * splat(omega), d);
    d[1] = d[1] * splat(omega);
    d[2] = d[2] * splat(omega * omega);
    d[3] = d[3] * splat(omega * omega * omega);
  }
};

struct forward {
  static HP_INLINE void apply(const unit_jet &u, vec (&a)[CHANNELS]) {
    a[0] = u.d[0];
    HP_UNROLL for (int c = 1; c < CHANNELS; ++c) a[c] = u.d[1] * u.z[c];
    unroll<PAIRS>([&](auto i) {
      constexpr pair t = quadratic::list[decltype(i)::value];
      a[t.channel] += splat(real(t.weight)) * u.d[2] * u.z[t.p] * u.z[t.q];
    });
  }
  static HP_INLINE void run(const unit_jet &u, const real *, real *out, int64 plane, int active) {
    vec a[CHANNELS];
    apply(u, a);
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c) store(out + c * plane, a[c], active);
  }
};

struct adjoint {
  static HP_INLINE void apply(const unit_jet &u, const vec (&g)[CHANNELS], vec (&r)[CHANNELS]) {
    r[0] = u.d[1] * g[0];
    HP_UNROLL for (int c = 1; c < CHANNELS; ++c) {
      r[0] += u.d[2] * u.z[c] * g[c];
      r[c] = u.d[1] * g[c];
    }
    unroll<PAIRS>([&](auto i) {
      constexpr pair t = quadratic::list[decltype(i)::value];
      const vec w = splat(real(t.weight)) * g[t.channel];
      r[0] += w * u.d[3] * u.z[t.p] * u.z[t.q];
      r[t.p] += w * u.d[2] * u.z[t.q];
      r[t.q] += w * u.d[2] * u.z[t.p];
    });
  }
  static HP_INLINE void run(const unit_jet &u, const real *weights, real *out, int64 plane, int active) {
    vec g[CHANNELS], r[CHANNELS];
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c) g[c] = load(weights + c * plane, active);
    apply(u, g, r);
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c) store(out + c * plane, r[c], active);
  }
};

} // namespace hp
