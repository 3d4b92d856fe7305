// Right-hand side of MATH (4) on a tile: psi' by lanes, and the product G g.
// Knows lanes and the plain description of a flow; knows nothing of time steps.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

// psi'(u) = c u^Q: a pure degree Q + 1.
template <int L, int Q>
struct PureSlope {
  double c;
  explicit PureSlope(const Slope& slope) : c(slope.coefficients[0]) {}
  static constexpr bool may_vanish = false;
  Lane<L> operator()(const Lane<L>& u) const {
    if constexpr (Q == 1) return c * u;
    if constexpr (Q == 2) return c * (u * u);
    if constexpr (Q == 3) return (c * u) * (u * u);
  }
};

// psi'(u) = u^power (c_0 + c_1 x + ...), x = u^stride, by Horner's rule.
template <int L>
struct SeriesSlope {
  Slope slope;
  explicit SeriesSlope(const Slope& s) : slope(s) {}
  static constexpr bool may_vanish = true;  // at overlaps other than 0
  // What |psi'(u)| could be without cancellation, at |u|^2 = `square`; 0 for one term.
  Lane<L> reach(const Lane<L>& square) const {
    if (slope.terms == 1) return Lane<L>::Zero();
    const Lane<L> size = square.sqrt(), x = slope.stride == 2 ? square : size;
    Lane<L> sum = Lane<L>::Zero();
    for (Index i = slope.terms - 1; i >= 0; --i) {
      const double c = slope.coefficients[i];
      sum = sum * x + (c < 0 ? -c : c);
    }
    for (Index i = 0; i < slope.power; ++i) sum *= size;
    return sum;
  }
  Lane<L> operator()(const Lane<L>& u) const {
    const double* c = slope.coefficients;
    Lane<L> sum = Lane<L>::Constant(c[slope.terms - 1]);
    if (slope.terms > 1) {
      const Lane<L> x = slope.stride == 2 ? Lane<L>(u * u) : u;
      for (Index i = slope.terms - 2; i >= 0; --i) sum = sum * x + c[i];
    }
    for (Index i = 0; i < slope.power; ++i) sum *= u;
    return sum;
  }
};

// out (k rows) = G x for a symmetric G: blocks of rows stay in registers, so that each entry of G
// is read once a tile. The order of summation is that of l, whatever the tile holds.
template <int L>
inline void gram_product(const double* gram, Index k, const double* x, double* out) {
  constexpr int B = 6;
  Index j = 0;
  for (; j + B <= k; j += B) {
    Lane<L> s0 = Lane<L>::Zero(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
    for (Index l = 0; l < k; ++l) {
      const double* g = gram + l * k + j;
      const Lane<L> v = load<L>(x + l * L);
      s0 += g[0] * v;
      s1 += g[1] * v;
      s2 += g[2] * v;
      s3 += g[3] * v;
      s4 += g[4] * v;
      s5 += g[5] * v;
    }
    double* o = out + j * L;
    store<L>(o, s0);
    store<L>(o + L, s1);
    store<L>(o + 2 * L, s2);
    store<L>(o + 3 * L, s3);
    store<L>(o + 4 * L, s4);
    store<L>(o + 5 * L, s5);
  }
  for (; j < k; ++j) {
    Lane<L> sum = Lane<L>::Zero();
    for (Index l = 0; l < k; ++l) sum += gram[l * k + j] * load<L>(x + l * L);
    store<L>(out + j * L, sum);
  }
}

// What one reduction over the rows of a tile gives.
template <int L>
struct Sums {
  Lane<L> mg, gg, mm;  // m . g, |g|^2, |m|^2 (without the factor a)
  Lane<L> g, m;        // equiangular: sums over the rows
  void clear() { mg = gg = mm = g = m = Lane<L>::Zero(); }
};

}  // namespace hermiteflow::HF_ISA
