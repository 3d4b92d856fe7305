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
  void clear() { mg = gg = mm = g = m = Lane<L>(0.0); }
  void operator+=(const Sums& other) {
    mg += other.mg;
    gg += other.gg;
    mm += other.mm;
    g += other.g;
    m += other.m;
  }
};

// c_0 + c_1 x + ... : by Horner's rule, four sums side by side where there are many terms.
template <int L>
HF_INLINE Lane<L> polynomial(const double* c, Index terms, const Lane<L>& x) {
  if (terms < 8) {
    Lane<L> sum = c[terms - 1];
    for (Index i = terms - 2; i >= 0; --i) sum = madd(sum, x, c[i]);
    return sum;
  }
  const Lane<L> square = x * x, y = square * square;
  Index i = terms & ~Index{3};
  Lane<L> sums[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) sums[j] = i + j < terms ? c[i + j] : 0.0;
  for (i -= 4; i >= 0; i -= 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums[j] = madd(sums[j], y, c[i + j]);
  }
  return madd(madd(sums[3], x, sums[2]), square, madd(sums[1], x, sums[0]));
}

// The same for a number of terms known to the compiler, all in registers.
template <Index Terms, int L>
HF_INLINE Lane<L> polynomial(const double* c, const Lane<L>& x) {
  static_assert(Terms > 8);
  const Lane<L> square = x * x, y = square * square;
  constexpr Index top = (Terms - 1) / 4 * 4;
  Lane<L> sums[4];
#pragma GCC unroll 4
  for (Index j = 0; j < 4; ++j) {
    sums[j] = top + j < Terms ? c[top + j] : 0.0;
#pragma GCC unroll 16
    for (Index i = top - 4; i >= 0; i -= 4) sums[j] = madd(sums[j], y, c[i + j]);
  }
  return madd(madd(sums[3], x, sums[2]), square, madd(sums[1], x, sums[0]));
}

// psi'(u) = c u^Q, a pure degree Q + 1, and equal target weights, which c takes in.
template <int L, int Q>
class PureSlope {
 public:
  using Row = Lane<L>;
  static constexpr bool may_vanish = false;  // at overlaps other than 0
  static constexpr bool stored = false;      // are forces kept, not computed twice?
  explicit PureSlope(const Flow& flow) : c_(flow.slope.coefficients[0] * flow.target_weights[0]) {}

  HF_INLINE Row force(Index, const Row& m) const {  // b psi'(m)
    if constexpr (Q == 2) return c_ * (m * m);
    if constexpr (Q == 3) return (c_ * m) * (m * m);
  }
  HF_INLINE Row lead(const Row& factor) const { return c_ * factor; }
  // factor b psi'(m) + own m; and the same added to `base`
  HF_INLINE Row at(Index, const Row& m, const Row& lead, const Row& own) const {
    return m * rate(m, lead, own);
  }
  HF_INLINE Row from(const Row& base, Index, const Row& m, const Row& lead, const Row& own) const {
    return madd(m, rate(m, lead, own), base);
  }
  template <bool Squares>
  HF_INLINE void add(Index, const Row& m, Sums<L>& sums) const {
    const Row x = m * m;
    if constexpr (Q == 2) {
      sums.mg = madd(x, m, sums.mg);
      if constexpr (Squares) sums.gg = madd(x, x, sums.gg);
    } else {
      const Row xx = x * x;
      sums.mg += xx;
      if constexpr (Squares) sums.gg = madd(xx, x, sums.gg);
    }
    if constexpr (Squares) sums.mm += x;
  }
  void close(Sums<L>& sums) const {
    sums.mg *= c_;
    sums.gg *= c_ * c_;
  }
  Row reach(const Row&) const { return 0.0; }

 private:
  double c_;

  static HF_INLINE Row rate(const Row& m, const Row& lead, const Row& own) {
    if constexpr (Q == 2) return madd(lead, m, own);
    if constexpr (Q == 3) return madd(lead, m * m, own);
  }
};

// psi'(u) = u^power (c_0 + c_1 x + ...), x = u^stride, and any target weights.
template <int L>
class SeriesSlope {
 public:
  using Row = Lane<L>;
  static constexpr bool may_vanish = true, stored = true;
  explicit SeriesSlope(const Flow& flow) : slope_(flow.slope), b_(flow.target_weights) {}

  HF_INLINE Row force(Index r, const Row& m) const { return b_[r] * (*this)(m); }
  HF_INLINE Row lead(const Row& factor) const { return factor; }

