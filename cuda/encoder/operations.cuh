// The operations of the encoder at one point (or one register of points).
//
// Arrays: x (DIM, n); jets and their weights (levels, FEATURES, CHANNELS, n) with the points last, for several rows of a Jacobian at
// every point (TERMS, levels, FEATURES, CHANNELS, n); `plane` = n is the distance between two rows.  A specialisation compiles one operation, chosen by HP_OPERATION.
#pragma once
#include "contract.cuh"

namespace hp {

constexpr int CHANNELS = stage<0>::nodes;
constexpr int TERMS = HP_TERMS;

struct arguments {
  int64 plane;            // number of points
  const real *x;          // (DIM, n)
  const stored *table;    // all tables, flat
  const real *weights;    // (levels, FEATURES, channels, n), or the same with TERMS before
  const real *rows;       // (TERMS, n)
  void *out;              // jets, (DIM, n) or (TERMS, n) of type real; sums of a table
  const level_words *levels;
  int level_count;
  int64 weights_stride;   // elements between the weights of two levels; 0: the same for all
  const axis_frame *frame; // (levels, DIM)
  int periodic;           // bit i: axis i wraps
  const double *scales;   // (levels, 2): of sums in integers

  HP_INLINE real *result() const { return static_cast<real *>(out); }
  HP_INLINE int64 term_stride() const { return (weights_stride ? level_count * weights_stride : FEATURES * CHANNELS * plane); }
  HP_INLINE sums target(int level, total *beginning) const {
    if constexpr (LIMBS == 0) return {beginning, 1, 1};
    return {beginning, scales[2 * level], scales[2 * level + 1]};
  }
};

HP_INLINE cell cell_at(const arguments &a, int index, int64 point, int active) {
  vec p[DIM];
  HP_UNROLL for (int i = 0; i < DIM; ++i) p[i] = load(a.x + i * a.plane + point, active);
  return locate(p, a.levels[index], a.frame + index * DIM, a.periodic);
}

// Which comes first, basis or slots, changes no number: NVRTC needs fewer registers for slots first, but in loops over levels, and
// host compilers are faster with the basis first.
template <bool LOOP> HP_INLINE void evaluate_at(const arguments &a, int index, int64 point, int active, partial<0> &result) {
  const cell here = cell_at(a, index, point, active);
  if constexpr (LOOP || LANES > 1) {
    const basis_values b(here);
    evaluate<0>(a.table, level_tables(a.levels[index], here), b, 0, result);
  } else {
    const level_tables tables(a.levels[index], here);
    const basis_values b(here);
    evaluate<0>(a.table, tables, b, 0, result);
  }
}

// Points in one cell have the same left ends; the primes are odd, so the hashes of two ends differ if the ends do.
HP_INLINE runs runs_of(const cell &here) {
  uvec key[DIM];
  HP_UNROLL for (int i = 0; i < DIM; ++i) key[i] = here.hash[i][0];
  return find_runs(key);
}

template <class Take> HP_INLINE void spread_at(const arguments &a, int index, int64 point, int active, const Take &take) {
  const cell here = cell_at(a, index, point, active);
  const level_tables tables(a.levels[index], here);
  const basis_values b(here);
  const real *weights = a.weights + index * a.weights_stride + point;
  partial<0> w;
  HP_UNROLL for (int f = 0; f < FEATURES; ++f)
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
      w(c, 0, f) = if_active(load(weights + (f * CHANNELS + c) * a.plane, active), active);
  take(tables, w, b);
}

HP_INLINE void store_jets(const partial<0> &result, real *out, int64 plane, int active) {
  HP_UNROLL for (int f = 0; f < FEATURES; ++f)
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c) store(out + (f * CHANNELS + c) * plane, result(c, 0, f), active);
}

// out[level, f, c] = channel c of feature f.
struct jets {
  static constexpr bool per_level = true, to_table = false;
  static HP_INLINE void run(const arguments &a, int index, int64 point, int active, const sums &) {
    partial<0> result;
    evaluate_at<false>(a, index, point, active, result);
    store_jets(result, a.result() + (unsigned)(index * FEATURES * CHANNELS) * a.plane + point, a.plane, active);
  }
};

// out[f, c] = channel c of feature f, summed over the levels.
struct summed_jets {
  static constexpr bool per_level = false, to_table = false;
  static HP_INLINE void run(const arguments &a, int, int64 point, int active, const sums &) {
    partial<0> sum;
    sum.clear();
    for (int index = 0; index < a.level_count; ++index) {
      partial<0> result;
      evaluate_at<true>(a, index, point, active, result);
      HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
        HP_UNROLL for (int f = 0; f < FEATURES; ++f) sum(c, 0, f) += result(c, 0, f);
    }
    store_jets(sum, a.result() + point, a.plane, active);
  }
};

// table += transpose of jets applied to weights[level, f, c].
struct adjoint {
  static constexpr bool per_level = true, to_table = true;
  static HP_INLINE void run(const arguments &a, int index, int64 point, int active, const sums &target) {
    spread_at(a, index, point, active, [&](const level_tables &tables, const partial<0> &w, const basis_values &b) {
      const runs r = runs_of(tables.here);
      spread<0>(w, b, 0, [&](int ends, const partial<DIM> &record) { tables.add(target, ends, record, active, r); });
    });
  }
};

