// Points where the field of one neuron nearly vanishes: Newton polishing and the inertia of the
// Hessian MATH (11).
#pragma once

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/trapping.hpp"

namespace hermiteflow {

// What is known of a fixed point near a point of small speed.
struct Place {
  bool degenerate;  // an eigenvalue on the tangent space in span(V) is zero
  double same;      // points closer than this in every overlap are the same
};

class Landscape {
 public:
  // Without a trap no neuron is proved trapped.
  explicit Landscape(const Flow& flow, const double* outside, const Trap* trap = nullptr);

  double speed(Index neuron, const double* m) const;  // |dm/dt| / |G g|
  Verdict judge(Index neuron, const double* m) const;
  bool trapped(Index neuron, const double* m, double outside, double level) const;

  // Is psi' zero at every overlap (a degenerate set, m . g = 0)?
  bool vanished(double a, const double* m) const;
  // Puts m on the unit sphere of span(V) and, where Newton's method works, on the fixed point.
  void settle(double a, double* m) const;
  // Moves m towards the fixed point nearby, and tells what it is.
  Place locate(Index neuron, double* m) const;
  // Eigenvalues within this of zero are not told from zero.
  double slack(double a, const double* m) const;
  // Number of Hessian eigenvalues on the tangent space in span(V) below `bound`, at a point of
  // the unit sphere of span(V); `lambda` is m . g there.
  Index count_below(double a, const double* m, double bound, double* lambda) const;

  Oracle oracle() const;

 private:
  Flow flow_;
  const double* outside_;
  const Trap* trap_;
  double reach(double a, const double* m) const;  // |g| without cancellation in psi'
  double weight_max_ = 0.0;

  Index k() const { return flow_.gram.k; }
  double coupling(Index neuron) const {
    return flow_.second_layer != nullptr ? flow_.second_layer[neuron] : 1.0;
  }
  void slopes(double u, double* first, double* second) const;  // psi', psi''
  double field(double a, const double* m, double* g, double* curvature, double* pull,
               double* out) const;  // returns m . g
  void to_sphere(double a, double* m) const;
  bool polish(double a, double* m) const;  // false where Newton is singular or leaves
  bool polish_general(double a, double* m) const;
  // Is m, up to `calm` in speed, next to a minimum that is far from degenerate?
  bool plain_minimum(Index neuron, const double* m, double calm, double* lambda) const;
  bool plainly_convex(double a, const double* m, double* lambda) const;
};

}  // namespace hermiteflow
