// From a point to its cell and to the table slots of the cell's vertices.
//
// A level is described by integers, made by layout.py, and per axis by four numbers in the precision of the arithmetic, so that no
// thread converts any and a thread reads them by few loads.
// One group holds the whole vertex record; with separate table sizes there is one group per derivative order |alpha|.
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

constexpr int DIM = HP_DIM;
constexpr int GROUPS = HP_GROUPS;

struct alignas(8) axis_counts {
  int cells, vertices;
};
struct alignas(16) group_words {
  int64 offset, mask; // first element; slots - 1 of a hashed group, 0 of a dense one
};
struct alignas(16) level_words {
  axis_counts axes[DIM + DIM % 2];
  group_words groups[GROUPS];
  int64 size, unused; // elements of the level, which begins with its first group

  HP_INLINE int64 begin() const { return groups[0].offset; }
};
struct alignas(16) axis_frame {
  real lower, inverse_length, cells, scale; // scale = cells * inverse_length
};

// The cell of a point, the position inside it, and per axis and end the vertex's contribution to a dense index and to a hash.
struct cell {
  vec t[DIM];
  vec scale[DIM]; // d(cell units)/d(physical units) per axis
  uvec dense[DIM][2];
  uvec hash[DIM][2];
};

// Bit i of `periodic`: axis i wraps.
HP_INLINE cell locate(const vec (&x)[DIM], const level_words &level, const axis_frame *frame, int periodic) {
  constexpr unsigned primes[4] = {1u, 2654435761u, 805459861u, 3674653429u};
  cell here;
  axis_frame axes[DIM];
  HP_UNROLL for (int i = 0; i < DIM; ++i) axes[i] = frame[i];
  vec xi[DIM];
  HP_UNROLL for (int i = 0; i < DIM; ++i) xi[i] = (x[i] - splat(axes[i].lower)) * splat(axes[i].inverse_length);
  if (periodic) {
    HP_UNROLL for (int i = 0; i < DIM; ++i)
      if (periodic >> i & 1) xi[i] = xi[i] - floored(xi[i]);
  }
  unsigned stride = 1;
  unroll<DIM>([&](auto i) {
    constexpr int axis = DIM - 1 - decltype(i)::value;
    const axis_counts counts = level.axes[axis];
    const int vertices = counts.vertices;
    const vec position = xi[axis] * splat(axes[axis].cells);
    const ivec left = integer_within(position, counts.cells - 1), right = wrapped(left + 1, vertices);
    here.t[axis] = position - to_real(left);
    here.scale[axis] = splat(axes[axis].scale);
    here.dense[axis][0] = (uvec)left * stride;
    here.dense[axis][1] = (uvec)right * stride;
    here.hash[axis][0] = (uvec)left * primes[axis];
    here.hash[axis][1] = (uvec)right * primes[axis];
    stride *= (unsigned)vertices;
  });
  return here;
}

// Slot of the vertex whose end along axis i is bit i of `ends`.
HP_INLINE uvec slot_of(const cell &here, int ends, unsigned mask) {
  const int e0 = ends & 1;
  if (mask == 0) {
    uvec slot = here.dense[0][e0];
    unroll<DIM - 1>([&](auto i) { slot = slot + here.dense[decltype(i)::value + 1][ends >> (decltype(i)::value + 1) & 1]; });
    return slot;
  }
  uvec slot = here.hash[0][e0];
  unroll<DIM - 1>([&](auto i) { slot = slot ^ here.hash[decltype(i)::value + 1][ends >> (decltype(i)::value + 1) & 1]; });
  return slot & mask;
}

// Of all vertices of the cell.
HP_INLINE void slots_of(const cell &here, unsigned mask, uvec (&slots)[1 << DIM]) {
  if (mask == 0) {
    HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) slots[ends] = slot_of(here, ends, 0);
  } else {
    HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) slots[ends] = slot_of(here, ends, mask);
  }
}

} // namespace hp
