// Samples along rays, where the cells of a grid are occupied.
//
// Steps are equal in a stepping space s: t = step s up to t = step / cone, then t grows by the factor 1 + cone per step, from
// t = longest / cone on by `longest`.  Interval k of a ray is [t(s_0 + k), t(s_0 + k + 1)], cut off where the ray leaves the box, with
// its sample at the fraction u, the same for all intervals of a ray.  What is skipped is whole intervals: samples are those of
// marching through everything.
#pragma once
#include "cascades.cuh"

namespace hp {

typedef unsigned long long uint64;
#ifdef __CUDACC__
HP_INLINE int ones(uint64 a) { return __popc((unsigned)a) + __popc((unsigned)(a >> 32)); }
#else
HP_INLINE int ones(uint64 a) { return __builtin_popcountll(a); }
#endif
HP_INLINE int lowest_one(uint64 a) { return ones((a & -a) - 1); }

constexpr int64 LONGEST_WALK = 1 << 20; // intervals of a ray, so that absurd rays end

struct stepping {
  real step, longest, cone, growth, bend, end, s_bend, s_end, per_step, per_longest, per_bend, per_growth;

  HP_INLINE stepping(real step, real longest, real cone) : step(step), longest(longest), cone(cone) {
    growth = cone > 0 ? real(log1p(cone)) : real(0);
    bend = cone > 0 ? step / cone : real(0);
    end = cone > 0 ? longest / cone : real(0);
    s_bend = cone > 0 ? 1 / cone : real(0);
    s_end = cone > 0 ? s_bend + real(log(longest / step)) / growth : real(0);
    per_step = 1 / step;
    per_longest = 1 / longest;
    per_bend = cone > 0 ? 1 / bend : real(0);
    per_growth = cone > 0 ? 1 / growth : real(0);
  }
  template <class T> HP_INLINE T space(T t) const {
    const T even = t * per_step;
    const auto grows = t > filled(t, bend);
    if (!(cone > 0) || !any(grows)) return even;
    const auto ended = t > filled(t, end);
    const T grown = logarithm(chosen(grows, t, filled(t, bend)) * per_bend) * per_growth + s_bend;
    return chosen(grows, chosen(ended, (t - end) * per_longest + s_end, grown), even);
  }
  template <class T> HP_INLINE T distance(T s) const {
    const T even = s * step;
    const auto grows = s > filled(s, s_bend);
    if (!(cone > 0) || !any(grows)) return even;
    const auto ended = s > filled(s, s_end);
    const T grown = exponential((chosen(grows, s, filled(s, s_bend)) - s_bend) * growth) * bend;
    return chosen(grows, chosen(ended, (s - s_end) * longest + end, grown), even);
  }
  HP_INLINE vec length(vec t) const {
    const vec a = highest(t * cone, splat(step));
    return chosen(a > splat(longest), splat(longest), a);
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
  HP_INLINE march(const byte *bits, const byte *blocks, const double *frame, int64 cells, int64 count, int64 most, int64 seed, int64 jittered)
      : steps((real)frame[10], (real)frame[11], (real)frame[12]), near((real)frame[13]), far((real)frame[14]), seed(seed), most(most),
        jittered(jittered != 0) {
    grid.bits = bits;
    grid.blocks = blocks;
    grid.half = (real)frame[9];
    grid.finest = grid.half * real(2) / (int)cells;
    grid.per_finest = 1 / grid.finest;
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
  template <class Rays, class T> HP_INLINE void interval(const Rays &r, T begin, T next, T &where, T &length) const {
    length = chosen(next < r.to, next, r.to) - begin;
    where = begin + r.fraction * length;
  }

  // Rays under way, one per lane.
  struct walkers {
    vec o[3], d[3], per_d[3], to, fraction, origin, begin;
    ivec k, left; // number of the interval that begins there, and samples that may follow

    HP_INLINE walkers() : to(splat(0)), fraction(to), origin(to), begin(to), k(filled(k, 0)), left(k) {
      for (int axis = 0; axis < 3; ++axis) o[axis] = d[axis] = per_d[axis] = to;
    }
    HP_INLINE void start(int lane, const ray &r, int64 most) {
      for (int axis = 0; axis < 3; ++axis) {
        set(o[axis], lane, r.o[axis]);
        set(d[axis], lane, r.d[axis]);
        set(per_d[axis], lane, r.d[axis] == 0 ? real(0) : 1 / r.d[axis]);
      }
      set(to, lane, r.to);
      set(fraction, lane, r.fraction);
      set(origin, lane, r.origin);
      set(begin, lane, r.from);
      set(k, lane, 0);
      set(left, lane, (int)most);
    }
    HP_INLINE unsigned walking() const { return lanes_of(begin < to); }
  };

  // Looks at the next interval of every ray that walks, calls body(lane, k, where, length) if it is in an occupied cell, and goes on behind
  // the empty ones.
  template <class Body> HP_INLINE void advance(walkers &w, const Body &body) const {
    const mask walks = w.begin < w.to;
    const vec next = steps.distance(w.origin + to_real(w.k + 1));
    vec where, length;
    interval(w, w.begin, next, where, length);
    const vec p[3] = {w.o[0] + where * w.d[0], w.o[1] + where * w.d[1], w.o[2] + where * w.d[2]};
    const cascades::found at = grid.find(p, steps.length(w.begin));
    const ivec side = grid.vacant(at.number);
    const mask empty = as_mask(side > 0), seen = walks & as_mask(side == 0);
    for (unsigned left = lanes_of(seen); left; left &= left - 1) {
      const int lane = lowest_one(left);
      body(lane, component_of(w.k, lane), component(where, lane), component(length, lane));
    }
    w.left -= chosen(seen, filled(w.k, 1), filled(w.k, 0));

    vec last = grid.exit(w.o, w.per_d, at, side, w.to); // of the empty cells, or of where steps are for their cascade
    if (steps.cone > 0 && grid.count > 1) {
      const mask coarser = as_mask(at.m + 1 < grid.count) & (splat(steps.longest) > at.width) & (at.width < last * steps.cone);
      last = chosen(coarser, at.width / steps.cone, last);
    }
    // In stepping space a sample lies at the fraction of its interval or behind it, by at most cone / 4 since t(s) is not straight; 0.02 is for
    // rounding.  Intervals up to `passed` have their samples before `last`.
    const vec passed = steps.space(last) - (w.origin + w.fraction + (real(0.02) + steps.cone / 4));
    const ivec one = w.k + 1, ahead = integer_within(passed, (int)LONGEST_WALK) + 1;
    const mask jumps = walks & empty & (last > w.begin) & (passed > splat(0)) & as_mask(ahead > one);
    w.k = chosen(jumps, ahead, one);
    w.begin = any(jumps) ? chosen(jumps, steps.distance(w.origin + to_real(w.k)), next) : next;
    w.begin = chosen(as_mask(w.left > 0) & as_mask(w.k < (int)LONGEST_WALK) & walks, w.begin, w.to);
  }

  // Counts the samples of rays first .. last - 1, and notes their intervals, if these are below 64 `words`.
  HP_INLINE void count(int64 first, int64 last, int64 n, const real *origins, const real *directions, const int64 *ids, uint64 *noted, int64 words,
                    int64 *counts) const {
    constexpr unsigned all = (1u << LANES) - 1;
    walkers w;
    int64 number[LANES];
    for (unsigned busy = 0;;) {
      for (unsigned left = all & ~w.walking(); left; left &= left - 1) {
        const int lane = lowest_one(left);
        if (busy >> lane & 1) counts[number[lane]] = most - component_of(w.left, lane);
        busy &= ~(1u << lane);
        for (; first < last && !(busy >> lane & 1); ++first) {
          for (int64 i = 0; i < words; ++i) noted[first * words + i] = 0;
          const ray r = one(first, n, origins, directions, ids);
          counts[first] = 0;
          if (!r.crosses) continue;
          w.start(lane, r, most);
          number[lane] = first;
          busy |= 1u << lane;
        }
      }
      if (!busy) return;
      advance(w, [&](int lane, int k, real, real) {
        if (k >> 6 < words) noted[number[lane] * words + (k >> 6)] |= uint64(1) << (k & 63);
      });
    }
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
    else if (r.crosses) {
      walkers w;
      for (w.start(0, r, room); w.walking();) advance(w, [&](int, int, real where, real length) { put(where, length); });
    }
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
