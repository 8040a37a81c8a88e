// Lanes: the one place where a GPU thread and a CPU vector register differ.
//
// Everything above this header is written in terms of `vec` (one value per lane), `ivec` and `uvec`
// (integers per lane) and `address` (an element offset into a table per lane).  A CUDA thread has one lane,
// so the types are plain scalars; on a CPU a `vec` fills a SIMD register and each lane holds another point.
#pragma once

#ifdef __CUDACC__
#define HP_INLINE __device__ __forceinline__
#define HP_UNROLL _Pragma("unroll")
#define HP_UNROLL_ENDS _Pragma("unroll")
typedef long long int64;
#else
#include <stdint.h> // and nothing of the C++ library: parsing its headers took half the time of compiling a kernel
#define HP_INLINE inline __attribute__((always_inline))
#define HP_UNROLL _Pragma("GCC unroll 16")
#define HP_UNROLL_ENDS _Pragma("GCC unroll 1")
typedef int64_t int64;
#endif

typedef HP_REAL real;

namespace hp {

// Compile-time counting: unroll<N>([&](auto i) { ... decltype(i)::value ... }) with every index a constant, so that
// small arrays stay in registers under both compilers.
template <int I> struct constant { static constexpr int value = I; };

template <int I, int N, class Body> HP_INLINE void unroll_from(const Body &body) {
  if constexpr (I < N) {
    body(constant<I>{});
    unroll_from<I + 1, N>(body);
  }
}
template <int N, class Body> HP_INLINE void unroll(const Body &body) { unroll_from<0, N>(body); }

constexpr int power(int base, int exponent) { return exponent == 0 ? 1 : base * power(base, exponent - 1); }

#ifdef __CUDACC__

typedef real vec;
typedef int ivec;
typedef unsigned uvec;
constexpr int LANES = 1;
struct address { int64 lane[1]; };

HP_INLINE vec splat(real a) { return a; }
HP_INLINE vec load(const real *p, int) { return *p; }
HP_INLINE void store(real *p, vec a, int) { *p = a; }
HP_INLINE unsigned to_unsigned(float a) { return __float2uint_rz(a); }
HP_INLINE unsigned to_unsigned(double a) { return __double2uint_rz(a); }
HP_INLINE vec to_real(ivec a) { return (real)a; }
HP_INLINE vec highest(vec a, vec b) { return a > b ? a : b; }
HP_INLINE vec floored(vec a) { return floor(a); }
HP_INLINE void sine_cosine(vec x, vec &s, vec &c) { sincos(x, &s, &c); }
HP_INLINE vec exponential(vec x) { return exp(x); }
HP_INLINE vec hyperbolic_tangent(vec x) { return tanh(x); }
HP_INLINE vec log_one_plus(vec x) { return log1p(x); }
// floor(a), but at least 0 and at most `last`: the conversion gives 0 for negative numbers, and the largest integer beyond it.
HP_INLINE ivec integer_within(vec a, int last) {
  const unsigned whole = to_unsigned(a);
  return (int)(whole < (unsigned)last ? whole : (unsigned)last);
}
// v for v < count, 0 for v = count: else the difference is negative, and large without a sign.
HP_INLINE ivec wrapped(ivec v, int count) {
  const unsigned kept = v, reduced = v - count;
  return (int)(kept < reduced ? kept : reduced);
}
HP_INLINE vec if_active(vec a, int active) { return active ? a : vec(0); }
HP_INLINE real component(vec a, int) { return a; }
HP_INLINE address offset_by(int64 base, uvec slot, int64 stride) { return {{base + (int64)slot * stride}}; }

#else

#if defined(__AVX512F__)
#define HP_BYTES 64
#else
#define HP_BYTES 32
#endif

constexpr int LANES = HP_BYTES / sizeof(real);
typedef real vec __attribute__((vector_size(HP_BYTES)));
typedef int ivec __attribute__((vector_size(4 * LANES)));
typedef unsigned uvec __attribute__((vector_size(4 * LANES)));
template <int BYTES> struct integer_of { typedef int32_t type; };
template <> struct integer_of<8> { typedef int64_t type; };
typedef integer_of<sizeof(real)>::type mask_lane;
typedef mask_lane mask __attribute__((vector_size(HP_BYTES)));
struct address { int64 lane[LANES]; };

#define HP_SCALAR(name)                                                  \
  HP_INLINE float name(float x) { return __builtin_##name##f(x); } \
  HP_INLINE double name(double x) { return __builtin_##name(x); }
HP_SCALAR(floor)
HP_SCALAR(sqrt)
HP_SCALAR(sin)
HP_SCALAR(cos)
HP_SCALAR(exp)
HP_SCALAR(tanh)
HP_SCALAR(log1p)
#undef HP_SCALAR

HP_INLINE vec splat(real a) { return a - vec{}; }
// A partial load repeats the first value, so that the idle lanes compute on a valid point.
HP_INLINE vec load(const real *p, int active) {
  vec a;
  if (active == LANES) {
    __builtin_memcpy(&a, p, sizeof a);
  } else {
    for (int i = 0; i < LANES; ++i) a[i] = p[i < active ? i : 0];
  }
  return a;
}
HP_INLINE void store(real *p, vec a, int active) {
  if (active == LANES) {
    __builtin_memcpy(p, &a, sizeof a);
  } else {
    for (int i = 0; i < active; ++i) p[i] = a[i];
  }
}
HP_INLINE ivec truncated(vec a) { return __builtin_convertvector(a, ivec); }
HP_INLINE vec to_real(ivec a) { return __builtin_convertvector(a, vec); }
HP_INLINE vec lowest(vec a, vec b) { return a < b ? a : b; }
HP_INLINE vec highest(vec a, vec b) { return a > b ? a : b; }
HP_INLINE vec floored(vec a) {
  vec b;
  for (int i = 0; i < LANES; ++i) b[i] = floor(a[i]);
  return b;
}
// Sine and cosine of a register: reduction by pi/2 in three parts (Cody and Waite), then the minimax polynomials of Cephes on
// [-pi/4, pi/4]; error below 2 units in the last place.  Beyond the range of the reduction the C library takes over.
HP_INLINE void sine_cosine(vec x, vec &s, vec &c) {
  constexpr bool wide = sizeof(real) == 8;
  constexpr real limit = wide ? real(5e5) : real(8e3);
  bool far = false;
  for (int i = 0; i < LANES; ++i) far = far || !(x[i] < limit && x[i] > -limit);
  if (far) {
    for (int i = 0; i < LANES; ++i) {
      s[i] = sin(x[i]);
      c[i] = cos(x[i]);
    }
    return;
  }
  constexpr double part[3] = {wide ? 1.57079632673412561417e+00 : 1.5703125, wide ? 6.07710050630396597660e-11 : 4.837512969970703125e-4,
                              wide ? 2.02226624879595063154e-21 : 7.54978995489188216e-8};
  const vec scaled = x * splat(real(0.63661977236758134308));
  const ivec quarter = truncated(scaled + (scaled < splat(0) ? splat(real(-0.5)) : splat(real(0.5))));
  const vec k = to_real(quarter);
  const vec r = ((x - k * splat(real(part[0]))) - k * splat(real(part[1]))) - k * splat(real(part[2]));
  const vec z = r * r;
  vec odd, even;
  if constexpr (wide) {
    odd = splat(1.58962301576546568060e-10) * z - splat(2.50507477628578072866e-8);
    odd = (odd * z + splat(2.75573136213857245213e-6)) * z - splat(1.98412698295895385996e-4);
    odd = (odd * z + splat(8.33333333332211858878e-3)) * z - splat(1.66666666666666307295e-1);
    even = splat(-1.13585365213876817300e-11) * z + splat(2.08757008419747316778e-9);
    even = (even * z - splat(2.75573141792967388112e-7)) * z + splat(2.48015872888517045348e-5);
    even = (even * z - splat(1.38888888888730564116e-3)) * z + splat(4.16666666666665929218e-2);
  } else {
    odd = (splat(real(-1.9515295891e-4)) * z + splat(real(8.3321608736e-3))) * z - splat(real(1.6666654611e-1));
    even = (splat(real(2.443315711809948e-5)) * z - splat(real(1.388731625493765e-3))) * z + splat(real(4.166664568298827e-2));
  }
  odd = odd * z * r + r;
  even = even * z * z - z * splat(real(0.5)) + splat(1);
  const auto swap = __builtin_convertvector(quarter & 1, mask) != 0;
  const auto flip_s = __builtin_convertvector(quarter & 2, mask) != 0;
  const auto flip_c = __builtin_convertvector((quarter + 1) & 2, mask) != 0;
  s = swap ? even : odd;
  c = swap ? odd : even;
  s = flip_s ? -s : s;
  c = flip_c ? -c : c;
}
// 2^k for k in the range of exponents of normal numbers: the bits of the exponent.
HP_INLINE vec power_of_two(ivec k) {
  constexpr int bias = sizeof(real) == 8 ? 1023 : 127, digits = sizeof(real) == 8 ? 52 : 23;
  return (vec)((__builtin_convertvector(k, mask) + bias) << digits);
}
// e^x of a register for |x| up to 700 (80 in single precision): reduction by log 2 in two parts, then Cephes' functions on
// [-log 2 / 2, log 2 / 2]; error below 2 units in the last place.
HP_INLINE vec exponential_near(vec x) {
  constexpr bool wide = sizeof(real) == 8;
  const vec scaled = x * splat(real(1.44269504088896340736));
  const ivec whole = truncated(scaled + (scaled < splat(0) ? splat(real(-0.5)) : splat(real(0.5))));
  const vec k = to_real(whole);
  const vec r = (x - k * splat(real(wide ? 6.93145751953125e-1 : 0.693359375))) - k * splat(real(wide ? 1.42860682030941723212e-6 : -2.12194440e-4));
  const vec z = r * r;
  vec e;
  if constexpr (wide) {
    const vec p = ((splat(real(1.26177193074810590878e-4)) * z + splat(real(3.02994407707441961300e-2))) * z + splat(1)) * r;
    const vec q = ((splat(real(3.00198505138664455042e-6)) * z + splat(real(2.52448340349684104192e-3))) * z + splat(real(2.27265548208155028766e-1))) * z + splat(2);
    e = splat(1) + splat(2) * (p / (q - p));
  } else {
    e = (splat(real(1.9875691500e-4)) * r + splat(real(1.3981999507e-3))) * r + splat(real(8.3334519073e-3));
    e = (e * r + splat(real(4.1665795894e-2))) * r + splat(real(1.6666665459e-1));
    e = (e * r + splat(real(5.0000001201e-1))) * z + r + splat(1);
  }
  return e * power_of_two(whole);
}
HP_INLINE vec exponential(vec x) {
  constexpr real limit = sizeof(real) == 8 ? real(700) : real(80);
  bool far = false;
  for (int i = 0; i < LANES; ++i) far = far || !(x[i] < limit && x[i] > -limit);
  if (!far) return exponential_near(x);
  for (int i = 0; i < LANES; ++i) x[i] = exp(x[i]);
  return x;
}
// Cephes' functions of x^2 near 0, else by the exponential, up to where the result is 1; error below 2 units in the last place.
HP_INLINE vec hyperbolic_tangent(vec x) {
  const vec size = x < splat(0) ? -x : x, s = x * x;
  const vec e = exponential_near(splat(2) * lowest(size, splat(20)));
  const vec away = splat(1) - splat(2) / (e + splat(1));
  vec near;
  if constexpr (sizeof(real) == 8) {
    const vec p = (splat(real(-9.64399179425052238628e-1)) * s - splat(real(9.92877231001918586564e1))) * s - splat(real(1.61468768441708447952e3));
    const vec q = ((s + splat(real(1.12811678491632931402e2))) * s + splat(real(2.23548839060100448583e3))) * s + splat(real(4.84406305325125486048e3));
    near = x * s * (p / q) + x;
  } else {
    near = (splat(real(-5.70498872745e-3)) * s + splat(real(2.06390887954e-2))) * s - splat(real(5.37397155531e-2));
    near = ((near * s + splat(real(1.33314422036e-1))) * s - splat(real(3.33332819422e-1))) * s * x + x;
  }
  const vec found = size < splat(real(0.625)) ? near : (x < splat(0) ? -away : away);
  return x == x ? found : x;
}
HP_INLINE vec log_one_plus(vec x) {
  for (int i = 0; i < LANES; ++i) x[i] = log1p(x[i]);
  return x;
}
HP_INLINE ivec integer_within(vec a, int last) { return truncated(lowest(highest(a, splat(0)), splat(real(last)))); }
HP_INLINE ivec wrapped(ivec v, int count) { return v == count ? v - v : v; }
HP_INLINE vec if_active(vec a, int) { return a; } // lanes past the last point are not stored
HP_INLINE real component(vec a, int lane) { return a[lane]; }
HP_INLINE address offset_by(int64 base, uvec slot, int64 stride) {
  address at;
  for (int i = 0; i < LANES; ++i) at.lane[i] = base + (int64)slot[i] * stride;
  return at;
}

#endif

} // namespace hp
