// Jets through all layers of a narrow network, a tile of points at a time, with every activation on chip.
//
//     a_0 = features,   z_k = W_k a_{k-1},   a_k = jet of s(omega (z_k + b_k)),   out = W a_DEPTH + b
//
// in all channels of activation.cuh.  The adjoint keeps a_0 .. a_{DEPTH-1} of its tile and computes every z_k again from them:
//     gz_k = adjoint(z_k, ga_k),   gW_k += gz_k a_{k-1}^T,   gb_k += gz_k (channel 0),   ga_{k-1} = W_k^T gz_k.
// gz_k takes the place of ga_k, and ga_{k-1} that of a_{k-1} as soon as gW_k is done.  A team, the threads of a CUDA block or one
// thread of a CPU, shares a tile; an item of work is ROWS units at COLUMNS registers of points with all their channels, so that
// the activation sees whole jets in registers.  Sizes are padded with zeros to multiples of 8.
#pragma once
#include "activation.cuh"
#include "team.cuh"

namespace hp {

constexpr int padded(int n) { return (n + 7) / 8 * 8; }
constexpr int DEPTH = HP_DEPTH, INPUTS = padded(HP_INPUTS), WIDTH = padded(HP_WIDTH), OUTPUTS = HP_OUTPUTS;
constexpr int ROWS = HP_ROWS, COLUMNS = HP_COLUMNS, SIDE = HP_SIDE, POINTS = HP_POINTS;
constexpr int GROUPS = POINTS / (COLUMNS * LANES);

// Parameters: W_1, b_1, .., W_DEPTH, b_DEPTH, W, b, rows by output unit; transposed: W_1^T, .., W_DEPTH^T.
constexpr int inputs_of(int k) { return k == 1 ? INPUTS : WIDTH; }
constexpr int weights_at(int k) { return k == 1 ? 0 : WIDTH * (INPUTS + 1) + (k - 2) * WIDTH * (WIDTH + 1); }
constexpr int bias_at(int k) { return weights_at(k) + (k > DEPTH ? OUTPUTS * WIDTH : WIDTH * inputs_of(k)); }
constexpr int transposed_at(int k) { return k == 1 ? 0 : WIDTH * (INPUTS + (k - 2) * WIDTH); }
constexpr int PARAMETERS = bias_at(DEPTH + 1) + OUTPUTS;

// Where (unit, channel, group, column) of a tile lies.  On a GPU points are innermost and rows are odd, so that neither threads at
// neighbouring points nor threads at neighbouring units meet in a bank; on a CPU the rows of a group are one after another.
#ifdef __CUDACC__
constexpr int CHANNEL = POINTS, UNIT = CHANNELS * POINTS | 1, GROUP = 1, STEP = GROUPS;
constexpr int POINT_GROUP = 1, POINT_STEP = GROUPS;
constexpr int space(int rows) { return rows * UNIT; }
#else
constexpr int CHANNEL = COLUMNS * LANES, UNIT = CHANNELS * CHANNEL, STEP = LANES;
constexpr int GROUP = UNIT * (WIDTH > INPUTS ? WIDTH : INPUTS);
constexpr int POINT_GROUP = COLUMNS * LANES, POINT_STEP = LANES;
constexpr int space(int) { return GROUP * GROUPS; }
#endif

// On chip: a_0 .. a_DEPTH, the gradient of the outputs, and sums over the channels for the gradient of W.
constexpr int layer_at(int k) { return k == 0 ? 0 : space(INPUTS) + (k - 1) * space(WIDTH); }
constexpr int SEED = layer_at(DEPTH + 1), SUMS = SEED + space(OUTPUTS), MEMORY = SUMS + OUTPUTS * WIDTH * GROUPS * LANES;

struct network {
  const real *parameters, *transposed;
  real omega;
};

// acc[i] = sum_j w[j OUTER + i] a_j for ROWS units.
template <int INNER, int OUTER> HP_INLINE void product(const real *w, const real *a, vec (&acc)[ROWS][CHANNELS][COLUMNS]) {
  HP_UNROLL for (int i = 0; i < ROWS; ++i)
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
      HP_UNROLL for (int q = 0; q < COLUMNS; ++q) acc[i][c][q] = splat(0);
#ifdef __CUDACC__
#pragma unroll 4
#else
#pragma GCC unroll 1
#endif
  for (int j = 0; j < INNER; ++j) {
    real s[ROWS];
    load_row(w + j * OUTER, s);
    HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
      HP_UNROLL for (int q = 0; q < COLUMNS; ++q) {
        const vec v = load(a + j * UNIT + c * CHANNEL + q * STEP, LANES);
        HP_UNROLL for (int i = 0; i < ROWS; ++i) acc[i][c][q] += splat(s[i]) * v;
      }
  }
}

// Item of work number i among `units` units: neighbouring threads take neighbouring points, a CPU finishes a group first.
HP_INLINE void place(int i, int units, int &unit, int &group) {
#ifdef __CUDACC__
  group = i % GROUPS;
  unit = i / GROUPS * ROWS;
#else
  group = i / (units / ROWS);
  unit = i % (units / ROWS) * ROWS;
#endif
}

// A tile of (HP_ROWS_GIVEN, CHANNELS, n) in memory; rows beyond `given` are zero.
template <int TOTAL> HP_INLINE void fetch(const real *from, int given, int64 n, int64 begin, real *tile) {
  HP_EACH(i, TOTAL * CHANNELS * GROUPS * COLUMNS) {
    const int g = i % GROUPS, q = i / GROUPS % COLUMNS, c = i / (GROUPS * COLUMNS) % CHANNELS, row = i / (GROUPS * COLUMNS * CHANNELS);
    const int64 point = begin + g * POINT_GROUP + q * POINT_STEP;
    const vec v = row < given ? load_some(from + ((int64)row * CHANNELS + c) * n + point, n - point) : splat(0);
    store(tile + row * UNIT + c * CHANNEL + g * GROUP + q * STEP, v, LANES);
  }
}

template <int K> HP_INLINE void hidden(const network &net, real *memory) {
  HP_EACH(item, WIDTH / ROWS * GROUPS) {
    int unit, group;
    place(item, WIDTH, unit, group);
    vec z[ROWS][CHANNELS][COLUMNS];
    product<inputs_of(K), WIDTH>(net.transposed + transposed_at(K) + unit, memory + layer_at(K - 1) + group * GROUP, z);
    real *to = memory + layer_at(K) + unit * UNIT + group * GROUP;
    HP_UNROLL for (int i = 0; i < ROWS; ++i)
      HP_UNROLL for (int q = 0; q < COLUMNS; ++q) {
        vec jet[CHANNELS], a[CHANNELS];
        HP_UNROLL for (int c = 0; c < CHANNELS; ++c) jet[c] = z[i][c][q];
        forward::apply(unit_jet(jet, net.parameters[bias_at(K) + unit + i], net.omega), a);
        HP_UNROLL for (int c = 0; c < CHANNELS; ++c) store(to + i * UNIT + c * CHANNEL + q * STEP, a[c], LANES);
      }
  }
  HP_TOGETHER;
}

// Sums over the points of a tile.  `first` starts the sum over tiles.
HP_INLINE void put(real *sum, real value, bool first) { *sum = first ? value : *sum + value; }

HP_INLINE real total_of_row(const real *row) {
  vec sum = splat(0);
  for (int g = 0; g < GROUPS; ++g)
    for (int q = 0; q < COLUMNS; ++q) sum += load(row + g * GROUP + q * STEP, LANES);
  vec one[1] = {sum};
  real total[1];
  totals(one, total);
  return total[0];
}

// sum[u][j] += sum over channels and points of gz_u a_j, in squares of SIDE by SIDE.
template <int UNITS, int INNER> HP_INLINE void outer(const real *gz, const real *a, real *sum, bool first) {
  constexpr int ACROSS = INNER / SIDE, DOWN = UNITS / SIDE;
  HP_EACH(item, ACROSS * DOWN) {
    const int j = item % ACROSS, u = item / ACROSS; // every ACROSS-th column: neighbouring threads read neighbouring rows
    vec acc[SIDE * SIDE];
    HP_UNROLL for (int i = 0; i < SIDE * SIDE; ++i) acc[i] = splat(0);
    for (int g = 0; g < GROUPS; ++g)
      for (int c = 0; c < CHANNELS; ++c)
        for (int q = 0; q < COLUMNS; ++q) {
          const int at = c * CHANNEL + g * GROUP + q * STEP;
          vec left[SIDE], right[SIDE];
          HP_UNROLL for (int i = 0; i < SIDE; ++i) {
            left[i] = load(gz + (u + DOWN * i) * UNIT + at, LANES);
            right[i] = load(a + (j + ACROSS * i) * UNIT + at, LANES);
          }
          HP_UNROLL for (int i = 0; i < SIDE; ++i)
            HP_UNROLL for (int k = 0; k < SIDE; ++k) acc[i * SIDE + k] += left[i] * right[k];
        }
    real square[SIDE * SIDE];
    totals(acc, square);
    HP_UNROLL for (int i = 0; i < SIDE; ++i)
      HP_UNROLL for (int k = 0; k < SIDE; ++k) put(sum + (u + DOWN * i) * INNER + j + ACROSS * k, square[i * SIDE + k], first);
  }
}

// From ga_K (for the last layer from the gradient of the outputs) to gz_K, in place, and to the gradients of layer K.
template <int K> HP_INLINE void backward(const network &net, real *memory, real *sums, bool first, int64 n, int64 begin, real *out) {
  real *mine = memory + layer_at(K), *below = memory + layer_at(K - 1), *seed = memory + SEED;
  HP_EACH(item, WIDTH / ROWS * GROUPS) {
    int unit, group;
    place(item, WIDTH, unit, group);
    vec z[ROWS][CHANNELS][COLUMNS], ga[ROWS][CHANNELS][COLUMNS];
    product<inputs_of(K), WIDTH>(net.transposed + transposed_at(K) + unit, below + group * GROUP, z);
    real *to = mine + unit * UNIT + group * GROUP;
    if constexpr (K == DEPTH) product<OUTPUTS, WIDTH>(net.parameters + weights_at(DEPTH + 1) + unit, seed + group * GROUP, ga);
    HP_UNROLL for (int i = 0; i < ROWS; ++i) {
      vec by_readout[OUTPUTS];
      HP_UNROLL for (int o = 0; o < OUTPUTS; ++o) by_readout[o] = splat(0);
      HP_UNROLL for (int q = 0; q < COLUMNS; ++q) {
        vec jet[CHANNELS], g[CHANNELS], r[CHANNELS];
        HP_UNROLL for (int c = 0; c < CHANNELS; ++c) {
          jet[c] = z[i][c][q];
          if constexpr (K == DEPTH)
            g[c] = ga[i][c][q];
          else
            g[c] = load(to + i * UNIT + c * CHANNEL + q * STEP, LANES);
        }
        const unit_jet u(jet, net.parameters[bias_at(K) + unit + i], net.omega);
        adjoint::apply(u, g, r);
        HP_UNROLL for (int c = 0; c < CHANNELS; ++c) store(to + i * UNIT + c * CHANNEL + q * STEP, r[c], LANES);
        if constexpr (K == DEPTH) {
          vec a[CHANNELS];
          forward::apply(u, a);
          HP_UNROLL for (int o = 0; o < OUTPUTS; ++o)
            HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
              by_readout[o] += load(seed + o * UNIT + c * CHANNEL + group * GROUP + q * STEP, LANES) * a[c];
        }
      }
      if constexpr (K == DEPTH)
        HP_UNROLL for (int o = 0; o < OUTPUTS; ++o)
          store(memory + SUMS + ((o * WIDTH + unit + i) * GROUPS + group) * LANES, by_readout[o], LANES);
    }
  }
  HP_TOGETHER;
  if constexpr (K == DEPTH) {
    HP_EACH(i, OUTPUTS * WIDTH) {
      vec sum[1] = {splat(0)};
      for (int g = 0; g < GROUPS; ++g) sum[0] += load(memory + SUMS + (i * GROUPS + g) * LANES, LANES);
      real total[1];
      totals(sum, total);
      put(sums + weights_at(DEPTH + 1) + i, total[0], first);
    }
    HP_EACH(o, OUTPUTS) put(sums + bias_at(DEPTH + 1) + o, total_of_row(seed + o * UNIT), first);
  }
  HP_EACH(u, WIDTH) put(sums + bias_at(K) + u, total_of_row(mine + u * UNIT), first);
  outer<WIDTH, inputs_of(K)>(mine, below, sums + weights_at(K), first);
  HP_TOGETHER;
  HP_EACH(item, inputs_of(K) / ROWS * GROUPS) {
    int unit, group;
    place(item, inputs_of(K), unit, group);
    vec ga[ROWS][CHANNELS][COLUMNS];
    product<WIDTH, inputs_of(K)>(net.parameters + weights_at(K) + unit, mine + group * GROUP, ga);
    HP_UNROLL for (int i = 0; i < ROWS; ++i)
      HP_UNROLL for (int c = 0; c < CHANNELS; ++c)
        HP_UNROLL for (int q = 0; q < COLUMNS; ++q) {
          const int64 point = begin + group * POINT_GROUP + q * POINT_STEP;
          if constexpr (K > 1)
            store(below + (unit + i) * UNIT + c * CHANNEL + group * GROUP + q * STEP, ga[i][c][q], LANES);
          else if (unit + i < HP_INPUTS)
            store_some(out + ((int64)(unit + i) * CHANNELS + c) * n + point, ga[i][c][q], n - point);
        }
  }
  HP_TOGETHER;
}

// One tile: points begin .. begin + POINTS - 1 of n, arrays (rows, CHANNELS, n).
struct network_forward {
  static HP_INLINE void run(const network &net, int64 n, int64 begin, const real *features, const real *, real *out, real *, bool, real *memory) {
    fetch<INPUTS>(features, HP_INPUTS, n, begin, memory);
    HP_TOGETHER;
    unroll<DEPTH>([&](auto k) { hidden<decltype(k)::value + 1>(net, memory); });
    HP_EACH(i, OUTPUTS * CHANNELS * GROUPS * COLUMNS) {
      const int g = i % GROUPS, q = i / GROUPS % COLUMNS, c = i / (GROUPS * COLUMNS) % CHANNELS, o = i / (GROUPS * COLUMNS * CHANNELS);
      const real *w = net.parameters + weights_at(DEPTH + 1) + o * WIDTH, *a = memory + layer_at(DEPTH) + c * CHANNEL + g * GROUP + q * STEP;
      vec sum[4];
      HP_UNROLL for (int k = 0; k < 4; ++k) sum[k] = splat(0);
      for (int j = 0; j < WIDTH; j += 4) HP_UNROLL for (int k = 0; k < 4; ++k) sum[k] += splat(w[j + k]) * load(a + (j + k) * UNIT, LANES);
      const vec bias = splat(c == 0 ? net.parameters[bias_at(DEPTH + 1) + o] : real(0));
      const int64 point = begin + g * POINT_GROUP + q * POINT_STEP;
      store_some(out + ((int64)o * CHANNELS + c) * n + point, (sum[0] + sum[1]) + (sum[2] + sum[3]) + bias, n - point);
    }
    HP_TOGETHER;
  }
};
struct network_adjoint {
  static HP_INLINE void run(const network &net, int64 n, int64 begin, const real *features, const real *weights, real *out, real *sums, bool first,
                            real *memory) {
    fetch<INPUTS>(features, HP_INPUTS, n, begin, memory);
    fetch<OUTPUTS>(weights, OUTPUTS, n, begin, memory + SEED);
    HP_TOGETHER;
    unroll<DEPTH - 1>([&](auto k) { hidden<decltype(k)::value + 1>(net, memory); });
    unroll<DEPTH>([&](auto k) { backward<DEPTH - decltype(k)::value>(net, memory, sums, first, n, begin, out); });
  }
};

} // namespace hp
