// Host entry point of axis.cuh.
#include "axis.cuh"
#include "../runtime/parallel.hpp"

#include <vector>

namespace {

// Rows of a contiguous axis: entry by entry, since neighbouring outputs use neighbouring inputs of the same row.
template <bool ADD> void contiguous(const hp::axis_arguments &a, int64 p, int64 first_row, int64 last_row) {
  real *out = a.out + p * a.rows;
  for (int64 r = first_row; r < last_row; ++r) {
    real sum = ADD ? out[r] : 0;
    for (int t = 0; t < a.terms; ++t) {
      const real *in = a.in[t] + p * a.columns;
      for (int k = a.start[r]; k < a.start[r + 1]; ++k) sum += a.value[t][k] * in[a.column[k]];
    }
    out[r] = sum;
  }
}

// The same for LANES neighbouring slabs at a time, which are transposed so that the lanes lie side by side.
template <bool ADD> void side_by_side(const hp::axis_arguments &a, int64 first, int64 last) {
  constexpr int lanes = hp::LANES;
  thread_local std::vector<real> moved;
  moved.resize(a.terms * a.columns * lanes + lanes);
  for (int64 p = first; p < last; p += lanes) {
    const int active = last - p < lanes ? (int)(last - p) : lanes;
    for (int t = 0; t < a.terms; ++t) {
      real *to = moved.data() + t * a.columns * lanes;
      for (int i = 0; i < active; ++i) {
        const real *from = a.in[t] + (p + i) * a.columns;
        for (int64 c = 0; c < a.columns; ++c) to[c * lanes + i] = from[c];
      }
    }
    real *out = a.out + p * a.rows;
    real *row = moved.data() + a.terms * a.columns * lanes;
    for (int64 r = 0; r < a.rows; ++r) {
      if (ADD)
        for (int i = 0; i < active; ++i) row[i] = out[i * a.rows + r];
      hp::vec sum = ADD ? hp::load(row, lanes) : hp::splat(0);
      for (int t = 0; t < a.terms; ++t) {
        const real *in = moved.data() + t * a.columns * lanes;
        for (int k = a.start[r]; k < a.start[r + 1]; ++k) sum += hp::splat(a.value[t][k]) * hp::load(in + a.column[k] * lanes, lanes);
      }
      hp::store(row, sum, lanes);
      for (int i = 0; i < active; ++i) out[i * a.rows + r] = row[i];
    }
  }
}

template <bool ADD> void strided(const hp::axis_arguments &a, int64 p, int64 first_row, int64 last_row) {
  for (int64 r = first_row; r < last_row; ++r)
    for (int64 q = 0; q < a.after; q += hp::LANES) {
      const int64 left = a.after - q;
      hp::axis_row<ADD>(a, p, r, q, left < hp::LANES ? (int)left : hp::LANES);
    }
}

template <bool ADD> void run(const hp::axis_arguments &a, int threads) {
  const int64 work = a.before * a.rows * a.after;
  if (work < 32768) threads = 1;
  if (a.after == 1 && a.before >= hp::LANES) {
    const int64 slab = hp::LANES * (1 + 8192 / (hp::LANES * a.rows)), slabs = (a.before + slab - 1) / slab;
    hp::parallel(threads, slabs, [&](int64 i) { side_by_side<ADD>(a, i * slab, a.before < (i + 1) * slab ? a.before : (i + 1) * slab); });
  } else if (a.after == 1) {
    const int64 slab = 1 + 8192 / a.rows, slabs = (a.before + slab - 1) / slab;
    const int64 blocks = a.before == 1 ? (a.rows + 8191) / 8192 : 1, block = (a.rows + blocks - 1) / blocks;
    hp::parallel(threads, slabs * blocks, [&](int64 i) {
      const int64 first = i % blocks * block, last = first + block < a.rows ? first + block : a.rows;
      for (int64 p = i / blocks * slab; p < a.before && p < (i / blocks + 1) * slab; ++p) contiguous<ADD>(a, p, first, last);
    });
  } else {
    const int64 slab = 1 + 8192 / a.after, blocks = (a.rows + slab - 1) / slab;
    hp::parallel(threads, a.before * blocks, [&](int64 i) {
      const int64 first = i % blocks * slab;
      strided<ADD>(a, i / blocks, first, first + slab < a.rows ? first + slab : a.rows);
    });
  }
}

} // namespace

extern "C" int hp_axis(int64 before, int64 rows, int64 columns, int64 after, const int *start, const int *column, int terms,
                       const real *const *values, const real *const *ins, real *out, int add, int threads) {
  hp::axis_arguments a{before, rows, columns, after, start, column, terms, {}, {}, out};
  for (int t = 0; t < terms; ++t) {
    a.value[t] = values[t];
    a.in[t] = ins[t];
  }
  if (add) run<true>(a, threads);
  else run<false>(a, threads);
  return 0;
}
