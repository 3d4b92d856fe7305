// Products of a block of samples X (count, width) with weights W (n, width): fields W X^T, and the
// sums C X that a gradient is made of. Of the samples nothing is packed but the block, which is
// fetched once, as doubles: a few rows of W at a time stay in L1, the block in L2. Knows lanes
// only. Rows are aligned and padded with zeros to a multiple of 8, samples to one of 24.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

// Rows of a block lie an odd number of cache lines apart: columns of it then meet in the caches.
constexpr Index pitch_of(Index width) { return width / 8 % 2 == 0 ? width + 8 : width; }

// Rows `from` of float32 or float64, `stride` apart, as doubles with zeros behind: (block, pitch).
template <class T>
inline void fetch(const T* from, Index stride, Index rows, Index d, Index block, Index pitch,
                  double* to) {
  for (Index s = 0; s < rows; ++s, from += stride, to += pitch) {
    for (Index c = 0; c < d; ++c) to[c] = static_cast<double>(from[c]);
    for (Index c = d; c < pitch; ++c) to[c] = 0.0;
  }
  for (Index c = 0; c < (block - rows) * pitch; ++c) to[c] = 0.0;
}

// Where the next block lies: it is called to the L2 cache while this one is multiplied.
struct Ahead {
  const char* at;  // null: nowhere
  Index stride, rows, item;

  HF_INLINE void call(Index s, Index column, Index columns) const {
    constexpr Index line = 64;
    const char* const from = at + s * stride + column * item;
    for (Index byte = 0; byte < columns * item; byte += line) __builtin_prefetch(from + byte, 0, 2);
  }
};

// W in panels of up to three registers of rows, column by column, zeros behind the last row.
constexpr Index panel = 3 * packet_lanes;

inline Index panel_rows(Index n, Index i) {
  const Index left = (n - i + packet_lanes - 1) / packet_lanes * packet_lanes;
  return left < panel ? left : panel;
}

inline void panels_of(const double* w, Index n, Index width, double* to) {
  for (Index i = 0; i < n; i += panel)
    for (Index c = 0, rows = panel_rows(n, i); c < width; ++c, to += rows)
      for (Index r = 0; r < rows; ++r) to[r] = i + r < n ? w[(i + r) * width + c] : 0.0;
}

class SampleProducts {
 public:
  Index n, count, width, pitch;
  const double* x;  // (count, pitch)

  // out (n, count) = W X^T
  void fields(const double* w, double* out) const {
    for (Index begin = 0; begin < width; begin += chunk) {
      const Index length = width - begin < chunk ? width - begin : chunk;
      by_rows([&]<int I, int Across>(Index i) HF_SURE {
        for (Index s = 0; s < count; s += Across)
          dots<I, Across>(w + i * width + begin, x + s * pitch + begin, length, begin == 0,
                          out + i * count + s);
      });
    }
  }

  // The same from the panels of W; `turned` (count, panel) is overwritten.
  void fields_of_panels(const double* panels, double* out, double* turned) const {
    for (Index i = 0; i < n; i += panel) {
      const double* const from = panels + i * width;
      const Index rows = panel_rows(n, i), real = n - i < rows ? n - i : rows;
      if (rows == panel)
        panel_fields<3>(from, turned);
      else if (rows == 2 * packet_lanes)
        panel_fields<2>(from, turned);
      else
        panel_fields<1>(from, turned);
      for (Index r = 0; r < real; ++r)
        for (Index s = 0; s < count; ++s) out[(i + r) * count + s] = turned[s * rows + r];
    }
  }

  // sums (n, width) += C X, C (n, count); `packed` (n, count) is overwritten
  void add(const double* c, double* packed, double* sums, const Ahead& ahead) const {
    const Index whole = n / high * high;
    constexpr Index step = 3 * packet_lanes;
    pack<high>(c, whole, packed);
    Index q = 0;
    for (; q + step <= width; q += step)  // a strip of X stays in L1 for all rows
      for (Index i = 0; i < whole; i += high) {
        const double* const factors = packed + i * count;
        double* const to = sums + i * width + q;
        if (ahead.at != nullptr)  // each group of rows calls its part, spread over its time
          add_strip<high, 3, true>(factors, q, to, ahead, i / high, whole / high);
        else
          add_strip<high, 3, false>(factors, q, to, ahead, 0, 1);
      }
    for (; q < width; q += packet_lanes)
      for (Index i = 0; i < whole; i += high)
        add_strip<high, 1, false>(packed + i * count, q, sums + i * width + q, ahead, 0, 1);
    rest(
        [&]<int I, int Across>(Index i) HF_SURE {
          double* const factors = packed + i * count;
          pack_rows<I>(c + i * count, factors);
          double* const to = sums + i * width;
          Index at = 0;
          for (; at + Across * packet_lanes <= width; at += Across * packet_lanes) {
            if (ahead.at != nullptr && i == 0)
              add_strip<I, Across, true>(factors, at, to + at, ahead, 0, 1);
            else
              add_strip<I, Across, false>(factors, at, to + at, ahead, 0, 1);
          }
          for (; at < width; at += packet_lanes)
            add_strip<I, 1, false>(factors, at, to + at, ahead, 0, 1);
        },
        whole);
  }

 private:
  using Row = Lane<packet_lanes>;
  static constexpr bool wide = packet_lanes >= 8;
  static constexpr int high = wide ? 8 : 4;  // rows of W at a time
  static constexpr Index chunk = 512;        // of a row: so many of them stay in L1
  static constexpr Index panel_chunk = 128;  // columns of a panel that stay in L1

