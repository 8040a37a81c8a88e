// Values of a narrow network without biases, a tile of points at a time, with every activation on chip.
//
//     a_0 = features,   a_k = max(W_k a_{k-1}, 0),   out = W_{DEPTH+1} a_DEPTH
//
// The adjoint computes a_1 .. a_DEPTH of its tile again and goes back from g_{DEPTH+1}, the gradient of the outputs:
//     gW_k += g_k a_{k-1}^T,   g_{k-1} = (W_k^T g_k) where a_{k-1} > 0,
// g_{k-1} in the place of a_{k-1}.  All three are one product, sum_k a(i, k) b(k, :), with rows of units along the registers: nothing is
// added up across the lanes of a register.  A tile holds the units of a point next to each other; what comes from memory with its points
// innermost is transposed on the way.  Sizes are padded with zeros to multiples of 16.
#pragma once
#include "team.cuh"

namespace hp {

constexpr int padded(int n) { return (n + 15) / 16 * 16; }
constexpr int DEPTH = HP_DEPTH, POINTS = HP_POINTS;
constexpr int SQUARE = LANES > 1 && LANES * sizeof(real) < 64 ? 8 : 16; // sums of an item of work, in registers; without AVX-512 there are 16
constexpr int size_of(int k) { return k == 0 ? HP_INPUTS : k > DEPTH ? HP_OUTPUTS : HP_WIDTH; }

// On chip: a_0 .. a_DEPTH, and the outputs or their gradient.  On a GPU rows are odd, so that threads at neighbouring points meet in no bank.
#ifdef __CUDACC__
constexpr int row_of(int k) { return padded(size_of(k)) | 1; }
#else
constexpr int row_of(int k) { return padded(size_of(k)); }
#endif
constexpr int tile_at(int k) { return k == 0 ? 0 : tile_at(k - 1) + POINTS * row_of(k - 1); }
constexpr int MEMORY = tile_at(DEPTH + 2);

// Weights W_1 .. W_{DEPTH+1}, rows by output unit, and in the same places of `turned` their transposes.
constexpr int weights_at(int k) { return k == 1 ? 0 : weights_at(k - 1) + padded(size_of(k - 1)) * padded(size_of(k - 2)); }
constexpr int PARAMETERS = weights_at(DEPTH + 2);

struct weights {
  const real *straight, *turned;
};

// Items of work of a matrix of `HEIGHT` rows of `WIDTH` numbers: ROWS rows of COLUMNS registers, STEP apart.
template <int HEIGHT, int WIDTH> struct blocks {
  static constexpr int ALONG = WIDTH / LANES, MOST = SQUARE / 4;
  static constexpr int COLUMNS = ALONG % MOST == 0 ? MOST : ALONG % 3 == 0 && MOST > 3 ? 3 : ALONG % 2 == 0 && MOST > 2 ? 2 : 1;
  static constexpr int ROWS = COLUMNS == 3 ? 4 : SQUARE / COLUMNS, ACROSS = ALONG / COLUMNS, DOWN = (HEIGHT + ROWS - 1) / ROWS;
  static constexpr int COUNT = ACROSS * DOWN;
#ifdef __CUDACC__ // neighbouring threads take neighbouring numbers
  static constexpr int STEP = ACROSS;
  static HP_INLINE int row(int item) { return item / ACROSS * ROWS; }
  static HP_INLINE int column(int item) { return item % ACROSS; }
#else
  static constexpr int STEP = LANES;
  static HP_INLINE int row(int item) { return item % DOWN * ROWS; }
  static HP_INLINE int column(int item) { return item / DOWN * COLUMNS * LANES; }
#endif
};

// sums[i][c] = sum_k a[i ALONG_I + k ALONG_K] b[k ROW + c STEP]
template <int COUNT, int ALONG_I, int ALONG_K, int ROW, int STEP, int ROWS, int COLUMNS>
HP_INLINE void product(const real *a, const real *b, vec (&sums)[ROWS][COLUMNS]) {
  HP_UNROLL for (int i = 0; i < ROWS; ++i)
    HP_UNROLL for (int c = 0; c < COLUMNS; ++c) sums[i][c] = splat(0);
#ifdef __CUDACC__
#pragma unroll 4
#else
#pragma GCC unroll 2
#endif
  for (int k = 0; k < COUNT; ++k) {
    vec row[COLUMNS];
    HP_UNROLL for (int c = 0; c < COLUMNS; ++c) row[c] = load(b + k * ROW + c * STEP, LANES);
    HP_UNROLL for (int i = 0; i < ROWS; ++i) {
      const vec factor = splat(a[i * ALONG_I + k * ALONG_K]);
      HP_UNROLL for (int c = 0; c < COLUMNS; ++c) sums[i][c] += factor * row[c];
    }
  }
}

// A tile of (given, n) in memory, transposed; rows beyond `given` and points beyond n are zero.
template <int K> HP_INLINE void fetch(const real *from, int64 n, int64 begin, real *memory) {
  real *tile = memory + tile_at(K);
  constexpr int ROW = row_of(K), UNITS = padded(size_of(K)), GIVEN = size_of(K);
#ifdef HP_SHUFFLES
  for (int unit = 0; unit < UNITS; unit += LANES)
    for (int point = 0; point < POINTS; point += LANES) {
      vec v[LANES];
      for (int i = 0; i < LANES; ++i)
        v[i] = unit + i < GIVEN ? load_some(from + (int64)(unit + i) * n + begin + point, n - begin - point) : splat(0);
      registers_to_records(v);
      HP_UNROLL for (int i = 0; i < LANES; ++i) store(tile + (point + i) * ROW + unit, v[i], LANES);
    }
#else
  HP_EACH(i, UNITS * POINTS) {
    const int point = i % POINTS, unit = i / POINTS;
    tile[point * ROW + unit] = unit < GIVEN && begin + point < n ? from[(int64)unit * n + begin + point] : real(0);
  }
#endif
}

// The way back.
template <int K> HP_INLINE void put(const real *memory, int64 n, int64 begin, real *to) {
  const real *tile = memory + tile_at(K);
  constexpr int ROW = row_of(K), GIVEN = size_of(K);
#ifdef HP_SHUFFLES
  for (int unit = 0; unit < GIVEN; unit += LANES)
    for (int point = 0; point < POINTS; point += LANES) {
      vec v[LANES];
      HP_UNROLL for (int i = 0; i < LANES; ++i) v[i] = load(tile + (point + i) * ROW + unit, LANES);
      registers_to_records(v);
      const int left = GIVEN - unit < LANES ? GIVEN - unit : LANES;
      for (int i = 0; i < left; ++i) store_some(to + (int64)(unit + i) * n + begin + point, v[i], n - begin - point);
    }
#else
  HP_EACH(i, GIVEN * POINTS) {
    const int point = i % POINTS, unit = i / POINTS;
    if (begin + point < n) to[(int64)unit * n + begin + point] = tile[point * ROW + unit];
  }
#endif
}

template <int K> HP_INLINE void layer(const weights &net, real *memory) {
  typedef blocks<POINTS, padded(size_of(K))> cut;
  HP_EACH(item, cut::COUNT) {
    const int row = cut::row(item), column = cut::column(item);
    vec z[cut::ROWS][cut::COLUMNS];
    product<size_of(K - 1), row_of(K - 1), 1, padded(size_of(K)), cut::STEP>(memory + tile_at(K - 1) + row * row_of(K - 1),
                                                                             net.turned + weights_at(K) + column, z);
    real *to = memory + tile_at(K) + row * row_of(K) + column;
    HP_UNROLL for (int i = 0; i < cut::ROWS; ++i)
      HP_UNROLL for (int c = 0; c < cut::COLUMNS; ++c) {
        const vec a = z[i][c];
        store(to + i * row_of(K) + c * cut::STEP, K > DEPTH ? a : a < splat(0) ? splat(0) : a, LANES); // and what is not a number stays
      }
  }
  HP_TOGETHER;
}

// From g_K to the gradient of W_K, if it is asked for, and to g_{K-1}.  `first` starts the sum over tiles.
template <int K> HP_INLINE void backward(const weights &net, real *memory, real *sums, bool first, bool on) {
  const real *g = memory + tile_at(K);
  real *below = memory + tile_at(K - 1);
  constexpr int INNER = padded(size_of(K - 1)), ROW = row_of(K - 1);
  if (sums) {
    typedef blocks<size_of(K), INNER> cut;
    HP_EACH(item, cut::COUNT) {
      const int row = cut::row(item), column = cut::column(item);
      vec sum[cut::ROWS][cut::COLUMNS];
      product<POINTS, 1, row_of(K), ROW, cut::STEP>(g + row, below + column, sum);
      real *to = sums + weights_at(K) + row * INNER + column;
      HP_UNROLL for (int i = 0; i < cut::ROWS; ++i)
        HP_UNROLL for (int c = 0; c < cut::COLUMNS; ++c) {
          real *at = to + i * INNER + c * cut::STEP;
          store(at, first ? sum[i][c] : load(at, LANES) + sum[i][c], LANES);
        }
    }
    HP_TOGETHER;
  }
  if (!on) return;
  typedef blocks<POINTS, INNER> cut;
  HP_EACH(item, cut::COUNT) {
    const int row = cut::row(item), column = cut::column(item);
    vec by[cut::ROWS][cut::COLUMNS];
    product<size_of(K), row_of(K), 1, INNER, cut::STEP>(g + row * row_of(K), net.straight + weights_at(K) + column, by);
    real *to = below + row * ROW + column;
    HP_UNROLL for (int i = 0; i < cut::ROWS; ++i)
      HP_UNROLL for (int c = 0; c < cut::COLUMNS; ++c) {
        real *at = to + i * ROW + c * cut::STEP;
        const vec a = load(at, LANES);
        store(at, K > 1 ? (a <= splat(0) ? splat(0) : by[i][c]) : by[i][c], LANES);
      }
  }
  HP_TOGETHER;
}

// One tile: points begin .. begin + POINTS - 1 of n, arrays (rows, n).
struct perceptron_forward {
  static HP_INLINE void run(const weights &net, int64 n, int64 begin, const real *features, const real *, real *out, real *, bool, real *memory) {
    fetch<0>(features, n, begin, memory);
    HP_TOGETHER;
    unroll<DEPTH + 1>([&](auto k) { layer<decltype(k)::value + 1>(net, memory); });
    put<DEPTH + 1>(memory, n, begin, out);
    HP_TOGETHER;
  }
};
struct perceptron_adjoint {
  static HP_INLINE void run(const weights &net, int64 n, int64 begin, const real *features, const real *seed, real *out, real *sums, bool first,
                            real *memory) {
    fetch<0>(features, n, begin, memory);
    fetch<DEPTH + 1>(seed, n, begin, memory);
    HP_TOGETHER;
    unroll<DEPTH>([&](auto k) { layer<decltype(k)::value + 1>(net, memory); });
    unroll<DEPTH + 1>([&](auto k) {
      constexpr int K = DEPTH + 1 - decltype(k)::value;
      backward<K>(net, memory, sums, first, K > 1 || out);
    });
    if (out) put<0>(memory, n, begin, out);
    HP_TOGETHER;
  }
};

} // namespace hp
