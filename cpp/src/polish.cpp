// Newton's method at a fixed point nearby, by the structure of G.
#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "hermiteflow/fixed_point.hpp"

namespace hermiteflow {

namespace {

using Vector = Eigen::VectorXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double farthest = 0.01;  // what is called nearby
constexpr double enough = 1e-12;   // a residual, relative to |V^T g|

}  // namespace

// J = diag((1 - beta) c - lambda) + beta 1 c^T - m (g + c m)^T, solved by Woodbury's formula.
bool Landscape::polish(double a, double* m) const {
  if (flow_.gram.kind == GramKind::general) return polish_general(a, m);
  const double beta = flow_.gram.kind == GramKind::equiangular ? flow_.gram.beta : 0.0;
  Eigen::Map<Vector> point(m, k());
  Vector g(k()), c(k()), pull(k()), f(k()), here = point;
  double residual = HUGE_VAL;
  for (int iteration = 0; iteration < 12; ++iteration) {
    const double lambda = field(a, here.data(), g.data(), c.data(), pull.data(), f.data());
    const double now = f.norm(), scale = pull.norm();
    if (!(now < residual) && now > 1e-13 * scale) return false;
    residual = now;
    if (now <= 2e-16 * scale * std::sqrt(double(k()))) break;
    const Eigen::ArrayXd diagonal = (1.0 - beta) * c.array() - lambda;
    if (diagonal.abs().minCoeff() < 1e-10 * std::max(std::fabs(lambda), c.cwiseAbs().maxCoeff()))
      return false;
    const Eigen::ArrayXd inverse = diagonal.inverse();
    const Vector row1 = beta * c, row2 = -(g + c.cwiseProduct(here));
    const Vector x0 = (-f.array() * inverse).matrix(), x1 = inverse.matrix(),
                 x2 = (here.array() * inverse).matrix();
    Eigen::Matrix2d small;
    small << 1.0 + row1.dot(x1), row1.dot(x2), row2.dot(x1), 1.0 + row2.dot(x2);
    if (std::fabs(small.determinant()) < 1e-10) return false;
    const Eigen::Vector2d y = small.inverse() * Eigen::Vector2d(row1.dot(x0), row2.dot(x0));
    const Vector step = x0 - y[0] * x1 - y[1] * x2;
    here += step;
    to_sphere(a, here.data());  // else the step leaves it by its square
    if (!((here - point).norm() < farthest)) return false;
    if (step.norm() < 1e-16 * here.norm()) break;
  }
  if (!(residual <= 1e-10 * pull.norm())) return false;
  point = here;
  return true;
}

// In coefficients, w = V^T x, with the inner product of G, so that G may be singular: the Newton
// step z solves lambda z - P (c o G z) = g - lambda x, P z = z - x (x . G z), by conjugate
// gradients, a product with G each. The Hessian must be positive: only minima are polished.
bool Landscape::polish_general(double a, double* m) const {
  const Eigen::Map<const Matrix> gram(flow_.gram.matrix, k(), k());
  Eigen::Map<Vector> point(m, k());
  Vector g(k()), c(k()), pull(k()), f(k());
  const double start = field(a, m, g.data(), c.data(), pull.data(), f.data());
  const double size = std::sqrt(g.dot(pull));
  if (!(size > 0.0) || !(start > 0.0)) return false;
  Vector x = g / size, here = pull / size;  // near a fixed point w is along V^T g
  double residual = HUGE_VAL, scale = size;
  for (int iteration = 0; iteration < 12; ++iteration) {
    const double lambda = field(a, here.data(), g.data(), c.data(), pull.data(), f.data());
    Vector r = g - lambda * x, gr = f;  // f = G r
    const double first = r.dot(gr), now = std::sqrt(std::max(first, 0.0));
    scale = std::sqrt(std::max(g.dot(pull), 0.0));
    if (!(now < 0.9 * residual)) break;
    residual = now;
    if (now <= enough * scale) break;
    Vector z = Vector::Zero(k()), p = r, gp = gr;
    double rr = first;
    const double least = std::max(1e-12 * first, 0.01 * enough * enough * scale * scale);
    for (Index i = 0; i < 4 * k() + 20 && rr > least; ++i) {
      Vector ap = lambda * p - c.cwiseProduct(gp);
      ap -= here.dot(ap) * x;
      const double curvature = gp.dot(ap);
      if (!(curvature > 1e-12 * std::fabs(lambda) * p.dot(gp))) return false;
      const double step = rr / curvature;
      z += step * p;
      r -= step * ap;
      gr.noalias() = gram * r;
      const double next = r.dot(gr);
      p = r + (next / rr) * p;
      gp = gr + (next / rr) * gp;
      rr = next;
    }
    x += z;
    here.noalias() = gram * x;
    const double norm = std::sqrt(x.dot(here));
    x /= norm;
    here /= norm;
    if (!((here - point).cwiseAbs().maxCoeff() < farthest)) return false;
  }
  if (!(residual <= 1e-10 * scale)) return false;
  point = here;
  return true;
}

}  // namespace hermiteflow
