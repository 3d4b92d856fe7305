// Right-hand side of MATH (4) on a tile: psi' by lanes, the sums over the rows, the product G g.
// Knows lanes and the plain description of a flow; knows nothing of time steps.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/slope.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

// What one reduction over the rows of a tile gives; the factor a of a neuron is left out.
template <int L>
struct Sums {
  Lane<L> mg, gg, mm;  // m . g, |g|^2, |m|^2
  Lane<L> g, m;        // equiangular: sums over the rows
  void clear() { mg = gg = mm = g = m = Lane<L>::Zero(); }
};

// psi'(u) = c u^Q, a pure degree Q + 1, and equal target weights, which c takes in.
template <int L, int Q>
class PureSlope {
 public:
  using Row = Lane<L>;
  static constexpr bool may_vanish = false;  // at overlaps other than 0
  explicit PureSlope(const Flow& flow) : c_(flow.slope.coefficients[0] * flow.target_weights[0]) {}

  Row force(Index, const Row& m) const {  // b psi'(m)
    if constexpr (Q == 2) return c_ * (m * m);
    if constexpr (Q == 3) return (c_ * m) * (m * m);
  }
  Row lead(const Row& factor) const { return c_ * factor; }
  // factor b psi'(m) - lambda m
  Row along(Index, const Row& m, const Row& lead, const Row& lambda) const {
    if constexpr (Q == 2) return m * (lead * m - lambda);
    if constexpr (Q == 3) return m * (lead * (m * m) - lambda);
  }
  template <bool Squares>
  void add(Index, const Row& m, Sums<L>& sums) const {
    const Row x = m * m;
    if constexpr (Q == 2) {
      sums.mg += x * m;
      if constexpr (Squares) sums.gg += x * x;
    } else {
      const Row xx = x * x;
      sums.mg += xx;
      if constexpr (Squares) sums.gg += xx * x;
    }
    if constexpr (Squares) sums.mm += x;
  }
  void close(Sums<L>& sums) const {
    sums.mg *= c_;
    sums.gg *= c_ * c_;
  }
  Row reach(const Row&) const { return Row::Zero(); }

 private:
  double c_;
};

// psi'(u) = u^power (c_0 + c_1 x + ...), x = u^stride, by Horner's rule, and any target weights.
template <int L>
class SeriesSlope {
 public:
  using Row = Lane<L>;
  static constexpr bool may_vanish = true;
  explicit SeriesSlope(const Flow& flow) : slope_(flow.slope), b_(flow.target_weights) {}

  Row force(Index r, const Row& m) const { return b_[r] * (*this)(m); }
  Row lead(const Row& factor) const { return factor; }
  Row along(Index r, const Row& m, const Row& lead, const Row& lambda) const {
    return lead * force(r, m) - lambda * m;
  }
  template <bool Squares>
  void add(Index r, const Row& m, Sums<L>& sums) const {
    const Row g = force(r, m);
    sums.mg += m * g;
    if constexpr (Squares) {
      sums.gg += g * g;
      sums.mm += m * m;
    }
  }
  void close(Sums<L>&) const {}

  // What |psi'(u)| could be without cancellation, at |u|^2 = `square`; 0 for one term.
  Row reach(const Row& square) const {
    if (slope_.terms == 1) return Row::Zero();
    const Row size = square.sqrt(), x = slope_.stride == 2 ? square : size;
    Row sum = Row::Zero();
    for (Index i = slope_.terms - 1; i >= 0; --i) {
      const double c = slope_.coefficients[i];
      sum = sum * x + (c < 0 ? -c : c);
    }
    for (Index i = 0; i < slope_.power; ++i) sum *= size;
    return sum;
  }

 private:
  Slope slope_;
  const double* b_;

