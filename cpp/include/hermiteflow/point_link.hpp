// sigma and sigma' at points: where samples are drawn or stored, links are functions and not
// their averages. Knows lanes only.
#pragma once

#include <cmath>
#include <limits>

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/lanes.hpp"

namespace hermiteflow::HF_ISA {

struct ValueSlope {
  double value, slope;
};

// A function by name, in the order of `Function`.
inline ValueSlope function_at(Function which, double x) {
  constexpr double root_half = 0.70710678118654752, root_two_over_pi = 0.79788456080286536;
  switch (which) {
  case Function::relu:
    return {x > 0.0 ? x : 0.0, x > 0.0 ? 1.0 : 0.0};
  case Function::erf:
    return {std::erf(root_half * x), root_two_over_pi * std::exp(-0.5 * x * x)};
  case Function::tanh: {
    const double t = std::tanh(x);
    return {t, (1.0 - t) * (1.0 + t)};
  }
  case Function::sigmoid: {
    const double s = 1.0 / (1.0 + std::exp(-x));
    return {s, s * (1.0 / (1.0 + std::exp(x)))};
  }
  case Function::softplus:
    return {std::log1p(std::exp(-std::fabs(x))) + (x > 0.0 ? x : 0.0), 1.0 / (1.0 + std::exp(-x))};
  case Function::gelu: {
    const double below = 0.5 * std::erfc(-root_half * x);
    return {x * below, below + 0.5 * root_two_over_pi * x * std::exp(-0.5 * x * x)};
  }
  case Function::silu: {
    const double s = 1.0 / (1.0 + std::exp(-x)), rest = 1.0 / (1.0 + std::exp(x));
    return {x * s, s + x * s * rest};
  }
  case Function::sign:
    return {x > 0.0 ? 1.0 : (x < 0.0 ? -1.0 : 0.0), 0.0};
  case Function::cos:
    return {std::cos(x), -std::sin(x)};
  case Function::sin:
    return {std::sin(x), std::cos(x)};
  case Function::exp:
    return {std::exp(x), std::exp(x)};
  }
  return {0.0, 0.0};
}

// A table's piece at x: a polynomial on each panel; NaN beyond the table.
inline ValueSlope table_at(const PointLink& link, double x) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const double place = (x + link.reach) * link.panels_per_unit;
  if (!(place >= 0.0 && place < static_cast<double>(link.panels))) return {nan, nan};
  const auto panel = static_cast<Index>(place);
  const double t = 2.0 * (place - static_cast<double>(panel)) - 1.0;
  const double* const c = link.table + panel * table_terms;
  double value = 0.0, slope = 0.0;
  for (Index i = table_terms - 1; i >= 0; --i) {
    slope = slope * t + value;
    value = value * t + c[i];
  }
  return {value, slope * 2.0 * link.panels_per_unit};
}

// The polynomial part by h_(p+1) = up_p x h_p - down_p h_(p-1).
template <int L, bool With>
HF_INLINE void series_at(const PointLink& link, const Lane<L>& x, Lane<L>& value, Lane<L>& slope) {
  Lane<L> before = 0.0, here = 1.0;
  value = link.series[0];
  slope = 0.0;
  for (Index p = 1; p < link.terms; ++p) {
    if constexpr (With) slope = madd(Lane<L>(link.slope_series[p - 1]), here, slope);
    const Lane<L> next = Lane<L>(link.up[p - 1]) * x * here - Lane<L>(link.down[p - 1]) * before;
    before = here;
    here = next;
    value = madd(Lane<L>(link.series[p]), here, value);
  }
}

// Adds what is no polynomial, point by point.
template <bool With>
inline void add_functions(const PointLink& link, Index count, const double* x, double* value,
                          double* slope) {
  for (Index f = 0; f < functions; ++f) {
    const double factor = link.factors[f];
    if (factor == 0.0) continue;
    for (Index i = 0; i < count; ++i) {
      const ValueSlope at = function_at(static_cast<Function>(f), x[i]);
      value[i] += factor * at.value;
      if constexpr (With) slope[i] += factor * at.slope;
    }
  }
  if (link.table == nullptr) return;
  for (Index i = 0; i < count; ++i) {
    const ValueSlope at = table_at(link, x[i]);
    value[i] += at.value;
    if constexpr (With) slope[i] += at.slope;
  }
}

// sigma and, unless `slope` is null, sigma' of `count` points, a multiple of the lanes; aligned.
template <bool With>
inline void link_values(const PointLink& link, Index count, const double* x, double* value,
                        double* slope) {
  constexpr int L = 8;
  for (Index i = 0; i < count; i += L) {
    Lane<L> v, s;
    series_at<L, With>(link, load<L>(x + i), v, s);
    store<L>(value + i, v);
    if constexpr (With) store<L>(slope + i, s);
  }
  add_functions<With>(link, count, x, value, slope);
}

}  // namespace hermiteflow::HF_ISA
