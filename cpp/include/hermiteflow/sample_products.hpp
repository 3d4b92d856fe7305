// Products of a block of samples X (count, width) with few rows W (n, width): fields W X^T, and the
// sums C X that a gradient is made of. Few rows need no packing: a sample is read once for four of
// them. Knows lanes only. Rows are aligned, padded with zeros to a multiple of 8; samples to one
// of 24.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

// Rows `from` of float32 or float64, `stride` apart, as doubles with zeros behind: (block, width).
template <class T>
inline void fetch(const T* from, Index stride, Index rows, Index d, Index block, Index width,
                  double* to) {
  for (Index s = 0; s < rows; ++s, from += stride, to += width) {
    for (Index c = 0; c < d; ++c) to[c] = static_cast<double>(from[c]);
    for (Index c = d; c < width; ++c) to[c] = 0.0;
  }
  for (Index c = 0; c < (block - rows) * width; ++c) to[c] = 0.0;
}

class FewRows {
 public:
  static constexpr int most = 4;  // rows side by side

  Index n, count, width;
  const double* x;

  // out (n, count) = W X^T
  void fields(const double* w, double* out) const {
    for (Index begin = 0; begin < width; begin += chunk) {
      const Index length = width - begin < chunk ? width - begin : chunk;
      by_rows([&]<int I>(Index i) HF_SURE {
        for (Index s = 0; s < count; s += samples)
          dots<I>(w + i * width + begin, x + s * width + begin, length, begin == 0,
                  out + i * count + s);
      });
    }
  }

  // sums (n, width) += C X, C (n, count)
  void add(const double* c, double* sums) const {
    by_rows([&]<int I>(Index i) HF_SURE {
      Index q = 0;
      for (; q + strip * 8 <= width; q += strip * 8)
        add_strip<I, strip>(c + i * count, x + q, sums + i * width + q);
      for (; q < width; q += 8) add_strip<I, 1>(c + i * count, x + q, sums + i * width + q);
    });
  }

 private:
  using Row = Lane<packet_lanes>;
  static constexpr Index chunk = 1024;  // of a row: four of them stay in L1
  // as many sums as the registers hold
  static constexpr int samples = packet_lanes >= 8 ? 4 : 2, strip = packet_lanes >= 8 ? 4 : 1;

  template <class Work>
  HF_INLINE void by_rows(const Work& work) const {
    Index i = 0;
    for (; i + most <= n; i += most) work.template operator()<most>(i);
    switch (n - i) {
    case 3:
      return work.template operator()<3>(i);
    case 2:
      return work.template operator()<2>(i);
    case 1:
      return work.template operator()<1>(i);
    default:
      return;
    }
  }

  template <int I>
  void dots(const double* w, const double* at, Index length, bool first, double* out) const {
    Row sums[I][samples];
    for (auto& row : sums)
      for (auto& sum : row) sum = 0.0;
    for (Index c = 0; c < length; c += packet_lanes) {
      Row here[samples];
      for (int s = 0; s < samples; ++s) here[s] = load<packet_lanes>(at + s * width + c);
#pragma GCC unroll 4
      for (int i = 0; i < I; ++i) {
        const Row row = load<packet_lanes>(w + i * width + c);
#pragma GCC unroll 4
        for (int s = 0; s < samples; ++s) sums[i][s] = madd(row, here[s], sums[i][s]);
      }
    }
    for (int i = 0; i < I; ++i)
      for (int s = 0; s < samples; ++s) {
        double& to = out[i * count + s];
        to = first ? sums[i][s].sum() : to + sums[i][s].sum();
      }
  }

  template <int I, int Strip>
  void add_strip(const double* c, const double* at, double* to) const {
    Lane<8> sums[I][Strip];
    for (auto& row : sums)
      for (auto& sum : row) sum = 0.0;
    for (Index s = 0; s < count; ++s) {
      Lane<8> here[Strip];
      for (int r = 0; r < Strip; ++r) here[r] = load<8>(at + s * width + r * 8);
#pragma GCC unroll 4
      for (int i = 0; i < I; ++i) {
        const Lane<8> factor = c[i * count + s];
#pragma GCC unroll 4
        for (int r = 0; r < Strip; ++r) sums[i][r] = madd(factor, here[r], sums[i][r]);
      }
    }
    for (int i = 0; i < I; ++i)
      for (int r = 0; r < Strip; ++r) {
        double* const row = to + i * width + r * 8;
        store<8>(row, load<8>(row) + sums[i][r]);
      }
  }
};

}  // namespace hermiteflow::HF_ISA
