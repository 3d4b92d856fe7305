// Matrix products C = diag(s) X + A B for the weights in R^d: blocks in cache, both factors packed,
// a tile of C in registers. Knows lanes only. An entry of C is one sum in the order of the depth,
// in blocks of fixed size: its bits do not depend on the rows beside it.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

// How B (depth, columns) lies in memory: by rows, or as the rows of its transpose.
enum class Layout { plain, transposed };

struct Product {
  // A tile of C: `high` rows by `wide` columns, as many as the registers hold.
  static constexpr int high = 12, wide = packet_lanes == 8 ? 16 : packet_lanes;
  // Packed at once: a block of A for the L2 cache, a strip of B for L1.
  static constexpr Index deep = 256, tall = 40 * high;

  Index rows, columns, depth;
  const double* a;  // (rows, depth)
  const double* b;  // (depth, columns), or (columns, depth) if transposed
  const double *s, *x;  // (rows,), (rows, columns); x null: nothing is added
  double* c;            // (rows, columns); may be x

  static Index memory() { return tall * deep + wide * deep + high * wide; }

  template <Layout B>
  void run(double* scratch) const {
    double *const block = scratch, *const strip = block + tall * deep;
    for (Index top = 0; top < rows; top += tall) {
      const Index count = least(tall, rows - top);
      const Index parts = (depth + deep - 1) / deep, part = (depth + parts - 1) / parts;
      for (Index l = 0; l < depth; l += part) {
        const Index length = least(part, depth - l);
        pack_rows(top, count, l, length, block);
        for (Index j = 0; j < columns; j += wide) {
          const Index width = least(wide, columns - j);
          if constexpr (B == Layout::plain)
            pack_strip(b + l * columns + j, length, width, strip);
          else
            turn<wide>(b + j * depth + l, depth, width, length, strip);
          for (Index i = 0; i < count; i += high)
            tile(top + i, j, least(high, count - i), width, length, l == 0, block + i * length,
                 strip);
        }
      }
    }
  }

 private:
  using Row = Lane<wide>;

  static Index least(Index x, Index y) { return x < y ? x : y; }

  // Rows of A, `high` at a time, side by side; zeros below the last.
  void pack_rows(Index top, Index count, Index l, Index length, double* to) const {
    for (Index i = 0; i < count; i += high, to += high * length)
      turn<high>(a + (top + i) * depth + l, depth, least(high, count - i), length, to);
  }
  // Columns of B side by side; zeros behind the last.
  void pack_strip(const double* from, Index length, Index width, double* to) const {
    if (width == wide) {
      for (Index q = 0; q < length; ++q, from += columns, to += wide)
        for (Index r = 0; r < wide; ++r) to[r] = from[r];
    } else {
      for (Index q = 0; q < length; ++q, from += columns, to += wide)
        for (Index r = 0; r < wide; ++r) to[r] = r < width ? from[r] : 0.0;
    }
  }
  // to (length, Side) = the transpose of `real` rows (of length) and zeros; a cache line at a time.
  template <int Side>
  static void turn(const double* from, Index stride, Index real, Index length, double* to) {
    constexpr Index line = 8;
    for (Index q = 0; q < length; q += line) {
      const Index count = least(line, length - q);
      for (Index r = 0; r < Side; ++r) {
        const double* const row = from + r * stride + q;
        double* const column = to + q * Side + r;
        if (r >= real) {
          for (Index u = 0; u < count; ++u) column[u * Side] = 0.0;
        } else if (count == line) {
#pragma GCC unroll 8
          for (Index u = 0; u < line; ++u) column[u * Side] = row[u];
        } else {
          for (Index u = 0; u < count; ++u) column[u * Side] = row[u];
        }
      }
    }
  }

  void tile(Index i, Index j, Index count, Index width, Index length, bool first,
            const double* left, const double* right) const {
    Row sums[high];
    for (auto& sum : sums) sum = 0.0;
    for (Index q = 0; q < length; ++q) {
      const Row here = load<wide>(right + q * wide);
#pragma GCC unroll 16
      for (int r = 0; r < high; ++r) sums[r] = madd(left[q * high + r], here, sums[r]);
    }
    alignas(64) double out[high * wide];
#pragma GCC unroll 16
    for (int r = 0; r < high; ++r) store<wide>(out + r * wide, sums[r]);
    for (Index r = 0; r < count; ++r) {
      double* const to = c + (i + r) * columns + j;
      const double* const sum = out + r * wide;
      if (!first) {
        for (Index q = 0; q < width; ++q) to[q] += sum[q];
      } else if (x != nullptr) {
        const double factor = s[i + r];
        const double* const add = x + (i + r) * columns + j;
        for (Index q = 0; q < width; ++q) to[q] = factor * add[q] + sum[q];
      } else {
        for (Index q = 0; q < width; ++q) to[q] = sum[q];
      }
    }
  }
};

}  // namespace hermiteflow::HF_ISA
