// Host entry point of perceptron.cuh: every part is a run of tiles with sums of its own, added by the caller in a fixed order.
#include "perceptron.cuh"
#include "../runtime/parallel.hpp"

namespace hp {

// Weights (out, in) of layer K and those behind, one after another, padded and transposed.
template <int K> void pack(const real *from, real *straight, real *turned) {
  constexpr int OUT = size_of(K), IN = size_of(K - 1), ROWS = padded(OUT), COLUMNS = padded(IN);
  for (int row = 0; row < OUT; ++row)
    for (int column = 0; column < IN; ++column) {
      const real value = from[row * IN + column];
      straight[weights_at(K) + row * COLUMNS + column] = value;
      turned[weights_at(K) + column * ROWS + row] = value;
    }
  if constexpr (K <= DEPTH) pack<K + 1>(from + OUT * IN, straight, turned);
}

} // namespace hp

extern "C" int hp_perceptron(int64 n, const real *features, const real *flat, const real *seed, real *out, real *sums, int64 parts, int threads) {
  struct alignas(64) matrices { real straight[hp::PARAMETERS], turned[hp::PARAMETERS]; };
  struct alignas(64) workspace { real memory[hp::MEMORY]; };
  matrices *const packed = new matrices();
  hp::pack<1>(flat, packed->straight, packed->turned);
  const hp::weights net{packed->straight, packed->turned};
  const int64 tiles = (n + hp::POINTS - 1) / hp::POINTS;
  hp::parallel(threads, parts, [&](int64 part) {
    workspace *const space = new workspace;
    const int64 begin = tiles * part / parts, end = tiles * (part + 1) / parts;
    for (int64 tile = begin; tile < end; ++tile)
      hp::HP_OPERATION::run(net, n, tile * hp::POINTS, features, seed, out, sums ? sums + part * hp::PARAMETERS : nullptr, tile == begin,
                            space->memory);
    delete space;
  });
  delete packed;
  return 0;
}