  // What |psi'(u)| could be without cancellation, at |u|^2 = min(`square`, 1); 0 for one power.
  Row reach(const Row& square) const {
    if (slope_.pure()) return 0.0;
    const Row inside = square.min(1.0), size = inside.sqrt();
    const Row x = slope_.stride == 2 ? inside : size;
    Row sum = 0.0;
    for (Index i = slope_.terms - 1; i >= 0; --i) {
      const double c = slope_.coefficients[i];
      sum = madd(sum, x, c < 0 ? -c : c);
    }
    for (Index i = 0; i < slope_.power; ++i) sum *= size;
    if (slope_.arc == 0.0) return sum;
    return madd(slope_.arc < 0 ? -slope_.arc : slope_.arc, arcsine(size), sum);
  }

 private:
  Slope slope_;
  const double* b_;

  HF_INLINE Row operator()(const Row& u) const {
    return slope_.arc == 0.0 ? series(u) : with_arc(u);
  }
  HF_INLINE Row series(const Row& u) const {
    Row sum = polynomial(slope_.coefficients, slope_.terms, slope_.stride == 2 ? u * u : u);
    for (Index i = 0; i < slope_.power; ++i) sum *= u;
    return sum;
  }
  // Stages of Runge-Kutta methods overshoot |u| = 1, where asin ends.
  __attribute__((noinline)) Row with_arc(const Row& u) const {
    const Row inside = u.min(1.0).max(-1.0);
    return madd(slope_.arc, arcsine(inside), series(inside));
  }

  // arc_at of slope.hpp by lanes: both of its formulas
  Row arcsine(const Row& u) const {
    const Index skip = slope_.arc_skip;
    const Row size = u.abs(), square = u * u, half = madd(-0.5, size, 0.5);
    const Row root = -2.0 * half.sqrt();
    Row inner, outer;
    if (skip == 0) {
      const Row sum =
          polynomial<arc_short_terms>(slope_.arc_short, where_less(size, 0.5, square, half));
      inner = size * sum;
      outer = madd(root, sum, half_pi);
    } else {
      inner = size * polynomial<arc_short_terms>(slope_.arc_short, square);
      Row lead = 0.0;
      for (Index i = skip - 1; i >= 0; --i) {
        inner *= square;
        lead = madd(lead, square, arc_series.of[i]);
      }
      const Row sum = polynomial<arc_short_terms>(slope_.arc_short + arc_short_terms, half);
      outer = madd(root, sum, half_pi) - size * lead;
    }
    const Row value = where_less(size, 0.5, inner, outer);
    return where_less(u, 0.0, 0.0 - value, value);
  }
};

// out = G x for G in panels: sums of one panel stay in registers, C lanes at a time, as many as the
// registers hold. The order of summation is that of the rows of x, whatever the tile holds.
template <int L>
inline void gram_product(const double* panels, Index k, const double* x, double* out) {
  constexpr int C = packet_lanes == 8 && L >= 16 ? 16 : packet_lanes;
  constexpr int B = static_cast<int>(gram_panel);
  for (Index first = 0; first < k; first += B, panels += k * B)
    for (int lane = 0; lane < L; lane += C) {
      Lane<C> sums[B];
      for (auto& sum : sums) sum = 0.0;
      for (Index l = 0; l < k; ++l) {
        const Lane<C> here = load<C>(x + l * L + lane);
#pragma GCC unroll 16
        for (int j = 0; j < B; ++j) sums[j] = madd(panels[l * B + j], here, sums[j]);
      }
#pragma GCC unroll 16
      for (int j = 0; j < B; ++j) store<C>(out + (first + j) * L + lane, sums[j]);
    }
}

// The field of a tile. A reduction over the rows comes first (add for each row, then close); then
// the rows of factor * (G g) - lambda * m can be had one by one.
template <GramKind Kind, class Law, int L>
struct Field {
  using Row = Lane<L>;
  static constexpr bool general = Kind == GramKind::general;
  static constexpr bool keeps_forces = general || Law::stored;
  static constexpr bool in_closed_form = Kind == GramKind::identity && !Law::stored;

  Gram gram;
  Law law;
  double b_max = 0.0;
  double least_square = 0.0;          // stands in for |m|^2 below it
  double *g = nullptr, *f = nullptr;  // of the last reduction: g if kept; general: G g

  explicit Field(const Flow& flow)
      : gram(flow.gram), law(flow), least_square(least_square_of(flow.slope)) {
    for (Index r = 0; r < gram.k; ++r) {
      const double b = flow.target_weights[r], size = b < 0 ? -b : b;
      b_max = size > b_max ? size : b_max;
    }
  }

