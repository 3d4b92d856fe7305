#include "hermiteflow/trapping.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "hermiteflow/slope.hpp"

namespace hermiteflow {

namespace {

using Vector = Eigen::VectorXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

double sign(double x) { return x < 0.0 ? -1.0 : 1.0; }

}  // namespace

struct Trap::Factor {
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> solver;
};

Trap::Trap(const Flow& flow) : flow_(flow) {
  const Slope& s = flow.slope;
  const double* b = flow.target_weights;
  std::vector<double> signs(static_cast<std::size_t>(k()));
  bool whole = true;  // no weight is zero
  for (Index j = 0; j < k(); ++j) {
    signs[static_cast<std::size_t>(j)] = sign(b[j]);
    equal_ = equal_ && b[j] == b[0];
    whole = whole && b[j] != 0.0;
  }
  if (flow.gram.kind == GramKind::identity || s.power < 1) return;
  ray_.assign(signs.size(), 1.0);
  sum_rows(signs);
  helps_ = *std::max_element(above_.begin(), above_.end()) <= 0.0 || coincide(signs);
  if (!whole || s.power < 2 || helps_) {
    ray_.clear();
    return;
  }
  find_ray(signs);
  sum_rows(signs);
  for (int i = 0; i <= 600; ++i) {
    const double ratio = std::exp2(-i / 30.0);
    if (invariant(ratio, 1.0)) least_ratio_ = ratio;
  }
}

// out = s G s x
void Trap::product(const std::vector<double>& signs, const std::vector<double>& x,
                   std::vector<double>& out) const {
  const Gram& gram = flow_.gram;
  const Eigen::Map<const Vector> from(x.data(), k()), s(signs.data(), k());
  Eigen::Map<Vector> to(out.data(), k());
  const Vector signed_x = s.cwiseProduct(from);
  if (gram.kind == GramKind::general)
    to.noalias() = Eigen::Map<const Matrix>(gram.matrix, k(), k()) * signed_x;
  else
    to = ((1.0 - gram.beta) * signed_x).array() + gram.beta * signed_x.sum();
  to = to.cwiseProduct(s);
}

// v with s G s |b| v^(p-1) = v, along which trapped overlaps shrink; where the iteration leaves
// v > 0 or does not settle, v = |b|^(-1/(p-2)), the ray of G = I. Any v > 0 gives a valid cone.
void Trap::find_ray(const std::vector<double>& signs) {
  const double power = static_cast<double>(flow_.slope.power);
  std::vector<double> start(ray_.size()), x(ray_.size()), pull(ray_.size());
  for (std::size_t j = 0; j < ray_.size(); ++j)
    start[j] = std::pow(std::fabs(flow_.target_weights[j]), -1.0 / (power - 1.0));
  ray_ = start;
  for (int round = 0; round < 60; ++round) {
    for (std::size_t j = 0; j < ray_.size(); ++j)
      x[j] = std::fabs(flow_.target_weights[j]) * std::pow(ray_[j], power);
    product(signs, x, pull);
    double moved = 0.0;
    for (std::size_t j = 0; j < ray_.size(); ++j) {
      const double factor = std::pow(pull[j] / ray_[j], -1.0 / (power - 1.0));
      if (!(pull[j] > 0.0) || !(factor > 1e-3 && factor < 1e3)) {
        ray_ = start;
        return;
      }
      ray_[j] *= factor;
      moved = std::max(moved, std::fabs(factor - 1.0));
    }
    if (moved < 1e-14) return;
  }
  ray_ = start;
}

void Trap::sum_rows(const std::vector<double>& signs) {
  const Gram& gram = flow_.gram;
  const double power = static_cast<double>(flow_.slope.power);
  const std::size_t size = ray_.size();
  std::vector<double> force(size);
  double plus = 0.0, minus = 0.0;  // equiangular: sums of forces by sign
  for (std::size_t j = 0; j < size; ++j) {
    force[j] = std::fabs(flow_.target_weights[j]) * std::pow(ray_[j], power);
    (signs[j] > 0.0 ? plus : minus) += force[j];
  }
  own_.assign(size, 0.0);
  above_.assign(size, 0.0);
  below_.assign(size, 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    double same = 0.0, other = 0.0;  // off the diagonal: sums of positive and negative terms
    if (gram.kind == GramKind::equiangular) {
      const double alike = std::max((signs[i] > 0.0 ? plus : minus) - force[i], 0.0);
      const double apart = signs[i] > 0.0 ? minus : plus, size_of_beta = std::fabs(gram.beta);
      same = size_of_beta * (gram.beta > 0.0 ? alike : apart);
      other = size_of_beta * (gram.beta > 0.0 ? apart : alike);
    } else {
      for (std::size_t l = 0; l < size; ++l) {
        const double x = gram.matrix[i * size + l] * signs[i] * signs[l] * force[l];
        if (l != i) (x > 0.0 ? same : other) += std::fabs(x);
      }
    }
    own_[i] = force[i] / ray_[i];
    above_[i] = same / ray_[i];
    below_[i] = other / ray_[i];
  }
}

// Condition (E) for the cone of the ratio r and forces within [1, kappa] of the pure ones.
bool Trap::invariant(double r, double kappa) const {
  const double power = static_cast<double>(flow_.slope.power);
  const double small = std::pow(r, power - 1.0);  // r^(p-2)
  double least = HUGE_VAL, largest = -HUGE_VAL, scale = 0.0;
  for (std::size_t i = 0; i < own_.size(); ++i) {
    least = std::min(least, own_[i] - kappa * below_[i] + above_[i] * small * r);
    largest = std::max(largest, small * (kappa * own_[i] - below_[i]) + kappa * above_[i] / r);
    scale = std::max(scale, own_[i] + kappa * (below_[i] + above_[i] / r));
  }
  return least - largest >= 1e-13 * scale;
}

// From m and not from 1 - |w outside|^2, which has no digits at large d.
double Trap::inside(const double* m) const {
  const Gram& gram = flow_.gram;
  const Eigen::Map<const Vector> here(m, k());
  if (gram.kind == GramKind::identity) return here.squaredNorm();
  if (gram.kind == GramKind::equiangular) {
    const double sum = here.sum(), gamma = gram.beta / (1.0 + (double(k()) - 1.0) * gram.beta);
    return (here.squaredNorm() - gamma * sum * sum) / (1.0 - gram.beta);
  }
  std::call_once(once_, [&] {
    const Eigen::Map<const Matrix> factor(gram.factor, k(), gram.rank);
    factor_ =
        std::make_shared<const Factor>(Factor{Eigen::ColPivHouseholderQR<Eigen::MatrixXd>(factor)});
  });
  return factor_->solver.solve(here).squaredNorm();
}

bool Trap::holds(double a, const double* m, double level) const {
  const Slope& s = flow_.slope;
  if (s.power < 1) return false;
  bool at_zero = true, every_side = true, positive = true, negative = true;
  for (Index j = 0; j < k(); ++j) {  // signs first: most neurons fail here
    const double weight = a * flow_.target_weights[j];
    const bool right = weight * s.sign_right <= 0.0, left = weight * s.sign_left >= 0.0;
    if (m[j] != 0.0 && !(m[j] > 0.0 ? right : left)) return false;
    every_side = every_side && right && left;
    const double with = m[j] * sign(flow_.target_weights[j]);
    positive = positive && with > 0.0;
    negative = negative && with < 0.0;
    at_zero = at_zero && m[j] == 0.0;
  }
  if (at_zero) return true;  // the field vanishes there
  const double q = inside(m), root = std::sqrt(q) * (1.0 + 1e-9);
  if (level > 0.0 && level <= root) return false;  // |m_j| <= sqrt(q) for ever, if trapped
  bool within = true, both_within = true;
  for (Index j = 0; j < k(); ++j) {
    both_within = both_within && root <= s.reach_right && root <= s.reach_left;
    within = within && (m[j] == 0.0 || root <= (m[j] > 0.0 ? s.reach_right : s.reach_left));
  }
  if (every_side && both_within) return true;
  if (!within) return false;
  if (flow_.gram.kind == GramKind::identity) return true;
  if (!positive && !negative) return false;
  if (helps_ || k() == 1) return true;
  if (flow_.gram.kind == GramKind::equiangular && flow_.gram.beta > 0.0 && equal_ && s.pure())
    return sharp(m);
  return !ray_.empty() && in_cone(m, q);
}

// Is every positive off-diagonal element of s G s that of two index vectors that coincide?
bool Trap::coincide(const std::vector<double>& signs) const {
  if (flow_.gram.kind != GramKind::general) return false;
  for (Index j = 0; j < k(); ++j)
    for (Index l = 0; l < j; ++l) {
      const double product = signs[static_cast<std::size_t>(j)] *
                             signs[static_cast<std::size_t>(l)] * flow_.gram.matrix[j * k() + l];
      if (product > 0.0 && product < 1.0 - 1e-15) return false;
    }
  return true;
}

// Condition (D).
bool Trap::sharp(const double* m) const {
  double low = HUGE_VAL, high = 0.0;
  for (Index j = 0; j < k(); ++j) {
    low = std::min(low, std::fabs(m[j]));
    high = std::max(high, std::fabs(m[j]));
  }
  const double r = low / high, beta = flow_.gram.beta;
  double sum = 0.0, power = 1.0;
  for (Index i = 1; i < flow_.slope.power; ++i) sum += power *= r;
  return sum >= beta / (1.0 - beta) * (power * r + double(k()) - 1.0);
}

// Condition (E).
bool Trap::in_cone(const double* m, double q) const {
  const Slope& s = flow_.slope;
  double low = HUGE_VAL, high = 0.0;
  for (Index j = 0; j < k(); ++j) {
    const double size = std::fabs(m[j]) / ray_[static_cast<std::size_t>(j)];
    low = std::min(low, size);
    high = std::max(high, size);
  }
  const double ratio = low / high;
  if (s.pure()) return ratio >= least_ratio_;
  const double size = clamped(std::sqrt(q));
  const double lead = std::fabs(s.coefficients[0]);
  const double rest = reach_of(s, size) / power_of(size, s.power) - lead;
  if (!(lead > rest)) return false;
  const double kappa = (lead + rest) / (lead - rest);
  for (int i = 0; i < 60; ++i)
    if (invariant(ratio * std::exp2(-i / 6.0), kappa)) return true;
  return false;
}

}  // namespace hermiteflow
