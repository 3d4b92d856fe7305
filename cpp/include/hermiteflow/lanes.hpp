// SIMD lanes: one lane is one neuron, one row of a tile is one coordinate of L neurons.
// Everything here is compiled once per instruction set, in the namespace HF_ISA, and without
// contraction: a product is fused with a sum where madd says so, in every lane alike.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include <Eigen/Core>

#ifndef HF_ISA
#define HF_ISA generic
#endif

#ifdef HF_MAY_CALL  // sanitizers: what is inlined everywhere takes them too long
#define HF_INLINE inline
#define HF_SURE
#else
#define HF_INLINE inline __attribute__((always_inline))
#define HF_SURE __attribute__((always_inline))  // of a lambda
#endif

namespace hermiteflow::HF_ISA {

using Packet = Eigen::internal::packet_traits<double>::type;  // one register
inline constexpr int packet_lanes = Eigen::internal::unpacket_traits<Packet>::size;

template <int L>
struct Lane;
template <int L, bool Single = (L <= packet_lanes)>
struct LaneStorage {
  Lane<L / 2> low, high;
};
template <int L>
struct LaneStorage<L, true> {
  std::conditional_t<L == packet_lanes, Packet, double> part;
};

// L doubles: registers side by side and no array of them, so that the compiler keeps each in one.
template <int L>
struct Lane : LaneStorage<L> {
  static constexpr bool single = L <= packet_lanes;
  static_assert(!single || L == packet_lanes || L == 1);
  typedef double Element __attribute__((may_alias));

  Lane() = default;
  // by registers: copies of whole objects would pass through memory
  HF_INLINE Lane(const Lane& x) { *this = x; }
  HF_INLINE Lane& operator=(const Lane& x) {
    if constexpr (single) {
      this->part = x.part;
    } else {
      this->low = x.low;
      this->high = x.high;
    }
    return *this;
  }
  HF_INLINE Lane(double x) {
    if constexpr (single)
      this->part = Eigen::internal::pset1<decltype(this->part)>(x);
    else
      this->low = this->high = Lane<L / 2>(x);
  }
  // A row is aligned for every instruction set, unless said otherwise.
  template <bool aligned = true>
  HF_INLINE static Lane load(const double* row) {
    Lane x;
    if constexpr (single) {
      constexpr int alignment = aligned ? Eigen::Aligned64 : Eigen::Unaligned;
      x.part = Eigen::internal::ploadt<decltype(x.part), alignment>(row);
    } else {
      x.low = Lane<L / 2>::template load<aligned>(row);
      x.high = Lane<L / 2>::template load<aligned>(row + L / 2);
    }
    return x;
  }
  template <bool aligned = true>
  HF_INLINE void store(double* row) const {
    if constexpr (single) {
      constexpr int alignment = aligned ? Eigen::Aligned64 : Eigen::Unaligned;
      Eigen::internal::pstoret<double, decltype(this->part), alignment>(row, this->part);
    } else {
      this->low.template store<aligned>(row);
      this->high.template store<aligned>(row + L / 2);
    }
  }
  // F::of for each register of the arguments.
  template <class F, class... Lanes>
  HF_INLINE static Lane map(const Lanes&... x) {
    Lane result;
    if constexpr (single) {
      result.part = F::of(x.part...);
    } else {
      result.low = Lane<L / 2>::template map<F>(x.low...);
      result.high = Lane<L / 2>::template map<F>(x.high...);
    }
    return result;
  }

