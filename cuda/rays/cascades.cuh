// Nested cubes of cells: cascade m has `cells`^3 cells and covers centre +- half 2^m.  Each cascade is a bit field in Morton order, so that
// a byte is a block of two cells along every axis, and exactly one cell of the next cascade.
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

typedef unsigned char byte;

// The binary digits of a number below 2^10, two zeros after each.
HP_INLINE unsigned spread(unsigned a) {
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
HP_INLINE unsigned morton(unsigned x, unsigned y, unsigned z) { return spread(x) | spread(y) << 1 | spread(z) << 2; }

struct cascades {
  const byte *bits;
  real centre[3], half, finest; // width of the smallest cells
  int cells, count;

  HP_INLINE real width(int m) const { return finest * real(1 << m); }

  // The finest cascade around a point whose cells are at least as wide as the step.
  HP_INLINE int level(const real (&p)[3], real step) const {
    real away = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const real a = p[axis] - centre[axis], size = a < 0 ? -a : a;
      away = size > away ? size : away;
    }
    int m = 0;
    while (m + 1 < count && (away > half * real(1 << m) || step > width(m))) ++m;
    return m;
  }
  HP_INLINE void cell(const real (&p)[3], int m, int (&c)[3]) const {
    for (int axis = 0; axis < 3; ++axis) {
      const real a = floor((p[axis] - centre[axis]) / width(m)) + real(cells / 2);
      c[axis] = a > 0 ? a < cells - 1 ? (int)a : cells - 1 : 0;
    }
  }
  // Width in cells of an empty block around a cell, which begins at a multiple of it; 0 if the cell is occupied.  In Morton order blocks of 2
  // and 4 cells are a byte and eight of them.  No block of 4 is partly inside the next finer cube, if a quarter of the cells is a multiple of 4.
  HP_INLINE int vacant(const int (&c)[3], int m) const {
    const unsigned at = morton(c[0], c[1], c[2]);
    const byte *block = bits + (((int64)m * cells * cells * cells + at) >> 3);
    if (*block >> (at & 7) & 1) return 0;
    if (*block) return 1;
    if (cells % 16) return 2;
    const unsigned long long *eight = reinterpret_cast<const unsigned long long *>(block - (at >> 3 & 7));
    return *eight ? 2 : 4;
  }
  // Where a ray leaves the block of `side` cells around a cell; `inverse` is that of its direction.
  HP_INLINE real exit(const real (&o)[3], const real (&d)[3], const real (&inverse)[3], const int (&c)[3], int m, int side, real last) const {
    for (int axis = 0; axis < 3; ++axis) {
      if (d[axis] == 0) continue;
      const int edge = (c[axis] & -side) + (d[axis] > 0 ? side : 0) - cells / 2;
      const real t = (centre[axis] + edge * width(m) - o[axis]) * inverse[axis];
      if (t < last) last = t;
    }
    return last;
  }
};

} // namespace hp
