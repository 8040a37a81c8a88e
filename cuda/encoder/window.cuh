// Bases with four values per axis: those of the ends of a cell, and of the vertices next to them.
//
// Where a vertex would lie beyond a face, its value is the one that a quadratic through the next three vertices has there,
// f[-1] = 3 f[0] - 3 f[1] + f[2], so its weight goes to these three.  On a periodic axis vertices wrap.
#pragma once
#include "storage.cuh"

namespace hp {

constexpr int TAPS = 4;

// Digit `axis` of a place: which of the four vertices along an axis.
HP_INLINE constexpr int digit(int place, int axis) { return place >> 2 * axis & 3; }

// The functions of the four vertices along every axis, in physical units.
struct basis_values {
  vec weight[DIM][MAX_ORDER + 1][TAPS];

  HP_INLINE explicit basis_values(const cell &here) {
    unroll<DIM>([&](auto i) {
      constexpr int axis = decltype(i)::value;
      const ivec left = here.left[axis], none = left - left;
      const bool wraps = here.wraps[axis];
      const vec first = to_real(wraps ? none : (left < 1 ? none + 1 : none));
      const vec ending = to_real(wraps ? none : (left > here.last[axis] - 2 ? none + 1 : none));
      vec factor = splat(1);
      unroll<MAX_ORDER + 1>([&](auto m) {
        constexpr int order = decltype(m)::value;
        if constexpr (axis_orders(axis) >> order & 1) {
          vec (&w)[TAPS] = weight[axis][order];
          basis::template window<order>(here.t[axis], factor, w);
          const vec before = w[0] * first, after = w[3] * ending;
          w[0] = w[0] - before + after;
          w[1] = w[1] + splat(3) * (before - after);
          w[2] = w[2] + splat(3) * (after - before);
          w[3] = w[3] - after + before;
        }
        factor = factor * here.scale[axis];
      });
    });
  }
};

// The tables of one level as seen from one cell, and its vertices.
struct level_tables {
  const level_words &level;
  const cell &here;
  uvec vertex[DIM][TAPS];

  HP_INLINE level_tables(const level_words &level, const cell &here) : level(level), here(here) {
    HP_UNROLL for (int axis = 0; axis < DIM; ++axis) {
      const int last = here.last[axis];
      const ivec left = here.left[axis], none = left - left;
      HP_UNROLL for (int k = 0; k < TAPS; ++k) {
        ivec v = left + (k - 1);
        if (here.wraps[axis]) {
          v = v < 0 ? v + (last + 1) : v;
          v = v > last ? v - (last + 1) : v;
          v = v > last ? v - (last + 1) : v;
        } else {
          v = v < 0 ? none : v;
          v = v > last ? none + last : v;
        }
        vertex[axis][k] = (uvec)v;
      }
    }
  }

  HP_INLINE uvec slot(int place) const {
    constexpr unsigned primes[4] = {1u, 2654435761u, 805459861u, 3674653429u};
    const unsigned mask = (unsigned)level.groups[0].mask;
    if constexpr (INDEXED) {
      if (level.depth > 0) return indexed(place);
    }
    uvec slot = vertex[0][digit(place, 0)];
    if (mask == 0) {
      HP_UNROLL for (int i = 1; i < DIM; ++i) slot = slot * (unsigned)level.axes[i].vertices + vertex[i][digit(place, i)];
      return slot;
    }
    HP_UNROLL for (int i = 1; i < DIM; ++i) slot = slot ^ vertex[i][digit(place, i)] * primes[i];
    return slot & mask;
  }
  HP_INLINE address where(int place, int) const { return offset_by(0, slot(place), FEATURES); }

  HP_INLINE void read(const stored *table, int place, partial<DIM> &record) const {
    gather<FEATURES, ALIGNED>(beginning(table, level.groups[0].offset), slot(place), record.v);
  }
  HP_INLINE void add(const sums &target, int place, const partial<DIM> &record, int active, const runs &r) const {
    scatter<FEATURES, ALIGNED>(target, 0, slot(place), record.v, active, r);
  }

private:
  // As `indexed_slots` of storage.cuh, for one vertex.
  HP_INLINE uvec indexed(int place) const {
    const node *const nodes = reinterpret_cast<const node *>(&level) + level.map;
    uvec slot = uvec{};
    HP_UNROLL for (int i = 0; i < DIM; ++i) {
      const unsigned shift = brick_bits(i) * level.depth;
      const unsigned stride = ((unsigned)(level.axes[i].vertices - 1) >> shift) + 1;
      slot = slot * stride + (vertex[i][digit(place, i)] >> shift);
    }
    for (int step = level.depth - 1; step >= 0; --step) {
      uvec part = uvec{};
      HP_UNROLL for (int i = 0; i < DIM; ++i) {
        const unsigned bits = brick_bits(i), shift = bits * step;
        part = part << bits | (vertex[i][digit(place, i)] >> shift & ((1u << bits) - 1));
      }
      slot = parts_of(nodes, slot, part);
    }
    return slot;
  }
};

template <int AXIS>
HP_INLINE void evaluate(const stored *table, const level_tables &tables, const basis_values &b, int place, partial<AXIS> &out) {
  if constexpr (AXIS == DIM) {
    tables.read(table, place, out);
  } else {
    out.clear();
    HP_UNROLL_ENDS for (int k = 0; k < TAPS; ++k) {
      partial<AXIS + 1> inner;
      evaluate<AXIS + 1>(table, tables, b, place | k << 2 * AXIS, inner);
      unroll<stage<AXIS>::terms>([&](auto i) {
        constexpr term t = stage<AXIS>::list[decltype(i)::value];
        const vec w = b.weight[AXIS][t.order][k] * splat(real(t.weight));
        HP_UNROLL for (int f = 0; f < FEATURES; ++f) out(t.node, 0, f) += inner(t.source, 0, f) * w;
      });
    }
  }
}

template <int AXIS, class Take> HP_INLINE void spread(const partial<AXIS> &in, const basis_values &b, int place, const Take &take) {
  if constexpr (AXIS == DIM) {
    take(place, in);
  } else {
    HP_UNROLL_ENDS for (int k = 0; k < TAPS; ++k) {
      partial<AXIS + 1> inner;
      inner.clear();
      unroll<stage<AXIS>::terms>([&](auto i) {
        constexpr term t = stage<AXIS>::list[decltype(i)::value];
        const vec w = b.weight[AXIS][t.order][k] * splat(real(t.weight));
        HP_UNROLL for (int f = 0; f < FEATURES; ++f) inner(t.source, 0, f) += in(t.node, 0, f) * w;
      });
      spread<AXIS + 1>(inner, b, place | k << 2 * AXIS, take);
    }
  }
}

} // namespace hp
