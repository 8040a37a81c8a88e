// Weights that are functions of a corner's multilinear weight w = prod_i (1 - |x - corner|_i), and no products over the axes.
//
// A corner weighs a value by s(w), a first derivative along axis i by s'(w) w_i, a second one by s''(w) w_i w_j + s'(w) w_ij, where
// w_i is the derivative of w and w_ii = 0.  Values of a basis with `multilinear_values` are contracted exactly as those of the
// linear basis, so that they are equal to it bit for bit; only its derivatives are those of other weights.
#pragma once
#include "storage.cuh"

namespace hp {

struct basis_values {
  vec axis[DIM][2], slope[DIM][2]; // weights of both ends along every axis, and their derivatives

  HP_INLINE explicit basis_values(const cell &here) {
    HP_UNROLL for (int i = 0; i < DIM; ++i) {
      axis[i][1] = here.t[i];
      axis[i][0] = splat(1) - here.t[i];
      slope[i][1] = here.scale[i];
      slope[i][0] = -here.scale[i];
    }
  }

  // The derivative of w along up to two different axes, -1 for none.
  template <int FIRST, int SECOND> HP_INLINE vec derivative(int ends) const {
    vec w = splat(1);
    unroll<DIM>([&](auto i) {
      constexpr int k = decltype(i)::value;
      const int e = ends >> k & 1;
      w = w * (k == FIRST || k == SECOND ? slope[k][e] : axis[k][e]);
    });
    return w;
  }

  // What the corner weighs in every channel; the values of a basis that contracts them are left out unless VALUES.
  template <bool VALUES> HP_INLINE void channels(int ends, vec (&out)[stage<0>::nodes]) const {
    const vec w = derivative<-1, -1>(ends);
    vec s[3];
    basis::weigh(w, s);
    HP_UNROLL for (int c = 0; c < stage<0>::nodes; ++c) out[c] = splat(0);
    unroll<CORNER_TERMS>([&](auto i) {
      constexpr corner_term t = corner_terms[decltype(i)::value];
      const vec factor = splat(real(t.weight));
      if constexpr (t.first < 0) {
        if constexpr (VALUES) out[t.node] += factor * s[0];
      } else if constexpr (t.second < 0) {
        out[t.node] += factor * s[1] * derivative<t.first, -1>(ends);
      } else {
        vec sum = s[2] * derivative<t.first, -1>(ends) * derivative<t.second, -1>(ends);
        if constexpr (t.first != t.second) sum += s[1] * derivative<t.first, t.second>(ends);
        out[t.node] += factor * sum;
      }
    });
  }
};

// The value as the linear basis has it: the same operations in the same order as `evaluate` of contract.cuh.
template <int AXIS> HP_INLINE void multilinear(const cell &here, const vec (&record)[1 << DIM][FEATURES], int ends, vec (&out)[FEATURES]) {
  if constexpr (AXIS == DIM) {
    HP_UNROLL for (int f = 0; f < FEATURES; ++f) out[f] = record[ends][f];
  } else {
    vec inner[2][FEATURES];
    HP_UNROLL for (int e = 0; e < 2; ++e) multilinear<AXIS + 1>(here, record, ends | e << AXIS, inner[e]);
    HP_UNROLL for (int f = 0; f < FEATURES; ++f) {
      const vec difference = inner[1][f] - inner[0][f];
      out[f] = inner[0][f] + difference * here.t[AXIS];
    }
  }
}

template <int AXIS> HP_INLINE void evaluate(const stored *table, const level_tables &tables, const basis_values &b, int, partial<AXIS> &out) {
  static_assert(AXIS == 0, "corners are not contracted axis by axis");
  constexpr bool contracted = basis::multilinear_values;
  vec record[1 << DIM][FEATURES];
  out.clear();
  HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) {
    partial<DIM> one;
    tables.read(table, ends, one);
    HP_UNROLL for (int f = 0; f < FEATURES; ++f) record[ends][f] = one(0, 0, f);
    vec by_channel[stage<0>::nodes];
    b.template channels<!contracted>(ends, by_channel);
    HP_UNROLL for (int c = 0; c < stage<0>::nodes; ++c)
      HP_UNROLL for (int f = 0; f < FEATURES; ++f) out(c, 0, f) += by_channel[c] * record[ends][f];
  }
  if constexpr (contracted) {
    vec value[FEATURES];
    multilinear<0>(tables.here, record, 0, value);
    unroll<CORNER_TERMS>([&](auto i) {
      constexpr corner_term t = corner_terms[decltype(i)::value];
      if constexpr (t.first < 0) {
        HP_UNROLL for (int f = 0; f < FEATURES; ++f) out(t.node, 0, f) += t.weight == 1.0 ? value[f] : value[f] * splat(real(t.weight));
      }
    });
  }
}

template <int AXIS, class Take> HP_INLINE void spread(const partial<AXIS> &in, const basis_values &b, int, const Take &take) {
  static_assert(AXIS == 0, "corners are not contracted axis by axis");
  HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) {
    vec by_channel[stage<0>::nodes];
    b.template channels<true>(ends, by_channel);
    partial<DIM> record;
    record.clear();
    HP_UNROLL for (int c = 0; c < stage<0>::nodes; ++c)
      HP_UNROLL for (int f = 0; f < FEATURES; ++f) record(0, 0, f) += in(c, 0, f) * by_channel[c];
    take(ends, record);
  }
}

} // namespace hp
