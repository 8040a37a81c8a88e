// One-dimensional bases on a cell, t in [0, 1].
//
// A vertex carries `orders` coefficients: the value, then the first, second and third derivative in cell units.  Basis function
// [end * orders + order] belongs to the left (end 0) or the right (end 1) vertex of the cell.  The two functions of the values add up
// to 1, so the left one, number 0, is not formed.
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

constexpr int falling(int k, int m) { return m == 0 ? 1 : k * falling(k - 1, m - 1); }

// Row f of Table::c holds the coefficients of function f in powers of t.
template <class Table> struct polynomial_basis {
  static constexpr int orders = Table::orders;

  // The derivative of order M of every function but the first, times `factor` unless M is 0, by Horner's rule.
  template <int M> static HP_INLINE void evaluate(vec t, vec factor, vec (&out)[2 * orders]) {
    constexpr int degree = Table::degree;
    unroll<2 * orders - 1>([&](auto f) {
      constexpr int row = decltype(f)::value + 1;
      if constexpr (M > degree) {
        out[row] = splat(0);
      } else {
        vec p = splat(real(Table::c[row][degree] * falling(degree, M)));
        unroll<degree - M>([&](auto i) {
          constexpr int k = degree - 1 - decltype(i)::value;
          p = p * t + splat(real(Table::c[row][k] * falling(k, M)));
        });
        out[row] = M > 0 ? p * factor : p;
      }
    });
  }
};

struct linear_table {
  static constexpr int orders = 1, degree = 1;
  static constexpr double c[2][2] = {{1, -1}, {0, 1}};
};
struct smoothstep_table {
  static constexpr int orders = 1, degree = 3;
  static constexpr double c[2][4] = {{1, 0, -3, 2}, {0, 0, 3, -2}};
};
struct cubic_table {
  static constexpr int orders = 2, degree = 3;
  static constexpr double c[4][4] = {{1, 0, -3, 2}, {0, 1, -2, 1}, {0, 0, 3, -2}, {0, 0, -1, 1}};
};
struct quintic_table {
  static constexpr int orders = 3, degree = 5;
  static constexpr double c[6][6] = {{1, 0, 0, -10, 15, -6},       {0, 1, 0, -6, 8, -3},
                                     {0, 0, 0.5, -1.5, 1.5, -0.5}, {0, 0, 0, 10, -15, 6},
                                     {0, 0, 0, -4, 7, -3},         {0, 0, 0, 0.5, -1, 0.5}};
};
struct septic_table {
  static constexpr int orders = 4, degree = 7;
  static constexpr double c[8][8] = {{1, 0, 0, 0, -35, 84, -70, 20},
                                     {0, 1, 0, 0, -20, 45, -36, 10},
                                     {0, 0, 1.0 / 2, 0, -5, 10, -15.0 / 2, 2},
                                     {0, 0, 0, 1.0 / 6, -2.0 / 3, 1, -2.0 / 3, 1.0 / 6},
                                     {0, 0, 0, 0, 35, -84, 70, -20},
                                     {0, 0, 0, 0, -15, 39, -34, 10},
                                     {0, 0, 0, 0, 5.0 / 2, -7, 13.0 / 2, -2},
                                     {0, 0, 0, 0, -1.0 / 6, 1.0 / 2, -1.0 / 2, 1.0 / 6}};
};
typedef polynomial_basis<linear_table> linear;
typedef polynomial_basis<smoothstep_table> smoothstep;
typedef polynomial_basis<quintic_table> quintic;
typedef polynomial_basis<septic_table> septic;

// Cubics and their derivatives up to the second share p = t (1 - t), t^2 and v = 2t - 1: see docs/kernels.md, section 1.
struct cubic {
  static constexpr int orders = 2;

