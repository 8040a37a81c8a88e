// Host entry point of perceptron.cuh: every part is a run of tiles with sums of its own, added by the caller in a fixed order.
#include "perceptron.cuh"
#include "../runtime/parallel.hpp"

extern "C" int hp_perceptron(int64 n, const real *features, const real *straight, const real *turned, const real *seed, real *out, real *sums,
                             int64 parts, int threads) {
  const hp::weights net{straight, turned};
  const int64 tiles = (n + hp::POINTS - 1) / hp::POINTS;
  hp::parallel(threads, parts, [&](int64 part) {
    struct alignas(64) workspace { real memory[hp::MEMORY]; };
    workspace *const space = new workspace;
    const int64 begin = tiles * part / parts, end = tiles * (part + 1) / parts;
    for (int64 tile = begin; tile < end; ++tile)
      hp::HP_OPERATION::run(net, n, tile * hp::POINTS, features, seed, out, sums ? sums + part * hp::PARAMETERS : nullptr, tile == begin,
                            space->memory);
    delete space;
  });
  return 0;
}
