// Proof that a neuron is drawn to zero overlaps for ever: the conditions (A) to (E) of docs/solver.
// Knows the plain description of a flow.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "hermiteflow/types.hpp"

namespace hermiteflow {

class Trap {
 public:
  explicit Trap(const Flow& flow);

  // Is the neuron with overlaps m and second layer a trapped, and sqrt(q) below `level` (if that
  // is positive)?
  bool holds(double a, const double* m, double level) const;

 private:
  Flow flow_;
  bool helps_ = true;  // no positive off-diagonal element of s G s, s_j the sign of b_j
  bool equal_ = true;  // all target weights alike
  // Rows of s G s |b| v^(p-1) / v for a ray v > 0: diagonal, and sums of what is above and below
  // zero off it. Empty where there is no cone.
  std::vector<double> ray_, own_, above_, below_;
  double least_ratio_ = 2.0;  // pure degree: smallest ratio whose cone is invariant

  struct Factor;
  mutable std::once_flag once_;
  mutable std::shared_ptr<const Factor> factor_;  // general G: least squares for q

  Index k() const { return flow_.gram.k; }
  double inside(const double* m) const;  // |projection of w on span(V)|^2
  void product(const std::vector<double>& signs, const std::vector<double>& x,
               std::vector<double>& out) const;
  void find_ray(const std::vector<double>& signs);
  void sum_rows(const std::vector<double>& signs);
  bool coincide(const std::vector<double>& signs) const;
  bool invariant(double ratio, double kappa) const;
  bool sharp(const double* m) const;
  bool in_cone(const double* m, double q) const;
};

}  // namespace hermiteflow
