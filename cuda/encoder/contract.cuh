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
#include "storage.cuh"
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

#if HP_WEIGHTS == 0
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
          basis::template evaluate<order>(here.t[axis], factor, b[axis][order]);
        }
        factor = factor * here.scale[axis];
      });
    });
  }
};

#endif // HP_WEIGHTS
#if HP_WEIGHTS != 2
// The tables of one level as seen from one cell.
struct level_tables {
  const level_words &level;
  const cell &here;
  const group_words first; // read, and the slots of its vertices found, before anything is added to tables
  uvec slots[1 << DIM]; // of one group, or of all groups of an indexed level

  HP_INLINE level_tables(const level_words &level, const cell &here) : level(level), here(here), first(level.groups[0]) {
    if constexpr (GROUPS == 1) {
      slots_of(here, level, (unsigned)first.mask, slots);
    } else if constexpr (INDEXED) {
      if (level.depth > 0) slots_of(here, level, 0, slots);
    }
  }

  HP_INLINE uvec slot(int ends, int group) const {
    if constexpr (GROUPS > 1 && INDEXED) {
      if (level.depth > 0) return slots[ends];
    }
    return GROUPS == 1 ? slots[ends] : slot_of(here, ends, (unsigned)level.groups[group].mask);
  }
  // From the beginning of the level.
  HP_INLINE int64 offset(int group) const { return GROUPS == 1 ? 0 : level.groups[group].offset - first.offset; }
  // Beyond the end of the level for a vertex without a record.
  HP_INLINE address where(int ends, int group) const {
    if constexpr (INDEXED) return offset_by(offset(group), slot(ends, group), group_size(group) * FEATURES);
    return offset_by(offset(group), slot_of(here, ends, (unsigned)level.groups[group].mask), group_size(group) * FEATURES);
  }

  HP_INLINE void read(const stored *table, int ends, partial<DIM> &record) const {
    if constexpr (GROUPS == 1) {
      gather<RECORD * FEATURES, ALIGNED>(beginning(table, first.offset), slot(ends, 0), record.v);
    } else {
      unroll<GROUPS>([&](auto g) {
        constexpr int group = decltype(g)::value;
        vec part[group_size(group) * FEATURES];
        gather<group_size(group) * FEATURES, ALIGNED>(beginning(table, level.groups[group].offset), slot(ends, group), part);
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
      scatter<RECORD * FEATURES, ALIGNED>(target, 0, slot(ends, 0), record.v, active, r);
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
        scatter<group_size(group) * FEATURES, ALIGNED>(target, offset(group), slot(ends, group), part, active, r);
      });
    }
  }
};

#endif // HP_WEIGHTS
#if HP_WEIGHTS == 0
// Whether term i of a stage is the first that forms its node, the first that reads its source, and the first of order 0 to do so.
template <int AXIS> constexpr bool begins_node(int i) {
  for (int j = 0; j < i; ++j)
    if (stage<AXIS>::list[j].node == stage<AXIS>::list[i].node) return false;
  return true;
}
template <int AXIS> constexpr bool begins_source(int i) {
  for (int j = 0; j < i; ++j)
    if (stage<AXIS>::list[j].source == stage<AXIS>::list[i].source) return false;
  return true;
}
template <int AXIS> constexpr bool begins_value(int i) {
  for (int j = 0; j < i; ++j)
    if (stage<AXIS>::list[j].source == stage<AXIS>::list[i].source && stage<AXIS>::list[j].order == 0) return false;
  return stage<AXIS>::list[i].order == 0;
}
template <int AXIS> constexpr bool has_value(int i) {
  for (int j = 0; j < stage<AXIS>::terms; ++j)
    if (stage<AXIS>::list[j].source == stage<AXIS>::list[i].source && stage<AXIS>::list[j].order == 0) return true;
  return false;
}

// The basis functions of one term times its weight, but for the left value.
template <int AXIS, int TERM> struct factors {
  static constexpr term t = stage<AXIS>::list[TERM];
  vec w[2 * ORDERS];

  HP_INLINE explicit factors(const basis_values &b) {
    HP_UNROLL for (int k = 1; k < 2 * ORDERS; ++k) w[k] = weighted(b.b[AXIS][t.order][k]);
  }
  static HP_INLINE vec weighted(vec a) {
    if constexpr (t.weight != 1.0) return a * splat(real(t.weight));
    else return a;
  }
};

