#include "hermiteflow/fixed_point.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "hermiteflow/slope.hpp"

namespace hermiteflow {

namespace {

using Vector = Eigen::VectorXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double rounding = 1e-9;  // eigenvalues above -rounding * scale count as not negative

// A'(u). At |u| = 1, where it is infinite, 0: (z . v)^2 in (11) vanishes faster there.
double arc_bend(double u, Index skip) {
  const double square = u * u, outer = (1.0 - u) * (1.0 + u);
  double derivative[arc_terms];
  if (square < 0.25) {
    for (Index i = 0; i < arc_terms; ++i)
      derivative[i] = static_cast<double>(2 * (skip + i) + 1) * arc_series.of[skip + i];
    return horner(derivative, arc_terms, square) * power_of(square, skip);
  }
  if (outer < 1e-15) return 0.0;
  double lead = 0.0;
  for (Index i = skip - 1; i >= 0; --i)
    lead = lead * square + static_cast<double>(2 * i + 1) * arc_series.of[i];
  return 1.0 / std::sqrt(outer) - lead;
}

// Numbers of negative eigenvalues of the symmetric matrix ((x, y), (y, z)).
Index negative_of_two(double x, double y, double z) {
  const double determinant = x * z - y * y;
  if (determinant < 0.0) return 1;
  return x + z < 0.0 ? 2 : 0;
}

}  // namespace

Landscape::Landscape(const Flow& flow, const double* outside, const Trap* trap)
    : flow_(flow), outside_(outside), trap_(trap) {
  for (Index j = 0; j < flow.gram.k; ++j)
    weight_max_ = std::max(weight_max_, std::fabs(flow.target_weights[j]));
}

void Landscape::slopes(double u, double* first, double* second) const {
  const Slope& s = flow_.slope;
  if (s.arc != 0.0) u = clamped(u);
  const double x = s.stride == 2 ? u * u : u, dx = s.stride == 2 ? 2.0 * u : 1.0;
  double value = 0.0, derivative = 0.0;
  for (Index i = s.terms - 1; i >= 0; --i) {
    derivative = derivative * x + value;
    value = value * x + s.coefficients[i];
  }
  double before = 0.0, power = 1.0;  // u^(power - 1), u^power
  for (Index i = 0; i < s.power; ++i) {
    before = power;
    power *= u;
  }
  *first = power * value;
  *second = static_cast<double>(s.power) * before * value + power * derivative * dx;
  if (s.arc == 0.0) return;
  *first += s.arc * arc_at(u, s.arc_skip);
  *second += s.arc * arc_bend(u, s.arc_skip);
}

double Landscape::field(double a, const double* m, double* g, double* curvature, double* pull,
                        double* out) const {
  const Gram& gram = flow_.gram;
  double mg = 0.0, sum = 0.0;
  for (Index j = 0; j < k(); ++j) {
    double first, second;
    slopes(m[j], &first, &second);
    const double weight = a * flow_.target_weights[j];
    g[j] = weight * first;
    curvature[j] = weight * second;
    mg += m[j] * g[j];
    sum += g[j];
  }
  const Eigen::Map<const Vector> force(g, k());
  if (gram.kind == GramKind::general)
    Eigen::Map<Vector>(pull, k()).noalias() =
        Eigen::Map<const Matrix>(gram.matrix, k(), k()) * force;
  for (Index j = 0; j < k(); ++j) {
    if (gram.kind == GramKind::identity) pull[j] = g[j];
    if (gram.kind == GramKind::equiangular) pull[j] = (1.0 - gram.beta) * g[j] + gram.beta * sum;
    out[j] = pull[j] - mg * m[j];
  }
  return mg;
}

double Landscape::speed(Index neuron, const double* m) const {
  const double a = coupling(neuron);
  double moved = 0.0, pulled = 0.0;
  if (flow_.gram.kind == GramKind::general) {
    std::vector<double> work(static_cast<std::size_t>(4 * k()));
    double *g = work.data(), *c = g + k(), *pull = c + k(), *f = pull + k();
    field(a, m, g, c, pull, f);
    for (Index j = 0; j < k(); ++j) {
      moved += f[j] * f[j];
      pulled += pull[j] * pull[j];
    }
  } else {
    const double beta = flow_.gram.kind == GramKind::equiangular ? flow_.gram.beta : 0.0;
    constexpr Index most = 256;  // forces that are kept
    double kept[most], mg = 0.0, sum = 0.0;
    for (Index j = 0; j < k(); ++j) {
      const double g = a * flow_.target_weights[j] * slope_at(flow_.slope, m[j]);
      if (j < most) kept[j] = g;
      mg += m[j] * g;
      sum += g;
    }
    const auto force = [&](Index j) {
      return j < most ? kept[j] : a * flow_.target_weights[j] * slope_at(flow_.slope, m[j]);
    };
    for (Index j = 0; j < k(); ++j) {
      const double pull = (1.0 - beta) * force(j) + beta * sum, f = pull - mg * m[j];
      moved += f * f;
      pulled += pull * pull;
    }
  }
  const double size = std::max(std::sqrt(pulled), vanishing * reach(a, m));
  return size > 0.0 ? std::sqrt(moved) / size : 1.0;
}

double Landscape::reach(double a, const double* m) const {
  if (flow_.slope.pure()) return 0.0;
  double square = 0.0;
  for (Index j = 0; j < k(); ++j) square += m[j] * m[j];
  return std::fabs(a) * weight_max_ * reach_of(flow_.slope, std::sqrt(square));
}

bool Landscape::vanished(double a, const double* m) const {
  if (flow_.slope.pure()) return false;
  double square = 0.0;
  for (Index j = 0; j < k(); ++j) {
    double first, second;
    slopes(m[j], &first, &second);
    square += first * first * flow_.target_weights[j] * flow_.target_weights[j];
  }
  return std::fabs(a) * std::sqrt(square) < 1e-2 * vanishing * reach(a, m);
}

// The point of the unit sphere of span(V) nearest to where m points.
void Landscape::to_sphere(double a, double* m) const {
  const Gram& gram = flow_.gram;
  Eigen::Map<Vector> here(m, k());
  if (gram.kind == GramKind::identity) {
    here /= here.norm();
  } else if (gram.kind == GramKind::equiangular) {
    const double sum = here.sum(), gamma = gram.beta / (1.0 + (double(k()) - 1.0) * gram.beta);
    here /= std::sqrt((here.squaredNorm() - gamma * sum * sum) / (1.0 - gram.beta));
  } else {  // near a fixed point w is along V^T g
    Vector g(k());
    double second, along = 0.0;
    for (Index j = 0; j < k(); ++j) {
      slopes(m[j], &g[j], &second);
      g[j] *= a * flow_.target_weights[j];
      along += g[j] * m[j];
    }
    const Eigen::Map<const Matrix> factor(gram.factor, k(), gram.rank);
    Vector w = factor.transpose() * g;
    w *= (along < 0.0 ? -1.0 : 1.0) / w.norm();
    here = factor * w;
  }
}

Index Landscape::count_below(double a, const double* m, double bound, double* lambda_out) const {
  Vector g(k()), c(k()), pull(k()), f(k());
  const double lambda = field(a, m, g.data(), c.data(), pull.data(), f.data());
  if (lambda_out != nullptr) *lambda_out = lambda;
  const Gram& gram = flow_.gram;
  const Eigen::Map<const Vector> here(m, k());
  if (gram.kind == GramKind::general) {
    const Eigen::Map<const Matrix> factor(gram.factor, k(), gram.rank);
    Matrix h = -(factor.transpose() * c.asDiagonal() * factor);
    h.diagonal().array() += lambda - bound;
    Vector w = factor.transpose() * g;
    w /= w.norm();
    const Vector hw = h * w;
    const double scale = h.cwiseAbs().maxCoeff() + 1.0;
    h += -hw * w.transpose() - w * hw.transpose() + (w.dot(hw) + scale) * (w * w.transpose());
    const Eigen::LDLT<Matrix> factored(h);
    return (factored.vectorD().array() < 0.0).count();
  }
  // Inertia of the form bordered by the constraint z . w = 0, MATH (11) in the coordinates z . v_j
  const double beta = gram.kind == GramKind::equiangular ? gram.beta : 0.0;
  const double gamma = beta / (1.0 + (double(k()) - 1.0) * beta);
  const double mu = (lambda - bound) / (1.0 - beta), rho = mu * gamma;
  const double tiny = 1e-300 + 1e-16 * (std::fabs(mu) + c.cwiseAbs().maxCoeff());
  Eigen::ArrayXd diagonal = mu - c.array();
  diagonal = (diagonal.abs() < tiny).select(tiny, diagonal);
  const Eigen::ArrayXd border = here.array() - gamma * here.sum();
  const double cc = (border * border / diagonal).sum();
  Index negative = (diagonal < 0.0).count() - 1;  // the border adds one of each sign
  if (rho == 0.0) return negative + (cc > 0.0 ? 1 : 0);
  const double one = (1.0 / diagonal).sum(), mixed = (border / diagonal).sum();
  negative += negative_of_two(1.0 / rho - one, -mixed, -cc);
  return negative - (rho < 0.0 ? 1 : 0);
}

void Landscape::settle(double a, double* m) const {
  to_sphere(a, m);
  polish(a, m);
}

double Landscape::slack(double a, const double* m) const {
  Vector g(k()), c(k()), pull(k()), f(k());
  const double lambda = field(a, m, g.data(), c.data(), pull.data(), f.data());
  return rounding * std::max(std::fabs(lambda), c.cwiseAbs().maxCoeff());
}

// A residual this small beside a spectrum this far from zero: a minimum is nearby (Newton and
// Kantorovich), and its spectrum is nearly this one.
bool Landscape::plain_minimum(Index neuron, const double* m, double calm, double* lambda) const {
  if (speed(neuron, m) > calm) return false;
  const double a = coupling(neuron);
  // lambda - sum_j c_j u_j u_j^T, u_j the part of v_j that is tangent at w: the trace may do
  double along = 0.0, trace = 0.0, largest = 0.0;
  for (Index j = 0; j < k(); ++j) {
    double first, second;
    slopes(m[j], &first, &second);
    const double weight = a * flow_.target_weights[j], c = weight * second;
    along += weight * first * m[j];
    trace += std::max(c, 0.0) * std::max(1.0 - m[j] * m[j], 0.0);
    largest = std::max(largest, std::fabs(c));
  }
  *lambda = along;
  if (along - trace > 0.05 * std::max(along, largest)) return true;
  Vector here = Eigen::Map<const Vector>(m, k());
  to_sphere(a, here.data());
  if (flow_.gram.kind == GramKind::general) return plainly_convex(a, here.data(), lambda);
  return count_below(a, here.data(), 0.05 / rounding * slack(a, here.data()), lambda) == 0;
}

// Sufficient for a Hessian far above zero. With c_j = a b_j psi''(m_j) and the parts u_j of the v_j
// that are tangent at w, it is lambda - sum_j c_j u_j u_j^T >= lambda - sum over c_j > 0; those
// with small c_j are bounded by their trace, the others through the matrix sqrt(c_i c_j) u_i . u_j.
bool Landscape::plainly_convex(double a, const double* m, double* lambda_out) const {
  Vector g(k()), c(k()), pull(k()), f(k());
  const double lambda = field(a, m, g.data(), c.data(), pull.data(), f.data());
  *lambda_out = lambda;
  const double bound = 0.9 * lambda - 0.05 * std::max(std::fabs(lambda), c.cwiseAbs().maxCoeff());
  if (!(bound > 0.0)) return false;
  std::vector<Index> large;
  for (Index j = 0; j < k(); ++j)
    if (c[j] > 0.1 * lambda / static_cast<double>(k())) large.push_back(j);
  const Index size = static_cast<Index>(large.size());
  Matrix form(size, size);
  for (Index i = 0; i < size; ++i)
    for (Index l = 0; l < size; ++l) {
      const Index x = large[static_cast<std::size_t>(i)], y = large[static_cast<std::size_t>(l)];
      form(i, l) = std::sqrt(c[x] * c[y]) * (flow_.gram.matrix[x * k() + y] - m[x] * m[y]);
    }
  if (form.norm() < bound) return true;
  const Matrix rest = bound * Matrix::Identity(size, size) - form;
  return Eigen::LLT<Matrix>(rest).info() == Eigen::Success;
}

Place Landscape::locate(Index neuron, double* m) const {
  const double a = coupling(neuron);
  if (vanished(a, m)) return {true, 0.0};
  double lambda = 0.0;
  if (plain_minimum(neuron, m, 2e-6, &lambda)) return {false, 1e-4};
  settle(a, m);
  const double limit = slack(a, m);
  return {count_below(a, m, limit, nullptr) > count_below(a, m, -limit, nullptr), 1e-5};
}

Verdict Landscape::judge(Index neuron, const double* m) const {
  const double a = coupling(neuron);
  if (vanished(a, m)) {  // (11) with m . g = 0: no negative direction where every term is >= 0
    bool positive = true;
    for (Index j = 0; j < k(); ++j) {
      double first, second;
      slopes(m[j], &first, &second);
      positive = positive && a * flow_.target_weights[j] * second <= 0.0;
    }
    return {positive, Eigen::Map<const Vector>(m, k()).cwiseAbs().maxCoeff()};
  }
  double lambda = 0.0;
  if (plain_minimum(neuron, m, 1e-5, &lambda) && (outside_[neuron] <= 0.0 || lambda > 0.0))
    return {true, Eigen::Map<const Vector>(m, k()).cwiseAbs().maxCoeff()};
  Vector here = Eigen::Map<const Vector>(m, k());
  settle(a, here.data());
  const double limit = slack(a, here.data());
  const Index negative = count_below(a, here.data(), -limit, &lambda);
  return {negative == 0 && (outside_[neuron] <= 0.0 || lambda > -limit),
          here.cwiseAbs().maxCoeff()};
}

bool Landscape::trapped(Index neuron, const double* m, double outside, double level) const {
  return trap_ != nullptr && outside >= 1e-12 && trap_->holds(coupling(neuron), m, level);
}

Oracle Landscape::oracle() const {
  return {this,
          [](const void* context, Index neuron, const double* m) {
            return static_cast<const Landscape*>(context)->judge(neuron, m);
          },
          [](const void* context, Index neuron, const double* m, double outside, double level) {
            return static_cast<const Landscape*>(context)->trapped(neuron, m, outside, level);
          },
          [](const void* context, Index neuron, const double* m) {
            return static_cast<const Landscape*>(context)->speed(neuron, m);
          }};
}

}  // namespace hermiteflow