// out[t] = sum over levels, f and c of weights[t, level, f, c] * jet[level, f, c]: products of TERMS rows of a Jacobian per point with
// a direction of tables, from one pass over the records.
struct jacobian_vector {
  static constexpr bool per_level = false, to_table = false;
  static HP_INLINE void run(const arguments &a, int, int64 point, int active, const sums &) {
    vec sum[TERMS];
    HP_UNROLL for (int t = 0; t < TERMS; ++t) sum[t] = splat(0);
    partial<0> jet; // of the levels that have the same weights
    jet.clear();
    for (int index = 0; index < a.level_count; ++index) {
      partial<0> result;
      evaluate_at<true>(a, index, point, active, result);
      if (LANES > 1 && a.weights_stride != 0) { // for NVRTC the branch costs more registers than it saves
        jet = result;
      } else {
        HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
          HP_UNROLL for (int f = 0; f < FEATURES; ++f) jet(c, 0, f) += result(c, 0, f);
      }
      if (a.weights_stride == 0 && index + 1 < a.level_count) continue;
      const real *weights = a.weights + index * a.weights_stride + point;
      HP_UNROLL for (int t = 0; t < TERMS; ++t)
        HP_UNROLL for (int f = 0; f < FEATURES; ++f)
          HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
            sum[t] += load(weights + t * a.term_stride() + (f * CHANNELS + c) * a.plane, active) * jet(c, 0, f);
      jet.clear();
    }
    HP_UNROLL for (int t = 0; t < TERMS; ++t) store(a.result() + t * a.plane + point, sum[t], active);
  }
};

// Its transpose: table += transpose of jets applied to sum_t rows[t] * weights[t, level, f, c].
struct vector_jacobian {
  static constexpr bool per_level = true, to_table = true;
  static HP_INLINE void run(const arguments &a, int index, int64 point, int active, const sums &target) {
    const cell here = cell_at(a, index, point, active);
    const level_tables tables(a.levels[index], here);
    const basis_values b(here);
    const real *weights = a.weights + index * a.weights_stride + point;
    partial<0> w;
    w.clear();
    HP_UNROLL for (int t = 0; t < TERMS; ++t) {
      const vec row = if_active(load(a.rows + t * a.plane + point, active), active);
      HP_UNROLL for (int f = 0; f < FEATURES; ++f)
        HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
          w(c, 0, f) += row * load(weights + t * a.term_stride() + (f * CHANNELS + c) * a.plane, active);
    }
    const runs r = runs_of(here);
    spread<0>(w, b, 0, [&](int ends, const partial<DIM> &record) { tables.add(target, ends, record, active, r); });
  }
};

// table[j] += (sum_c weights[level, f, c] * d channel_c / d coefficient_j)^2.  Two vertices of one cell may share a slot (hashing,
// or a periodic axis with one cell); their contributions are summed before they are squared.
struct diagonal {
  static constexpr bool per_level = true, to_table = true;
  static HP_INLINE void run(const arguments &a, int index, int64 point, int active, const sums &target) {
    spread_at(a, index, point, active, [&](const level_tables &tables, const partial<0> &w, const basis_values &b) {
#if HP_WEIGHTS == 2
      constexpr int corners = power(TAPS, DIM);
#else
      constexpr int corners = 1 << DIM;
#endif // HP_WEIGHTS
      partial<DIM> row[corners];
      spread<0>(w, b, 0, [&](int ends, const partial<DIM> &record) { row[ends] = record; });
      for (int group = 0; group < GROUPS; ++group) {
        address at[corners];
        for (int v = 0; v < corners; ++v) at[v] = tables.where(v, group);
        for (int lane = 0; lane < active; ++lane)
          for (int v = 0; v < corners; ++v) {
            const int64 slot = at[v].lane[lane];
            if constexpr (INDEXED) {
              if (slot >= a.levels[index].size) continue; // no record
            }
            bool first = true;
            for (int u = 0; u < v; ++u) first = first && at[u].lane[lane] != slot;
            if (!first) continue;
            for (int alpha = 0; alpha < RECORD; ++alpha) {
              if (group_of(alpha) != group) continue;
              for (int f = 0; f < FEATURES; ++f) {
                real sum = 0;
                for (int u = v; u < corners; ++u)
                  if (at[u].lane[lane] == slot) sum += component(row[u](0, alpha, f), lane);
                add_one(target, slot + position_of(alpha) * FEATURES + f, sum * sum);
              }
            }
          }
      }
    });
  }
};

// out[i] = sum over levels, f and c of weights[level, f, c] * (derivative along axis i of channel c).  The specialisation's nodes
// are those derivatives: derivative_nodes[c * DIM + i].
struct input_gradient {
  static constexpr bool per_level = false, to_table = false;
  static HP_INLINE void run(const arguments &a, int, int64 point, int active, const sums &) {
    vec sum[DIM];
    HP_UNROLL for (int i = 0; i < DIM; ++i) sum[i] = splat(0);
    for (int index = 0; index < a.level_count; ++index) {
      partial<0> result;
      evaluate_at<true>(a, index, point, active, result);
      const real *weights = a.weights + index * a.weights_stride + point;
      HP_UNROLL for (int f = 0; f < FEATURES; ++f)
        unroll<DIFFERENTIATED>([&](auto k) {
          constexpr int c = decltype(k)::value;
          const vec w = load(weights + (f * DIFFERENTIATED + c) * a.plane, active);
          unroll<DIM>([&](auto i) {
            constexpr int axis = decltype(i)::value;
            constexpr int node = derivative_nodes[c * DIM + axis];
            sum[axis] += w * result(node, 0, f);
          });
        });
    }
    HP_UNROLL for (int i = 0; i < DIM; ++i) store(a.result() + i * a.plane + point, sum[i], active);
  }
};

} // namespace hp
