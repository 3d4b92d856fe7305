// psi' of one overlap. Internal linkage: each instruction set and the core have a copy of their
// own.
#pragma once

#include <cmath>

#include "hermiteflow/types.hpp"

namespace hermiteflow {

// asin(u) = sum_i of[i] u^(2 i + 1)
struct ArcSeries {
  double of[most_arc_skip + arc_terms];
  constexpr ArcSeries() : of{} {
    of[0] = 1.0;
    for (Index i = 1; i < most_arc_skip + arc_terms; ++i) {
      const double n = static_cast<double>(2 * i);
      of[i] = of[i - 1] * ((n - 1.0) * (n - 1.0)) / (n * (n + 1.0));
    }
  }
};
static constexpr ArcSeries arc_series;
static constexpr double half_pi = 1.5707963267948966;

// The series sum_i of[skip + i] z^i on [0, 1/4] in fewer terms, right to 1e-17 of the first: the
// highest are replaced one by one by what is left of them beside Chebyshev's polynomials.
static inline void economise(Index skip, double* out) {
  double c[arc_terms], t[arc_terms][arc_terms] = {};  // in x = 4 z; T_n on [0, 1]
  double scale = 1.0;
  for (Index i = 0; i < arc_terms; ++i, scale *= 0.25) c[i] = arc_series.of[skip + i] * scale;
  t[0][0] = 1.0;
  t[1][0] = -1.0;
  t[1][1] = 2.0;
  for (Index n = 2; n < arc_terms; ++n)
    for (Index i = 0; i <= n; ++i)
      t[n][i] = (i > 0 ? 4.0 * t[n - 1][i - 1] : 0.0) - 2.0 * t[n - 1][i] - t[n - 2][i];
  for (Index n = arc_terms - 1; n >= arc_short_terms; --n) {
    const double factor = c[n] / t[n][n];
    for (Index i = 0; i < n; ++i) c[i] -= factor * t[n][i];
  }
  scale = 1.0;
  for (Index i = 0; i < arc_short_terms; ++i, scale *= 4.0) out[i] = c[i] * scale;
}

// sum of `terms` terms c_0 + c_1 x + ...
static inline double horner(const double* c, Index terms, double x) {
  double sum = 0.0;
  for (Index i = terms - 1; i >= 0; --i) sum = sum * x + c[i];
  return sum;
}

static inline double power_of(double x, Index n) {
  double value = 1.0;
  for (Index i = 0; i < n; ++i) value *= x;
  return value;
}

static inline double clamped(double u) { return u > 1.0 ? 1.0 : (u < -1.0 ? -1.0 : u); }

// A(u) for u in [-1, 1]: by its Taylor series up to |u| = 1/2, above it from
// asin(u) = pi / 2 - 2 asin(sqrt((1 - u) / 2)).
static inline double arc_at(double u, Index skip) {
  const double size = u < 0.0 ? -u : u, square = u * u;
  double value;
  if (size < 0.5) {
    value = horner(arc_series.of + skip, arc_terms, square) * size * power_of(square, skip);
  } else {
    const double half = 0.5 - 0.5 * size;
    value = half_pi - 2.0 * std::sqrt(half) * horner(arc_series.of, arc_terms, half) -
            size * horner(arc_series.of, skip, square);
  }
  return u < 0.0 ? -value : value;
}

// psi'(u)
static inline double slope_at(const Slope& s, double u) {
  if (s.arc != 0.0) u = clamped(u);
  const double x = s.stride == 2 ? u * u : u;
  const double value = horner(s.coefficients, s.terms, x) * power_of(u, s.power);
  return s.arc == 0.0 ? value : value + s.arc * arc_at(u, s.arc_skip);
}

// A bound on |psi'| for |u| <= min(size, 1) that no cancellation lowers.
static inline double reach_of(const Slope& s, double size) {
  size = clamped(size);
  const double x = s.stride == 2 ? size * size : size;
  double sum = 0.0;
  for (Index i = s.terms - 1; i >= 0; --i) sum = sum * x + std::fabs(s.coefficients[i]);
  sum *= power_of(size, s.power);
  return s.arc == 0.0 ? sum : sum + std::fabs(s.arc) * arc_at(size, s.arc_skip);
}

// The largest |b_j| times the largest coefficient of psi'.
static inline double strongest_force(const Flow& flow) {
  const Slope& s = flow.slope;
  double largest = 0.0;
  for (Index j = 0; j < flow.gram.k; ++j) {
    const double b = std::fabs(flow.target_weights[j]);
    for (Index i = 0; i < s.terms; ++i)
      largest = std::fmax(largest, b * std::fabs(s.coefficients[i]));
    largest = std::fmax(largest, b * std::fabs(s.arc) * arc_series.of[s.arc_skip]);
  }
  return largest;
}

// What stands in for |m|^2 where that is smaller, in the time of the adaptive methods: the flow
// leaves m = 0 only where psi'(0) != 0; elsewhere decaying overlaps keep their relative accuracy.
static inline double least_square_of(const Slope& s) { return s.power == 0 ? 1e-40 : 1e-280; }

}  // namespace hermiteflow
