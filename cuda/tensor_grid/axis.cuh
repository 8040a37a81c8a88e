// Sparse 1-D matrices applied along one axis of a tensor: the building block of sum factorisation and of prolongation.
//
//     out[p, r, q] = (ADD ? out[p, r, q] : 0) + sum over terms t, k in row r:  value_t[k] * in_t[p, column[k], q]
//
// All terms of one call share the sparsity pattern (the points and coefficients of one axis); they differ in the derivative
// order of the 1-D basis and in the tensor they act on.  A GPU's kernel is compiled for HP_TERMS of them, so that the lists of
// pointers stay in registers; HP_TERMS = 0 leaves their number to the call.
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

constexpr int MAX_TERMS = HP_TERMS > 0 ? HP_TERMS : 8;

struct axis_arguments {
  int64 before, rows, columns, after;
  const int *start;   // (rows + 1)
  const int *column;  // (entries)
  int terms;
  const real *value[MAX_TERMS]; // (entries) each
  const real *in[MAX_TERMS];    // (before, columns, after) each
  real *out;                    // (before, rows, after)
};

// One row r of one slab p, entries q = first ... of `after`, `active` of them.
template <bool ADD> HP_INLINE void axis_row(const axis_arguments &a, int64 p, int64 r, int64 first, int active) {
  real *out = a.out + (p * a.rows + r) * a.after + first;
  vec sum = ADD ? load(out, active) : splat(0);
  const int begin = a.start[r], end = a.start[r + 1];
  const int64 slab = p * a.columns * a.after + first;
  if constexpr (HP_TERMS > 0) {
    for (int k = begin; k < end; ++k) {
      const int64 at = slab + a.column[k] * a.after;
      unroll<HP_TERMS>([&](auto t) { sum += splat(a.value[decltype(t)::value][k]) * load(a.in[decltype(t)::value] + at, active); });
    }
  } else {
    for (int t = 0; t < a.terms; ++t) {
      const real *in = a.in[t] + slab;
      for (int k = begin; k < end; ++k) sum += splat(a.value[t][k]) * load(in + a.column[k] * a.after, active);
    }
  }
  store(out, sum, active);
}

} // namespace hp