  // work<I, Across>(i): I rows from row i, by Across samples or registers of a row, so that all
  // sums are in registers.
  template <class Work>
  HF_INLINE void by_rows(const Work& work) const {
    Index i = 0;
    for (; i + high <= n; i += high) work.template operator()<high, 3>(i);
    rest(work, i);
  }
  // The same for the rows from `i`, fewer than `high`.
  template <class Work>
  HF_INLINE void rest(const Work& work, Index i) const {
    constexpr int across = wide ? 6 : 3;
    if constexpr (wide)
      for (; i + 4 <= n; i += 4) work.template operator()<4, across>(i);
    switch (n - i) {
    case 3:
      return work.template operator()<3, across>(i);
    case 2:
      return work.template operator()<2, across>(i);
    case 1:
      return work.template operator()<1, across>(i);
    default:
      return;
    }
  }

  template <int I, int Across>
  void dots(const double* w, const double* at, Index length, bool first, double* out) const {
    Row sums[I][Across];
    for (auto& row : sums)
      for (auto& sum : row) sum = 0.0;
    for (Index c = 0; c < length; c += packet_lanes) {
      Row here[Across];
      for (int s = 0; s < Across; ++s) here[s] = load<packet_lanes>(at + s * pitch + c);
#pragma GCC unroll 8
      for (int i = 0; i < I; ++i) {
        const Row row = load<packet_lanes>(w + i * width + c);
#pragma GCC unroll 8
        for (int s = 0; s < Across; ++s) sums[i][s] = madd(row, here[s], sums[i][s]);
      }
    }
    for (int i = 0; i < I; ++i)
      for (int s = 0; s < Across; ++s) {
        double& to = out[i * count + s];
        to = first ? sums[i][s].sum() : to + sums[i][s].sum();
      }
  }

  // turned (count, R registers): `high` samples at a time
  template <int R>
  void panel_fields(const double* from, double* turned) const {
    constexpr Index rows = R * packet_lanes;
    for (Index begin = 0; begin < width; begin += panel_chunk) {
      const Index length = width - begin < panel_chunk ? width - begin : panel_chunk;
      for (Index s = 0; s < count; s += high) {
        const double* const at = x + s * pitch + begin;
        const double* w = from + begin * rows;
        double* const to = turned + s * rows;
        Row sums[high][R];
#pragma GCC unroll 8
        for (int i = 0; i < high; ++i)
#pragma GCC unroll 3
          for (int r = 0; r < R; ++r)
            sums[i][r] =
                begin == 0 ? Row(0.0) : load<packet_lanes>(to + i * rows + r * packet_lanes);
        for (Index c = 0; c < length; ++c, w += rows) {
          Row here[R];
#pragma GCC unroll 3
          for (int r = 0; r < R; ++r) here[r] = load<packet_lanes>(w + r * packet_lanes);
#pragma GCC unroll 8
          for (int i = 0; i < high; ++i) {
            const Row factor = at[i * pitch + c];
#pragma GCC unroll 3
            for (int r = 0; r < R; ++r) sums[i][r] = madd(factor, here[r], sums[i][r]);
          }
        }
#pragma GCC unroll 8
        for (int i = 0; i < high; ++i)
#pragma GCC unroll 3
          for (int r = 0; r < R; ++r)
            store<packet_lanes>(to + i * rows + r * packet_lanes, sums[i][r]);
      }
    }
  }

  // The factors of I rows sample by sample, so that one address leads to all of them.
  template <int I>
  HF_INLINE void pack_rows(const double* c, double* to) const {
    for (Index s = 0; s < count; ++s)
      for (int i = 0; i < I; ++i) to[s * I + i] = c[i * count + s];
  }
  template <int I>
  void pack(const double* c, Index rows, double* to) const {
    for (Index i = 0; i < rows; i += I) pack_rows<I>(c + i * count, to + i * count);
  }

  // sums of I rows, a strip of `Strip` registers, over all samples
  template <int I, int Strip, bool Calls>
  void add_strip(const double* c, Index column, double* to, const Ahead& ahead, Index group,
                 Index groups) const {
    const double* at = x + column;
    Row sums[I][Strip];
    for (auto& row : sums)
      for (auto& sum : row) sum = 0.0;
    for (int i = 0; i < I; ++i)  // wanted at the end
      for (int r = 0; r < Strip; ++r) __builtin_prefetch(to + i * width + r * packet_lanes, 1);
    Index next = group;
    for (Index s = 0; s < count; ++s) {
      if constexpr (Calls)
        if (s == next) {
          if (s < ahead.rows) ahead.call(s, column, Strip * packet_lanes);
          next += groups;
        }
      Row here[Strip];
      for (int r = 0; r < Strip; ++r) here[r] = load<packet_lanes>(at + r * packet_lanes);
#pragma GCC unroll 8
      for (int i = 0; i < I; ++i) {
        const Row factor = c[i];
#pragma GCC unroll 8
        for (int r = 0; r < Strip; ++r) sums[i][r] = madd(factor, here[r], sums[i][r]);
      }
      at += pitch;
      c += I;
    }
#pragma GCC unroll 8
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < Strip; ++r) {
        double* const row = to + i * width + r * packet_lanes;
        store<packet_lanes>(row, load<packet_lanes>(row) + sums[i][r]);
      }
  }
};

}  // namespace hermiteflow::HF_ISA
