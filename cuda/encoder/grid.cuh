// From a point to its cell.  Where the records of the cell's vertices lie is the matter of storage.cuh.
//
// A level is described by integers, made by layout.py, and per axis by four numbers in the precision of the arithmetic, so that no
// thread converts any and a thread reads them by few loads.
// One group holds the whole vertex record; with separate table sizes there is one group per derivative order |alpha|.
#pragma once
#include "records.cuh"

namespace hp {

constexpr int DIM = HP_DIM;
constexpr int GROUPS = HP_GROUPS;

struct alignas(8) axis_counts {
  int cells, vertices;
};
struct alignas(16) group_words {
  int64 offset, mask; // first element; slots - 1 of a hashed group, 0 of others
};
struct alignas(16) level_words {
  axis_counts axes[DIM + DIM % 2];
  group_words groups[GROUPS];
  int64 size;     // elements of the level, which begins with its first group
  int map, depth; // of an indexed level: nodes (see storage.cuh) from here to its map, and steps through it; 0 of others

  HP_INLINE int64 begin() const { return groups[0].offset; }
};
struct alignas(16) axis_frame {
  real lower, inverse_length, cells, scale; // scale = cells * inverse_length
};

// The cell of a point, the position inside it, and per axis and end the vertex, and what it contributes to a dense index and to a hash.
struct cell {
  vec t[DIM];
  vec scale[DIM]; // d(cell units)/d(physical units) per axis
  uvec vertex[DIM][2];
  uvec dense[DIM][2];
  uvec hash[DIM][2];
#if HP_WEIGHTS == 2
  ivec left[DIM];
  bool wraps[DIM];
  int last[DIM]; // vertex along every axis
#endif // HP_WEIGHTS
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
#if HP_WEIGHTS == 2
    here.left[axis] = left;
    here.wraps[axis] = vertices == counts.cells;
    here.last[axis] = vertices - 1;
#endif // HP_WEIGHTS
    if constexpr (INDEXED) {
      here.vertex[axis][0] = (uvec)left;
      here.vertex[axis][1] = (uvec)right;
    }
    here.dense[axis][0] = (uvec)left * stride;
    here.dense[axis][1] = (uvec)right * stride;
    here.hash[axis][0] = (uvec)left * primes[axis];
    here.hash[axis][1] = (uvec)right * primes[axis];
    stride *= (unsigned)vertices;
  });
  return here;
}

} // namespace hp
