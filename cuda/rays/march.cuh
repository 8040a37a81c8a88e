// Samples along rays, where the cells of a grid are occupied.
//
// Steps are equal in a stepping space s: t = step s up to t = step / cone, then t grows by the factor 1 + cone per step, from
// t = longest / cone on by `longest`.  Interval k of a ray is [t(s_0 + k), t(s_0 + k + 1)], cut off where the ray leaves the box, with
// its sample at the fraction u, the same for all intervals of a ray.  What is skipped is whole intervals: samples are those of
// marching through everything.
#pragma once
#include "cascades.cuh"

namespace hp {

#ifndef __CUDACC__
HP_INLINE float log(float x) { return __builtin_logf(x); }
HP_INLINE double log(double x) { return __builtin_log(x); }
#endif

typedef unsigned long long uint64;
#ifdef __CUDACC__
HP_INLINE int ones(uint64 a) { return __popcll(a); }
HP_INLINE int lowest_one(uint64 a) { return __ffsll(a) - 1; }
#else
HP_INLINE int ones(uint64 a) { return __builtin_popcountll(a); }
HP_INLINE int lowest_one(uint64 a) { return __builtin_ctzll(a); }
#endif

constexpr int64 LONGEST_WALK = 1 << 20; // intervals of a ray, so that absurd rays end

struct stepping {
  real step, longest, cone, growth, bend, end, s_bend, s_end;

  HP_INLINE stepping(real step, real longest, real cone) : step(step), longest(longest), cone(cone) {
    growth = cone > 0 ? real(log1p(cone)) : real(0);
    bend = cone > 0 ? step / cone : real(0);
    end = cone > 0 ? longest / cone : real(0);
    s_bend = cone > 0 ? 1 / cone : real(0);
    s_end = cone > 0 ? s_bend + real(log(longest / step)) / growth : real(0);
  }
  HP_INLINE real space(real t) const {
    if (!(cone > 0) || t <= bend) return t / step;
    return t <= end ? s_bend + real(log(t / bend)) / growth : s_end + (t - end) / longest;
  }
  HP_INLINE real distance(real s) const {
    if (!(cone > 0) || s <= s_bend) return s * step;
    return s <= s_end ? bend * real(exp((s - s_bend) * growth)) : end + (s - s_end) * longest;
  }
  HP_INLINE real length(real t) const {
    const real a = t * cone;
    return a < step ? step : a > longest ? longest : a;
  }
};

// A number in [0, 1) that depends on the two given and on nothing else.
HP_INLINE real uniform(uint64 seed, uint64 id) {
  uint64 a = seed;
  for (int round = 0; round < 2; ++round) { // the finaliser of splitmix64
    a += 0x9e3779b97f4a7c15ull;
    a = (a ^ a >> 30) * 0xbf58476d1ce4e5b9ull;
    a = (a ^ a >> 27) * 0x94d049bb133111ebull;
    a ^= a >> 31;
    if (round == 0) a ^= id;
  }
  return real(a >> 40) / real(1 << 24);
}

struct box {
  real lower[3], upper[3];

  // Whether a ray is in the box between `from` and `to`, which become its entry and exit.
  HP_INLINE bool cut(const real (&o)[3], const real (&d)[3], real &from, real &to) const {
    bool moves = false;
    for (int axis = 0; axis < 3; ++axis) {
      if (d[axis] == 0) {
        if (!(o[axis] >= lower[axis] && o[axis] <= upper[axis])) return false;
        continue;
      }
      moves = true;
      const real a = (lower[axis] - o[axis]) / d[axis], b = (upper[axis] - o[axis]) / d[axis];
      const real first = a < b ? a : b, second = a < b ? b : a;
      if (!(first <= to && second >= from)) return false; // and not for what is not a number
      if (first > from) from = first;
      if (second < to) to = second;
    }
    return moves && from < to;
  }
};

struct march {
  cascades grid;
  box bounds;
  stepping steps;
  real near, far;
  int64 seed, most;
  bool jittered;

  // `frame`: lower and upper corner of the box, centre and half width of the finest cascade, step, longest step, cone, near, far.
  HP_INLINE march(const byte *bits, const double *frame, int64 cells, int64 count, int64 most, int64 seed, int64 jittered)
      : steps((real)frame[10], (real)frame[11], (real)frame[12]), near((real)frame[13]), far((real)frame[14]), seed(seed), most(most),
        jittered(jittered != 0) {
    grid.bits = bits;
    grid.half = (real)frame[9];
    grid.finest = grid.half * real(2) / (int)cells;
    grid.cells = (int)cells;
    grid.count = (int)count;
    for (int axis = 0; axis < 3; ++axis) {
      bounds.lower[axis] = (real)frame[axis];
      bounds.upper[axis] = (real)frame[3 + axis];
      grid.centre[axis] = (real)frame[6 + axis];
    }
  }

  struct ray {
    real o[3], d[3], from, to, fraction, origin;
    bool crosses;
  };
  HP_INLINE ray one(int64 number, int64 n, const real *origins, const real *directions, const int64 *ids) const {
    ray r;
    for (int axis = 0; axis < 3; ++axis) {
      r.o[axis] = origins[axis * n + number];
      r.d[axis] = directions[axis * n + number];
    }
    r.from = near;
    r.to = far;
    r.crosses = bounds.cut(r.o, r.d, r.from, r.to);
    r.fraction = jittered ? uniform(seed, ids ? ids[number] : number) : real(0.5);
    r.origin = steps.space(r.from);
    return r;
  }

