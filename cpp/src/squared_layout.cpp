// A state of the squared loss in memory, and the loss.
#include <algorithm>
#include <cmath>

#include "hermiteflow/slope.hpp"
#include "hermiteflow/squared.hpp"

namespace hermiteflow {

namespace {

Index padded(Index n) { return (n + squared_lanes - 1) / squared_lanes * squared_lanes; }

// Kernels sum even and odd terms side by side.
std::vector<double> even_terms(const Slope& slope) {
  std::vector<double> out(slope.coefficients, slope.coefficients + slope.terms);
  if (out.size() % 2 == 1) out.push_back(0.0);
  return out;
}

bool same(const Slope& x, const Slope& y) {
  return x.power == y.power && x.stride == y.stride && x.terms == y.terms && x.arc == y.arc &&
         x.arc_skip == y.arc_skip &&
         std::equal(x.coefficients, x.coefficients + x.terms, y.coefficients);
}

Scratch zeros(Index count) {
  Scratch out = make_scratch(count);
  std::fill_n(out.get(), count, 0.0);
  return out;
}

// (rows, columns) -> (rows, width), zeros behind
Scratch widened(const double* from, Index rows, Index columns, Index width) {
  Scratch out = zeros(rows * width);
  for (Index i = 0; i < rows; ++i) std::copy_n(from + i * columns, columns, &out[i * width]);
  return out;
}

// r where the series is that of r / sqrt(4 - u^2) to rounding, as between error functions; else 0.
// Its degree is below the number of points.
double root_of(const Slope& s) {
  constexpr int points = 64;
  if (s.arc != 0.0 || s.power != 0 || s.stride != 2 || s.terms < 8 || s.terms >= points) return 0.0;
  const double root = 2.0 * s.coefficients[0];
  for (int i = 0; i < points; ++i) {
    const double angle = half_pi * (2.0 * i + 1.0) / points, x = 0.5 - 0.5 * std::cos(angle);
    const double wanted = root / std::sqrt(4.0 - x), found = horner(s.coefficients, s.terms, x);
    if (!(std::fabs(found - wanted) <= 1e-15 * std::fabs(root))) return 0.0;
  }
  return root;
}

constexpr Index most_small = 64;  // neurons and index vectors of products without packing

}  // namespace

SquaredLayout::SquaredLayout(const SquaredFlow& flow)
    : flow_(flow), field_{}, cross_(even_terms(flow.cross)), own_(even_terms(flow.own)),
      a_(flow.second_layer, flow.second_layer + flow.n) {
  const Index n = flow.n, k = flow.gram.k;
  const bool coordinates = flow.form == SquaredForm::coordinates;
  SquaredField& f = field_;
  f.form = flow.form;
  f.n = n;
  f.k = k;
  // one law for M and Q: both may share a register
  const bool shared = !coordinates && k + n <= squared_lanes && same(flow.cross, flow.own);
  f.first = shared ? k : padded(k);
  f.across = shared ? squared_lanes : f.first + padded(n);
  f.width = coordinates ? padded(flow.r) : f.across;
  f.cross = flow.cross;
  f.own = flow.own;
  f.cross.coefficients = cross_.data();
  f.cross.terms = static_cast<Index>(cross_.size());
  f.own.coefficients = own_.data();
  f.own.terms = static_cast<Index>(own_.size());
  f.cross_root = root_of(flow.cross);
  f.own_root = root_of(flow.own);
  // kernels take both laws or neither as roots
  if (f.cross_root == 0.0 || f.own_root == 0.0) f.cross_root = f.own_root = 0.0;
  f.a = a_.data();
  row_ = widened(flow.target_weights, 1, k, f.across);
  for (Index l = 0; l < n; ++l) row_[f.first + l] = -f.a[l];
  f.row = row_.get();
  f.kind = flow.gram.kind;
  f.beta = f.kind == GramKind::equiangular ? flow.gram.beta : 0.0;
  f.alpha = std::sqrt(1.0 - f.beta);
  const double all = std::sqrt(1.0 + static_cast<double>(k - 1) * f.beta);
  f.gamma = f.beta / (f.alpha + all);
  f.rank = k;
  if (f.kind == GramKind::general) {
    f.rank = flow.gram.rank;
    gram_ = widened(flow.gram.matrix, k, k, f.first);
    v_ = widened(flow.gram.factor, k, f.rank, padded(f.rank));
    v_across_ = zeros(f.rank * f.first);
    for (Index j = 0; j < k; ++j)
      for (Index c = 0; c < f.rank; ++c)
        v_across_[c * f.first + j] = flow.gram.factor[j * f.rank + c];
  }
  f.gram = gram_.get();
  f.v = v_.get();
  f.v_across = v_across_.get();
  f.small = n <= most_small && k <= most_small;
}

Index SquaredLayout::size() const {
  return field_.n * field_.width + (trained() ? padded(field_.n) : 0);
}

void SquaredLayout::follow(const double* y) {
  if (!trained()) return;
  std::copy_n(y + field_.n * field_.width, field_.n, a_.data());
  for (Index l = 0; l < field_.n; ++l) row_[field_.first + l] = -a_[static_cast<std::size_t>(l)];
}

void SquaredLayout::pack(const SquaredState& from, double* y) const {
  const SquaredField& f = field_;
  std::fill_n(y, size(), 0.0);
  if (trained()) std::copy_n(from.a, f.n, layer(y));
  for (Index i = 0; i < f.n; ++i, y += f.width) {
    if (f.form == SquaredForm::coordinates) {
      std::copy_n(from.w + i * flow_.r, flow_.r, y);
    } else {
      std::copy_n(from.m + i * f.k, f.k, y);
      std::copy_n(from.q + i * f.n, f.n, y + f.first);
    }
  }
}

void SquaredLayout::unpack(const double* y, const SquaredState& to) const {
  const SquaredField& f = field_;
  if (trained()) std::copy_n(y + f.n * f.width, f.n, to.a);
  for (Index i = 0; i < f.n; ++i, y += f.width) {
    if (f.form == SquaredForm::coordinates) {
      std::copy_n(y, flow_.r, to.w + i * flow_.r);
    } else {
      std::copy_n(y, f.k, to.m + i * f.k);
      std::copy_n(y + f.first, f.n, to.q + i * f.n);
    }
  }
}

void SquaredLayout::overlaps(const double* row, double* m) const {
  const SquaredField& f = field_;
  if (f.form == SquaredForm::order_parameters || f.kind == GramKind::identity) {
    std::copy_n(row, f.k, m);
  } else if (f.kind == GramKind::equiangular) {
    double sum = 0.0;
    for (Index j = 0; j < f.k; ++j) sum += row[j];
    for (Index j = 0; j < f.k; ++j) m[j] = f.alpha * row[j] + f.gamma * sum;
  } else {
    const double* v = flow_.gram.factor;
    for (Index j = 0; j < f.k; ++j, v += f.rank) {
      m[j] = 0.0;
      for (Index c = 0; c < f.rank; ++c) m[j] += v[c] * row[c];
    }
  }
}

// int_0^u psi' = u^(power + 1) (...) + arc int_0^u A
SquaredPotential::Integral::Integral(const Slope& of, double value)
    : slope(of), coefficients(of.coefficients, of.coefficients + of.terms), at_zero(value) {
  for (Index i = 0; i < of.terms; ++i)
    coefficients[static_cast<std::size_t>(i)] /= static_cast<double>(of.power + 1 + of.stride * i);
}

double SquaredPotential::Integral::operator()(double u) const {
  u = clamped(u);
  const double square = u * u;
  const double series = horner(coefficients.data(), slope.terms, slope.stride == 2 ? square : u) *
                            power_of(u, slope.power + 1) +
                        at_zero;
  if (slope.arc == 0.0) return series;
  const Index skip = slope.arc_skip;
  const auto term = [](Index i) { return arc_series.of[i] / static_cast<double>(2 * i + 2); };
  double arc = 0.0;
  if (std::fabs(u) < 0.5) {
    for (Index i = skip + arc_terms - 1; i >= skip; --i) arc = arc * square + term(i);
    arc *= power_of(square, skip + 1);
  } else {
    double lead = 0.0;
    for (Index i = skip - 1; i >= 0; --i) lead = lead * square + term(i);
    arc = u * std::asin(u) + std::sqrt((1.0 - u) * (1.0 + u)) - 1.0 - square * lead;
  }
  return series + slope.arc * arc;
}

SquaredPotential::SquaredPotential(const SquaredFlow& flow)
    : cross_(flow.cross, flow.cross_at_zero), own_(flow.own, flow.own_at_zero) {}

void SquaredPotential::row(const SquaredField& f, Index i, const double* x, double& cross,
                           double& own) const {
  cross = own = 0.0;  // row holds b, then -a
  for (Index j = 0; j < f.k; ++j) cross += f.row[j] * cross_(x[j]);
  for (Index l = 0; l < f.n; ++l) own -= f.row[f.first + l] * own_(l == i ? 1.0 : x[f.first + l]);
}

}  // namespace hermiteflow
