// SIMD lanes: one lane is one neuron, one row of a tile is one coordinate of L neurons.
// Everything here is compiled once per instruction set, in the namespace HF_ISA.
#pragma once

#include <cstdint>
#include <cstring>

#include <Eigen/Core>

#ifndef HF_ISA
#define HF_ISA generic
#endif

namespace hermiteflow::HF_ISA {

template <int L>
using Lane = Eigen::Array<double, L, 1>;
template <int L>
using LaneMask = Eigen::Array<bool, L, 1>;

template <int L>
inline Lane<L> load(const double* row) {
  return Eigen::Map<const Lane<L>, Eigen::Aligned64>(row);
}

template <int L, class Expression>
inline void store(double* row, const Expression& value) {
  Eigen::Map<Lane<L>, Eigen::Aligned64>{row} = value;
}

// The value as it is, rounded: a product is not fused with a sum that follows, in no lane.
template <int L, class Expression>
inline Lane<L> rounded(const Expression& value) {
  Lane<L> x = value;
  asm volatile("" : "+m"(x));
  return x;
}

// Weighted sum of the first I derivatives, in one row or of lanes; weights of zero cost nothing.
template <int L, int I, int N>
inline Lane<L> combine(const double (&weights)[N], double* const* rows_of, std::int64_t r) {
  Lane<L> sum = weights[0] * load<L>(rows_of[0] + r * L);
  for (int j = 1; j < I; ++j)
    if (weights[j] != 0.0) sum += weights[j] * load<L>(rows_of[j] + r * L);
  return sum;
}
template <int L, int I, int N>
inline Lane<L> combine(const double (&weights)[N], const Lane<L>* of) {
  Lane<L> sum = weights[0] * of[0];
  for (int j = 1; j < I; ++j)
    if (weights[j] != 0.0) sum += weights[j] * of[j];
  return sum;
}

// Two digits of a logarithm and an exponential are enough to choose a step size.
inline double rough_log2(double x) {
  std::uint64_t u;
  std::memcpy(&u, &x, 8);
  const double exponent = static_cast<double>(static_cast<std::int64_t>(u >> 52) - 1023);
  u = (u & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL;
  double m;
  std::memcpy(&m, &u, 8);
  return exponent + (2.0 - m / 3.0) * m - 5.0 / 3.0;
}

inline double rough_exp2(double x) {  // |x| < 1000
  const std::int64_t whole = static_cast<std::int64_t>(x + 1024.0) - 1024;
  const double f = x - static_cast<double>(whole);
  const std::uint64_t u = static_cast<std::uint64_t>(whole + 1023) << 52;
  double power;
  std::memcpy(&power, &u, 8);
  return power * (1.0 + f * (0.6565 + 0.3435 * f));
}

}  // namespace hermiteflow::HF_ISA