// out = functionals of the axes >= AXIS, summed over the two ends of each of those axes.  The basis functions of the two values add
// up to 1, so the derivatives need the difference of the values only, and the value is the left one and a part of the difference.
template <int AXIS>
HP_INLINE void evaluate(const stored *table, const level_tables &tables, const basis_values &b, int ends, partial<AXIS> &out) {
  if constexpr (AXIS == DIM) {
    tables.read(table, ends, out);
  } else {
    constexpr int rest = partial<AXIS>::rest;
    partial<AXIS + 1> inner[2];
    HP_UNROLL_ENDS for (int e = 0; e < 2; ++e) evaluate<AXIS + 1>(table, tables, b, ends | e << AXIS, inner[e]);
    HP_UNROLL for (int s = 0; s < stage<AXIS + 1>::nodes; ++s)
      HP_UNROLL for (int r = 0; r < rest; ++r)
        HP_UNROLL for (int f = 0; f < FEATURES; ++f)
          inner[1](s, r * ORDERS, f) = inner[1](s, r * ORDERS, f) - inner[0](s, r * ORDERS, f);
    unroll<stage<AXIS>::terms>([&](auto i) {
      constexpr int index = decltype(i)::value;
      constexpr term t = stage<AXIS>::list[index];
      const factors<AXIS, index> factor(b);
      HP_UNROLL for (int r = 0; r < rest; ++r)
        HP_UNROLL for (int f = 0; f < FEATURES; ++f) {
          vec &sum = out(t.node, r, f);
          const vec difference = inner[1](t.source, r * ORDERS, f);
          if constexpr (t.order == 0) {
            const vec left = factor.weighted(inner[0](t.source, r * ORDERS, f));
            sum = (begins_node<AXIS>(index) ? left : sum + left) + difference * factor.w[ORDERS];
          } else if constexpr (begins_node<AXIS>(index)) {
            sum = difference * factor.w[ORDERS];
          } else {
            sum += difference * factor.w[ORDERS];
          }
          HP_UNROLL for (int e = 0; e < 2; ++e)
            HP_UNROLL for (int a = 1; a < ORDERS; ++a) sum += inner[e](t.source, r * ORDERS + a, f) * factor.w[e * ORDERS + a];
        }
    });
  }
}

// The transpose: spread weights of the functionals of the axes >= AXIS to coefficients and hand every vertex record to `take`.
template <int AXIS, class Take>
HP_INLINE void spread(const partial<AXIS> &in, const basis_values &b, int ends, const Take &take) {
  if constexpr (AXIS == DIM) {
    take(ends, in);
  } else {
    constexpr int rest = partial<AXIS>::rest;
    partial<AXIS + 1> inner[2];
    unroll<stage<AXIS>::terms>([&](auto i) {
      constexpr int index = decltype(i)::value;
      constexpr term t = stage<AXIS>::list[index];
      const factors<AXIS, index> factor(b);
      HP_UNROLL for (int r = 0; r < rest; ++r)
        HP_UNROLL for (int f = 0; f < FEATURES; ++f) {
          const vec g = in(t.node, r, f);
          const auto add = [&](vec &to, vec w) {
            if constexpr (begins_source<AXIS>(index)) {
              to = g * w;
            } else {
              to += g * w;
            }
          };
          add(inner[1](t.source, r * ORDERS, f), factor.w[ORDERS]);
          HP_UNROLL for (int e = 0; e < 2; ++e)
            HP_UNROLL for (int a = 1; a < ORDERS; ++a) add(inner[e](t.source, r * ORDERS + a, f), factor.w[e * ORDERS + a]);
          vec &left = inner[0](t.source, r * ORDERS, f);
          if constexpr (begins_value<AXIS>(index)) {
            left = factor.weighted(g);
          } else if constexpr (t.order == 0) {
            left += factor.weighted(g);
          }
        }
    });
    unroll<stage<AXIS>::terms>([&](auto i) {
      constexpr int index = decltype(i)::value;
      if constexpr (begins_source<AXIS>(index)) {
        constexpr int source = stage<AXIS>::list[index].source;
        HP_UNROLL for (int r = 0; r < rest; ++r)
          HP_UNROLL for (int f = 0; f < FEATURES; ++f) {
            vec &left = inner[0](source, r * ORDERS, f);
            const vec right = inner[1](source, r * ORDERS, f);
            if constexpr (has_value<AXIS>(index)) {
              left = left - right;
            } else {
              left = -right;
            }
          }
      }
    });
    HP_UNROLL_ENDS for (int e = 0; e < 2; ++e) spread<AXIS + 1>(inner[e], b, ends | e << AXIS, take);
  }
}
#endif // HP_WEIGHTS

} // namespace hp
#if HP_WEIGHTS == 1
#include "corner.cuh"
#endif // HP_WEIGHTS
#if HP_WEIGHTS == 2
#include "window.cuh"
#endif // HP_WEIGHTS
