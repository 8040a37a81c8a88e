// Tensor-factorised evaluation of derivative channels on one cell, and its transpose.
//
// A channel is a weighted sum of mixed derivatives.  With B_i^m[e, a] the m-th derivative of the 1-D basis along axis i,
//     channel = sum over terms  w * prod_i B_i^{m_i}[e_i, a_i] * coefficient[e, a]      (summed over all e, a),
// and the axes are contracted one after another, the last axis first.  `stage<i>` lists, for the contraction of axis i, which
// functionals of the axes i, i+1, ... are formed (nodes) from which functionals of the axes i+1, ... (terms).  The list is made
// in Python (cuda/channels.py) and is part of the specialisation, so that common factors are formed once: value, gradient
// and Laplacian of a cubic field in 3-D cost 296 multiply-adds a feature instead of 7 * 64 * 3.
//
// Vertices are visited depth first, so only one partial sum per axis is alive and every vertex record is read once.
#pragma once
#include "basis.cuh"
#include "grid.cuh"
#include "sums.cuh"

namespace hp {

typedef HP_BASIS basis;
constexpr int FEATURES = HP_FEATURES;
constexpr int ORDERS = basis::orders;
constexpr int RECORD = power(ORDERS, DIM); // coefficients per vertex and feature

// Records begin at multiples of so many elements: levels are padded to 16, groups of one level follow each other.
constexpr int ALIGNED = GROUPS == 1 ? RECORD * FEATURES : FEATURES;

// Functionals of the axes >= AXIS at fixed coefficient orders of the axes < AXIS.
template <int AXIS> struct partial {
  static constexpr int rest = power(ORDERS, AXIS);
  static constexpr int size = stage<AXIS>::nodes * rest * FEATURES;
  vec v[size];

  HP_INLINE vec &operator()(int node, int r, int feature) { return v[(node * rest + r) * FEATURES + feature]; }
  HP_INLINE const vec &operator()(int node, int r, int feature) const { return v[(node * rest + r) * FEATURES + feature]; }
  HP_INLINE void clear() {
    HP_UNROLL for (int i = 0; i < size; ++i) v[i] = splat(0);
  }
};

// Basis values of all axes in physical units: factor n_i / length_i per derivative.
struct basis_values {
  vec b[DIM][MAX_ORDER + 1][2 * ORDERS];

  HP_INLINE explicit basis_values(const cell &here) {
    unroll<DIM>([&](auto i) {
      constexpr int axis = decltype(i)::value;
      vec factor = splat(1);
      unroll<MAX_ORDER + 1>([&](auto m) {
        constexpr int order = decltype(m)::value;
        if constexpr (axis_orders(axis) >> order & 1) {
          basis::template evaluate<order>(here.t[axis], b[axis][order]);
          if constexpr (order > 0) {
            HP_UNROLL for (int k = 0; k < 2 * ORDERS; ++k) b[axis][order][k] = b[axis][order][k] * factor;
          }
        }
        factor = factor * here.scale[axis];
      });
    });
  }
};

// The tables of one level as seen from one cell.
struct level_tables {
  const int64 *level;
  const cell &here;

  HP_INLINE address where(int ends, int group) const {
    const int64 *g = level + 2 * DIM + 2 + 2 * group;
    return offset_by(g[0], slot_of(here, ends, (unsigned)g[1]), group_size(group) * FEATURES);
  }

  HP_INLINE void read(const stored *table, int ends, partial<DIM> &record) const {
    if constexpr (GROUPS == 1) {
      gather<RECORD * FEATURES, ALIGNED>(table, where(ends, 0), record.v);
    } else {
      unroll<GROUPS>([&](auto g) {
        constexpr int group = decltype(g)::value;
        vec part[group_size(group) * FEATURES];
        gather<group_size(group) * FEATURES, ALIGNED>(table, where(ends, group), part);
        unroll<RECORD>([&](auto a) {
          constexpr int alpha = decltype(a)::value;
          if constexpr (group_of(alpha) == group) {
            HP_UNROLL for (int f = 0; f < FEATURES; ++f) record(0, alpha, f) = part[position_of(alpha) * FEATURES + f];
          }
        });
      });
    }
  }

  HP_INLINE void add(const sums &target, int ends, const partial<DIM> &record, int active, const runs &r) const {
    if constexpr (GROUPS == 1) {
      scatter<RECORD * FEATURES, ALIGNED>(target, where(ends, 0), record.v, active, r);
    } else {
      unroll<GROUPS>([&](auto g) {
        constexpr int group = decltype(g)::value;
        vec part[group_size(group) * FEATURES];
        unroll<RECORD>([&](auto a) {
          constexpr int alpha = decltype(a)::value;
          if constexpr (group_of(alpha) == group) {
            HP_UNROLL for (int f = 0; f < FEATURES; ++f) part[position_of(alpha) * FEATURES + f] = record(0, alpha, f);
          }
        });
        scatter<group_size(group) * FEATURES, ALIGNED>(target, where(ends, group), part, active, r);
      });
    }
  }
};

// out = functionals of the axes >= AXIS, summed over the two ends of each of those axes.
template <int AXIS>
HP_INLINE void evaluate(const stored *table, const level_tables &tables, const basis_values &b, int ends, partial<AXIS> &out) {
  if constexpr (AXIS == DIM) {
    tables.read(table, ends, out);
  } else {
    out.clear();
    HP_UNROLL_ENDS for (int e = 0; e < 2; ++e) {
      partial<AXIS + 1> inner;
      evaluate<AXIS + 1>(table, tables, b, ends | e << AXIS, inner);
      unroll<stage<AXIS>::terms>([&](auto i) {
        constexpr term t = stage<AXIS>::list[decltype(i)::value];
        HP_UNROLL for (int a = 0; a < ORDERS; ++a) {
          vec w = b.b[AXIS][t.order][e * ORDERS + a];
          if constexpr (t.weight != 1.0) w = w * splat(real(t.weight));
          HP_UNROLL for (int r = 0; r < partial<AXIS>::rest; ++r)
            HP_UNROLL for (int f = 0; f < FEATURES; ++f) out(t.node, r, f) += inner(t.source, r * ORDERS + a, f) * w;
        }
      });
    }
  }
}

// The transpose: spread weights of the functionals of the axes >= AXIS to coefficients and hand every vertex record to `take`.
template <int AXIS, class Take>
HP_INLINE void spread(const partial<AXIS> &in, const basis_values &b, int ends, const Take &take) {
  if constexpr (AXIS == DIM) {
    take(ends, in);
  } else {
    HP_UNROLL_ENDS for (int e = 0; e < 2; ++e) {
      partial<AXIS + 1> inner;
      inner.clear();
      unroll<stage<AXIS>::terms>([&](auto i) {
        constexpr term t = stage<AXIS>::list[decltype(i)::value];
        HP_UNROLL for (int a = 0; a < ORDERS; ++a) {
          vec w = b.b[AXIS][t.order][e * ORDERS + a];
          if constexpr (t.weight != 1.0) w = w * splat(real(t.weight));
          HP_UNROLL for (int r = 0; r < partial<AXIS>::rest; ++r)
            HP_UNROLL for (int f = 0; f < FEATURES; ++f) inner(t.source, r * ORDERS + a, f) += in(t.node, r, f) * w;
        }
      });
      spread<AXIS + 1>(inner, b, ends | e << AXIS, take);
    }
  }
}

} // namespace hp