  // Where interval k of a ray begins, and its length and its sample from both ends.
  HP_INLINE real begin(const ray &r, int64 k) const { return k ? steps.distance(r.origin + k) : r.from; }
  HP_INLINE void interval(const ray &r, real begin, real next, real &where, real &length) const {
    length = (next < r.to ? next : r.to) - begin;
    where = begin + r.fraction * length;
  }

  // Calls body(k, where, length) for the samples of a ray in occupied cells, at most `limit`; returns their number.
  template <class Body> HP_INLINE int64 walk(const ray &r, int64 limit, const Body &body) const {
    int64 found = 0;
    if (!r.crosses) return 0;
    const real inverse[3] = {1 / r.d[0], 1 / r.d[1], 1 / r.d[2]};
    // In stepping space a sample lies at the fraction of its interval or behind it, by at most cone / 4 since t(s) is not straight; 0.02 is for
    // rounding.
    const real lag = r.origin + r.fraction + real(0.02) + steps.cone / 4;
    real begin = r.from;
    for (int64 k = 0; k < LONGEST_WALK && found < limit && begin < r.to;) {
      const real next = steps.distance(r.origin + (k + 1));
      real where, length;
      interval(r, begin, next, where, length);
      const real p[3] = {r.o[0] + where * r.d[0], r.o[1] + where * r.d[1], r.o[2] + where * r.d[2]}, step = steps.length(begin);
      const int m = grid.level(p, step);
      int c[3];
      grid.cell(p, m, c);
      const int side = grid.vacant(c, m);
      int64 ahead = 0;
      if (side == 0) {
        body(k, where, length);
        ++found;
      } else {
        real last = grid.exit(r.o, r.d, inverse, c, m, side, r.to); // of the empty cells, or of where steps are for their cascade
        if (steps.cone > 0 && m + 1 < grid.count && steps.longest > grid.width(m)) {
          const real wide = grid.width(m) / steps.cone;
          if (wide < last) last = wide;
        }
        const real passed = last > begin ? steps.space(last) - lag : real(0); // intervals up to this number have their samples before that
        ahead = passed > 0 ? (int64)passed + 1 : 0;
      }
      if (ahead > k + 1) {
        k = ahead;
        begin = steps.distance(r.origin + k);
      } else {
        ++k;
        begin = next;
      }
    }
    return found;
  }

  // Counts the samples of a ray, and notes their intervals, if these are below 64 `words`.
  HP_INLINE int64 count(int64 number, int64 n, const real *origins, const real *directions, const int64 *ids, uint64 *noted, int64 words) const {
    for (int64 i = 0; i < words; ++i) noted[i] = 0;
    return walk(one(number, n, origins, directions, ids), most, [&](int64 k, real, real) {
      if (k >> 6 < words) noted[k >> 6] |= uint64(1) << (k & 63);
    });
  }

  // Writes the samples of a ray from `base` on: t, dt, rays (total) and positions (3, total); from what is noted, if that is all.
  HP_INLINE void fill(int64 number, int64 n, const real *origins, const real *directions, const int64 *ids, const uint64 *noted, int64 words,
                   int64 base, int64 room, int64 total, real *t, real *dt, int64 *rays, real *positions) const {
    if (room == 0) return;
    const ray r = one(number, n, origins, directions, ids);
    int64 found = 0;
    const auto put = [&](real where, real length) {
      const int64 at = base + found++;
      t[at] = where;
      dt[at] = length;
      rays[at] = number;
      for (int axis = 0; axis < 3; ++axis) positions[axis * total + at] = r.o[axis] + where * r.d[axis];
    };
    int64 all = 0;
    for (int64 i = 0; i < words; ++i) all += ones(noted[i]);
    if (all == room)
      for (int64 i = 0; i < words; ++i)
        for (uint64 left = noted[i]; left; left &= left - 1) {
          const int64 k = i << 6 | lowest_one(left);
          real where, length;
          interval(r, begin(r, k), steps.distance(r.origin + (k + 1)), where, length);
          put(where, length);
        }
    else
      walk(r, room, [&](int64, real where, real length) { put(where, length); });
    while (found < room) put(r.to, 0); // rounding differs from that of the count: it counts for nothing
  }
};

// Gradients of the positions o + t d with respect to o and d: sums over the samples of a ray, in their order.
HP_INLINE void pull_back(int64 ray, int64 n, int64 total, const int64 *offsets, const real *t, const real *gradient, real *by_origin,
                      real *by_direction) {
  for (int axis = 0; axis < 3; ++axis) {
    real sum = 0, moment = 0;
    for (int64 i = offsets[ray]; i < offsets[ray + 1]; ++i) {
      const real g = gradient[axis * total + i];
      sum += g;
      moment += t[i] * g;
    }
    by_origin[axis * n + ray] = sum;
    by_direction[axis * n + ray] = moment;
  }
}

} // namespace hp
