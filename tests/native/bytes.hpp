// Bytes as the arguments of runs: what _checks.py would let through, and nothing tamer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/slope.hpp"
#include "hermiteflow/types.hpp"

namespace native {

using hermiteflow::Index;
using Numbers = std::vector<double>;

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  std::uint8_t byte() { return empty() ? 0 : *at_++; }
  bool flag() { return (byte() & 1) != 0; }
  Index between(Index low, Index high) { return low + byte() % (high - low + 1); }
  // finite: a few of the edges, else the bytes themselves
  double number() {
    static constexpr double edges[] = {0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 5e-324, 1e300, 1e-8, 3.0};
    const std::uint8_t which = byte();
    if (which < 2 * std::size(edges)) return edges[which / 2];
    double out = 0.0;
    std::uint8_t raw[8];
    for (std::uint8_t& b : raw) b = byte();
    std::memcpy(&out, raw, 8);
    return std::isfinite(out) ? out : 1.0;
  }
  double unit() { return (static_cast<double>(byte()) - 127.5) / 127.5; }
  double moderate() { return byte() % 8 == 0 ? number() : 2.0 * unit(); }
  double positive(double low, double high) {
    return low * std::pow(high / low, static_cast<double>(byte()) / 255.0);
  }
  Numbers numbers(Index count, double (Bytes::*of)()) {
    Numbers out(static_cast<std::size_t>(count));
    for (double& x : out) x = (this->*of)();
    return out;
  }
  Numbers ascending(Index count, double high) {
    Numbers out(static_cast<std::size_t>(count));
    for (double& x : out) x = high * (byte() + 1) / 256.0;
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

 private:
  const std::uint8_t *at_, *end_;
};

// rows of unit norm (n, d)
inline Numbers unit_rows(Bytes& from, Index n, Index d) {
  Numbers out = from.numbers(n * d, &Bytes::unit);
  for (Index i = 0; i < n; ++i) {
    double* const row = out.data() + i * d;
    double norm2 = 0.0;
    for (Index j = 0; j < d; ++j) norm2 += row[j] * row[j];
    for (Index j = 0; j < d; ++j) row[j] /= std::sqrt(norm2);  // never 0: unit() is not
  }
  return out;
}

// A (n, d) times B (m, d) transposed
inline Numbers inner(const Numbers& a, const Numbers& b, Index n, Index m, Index d) {
  Numbers out(static_cast<std::size_t>(n * m), 0.0);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < m; ++j)
      for (Index l = 0; l < d; ++l)
        out[static_cast<std::size_t>(i * m + j)] +=
            a[static_cast<std::size_t>(i * d + l)] * b[static_cast<std::size_t>(j * d + l)];
  return out;
}

// psi' and what it points to.
struct SlopeOf {
  Numbers coefficients, arc_short;
  hermiteflow::Slope slope;
  explicit SlopeOf(Bytes& from) : arc_short(2 * hermiteflow::arc_short_terms) {
    const Index terms = from.between(1, 12);
    const bool arc = from.byte() % 4 == 0;
    const Index skip = arc ? from.between(1, 6) : 0;
    coefficients = from.numbers(terms, &Bytes::moderate);
    hermiteflow::economise(skip, arc_short.data());
    hermiteflow::economise(0, arc_short.data() + hermiteflow::arc_short_terms);
    slope = {from.between(0, 4),
             from.between(1, 2),
             terms,
             coefficients.data(),
             arc ? 0.15 : 0.0,
             skip,
             arc_short.data(),
             0.0,
             0.0,
             0.0,
             0.0};
  }
  SlopeOf(const SlopeOf&) = delete;
};

// Index vectors V (k, rank), their Gram matrix, and the flow.
struct FlowOf {
  SlopeOf slope;
  Index k, rank;
  Numbers factor, matrix, weights, layer;
  hermiteflow::Flow flow;
  FlowOf(Bytes& from, Index most, Index n) : slope(from), k(from.between(1, most)), rank(k) {
    const auto kind = static_cast<hermiteflow::GramKind>(from.between(0, 2));
    const double beta = 0.9 * static_cast<double>(from.byte()) / 255.0;
    if (kind == hermiteflow::GramKind::general) {
      rank = from.between(1, k);
      factor = unit_rows(from, k, rank);
      matrix = inner(factor, factor, k, k, rank);
    }
    weights = from.numbers(k, &Bytes::moderate);
    for (double& b : weights) b = b == 0.0 ? 1.0 : b;
    if (from.flag()) layer = from.numbers(n, &Bytes::moderate);
    flow = {{kind, k, beta, matrix.empty() ? nullptr : matrix.data(),
             factor.empty() ? nullptr : factor.data(), rank},
            slope.slope,
            layer.empty() ? nullptr : layer.data(),
            weights.data()};
  }
  FlowOf(const FlowOf&) = delete;
};

// A link at points, and what it points to.
struct PointOf {
  Numbers series, slopes, up, down, table;
  hermiteflow::PointLink link{};
  explicit PointOf(Bytes& from) {
    link.terms = from.between(1, 8);
    series = from.numbers(link.terms, &Bytes::moderate);
    for (Index p = 1; p < link.terms; ++p) {
      const double x = static_cast<double>(p);
      slopes.push_back(series[static_cast<std::size_t>(p)] * std::sqrt(x));
      up.push_back(1.0 / std::sqrt(x));
      down.push_back(std::sqrt((x - 1.0) / x));
    }
    if (from.byte() % 4 == 0) link.factors[from.between(0, 10)] = from.moderate();
    link.reach = 4.0;
    if (from.byte() % 8 == 0) {
      link.panels = 16;
      table = from.numbers(link.panels * hermiteflow::table_terms, &Bytes::unit);
    }
    link.panels_per_unit = static_cast<double>(link.panels) / 8.0;
    link.series = series.data();
    link.slope_series = slopes.data();
    link.up = up.data();
    link.down = down.data();
    link.table = table.empty() ? nullptr : table.data();
  }
  PointOf(const PointOf&) = delete;
};

}  // namespace native