  HF_INLINE Element* data() { return reinterpret_cast<Element*>(this); }
  HF_INLINE const Element* data() const { return reinterpret_cast<const Element*>(this); }
  HF_INLINE Element& operator[](int l) { return data()[l]; }
  HF_INLINE double operator[](int l) const { return data()[l]; }

#define HF_LANE_FUNCTION(Name, function)                                                           \
  struct Name {                                                                                    \
    template <class... Registers>                                                                  \
    HF_INLINE static auto of(const Registers&... x) {                                              \
      return Eigen::internal::function(x...);                                                      \
    }                                                                                              \
  };
  HF_LANE_FUNCTION(Plus, padd)
  HF_LANE_FUNCTION(Minus, psub)
  HF_LANE_FUNCTION(Times, pmul)
  HF_LANE_FUNCTION(Over, pdiv)
  HF_LANE_FUNCTION(Fused, pmadd)
  HF_LANE_FUNCTION(Abs, pabs)
  HF_LANE_FUNCTION(Root, psqrt)
  HF_LANE_FUNCTION(Larger, pmax)
  HF_LANE_FUNCTION(Smaller, pmin)
#undef HF_LANE_FUNCTION
  struct Choice {
    template <class Register>
    HF_INLINE static Register of(const Register& x, const Register& y, const Register& yes,
                                 const Register& no) {
      return Eigen::internal::pselect(Eigen::internal::pcmp_lt(x, y), yes, no);
    }
  };

  HF_INLINE friend Lane operator+(const Lane& x, const Lane& y) { return map<Plus>(x, y); }
  HF_INLINE friend Lane operator-(const Lane& x, const Lane& y) { return map<Minus>(x, y); }
  HF_INLINE friend Lane operator*(const Lane& x, const Lane& y) { return map<Times>(x, y); }
  HF_INLINE friend Lane operator/(const Lane& x, const Lane& y) { return map<Over>(x, y); }
  HF_INLINE Lane& operator+=(const Lane& x) { return *this = *this + x; }
  HF_INLINE Lane& operator-=(const Lane& x) { return *this = *this - x; }
  HF_INLINE Lane& operator*=(const Lane& x) { return *this = *this * x; }
  HF_INLINE Lane abs() const { return map<Abs>(*this); }
  HF_INLINE Lane sqrt() const { return map<Root>(*this); }
  HF_INLINE Lane max(const Lane& x) const { return map<Larger>(*this, x); }
  HF_INLINE Lane min(const Lane& x) const { return map<Smaller>(*this, x); }
  HF_INLINE Lane inverse() const { return Lane(1.0) / *this; }
  // x y + z with one rounding, where the instruction set has it
  HF_INLINE friend Lane madd(const Lane& x, const Lane& y, const Lane& z) {
    return map<Fused>(x, y, z);
  }
  // where x < y: yes, else no
  HF_INLINE friend Lane where_less(const Lane& x, const Lane& y, const Lane& yes, const Lane& no) {
    return map<Choice>(x, y, yes, no);
  }
  HF_INLINE double least() const {
    if constexpr (single)
      return Eigen::internal::predux_min(this->part);
    else
      return this->low.min(this->high).least();
  }
  HF_INLINE double sum() const {
    if constexpr (single)
      return Eigen::internal::predux(this->part);
    else
      return (this->low + this->high).sum();
  }
};

template <int L>
HF_INLINE Lane<L> load(const double* row) {
  return Lane<L>::load(row);
}
template <int L>
HF_INLINE void store(double* row, const Lane<L>& value) {
  value.store(row);
}

// Weighted sum of the first I derivatives, in one row or of lanes; weights of zero cost nothing.
template <int L, int I, int N>
HF_INLINE Lane<L> combine(const double (&weights)[N], double* const* rows_of, std::int64_t r) {
  Lane<L> sum = Lane<L>(weights[0]) * load<L>(rows_of[0] + r * L);
  for (int j = 1; j < I; ++j)
    if (weights[j] != 0.0) sum = madd(Lane<L>(weights[j]), load<L>(rows_of[j] + r * L), sum);
  return sum;
}
template <int L, int I, int N>
HF_INLINE Lane<L> combine(const double (&weights)[N], const Lane<L>* of) {
  Lane<L> sum = Lane<L>(weights[0]) * of[0];
  for (int j = 1; j < I; ++j)
    if (weights[j] != 0.0) sum = madd(Lane<L>(weights[j]), of[j], sum);
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
inline double rough_inverse(double x) { return rough_inverse<1>(Lane<1>(x))[0]; }
inline double rough_log2(double x) { return rough_log2<1>(filled<1>(x))[0]; }

}  // namespace hermiteflow::HF_ISA
