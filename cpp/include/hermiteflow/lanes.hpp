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

// Lanes as the compiler's own vectors: comparisons give masks, and mask ? x : y has no branch.
template <int L>
struct Vectors {
  typedef double Real __attribute__((vector_size(8 * L)));
  typedef std::int64_t Whole __attribute__((vector_size(8 * L)));
};
template <int L>
using Real = typename Vectors<L>::Real;
template <int L>
using Whole = typename Vectors<L>::Whole;

template <int L>
inline Real<L> real(const Lane<L>& row) {
  Real<L> x;
  std::memcpy(&x, row.data(), sizeof x);
  return x;
}
template <int L>
inline Lane<L> lane(const Real<L>& x) {
  Lane<L> row;
  std::memcpy(row.data(), &x, sizeof x);
  return row;
}
template <int L>
inline Real<L> filled(double value) {
  return Real<L>{} + value;
}

// Two digits of a logarithm and an exponential are enough to choose a step size.
template <int L>
inline Real<L> rough_log2(const Real<L>& x) {  // x > 0
  const Whole<L> bits = (Whole<L>)x;
  const Real<L> m = (Real<L>)((bits & 0x000FFFFFFFFFFFFFLL) | 0x3FF0000000000000LL);
  return __builtin_convertvector((bits >> 52) - 1023, Real<L>) + (2.0 - m / 3.0) * m - 5.0 / 3.0;
}
template <int L>
inline Real<L> rough_exp2(const Real<L>& x) {  // |x| < 1000
  const Whole<L> whole = __builtin_convertvector(x + 1024.0, Whole<L>) - 1024;
  const Real<L> f = x - __builtin_convertvector(whole, Real<L>);
  return (Real<L>)((whole + 1023) << 52) * (1.0 + f * (0.6565 + 0.3435 * f));
}
// 1 / x to 0.3 %, x > 0: a straight line in the exponent and fraction, and a step of Newton.
template <int L>
inline Lane<L> rough_inverse(const Lane<L>& x) {
  const Real<L> value = real<L>(x);
  const Real<L> guess = (Real<L>)(0x7FDE623822FC16E6LL - (Whole<L>)value);
  return lane<L>(guess * (2.0 - value * guess));
}
inline double rough_inverse(double x) { return rough_inverse<1>(Lane<1>::Constant(x))[0]; }
inline double rough_log2(double x) { return rough_log2<1>(filled<1>(x))[0]; }

}  // namespace hermiteflow::HF_ISA
