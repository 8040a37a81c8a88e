// Host entry point: loops over registers of points, levels and threads around the operations of operations.cuh.
#include "operations.cuh"
#include "../runtime/parallel.hpp"

namespace {

constexpr int64 CHUNK = 2048; // points per task: the level's table stays in the cache while they are processed

void run_points(const hp::arguments &a, int level, int64 begin, int64 end, hp::total *table) {
  typedef hp::HP_OPERATION operation;
  const hp::sums target = table ? a.target(level, table) : hp::sums{};
  for (int64 point = begin; point < end; point += hp::LANES) {
    const int64 left = end - point;
    operation::run(a, level, point, left < hp::LANES ? (int)left : hp::LANES, target);
  }
}

int64 share(int64 n, int64 parts, int64 i) { return n * i / parts / hp::LANES * hp::LANES; }

// Every level's points are cut into fixed parts.  Part 0 adds to the table itself, the others to tables of their own that are
// summed in a fixed order, so that the result depends on the number of threads (unless sums are integers) but not on their timing.  A further part pays
// where it has more updates to do than its table has elements.
int run_to_table(const hp::arguments &a, int threads) {
  struct part { int level; int64 begin, end; hp::total *own; };
  struct list { // of all parts, with their tables
    part *const parts;
    int count = 0;
    explicit list(int most) : parts(new part[most]) {}
    ~list() {
      for (int i = 0; i < count; ++i) __builtin_free(parts[i].own);
      delete[] parts;
    }
  } all(a.level_count * threads);
  hp::total *const out = static_cast<hp::total *>(a.out);
  for (int level = 0; level < a.level_count; ++level) {
    const int64 size = a.levels[level].size;
    int64 count = (a.plane << hp::DIM) * hp::RECORD * hp::FEATURES / size;
    if (count < 1) count = 1;
    if (count > threads) count = threads;
    for (int64 i = 0; i < count; ++i) {
      hp::total *own = nullptr;
      if (i > 0) {
        own = static_cast<hp::total *>(__builtin_calloc(size * hp::WORDS, sizeof(hp::total)));
        if (!own) return 1;
      }
      all.parts[all.count++] = {level, share(a.plane, count, i), i + 1 == count ? a.plane : share(a.plane, count, i + 1), own};
    }
  }
  hp::parallel(threads, all.count, [&](int64 i) {
    const part &p = all.parts[i];
    run_points(a, p.level, p.begin, p.end, p.own ? p.own : out + a.levels[p.level].begin() * hp::WORDS);
  });
  for (int k = 0; k < all.count; ++k) {
    const part &p = all.parts[k];
    if (!p.own) continue;
    const hp::level_words &level = a.levels[p.level];
    const int64 count = level.size * hp::WORDS, pieces = 1 + count / 65536;
    hp::total *const sum = out + level.begin() * hp::WORDS;
    hp::parallel(threads, pieces, [&](int64 i) {
      for (int64 j = count * i / pieces; j < count * (i + 1) / pieces; ++j) sum[j] += p.own[j];
    });
  }
  return 0;
}

} // namespace

extern "C" int hp_run(int64 n, const real *x, const hp::stored *table, const real *weights, const real *rows, void *out,
                      const hp::level_words *levels, int level_count, int64 weights_stride, const hp::axis_frame *frame, const double *scales,
                      int periodic, int threads) {
  typedef hp::HP_OPERATION operation;
  const hp::arguments a{n, x, table, weights, rows, out, levels, level_count, weights_stride, frame, periodic, scales};
  if (n == 0) return 0;
  if (n * level_count < 4 * CHUNK) threads = 1;
  if constexpr (operation::to_table) {
    return run_to_table(a, threads);
  } else {
    const int64 chunks = (n + CHUNK - 1) / CHUNK;
    const int rows = operation::per_level ? level_count : 1;
    hp::parallel(threads, chunks * rows, [&](int64 i) {
      const int64 begin = i % chunks * CHUNK;
      run_points(a, (int)(i / chunks), begin, begin + CHUNK < n ? begin + CHUNK : n, nullptr);
    });
    return 0;
  }
}
