// Nested cubes of cells: cascade m has `cells`^3 cells and covers centre +- half 2^m.  Each cascade is a bit field in Morton order, so that
// a byte is a block of two cells along every axis, and exactly one cell of the next cascade.
#pragma once
#include "../runtime/masks.cuh"

namespace hp {

typedef unsigned char byte;

// The binary digits of a number below 2^10, two zeros after each.
template <class Number> HP_INLINE Number spread(Number a) {
  a = (a | a << 16) & 0x030000ffu;
  a = (a | a << 8) & 0x0300f00fu;
  a = (a | a << 4) & 0x030c30c3u;
  return (a | a << 2) & 0x09249249u;
}
HP_INLINE unsigned gathered(unsigned a) {
  a &= 0x09249249u;
  a = (a | a >> 2) & 0x030c30c3u;
  a = (a | a >> 4) & 0x0300f00fu;
  a = (a | a >> 8) & 0x030000ffu;
  return (a | a >> 16) & 0x3ffu;
}
template <class Number> HP_INLINE Number morton(Number x, Number y, Number z) { return spread(x) | spread(y) << 1 | spread(z) << 2; }

// Byte `at` of the bits of blocks of 8 cells along every axis, in Morton order as well: whether one of their 64 bytes is not zero.
HP_INLINE byte blocks_of(const byte *bits, int64 at) {
  const unsigned long long *words = reinterpret_cast<const unsigned long long *>(bits) + 64 * at;
  unsigned found = 0;
  for (int i = 0; i < 8; ++i) {
    unsigned long long any = 0;
    HP_UNROLL for (int k = 0; k < 8; ++k) any |= words[8 * i + k];
    found |= unsigned(any != 0) << i;
  }
  return (byte)found;
}

struct cascades {
  const byte *bits, *blocks; // of cells, and of blocks of 8 if there are enough cells for them
  real centre[3], half, finest, per_finest; // width of the smallest cells, and its inverse
  int cells, count;

  // Cells around points: their cascade, width, place and number.
  struct found {
    ivec m, c[3];
    vec width;
    uvec number;
  };
  // In the finest cascade around a point whose cells are at least as wide as the step.
  HP_INLINE found find(const vec (&p)[3], vec step) const {
    found at;
    vec away = splat(0);
    for (int axis = 0; axis < 3; ++axis) {
      const vec a = p[axis] - splat(centre[axis]);
      away = highest(away, highest(a, -a));
    }
    at.m = filled(at.m, 0);
    at.width = splat(finest);
    vec per_width = splat(per_finest);
    for (int m = 0; m + 1 < count; ++m) {
      const mask beyond = (away > splat(half * real(1 << m))) | (step > splat(finest * real(1 << m)));
      at.m += chosen(beyond, filled(at.m, 1), filled(at.m, 0));
      at.width = chosen(beyond, at.width * real(2), at.width);
      per_width = chosen(beyond, per_width * real(0.5), per_width);
    }
    for (int axis = 0; axis < 3; ++axis)
      at.c[axis] = integer_within(floored((p[axis] - splat(centre[axis])) * per_width) + splat(real(cells / 2)), cells - 1);
    at.number = as_unsigned(at.m) * (unsigned)(cells * cells * cells) + morton(as_unsigned(at.c[0]), as_unsigned(at.c[1]), as_unsigned(at.c[2]));
    return at;
  }
  // Width in cells of an empty block around a cell, which begins at a multiple of it; 0 if the cell is occupied.  In Morton order blocks of 2
  // and 4 cells are 1 and 8 bytes, and so are those of 16 and 32 in the bits of blocks of 8.  No block is partly inside the next finer cube, if
  // a quarter of the cells is a multiple of its width.
  HP_INLINE ivec vacant(uvec cell) const {
    const ivec none = filled(ivec{}, 0);
    const unsigned *const words = reinterpret_cast<const unsigned *>(bits);
    const uvec four = gather(words, cell >> 5), beside = gather(words, (cell >> 5) ^ 1u);
    const mask here = as_mask((four >> (cell & 31u) & 1u) != 0u), near = as_mask((four >> (cell & 24u) & 255u) != 0u);
    const ivec two = chosen(as_mask((four | beside) != 0u), none + 2, none + (cells < 16 ? 2 : 4));
    const ivec small = chosen(here, none, chosen(near, none + 1, two));
    if (cells < 32) return small;
    const unsigned *const above = reinterpret_cast<const unsigned *>(blocks);
    const uvec block = cell >> 9, some = gather(above, block >> 5), others = gather(above, (block >> 5) ^ 1u);
    const mask filled = as_mask((some >> (block & 31u) & 1u) != 0u), around = as_mask((some >> (block & 24u) & 255u) != 0u);
    const ivec large = chosen(as_mask((some | others) != 0u), none + (cells < 64 ? 8 : 16), none + (cells < 64 ? 8 : cells < 128 ? 16 : 32));
    return chosen(filled, small, chosen(around, none + 8, large));
  }
  // Where rays leave the block of `side` cells around a cell; `per_d` is 1 / d, or 0 where it does not move.
  HP_INLINE vec exit(const vec (&o)[3], const vec (&per_d)[3], const found &at, ivec side, vec last) const {
    for (int axis = 0; axis < 3; ++axis) {
      const mask forward = per_d[axis] > splat(0), moves = forward | (per_d[axis] < splat(0));
      const ivec edge = (at.c[axis] & -side) + chosen(forward, side, side - side) - cells / 2;
      const vec t = (splat(centre[axis]) + to_real(edge) * at.width - o[axis]) * per_d[axis];
      last = chosen(moves & (t < last), t, last);
    }
    return last;
  }
};

} // namespace hp
