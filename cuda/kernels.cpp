// Host entry point: loops over registers of points, levels and threads around the operations of operations.cuh.
#include "operations.cuh"
#include "parallel.hpp"
#include <cstdlib>
#include <memory>

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

int64 part(int64 n, int64 parts, int64 i) { return n * i / parts / hp::LANES * hp::LANES; }

struct release {
  void operator()(hp::total *p) const { std::free(p); }
};

// Every level's points are cut into fixed parts.  Part 0 adds to the table itself, the others to tables of their own that are
// summed in a fixed order, so that the result depends on the number of threads (unless sums are integers) but not on their timing.  A further part pays
// where it has more updates to do than its table has elements.
int run_to_table(const hp::arguments &a, int threads) {
  struct task { int level; int64 begin, end; hp::total *own; };
  hp::total *const out = static_cast<hp::total *>(a.out);
  std::vector<task> tasks;
  std::vector<std::unique_ptr<hp::total, release>> tables;
  for (int level = 0; level < a.level_count; ++level) {
    const int64 size = a.levels[level].size;
    int64 parts = (a.plane << hp::DIM) * hp::RECORD * hp::FEATURES / size;
    if (parts < 1) parts = 1;
    if (parts > threads) parts = threads;
    for (int64 i = 0; i < parts; ++i) {
      hp::total *own = nullptr;
      if (i > 0) {
        tables.emplace_back(static_cast<hp::total *>(std::calloc(size * hp::WORDS, sizeof(hp::total))));
        own = tables.back().get();
        if (!own) return 1;
      }
      tasks.push_back({level, part(a.plane, parts, i), i + 1 == parts ? a.plane : part(a.plane, parts, i + 1), own});
    }
  }
  hp::parallel(threads, (int64)tasks.size(), [&](int64 i) {
    const task &t = tasks[i];
    run_points(a, t.level, t.begin, t.end, t.own ? t.own : out + a.levels[t.level].begin() * hp::WORDS);
  });
  for (const task &t : tasks) {
    if (!t.own) continue;
    const hp::level_words &level = a.levels[t.level];
    const int64 count = level.size * hp::WORDS, pieces = 1 + count / 65536;
    hp::total *const sum = out + level.begin() * hp::WORDS;
    hp::parallel(threads, pieces, [&](int64 i) {
      for (int64 j = count * i / pieces; j < count * (i + 1) / pieces; ++j) sum[j] += t.own[j];
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
