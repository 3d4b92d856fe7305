// Products of small matrices whose rows are padded to whole registers, and transposes, without
// packing. Knows lanes only. An entry is one sum in the order of the depth, whatever is beside it.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

inline constexpr Index padded(Index n) {
  return (n + squared_lanes - 1) / squared_lanes * squared_lanes;
}

namespace small {

inline constexpr int L = static_cast<int>(squared_lanes);
// A tile of C: as many rows, and columns of L, as the registers hold.
inline constexpr int high = packet_lanes >= 4 ? 4 : 2;
inline constexpr int wide = packet_lanes >= 8 ? 4 : 1;

template <int R, int C>
HF_INLINE void tile(Index depth, const double* a, Index a_width, const double* b, Index b_width,
                    double* c, Index c_width, bool add) {
  Lane<L> sums[R][C];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int q = 0; q < C; ++q) sums[r][q] = add ? load<L>(c + r * c_width + q * L) : Lane<L>(0.0);
  for (Index l = 0; l < depth; ++l) {
    Lane<L> here[C];
#pragma GCC unroll 4
    for (int q = 0; q < C; ++q) here[q] = load<L>(b + l * b_width + q * L);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Lane<L> factor = a[r * a_width + l];
#pragma GCC unroll 4
      for (int q = 0; q < C; ++q) sums[r][q] = madd(factor, here[q], sums[r][q]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int q = 0; q < C; ++q) store<L>(c + r * c_width + q * L, sums[r][q]);
}

template <int R, int C>
HF_INLINE void strip(Index& i, Index rows, Index depth, const double* a, Index a_width,
                     const double* b, Index b_width, double* c, Index c_width, bool add) {
  for (; i + R <= rows; i += R)
    tile<R, C>(depth, a + i * a_width, a_width, b, b_width, c + i * c_width, c_width, add);
  if constexpr (R > 1) strip<R / 2, C>(i, rows, depth, a, a_width, b, b_width, c, c_width, add);
}

}  // namespace small

// C = A B, or C += A B: A (rows, depth), B (depth, columns); `columns` is a multiple of the lanes.
inline void small_product(Index rows, Index columns, Index depth, const double* a, Index a_width,
                          const double* b, Index b_width, double* c, Index c_width, bool add) {
  Index q = 0;
  for (; q + small::wide * small::L <= columns; q += small::wide * small::L) {
    Index i = 0;
    small::strip<small::high, small::wide>(i, rows, depth, a, a_width, b + q, b_width, c + q,
                                           c_width, add);
  }
  for (; q < columns; q += small::L) {
    Index i = 0;
    small::strip<small::high, 1>(i, rows, depth, a, a_width, b + q, b_width, c + q, c_width, add);
  }
}

// W rows of W numbers, zero from row `rows` on.
struct Square {
  static constexpr int W = packet_lanes;
  Eigen::internal::PacketBlock<Packet, W> part;
  HF_INLINE Square(const double* from, Index width, Index rows) {
    for (int r = 0; r < W; ++r)
      part.packet[r] = r < rows ? Eigen::internal::ploadu<Packet>(from + r * width)
                                : Eigen::internal::pset1<Packet>(0.0);
  }
  HF_INLINE void transpose() { Eigen::internal::ptranspose(part); }
  HF_INLINE void operator+=(const Square& other) {
    for (int r = 0; r < W; ++r)
      part.packet[r] = Eigen::internal::padd(part.packet[r], other.part.packet[r]);
  }
  HF_INLINE void store(double* to, Index width, Index rows) const {
    for (int r = 0; r < W; ++r)
      if (r < rows) Eigen::internal::pstoreu(to + r * width, part.packet[r]);
  }
};

// to (columns, to_width) = the transpose of the first columns of (rows, from_width), zeros behind.
inline void turn(const double* from, Index from_width, Index rows, Index columns, double* to,
                 Index to_width) {
  constexpr int W = packet_lanes;
  for (Index i = 0; i < to_width; i += W)
    for (Index j = 0; j < columns; j += W) {
      Square square(from + i * from_width + j, from_width, rows - i);
      square.transpose();
      square.store(to + j * to_width + i, to_width, columns - j);
    }
}

// Blocks (i, l) and (l, i) of a square matrix, each plus the transpose of the other.
inline void add_transposed(double* q, Index width, Index i, Index l, Index n) {
  Square low(q + i * width + l, width, n - i);
  Square high(q + l * width + i, width, n - l);
  high.transpose();
  low += high;
  low.store(q + i * width + l, width, n - i);
  if (i == l) return;
  low.transpose();
  low.store(q + l * width + i, width, n - l);
}

}  // namespace hermiteflow::HF_ISA