  Row operator()(const Row& u) const {
    const double* c = slope_.coefficients;
    Row sum = Row::Constant(c[slope_.terms - 1]);
    if (slope_.terms > 1) {
      const Row x = slope_.stride == 2 ? Row(u * u) : u;
      for (Index i = slope_.terms - 2; i >= 0; --i) sum = sum * x + c[i];
    }
    for (Index i = 0; i < slope_.power; ++i) sum *= u;
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

// The field of a tile. A reduction over the rows comes first (add for each row, then close); then
// the rows of factor * (G g) - lambda * m can be had one by one.
template <GramKind Kind, class Law, int L>
struct Field {
  using Row = Lane<L>;
  static constexpr bool general = Kind == GramKind::general;

  Gram gram;
  Law law;
  double b_max = 0.0;
  double least_square = 0.0;          // stands in for |m|^2 below it
  double *g = nullptr, *f = nullptr;  // general: g and G g of the last reduction

  explicit Field(const Flow& flow)
      : gram(flow.gram), law(flow), least_square(least_square_of(flow.slope)) {
    for (Index r = 0; r < gram.k; ++r) {
      const double b = flow.target_weights[r], size = b < 0 ? -b : b;
      b_max = size > b_max ? size : b_max;
    }
  }

  template <bool Squares>
  void add(Index r, const Row& m, Sums<L>& sums) const {
    if constexpr (Kind == GramKind::identity) {
      law.template add<Squares>(r, m, sums);
    } else {
      const Row force = law.force(r, m);
      sums.mg += m * force;
      if constexpr (Squares) {
        sums.gg += force * force;
        sums.mm += m * m;
      }
      if constexpr (Kind == GramKind::equiangular) {
        sums.g += force;
        if constexpr (Squares) sums.m += m;
      }
      if constexpr (general) store<L>(g + r * L, force);
    }
  }

  void close(Sums<L>& sums) const {
    if constexpr (Kind == GramKind::identity) law.close(sums);
    if constexpr (general) gram_product<L>(gram.matrix, gram.k, g, f);
  }

  Sums<L> reduce(const double* m) const {
    Sums<L> sums;
    sums.clear();
    for (Index r = 0; r < gram.k; ++r) add<true>(r, load<L>(m + r * L), sums);
    close(sums);
    return sums;
  }

  // Rows of factor * (G g) - lambda * m.
  struct Direction {
    Row lead, spread, lambda;
    const double* f;
    Law law;
    Row operator()(Index r, const Row& m) const {
      if constexpr (Kind == GramKind::identity) return law.along(r, m, lead, lambda);
      if constexpr (Kind == GramKind::equiangular)
        return lead * law.force(r, m) + (spread - lambda * m);
      if constexpr (general) return lead * load<L>(f + r * L) - lambda * m;
    }
  };
  Direction direction(const Sums<L>& sums, const Row& factor, const Row& lambda) const {
    if constexpr (Kind == GramKind::equiangular)
      return {(1.0 - gram.beta) * factor, gram.beta * factor * sums.g, lambda, f, law};
    return {general ? factor : law.lead(factor), factor, lambda, f, law};
  }

  // |w|^2 for w = s w(0) + V^T alpha; 1 for a general G without its frame.
  Row norm2(const Sums<L>& sums, const double* m, const Row& s, const Row& outside,
            const double* start, const double* alpha) const {
    if constexpr (Kind == GramKind::identity) return sums.mm + rounded<L>(s * s * outside);
    if constexpr (Kind == GramKind::equiangular) {
      const double gamma = gram.beta / (1.0 + static_cast<double>(gram.k - 1) * gram.beta);
      const Row along = rounded<L>(gamma * sums.m * sums.m);
      return (sums.mm - along) / (1.0 - gram.beta) + rounded<L>(s * s * outside);
    }
    if constexpr (general) {
      if (alpha == nullptr) return Row::Ones();
      Row sum = s * s;
      for (Index r = 0; r < gram.k; ++r)
        sum += load<L>(alpha + r * L) * (s * load<L>(start + r * L) + load<L>(m + r * L));
      return sum;
    }
  }

  // |G g|^2 without the factor a^2.
  Row pulled2(const Sums<L>& sums) const {
    if constexpr (Kind == GramKind::identity) return sums.gg;
    if constexpr (Kind == GramKind::equiangular) {
      const double beta = gram.beta, n = static_cast<double>(gram.k);
      return (1.0 - beta) * (1.0 - beta) * sums.gg +
             beta * (2.0 * (1.0 - beta) + n * beta) * sums.g * sums.g;
    }
    if constexpr (general) {
      Row sum = Row::Zero();
      for (Index r = 0; r < gram.k; ++r) {
        const Row force = load<L>(f + r * L);
        sum += force * force;
      }
      return sum;
    }
  }

  // Keeps rho = |g| / |m| away from zero where psi' vanishes; squared, without the factor a^2.
  Row floor2(const Sums<L>& sums) const {
    const Row force = (vanishing * b_max) * law.reach(sums.mm);
    return force * force;
  }
};

// Rows of scratch memory, zeroed.
template <int L>
struct Rows {
  double* next;
  Index size;
  double* take() {
    double* const here = next;
    for (Index i = 0; i < size * L; ++i) here[i] = 0.0;
    next += size * L;
    return here;
  }
};

}  // namespace hermiteflow::HF_ISA
