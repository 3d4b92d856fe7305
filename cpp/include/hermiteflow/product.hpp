// Matrix products C = diag(s) X + A B for the weights in R^d: blocks in cache, both factors packed,
// a tile of C in registers. Knows lanes only. An entry of C is one sum in the order of the depth,
// cut at places that depend on the depth alone: its bits do not depend on the rows beside it.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

// How B (depth, columns) lies in memory: by rows, or as the rows of its transpose.
enum class Layout { plain, transposed };

struct Product {
  static constexpr int registers = 3;  // of a row of a tile
  // A tile of C: `high` rows by `wide` columns, as many as the registers hold.
  static constexpr int high = packet_lanes >= 4 ? packet_lanes : 4, wide = registers * packet_lanes;
  // Packed at once: a block of A for the L2 cache, a strip of B for L1.
  static constexpr Index deep = 256, tall = 48 * high;

  Index rows, columns, depth;
  const double* a;      // (rows, depth)
  const double* b;      // (depth, columns), or (columns, depth) if transposed
  const double *s, *x;  // (rows,), (rows, columns); x null: nothing is added
  double* c;            // (rows, columns); may be x
  // from row to row in memory, where rows lie apart
  Index a_stride = depth, b_stride = 0, c_stride = columns;  // c's is also that of x

  static constexpr Index memory() { return (tall + wide) * deep; }  // doubles, aligned

  template <Layout B>
  void run(double* scratch) const {
    double *const block = scratch, *const strip = block + tall * deep;
    const Index b_step = b_stride > 0 ? b_stride : (B == Layout::plain ? columns : depth);
    const Index parts = (depth + deep - 1) / deep, part = (depth + parts - 1) / parts;
    for (Index top = 0; top < rows; top += tall) {
      const Index count = least(tall, rows - top);
      for (Index l = 0; l < depth; l += part) {
        const Index length = least(part, depth - l);
        for (Index i = 0; i < count; i += high)
          turn<high>(a + (top + i) * a_stride + l, a_stride, least(high, count - i), length,
                     block + i * length);
        for (Index j = 0; j < columns; j += wide) {
          const Index width = least(wide, columns - j);
          if constexpr (B == Layout::plain)
            copy(b + l * b_step + j, b_step, length, width, strip);
          else
            turn<wide>(b + j * b_step + l, b_step, width, length, strip);
          for (Index i = 0; i < count; i += high)
            tile(top + i, j, least(high, count - i), width, length, l == 0, block + i * length,
                 strip);
        }
      }
    }
  }

 private:
  using Row = Lane<packet_lanes>;
  static constexpr int W = packet_lanes;

  static Index least(Index x, Index y) { return x < y ? x : y; }

  // to (length, wide) = `width` columns of B and zeros behind them.
  static void copy(const double* from, Index stride, Index length, Index width, double* to) {
    for (Index q = 0; q < length; ++q, from += stride, to += wide) {
      if (width == wide) {
        for (int r = 0; r < registers; ++r) store<W>(to + r * W, Row::load<false>(from + r * W));
      } else {
        for (Index r = 0; r < wide; ++r) to[r] = r < width ? from[r] : 0.0;
      }
    }
  }

  // to (length, Side) = the transpose of `real` rows (of `length`) and zeros behind them.
  template <int Side>
  static void turn(const double* from, Index stride, Index real, Index length, double* to) {
    for (Index r = 0; r < Side; r += W) {
      Index q = 0;
      for (; r + W <= real && q + W <= length; q += W) {
        Eigen::internal::PacketBlock<Packet, W> square;
        for (int i = 0; i < W; ++i)
          square.packet[i] = Eigen::internal::ploadu<Packet>(from + (r + i) * stride + q);
        Eigen::internal::ptranspose(square);
        for (int i = 0; i < W; ++i)
          Eigen::internal::pstoreu(to + (q + i) * Side + r, square.packet[i]);
      }
      for (; q < length; ++q)
        for (Index i = r; i < r + W; ++i) to[q * Side + i] = i < real ? from[i * stride + q] : 0.0;
    }
  }

  void tile(Index i, Index j, Index count, Index width, Index length, bool first,
            const double* left, const double* right) const {
    const double* const source = first && x != nullptr ? x : c;
    for (Index r = 0; r < count; ++r)  // wanted after the sums
      for (Index q = 0; q < width; q += 8) {
        const Index at = (i + r) * c_stride + j + q;
        __builtin_prefetch(source + at);
        if (source != c) __builtin_prefetch(c + at, 1);
      }
    Row sums[high][registers];
    for (auto& row : sums)
      for (auto& sum : row) sum = 0.0;
    for (Index l = 0; l < length; ++l) {
      Row here[registers];
      for (int q = 0; q < registers; ++q) here[q] = load<W>(right + l * wide + q * W);
#pragma GCC unroll 16
      for (int r = 0; r < high; ++r) {
        const Row factor = left[l * high + r];
        for (int q = 0; q < registers; ++q) sums[r][q] = madd(factor, here[q], sums[r][q]);
      }
    }
    if (width == wide) {
#pragma GCC unroll 16
      for (int r = 0; r < high; ++r)
        if (r < count)
          for (int q = 0; q < registers; ++q)
            finish((i + r) * c_stride + j + q * W, i + r, first, sums[r][q]);
      return;
    }
    for (Index r = 0; r < count; ++r)
      for (Index q = 0; q < width; ++q) {
        const Index at = (i + r) * c_stride + j + q;
        const double before = first ? (x != nullptr ? s[i + r] * x[at] : 0.0) : c[at];
        c[at] = before + sums[r][q / W][static_cast<int>(q % W)];
      }
  }
  HF_INLINE void finish(Index at, Index row, bool first, const Row& sum) const {
    if (!first)
      (Row::load<false>(c + at) + sum).store<false>(c + at);
    else if (x != nullptr)
      (s[row] * Row::load<false>(x + at) + sum).store<false>(c + at);
    else
      sum.store<false>(c + at);
  }
};

}  // namespace hermiteflow::HF_ISA