  template <bool Squares>
  HF_INLINE void add(Index r, const Row& m, Sums<L>& sums) const {
    if constexpr (in_closed_form) {
      law.template add<Squares>(r, m, sums);
    } else {
      const Row force = law.force(r, m);
      sums.mg = madd(m, force, sums.mg);
      if constexpr (Squares) {
        sums.gg = madd(force, force, sums.gg);
        sums.mm = madd(m, m, sums.mm);
      }
      if constexpr (Kind == GramKind::equiangular) {
        sums.g += force;
        if constexpr (Squares) sums.m += m;
      }
      if constexpr (keeps_forces) store<L>(g + r * L, force);
    }
  }

  void close(Sums<L>& sums) const {
    if constexpr (in_closed_form) law.close(sums);
    if constexpr (general) gram_product<L>(gram.panels, gram.k, g, f);
  }

  Sums<L> reduce(const double* m) const {
    Sums<L> sums;
    sums.clear();
    for (Index r = 0; r < gram.k; ++r) add<true>(r, load<L>(m + r * L), sums);
    close(sums);
    return sums;
  }

  // Rows of factor * (G g) + own * m, where own is -lambda or 1 - lambda; and the same added to a
  // base.
  struct Direction {
    Row lead, spread, own;
    const double* pull;  // general: G g; else g if kept
    Law law;
    HF_INLINE Row pulled(Index r, const Row& m) const {
      if constexpr (keeps_forces) return load<L>(pull + r * L);
      if constexpr (!keeps_forces) return law.force(r, m);
    }
    HF_INLINE Row at(Index r, const Row& m) const {
      if constexpr (in_closed_form) return law.at(r, m, lead, own);
      if constexpr (Kind == GramKind::equiangular)
        return madd(lead, pulled(r, m), madd(own, m, spread));
      if constexpr (!in_closed_form) return madd(lead, pulled(r, m), own * m);
    }
    HF_INLINE Row from(const Row& base, Index r, const Row& m) const {
      if constexpr (in_closed_form) return law.from(base, r, m, lead, own);
      if constexpr (Kind == GramKind::equiangular)
        return madd(lead, pulled(r, m), madd(own, m, spread)) + base;
      if constexpr (!in_closed_form) return madd(lead, pulled(r, m), madd(own, m, base));
    }
  };
  Direction direction(const Sums<L>& sums, const Row& factor, const Row& own) const {
    if constexpr (Kind == GramKind::equiangular)
      return {(1.0 - gram.beta) * factor, gram.beta * factor * sums.g, own, g, law};
    return {general ? factor : law.lead(factor), factor, own, general ? f : g, law};
  }

  // |w|^2 for w = s w(0) + V^T alpha; 1 for a general G without its frame.
  Row norm2(const Sums<L>& sums, const double* m, const Row& s, const Row& outside,
            const double* start, const double* alpha) const {
    if constexpr (Kind == GramKind::identity) return madd(s * s, outside, sums.mm);
    if constexpr (Kind == GramKind::equiangular) {
      const double gamma = gram.beta / (1.0 + static_cast<double>(gram.k - 1) * gram.beta);
      return madd(s * s, outside, (sums.mm - gamma * sums.m * sums.m) * (1.0 / (1.0 - gram.beta)));
    }
    if constexpr (general) {
      if (alpha == nullptr) return 1.0;
      Row sum = s * s;
      for (Index r = 0; r < gram.k; ++r)
        sum =
            madd(load<L>(alpha + r * L), madd(s, load<L>(start + r * L), load<L>(m + r * L)), sum);
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
      Row sum = 0.0;
      for (Index r = 0; r < gram.k; ++r) {
        const Row force = load<L>(f + r * L);
        sum = madd(force, force, sum);
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

// Doubles between the starts of two arrays of `size` rows; the last panel of a product with G may
// write a few rows more.
template <int L, GramKind Kind>
constexpr Index room(Index size) {
  return (Kind == GramKind::general ? size + gram_panel : size) * L + 64;
}

// Rows of scratch memory, zeroed, and apart: arrays at a multiple of 4096 bytes get in each other's
// way.
template <int L, GramKind Kind>
struct Rows {
  double* next;
  Index size;
  double* take() {
    double* const here = next;
    for (Index i = 0; i < size * L; ++i) here[i] = 0.0;
    next += room<L, Kind>(size);
    return here;
  }
};

}  // namespace hermiteflow::HF_ISA