  template <int M> static HP_INLINE void evaluate(vec t, vec factor, vec (&out)[4]) {
    const vec square = t * t, p = t - square, v = splat(2) * t - splat(1);
    if constexpr (M == 0) {
      const vec q = p * t;
      out[1] = p - q;
      out[2] = splat(2) * q + square;
      out[3] = -q;
    } else if constexpr (M == 1) {
      out[2] = splat(6) * factor * p;
      out[3] = -factor * (splat(2) * p - square);
      out[1] = out[3] - factor * v;
    } else if constexpr (M == 2) {
      const vec w = splat(3) * factor * v;
      out[1] = w - factor;
      out[2] = -(w + w);
      out[3] = w + factor;
    } else {
      polynomial_basis<cubic_table>::evaluate<M>(t, factor, out);
    }
  }
};

// The smooth weight of Heo et al. (2023), per axis: (1 + cos(pi t))/2 for the left vertex and its complement for the right.
struct cosine {
  static constexpr int orders = 1;

  template <int M> static HP_INLINE void evaluate(vec t, vec factor, vec (&out)[2]) {
    constexpr double pi = 3.14159265358979323846;
    constexpr double scale = M == 0 ? 0.5 : M == 1 ? -pi / 2 : M == 2 ? -pi * pi / 2 : M == 3 ? pi * pi * pi / 2 : M == 4 ? pi * pi * pi * pi / 2 : -pi * pi * pi * pi * pi / 2;
    vec s, c;
    sine_cosine(splat(real(pi)) * t, s, c);
    const vec left = splat(real(scale)) * (M % 2 == 0 ? c : s);
    out[1] = M == 0 ? splat(real(0.5)) - left : -left * factor;
  }
};
#if HP_WEIGHTS == 1

// Functions of a corner's weight w: see corner.cuh.  `weigh` gives what weighs values, and its first and second derivative by w.
struct cosine_product {
  static constexpr int orders = 1;
  static constexpr bool multilinear_values = false;
  template <int M> static HP_INLINE void evaluate(vec, vec, vec (&)[2]) {}
  static HP_INLINE void weigh(vec w, vec (&out)[3]) {
    constexpr double pi = 3.14159265358979323846;
    vec s, c;
    sine_cosine(splat(real(pi)) * w, s, c);
    out[0] = splat(real(0.5)) - splat(real(0.5)) * c;
    out[1] = splat(real(pi / 2)) * s;
    out[2] = splat(real(pi * pi / 2)) * c;
  }
};

// Multilinear values with the gradient of w + blend (1 - cos(pi w))/2.
struct straight_through {
  static constexpr int orders = 1;
  static constexpr bool multilinear_values = true;
  template <int M> static HP_INLINE void evaluate(vec, vec, vec (&)[2]) {}
  static HP_INLINE void weigh(vec w, vec (&out)[3]) {
    constexpr double pi = 3.14159265358979323846;
    vec s, c;
    sine_cosine(splat(real(pi)) * w, s, c);
    out[0] = w;
    out[1] = splat(1) + splat(real(double(HP_BLEND) * pi / 2)) * s;
    out[2] = splat(0);
  }
};
#endif // HP_WEIGHTS
#if HP_WEIGHTS == 2

// Four values per axis, at t = -1, 0, 1 and 2: cubics whose slopes at 0 and 1 are central differences.
struct catmull_rom {
  static constexpr int orders = 1;
  template <int M> static HP_INLINE void evaluate(vec, vec, vec (&)[2]) {}
  template <int M> static HP_INLINE void window(vec t, vec factor, vec (&out)[4]) {
    constexpr double c[4][4] = {{0, -0.5, 1, -0.5}, {1, 0, -2.5, 1.5}, {0, 0.5, 2, -1.5}, {0, 0, -0.5, 0.5}};
    unroll<4>([&](auto i) {
      constexpr int row = decltype(i)::value;
      vec p = splat(0);
      if constexpr (M <= 3) {
        p = splat(real(c[row][3] * falling(3, M)));
        unroll<3 - (M < 3 ? M : 3)>([&](auto j) {
          constexpr int k = 2 - decltype(j)::value;
          p = p * t + splat(real(c[row][k] * falling(k, M)));
        });
      }
      out[row] = M > 0 ? p * factor : p;
    });
  }
};
#endif // HP_WEIGHTS

} // namespace hp
