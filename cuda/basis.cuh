// One-dimensional bases on a cell, t in [0, 1].
//
// A vertex carries `orders` coefficients: the value, then the first, second and third derivative in cell units.  Basis function
// [end * orders + order] belongs to the left (end 0) or the right (end 1) vertex of the cell.
#pragma once
#include "lanes.cuh"

namespace hp {

constexpr int falling(int k, int m) { return m == 0 ? 1 : k * falling(k - 1, m - 1); }

// Row f of Table::c holds the coefficients of function f in powers of t.
template <class Table> struct polynomial_basis {
  static constexpr int orders = Table::orders;

  // The derivative of order M of every function, by Horner's rule.
  template <int M> static HP_INLINE void evaluate(vec t, vec (&out)[2 * orders]) {
    constexpr int degree = Table::degree;
    unroll<2 * orders>([&](auto f) {
      constexpr int row = decltype(f)::value;
      if constexpr (M > degree) {
        out[row] = splat(0);
      } else {
        vec p = splat(real(Table::c[row][degree] * falling(degree, M)));
        unroll<degree - M>([&](auto i) {
          constexpr int k = degree - 1 - decltype(i)::value;
          p = p * t + splat(real(Table::c[row][k] * falling(k, M)));
        });
        out[row] = p;
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
typedef polynomial_basis<cubic_table> cubic;
typedef polynomial_basis<quintic_table> quintic;
typedef polynomial_basis<septic_table> septic;

// The smooth weight of Heo et al. (2023), per axis: (1 + cos(pi t))/2 for the left vertex and its complement for the right.
struct cosine {
  static constexpr int orders = 1;

  template <int M> static HP_INLINE void evaluate(vec t, vec (&out)[2]) {
    constexpr double pi = 3.14159265358979323846;
    constexpr double scale = M == 0 ? 0.5 : M == 1 ? -pi / 2 : M == 2 ? -pi * pi / 2 : M == 3 ? pi * pi * pi / 2 : M == 4 ? pi * pi * pi * pi / 2 : -pi * pi * pi * pi * pi / 2;
    vec s, c;
    sine_cosine(splat(real(pi)) * t, s, c);
    vec left = splat(real(scale)) * (M % 2 == 0 ? c : s);
    if constexpr (M == 0) {
      out[0] = left + splat(real(0.5));
      out[1] = splat(real(0.5)) - left;
    } else {
      out[0] = left;
      out[1] = -left;
    }
  }
};

} // namespace hp
