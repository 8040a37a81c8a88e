// Where the record of a vertex lies among those of its level: dense, hashed or indexed, chosen per level.
//
// dense: row-major.  hashed: several vertices may share a slot.  indexed: listed vertices only, each with a slot of its own; the
// others have none (ABSENT).  Layouts without indexed levels compile to kernels that know nothing of maps.
#pragma once
#include "grid.cuh"

namespace hp {

// The map of an indexed level.
//
// A brick is a block of 64 vertices, 2^brick_bits per axis; 64 bricks are the brick of the next step, and so on.  A node holds one bit
// for every part that is not empty, and the number of the first of them: the vertices of a brick have consecutive slots, and the nodes
// of the bricks in a larger one follow each other.  So the rank of a bit among those below it leads to the next node, and at last to
// the slot.  A map begins with an array of the largest bricks, row-major; its `depth` is the number of nodes on the way.
struct alignas(16) node {
  unsigned long long parts;
  int64 first;
};

HP_INLINE constexpr int brick_bits(int axis) {
  constexpr int bits[4][4] = {{6, 0, 0, 0}, {3, 3, 0, 0}, {2, 2, 2, 0}, {2, 2, 1, 1}};
  return bits[DIM - 1][axis];
}

HP_INLINE unsigned bit_count(unsigned long long a) {
#ifdef __CUDACC__
  return __popc((unsigned)a) + __popc((unsigned)(a >> 32));
#else
  return __builtin_popcountll(a);
#endif
}

// What part number `part` of a node leads to.
HP_INLINE unsigned part_of(const node *nodes, unsigned index, unsigned part) {
  if (index == ABSENT) return ABSENT;
  const node here = nodes[index];
  return here.parts >> part & 1 ? (unsigned)here.first + bit_count(here.parts & ((1ull << part) - 1)) : ABSENT;
}

#ifdef __CUDACC__
HP_INLINE uvec parts_of(const node *nodes, uvec index, uvec part) { return part_of(nodes, index, part); }
#else
HP_INLINE uvec parts_of(const node *nodes, uvec index, uvec part) {
  for (int i = 0; i < LANES; ++i) index[i] = part_of(nodes, index[i], part[i]);
  return index;
}
#endif

// The slots of all vertices of a cell.  Every step reads the nodes of all vertices at once.
HP_INLINE void indexed_slots(const cell &here, const level_words &level, uvec (&slots)[1 << DIM]) {
  const node *const nodes = reinterpret_cast<const node *>(&level) + level.map;
  const int depth = level.depth;
  unsigned stride = 1;
  HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) slots[ends] = uvec{};
  unroll<DIM>([&](auto i) {
    constexpr int axis = DIM - 1 - decltype(i)::value;
    const unsigned shift = brick_bits(axis) * depth;
    const uvec place[2] = {(here.vertex[axis][0] >> shift) * stride, (here.vertex[axis][1] >> shift) * stride};
    HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) slots[ends] = slots[ends] + place[ends >> axis & 1];
    stride *= ((unsigned)(level.axes[axis].vertices - 1) >> shift) + 1;
  });
  for (int step = depth - 1; step >= 0; --step) {
    uvec part[1 << DIM];
    HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) part[ends] = uvec{};
    unroll<DIM>([&](auto i) {
      constexpr int axis = decltype(i)::value;
      constexpr unsigned bits = brick_bits(axis);
      const unsigned shift = bits * step;
      const uvec digit[2] = {here.vertex[axis][0] >> shift & ((1u << bits) - 1), here.vertex[axis][1] >> shift & ((1u << bits) - 1)};
      HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) part[ends] = part[ends] << bits | digit[ends >> axis & 1];
    });
    HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) slots[ends] = parts_of(nodes, slots[ends], part[ends]);
  }
}

// Slot of the vertex whose end along axis i is bit i of `ends`: dense (row-major) where the mask is 0, else hashed.
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
HP_INLINE void slots_of(const cell &here, const level_words &level, unsigned mask, uvec (&slots)[1 << DIM]) {
  if constexpr (INDEXED) {
    if (level.depth > 0) {
      indexed_slots(here, level, slots);
      return;
    }
  }
  if (mask == 0) {
    HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) slots[ends] = slot_of(here, ends, 0);
  } else {
    HP_UNROLL for (int ends = 0; ends < 1 << DIM; ++ends) slots[ends] = slot_of(here, ends, mask);
  }
}

} // namespace hp
