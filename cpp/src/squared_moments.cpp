// Moments of links, and what separates into them: sum_n S_n(q11) T_n(q22) q12^n / n!.
#include "hermiteflow/squared_moments.hpp"

#include <algorithm>
#include <cmath>

namespace hermiteflow {

namespace {

constexpr double two_over_pi = 0.6366197723675814;

double root_of_next(Index n) {  // sqrt((n + 1)(n + 2)), between S_n and S_(n + 2)
  const double x = static_cast<double>(n);
  return std::sqrt((x + 1.0) * (x + 2.0));
}

// Adds what T_0 and T_1 give by T_(n+2) = (shift - n) T_n / ... : the heat equation.
void recur(double zeroth, double first, double shift, double over, Index count, double* out) {
  double now = zeroth, next = first;
  for (Index n = 0; n < count; ++n) {
    out[n] += now;
    const double later = now * (shift - static_cast<double>(n)) / over / root_of_next(n);
    now = next;
    next = later;
  }
}

double value(const std::vector<double>& row, double x) {
  double sum = 0.0;
  for (auto c = row.rbegin(); c != row.rend(); ++c) sum = sum * x + *c;
  return sum;
}
double size(const std::vector<double>& row, double x) {
  double sum = 0.0;
  for (auto c = row.rbegin(); c != row.rend(); ++c) sum = sum * std::fabs(x) + std::fabs(*c);
  return sum;
}

// From powers of q - 1 to those of q, 0 where rounding alone is left, and sums of their sizes; the
// form of the smaller sum is the more exact one. Empty where all powers are there: never needed.
void shift(const std::vector<double>& row, std::vector<double>& powers,
           std::vector<double>& bounds) {
  powers.assign(row.size(), 0.0);
  bounds.assign(row.size(), 0.0);
  for (auto c = row.rbegin(); c != row.rend(); ++c)  // Horner's rule: times q - 1, plus c
    for (std::size_t i = row.size(); i-- > 0;) {
      powers[i] = (i > 0 ? powers[i - 1] : *c) - powers[i];
      bounds[i] = (i > 0 ? bounds[i - 1] : std::fabs(*c)) + bounds[i];
    }
  bool all = true;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (std::fabs(powers[i]) > 64.0 * 0x1p-52 * bounds[i]) continue;
    powers[i] = bounds[i] = 0.0;
    all = false;
  }
  if (!all) return;
  powers.clear();
  bounds.clear();
}

}  // namespace

LinkMoments::LinkMoments(const FreeLink& link) : link_(link), degree_(-1) {
  for (Index p = 0; p < link.terms; ++p)
    if (link.series[p] != 0.0) degree_ = p;
  // E[He_2m(sqrt(q) X)] = (2m)! / (m! 2^m) (q - 1)^m
  for (Index n = 0; n <= degree_; ++n) {
    Row row;
    double weight = 1.0;
    for (Index p = n, m = 0; p <= degree_; p += 2, ++m) {
      row.lifted.push_back(weight * link.series[p]);
      weight *= root_of_next(p) / static_cast<double>(2 * m + 2);
    }
    shift(row.lifted, row.powers, row.bounds);
    rows_.push_back(row);
  }
}

void LinkMoments::polynomial(double q, Index count, double* out) const {
  std::fill_n(out, count, 0.0);
  for (Index n = 0; n <= std::min(degree_, count - 1); ++n) {
    const Row& row = rows_[static_cast<std::size_t>(n)];
    out[n] = value(row.lifted, q - 1.0);
    if (!row.powers.empty() && value(row.bounds, q) < size(row.lifted, q - 1.0))
      out[n] = value(row.powers, q);
  }
}

void LinkMoments::odd_functions(double q, Index count, double* out) const {
  std::fill_n(out, count, 0.0);
  if (link_.erf != 0.0)
    recur(0.0, link_.erf * std::sqrt(two_over_pi / (1.0 + q)), 0.0, 1.0 + q, count, out);
  if (link_.sign != 0.0) recur(0.0, link_.sign * std::sqrt(two_over_pi / q), 0.0, q, count, out);
}

void LinkMoments::functions(double q, Index count, double* out) const {
  odd_functions(q, count, out);
  if (link_.relu != 0.0)
    recur(0.5 * link_.relu * std::sqrt(two_over_pi * q), 0.5 * link_.relu, 1.0, q, count, out);
}

