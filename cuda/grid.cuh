// From a point to its cell and to the table slots of the cell's vertices.
//
// A level is described by LEVEL_WORDS 64-bit integers: cells per axis, vertices per axis, first element and number of
// elements of the level, then for every group of coefficients its element offset and its hash mask (0 = dense).
// One group holds the whole vertex record; with separate table sizes there is one group per derivative order |alpha|.
#pragma once
#include "lanes.cuh"

namespace hp {

constexpr int DIM = HP_DIM;
constexpr int GROUPS = HP_GROUPS;
constexpr int LEVEL_WORDS = 2 * DIM + 2 + 2 * GROUPS;

struct box {
  const double *lower;
  const double *inverse_length;
  int periodic; // bit i: axis i wraps
};

// The cell of a point, the position inside it, and per axis and end the vertex's contribution to a dense index and to a hash.
struct cell {
  vec t[DIM];
  vec scale[DIM]; // d(cell units)/d(physical units) per axis
  uvec dense[DIM][2];
  uvec hash[DIM][2];
};

HP_INLINE cell locate(const vec (&x)[DIM], const int64 *level, const box &domain) {
  constexpr unsigned primes[4] = {1u, 2654435761u, 805459861u, 3674653429u};
  cell here;
  unsigned stride = 1;
  unroll<DIM>([&](auto i) {
    constexpr int axis = DIM - 1 - decltype(i)::value;
    const int cells = (int)level[axis], vertices = (int)level[DIM + axis];
    vec xi = (x[axis] - splat(real(domain.lower[axis]))) * splat(real(domain.inverse_length[axis]));
    if (domain.periodic >> axis & 1) xi = xi - floored(xi);
    xi = xi * splat(real(cells));
    ivec left = truncated(lowest(highest(xi, splat(0)), splat(real(cells - 1))));
    ivec right = wrapped(left + 1, vertices);
    here.t[axis] = xi - to_real(left);
    here.scale[axis] = splat(real(cells * domain.inverse_length[axis]));
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

} // namespace hp