// Channels: polynomial and all; functions and polynomial; ReLU and odd ones; odd ones and ReLU,
// which have x / 2 in common, so the power 1 alone.
FreeTables::FreeTables(const LinkMoments& first, const LinkMoments& second, const FreeLink& s,
                       const FreeLink& t, Index n, Index width, bool fixed)
    : first_(first), second_(second), n_(n), width_(width), fixed_(fixed),
      polynomial_first_(first.degree() >= 0),
      polynomial_second_(first.named() && second.degree() >= 0),
      relu_first_(first.relu() != 0.0 && second.odd()),
      relu_second_(first.odd() && second.relu() != 0.0) {
  law.channels = polynomial_first_ + polynomial_second_ + relu_first_ + relu_second_;
  law.powers = std::max(polynomial_first_ ? first.degree() + 1 : 0,
                        polynomial_second_ ? second.degree() + 1 : 0);
  if (relu_first_ || relu_second_) law.powers = std::max<Index>(law.powers, 2);
  const Index all = law.channels * law.powers;
  moments_.resize(static_cast<std::size_t>(law.powers + 2));
  others_.resize(moments_.size());
  table_.resize(static_cast<std::size_t>(3 * n * all));
  second_table_ = make_scratch(std::max<Index>(all * width, 1));
  std::fill_n(second_table_.get(), all * width, 0.0);
  norms_ = make_scratch(width);
  std::fill_n(norms_.get(), width, 1.0);
  law.first = table_.data();
  law.second = second_table_.get();
  law.norms = norms_.get();
  law.erf_erf = s.erf * t.erf;
  law.erf_sign = s.erf * t.sign;
  law.relu_relu = s.relu * t.relu;
  if (fixed)
    for (Index l = 0; l < width; ++l) seconds(1.0, l);
}

void FreeTables::follow(const double* norms) {
  const Index stride = 3 * law.channels * law.powers;
  for (Index i = 0; i < n_; ++i) {
    if (!fixed_) norms_[i] = norms[i];
    if (stride == 0) continue;
    firsts(norms[i], table_.data() + i * stride);
    if (!fixed_) seconds(norms[i], i);
  }
}

void FreeTables::firsts(double q, double* to) {
  const Index all = law.channels * law.powers, count = law.powers + 2;
  const auto put = [&](Index powers) {
    for (Index n = 0; n < law.powers; ++n) {
      const bool used = n < powers;
      to[n] = used ? moments_[static_cast<std::size_t>(n)] : 0.0;
      to[all + n] = static_cast<double>(n) * to[n];
      to[2 * all + n] =
          used ? 0.5 * root_of_next(n) * moments_[static_cast<std::size_t>(n + 2)] : 0.0;
    }
    to += law.powers;
  };
  if (polynomial_first_) {
    first_.polynomial(q, count, moments_.data());
    put(law.powers);
  }
  if (polynomial_second_) {
    first_.functions(q, count, moments_.data());
    put(law.powers);
  }
  if (relu_first_) {
    std::fill(moments_.begin(), moments_.end(), 0.0);
    moments_[1] = 0.5 * first_.relu();
    put(2);
  }
  if (relu_second_) {
    first_.odd_functions(q, count, moments_.data());
    put(2);
  }
}

void FreeTables::seconds(double q, Index column) {
  double* to = second_table_.get() + column;
  const auto put = [&](bool line) {
    for (Index n = 0; n < law.powers; ++n, to += width_)
      *to = !line || n == 1 ? moments_[static_cast<std::size_t>(n)] : 0.0;
  };
  if (polynomial_first_) {
    second_.polynomial(q, law.powers, others_.data());
    second_.functions(q, law.powers, moments_.data());
    std::transform(moments_.begin(), moments_.end(), others_.begin(), moments_.begin(),
                   [](double x, double y) { return x + y; });
    put(false);
  }
  if (polynomial_second_) {
    second_.polynomial(q, law.powers, moments_.data());
    put(false);
  }
  if (relu_first_) {
    second_.odd_functions(q, law.powers, moments_.data());
    put(true);
  }
  if (relu_second_) {
    moments_[1] = 0.5 * second_.relu();
    put(true);
  }
}

SquaredMoments::SquaredMoments(const SquaredFlow& flow, const SquaredField& field)
    : field_(field), student_(flow.links->student), teacher_(flow.links->teacher),
      cross_(student_, teacher_, flow.links->student, flow.links->teacher, field.n, field.first,
             true),
      own_(student_, student_, flow.links->student, flow.links->student, field.n,
           field.across - field.first, false),
      norms_(static_cast<std::size_t>(field.n)) {}

const FreeField& SquaredMoments::follow(const double* y) {
  const Index width = field_.width;
  for (Index i = 0; i < field_.n; ++i, y += width) {
    double sum = 0.0;
    for (Index c = 0; c < width; ++c) sum += y[c] * y[c];
    norms_[static_cast<std::size_t>(i)] = sum;
  }
  cross_.follow(norms_.data());
  own_.follow(norms_.data());
  free_ = {cross_.law, own_.law, norms_.data()};
  return free_;
}

}  // namespace hermiteflow
