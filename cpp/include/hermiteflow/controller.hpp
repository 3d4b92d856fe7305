// Step-size choice from scalars only: a PI controller (HNW II.4; Gustafsson 1991). It never
// evaluates the field.
#pragma once

#include "hermiteflow/lanes.hpp"

namespace hermiteflow::HF_ISA {

struct Controller {
  double inverse_order;  // the error estimate behaves as h^(1 / inverse_order)

  // Factor for the next step after an error ratio; `previous` is that of the last accepted step.
  double factor(double ratio, double previous, bool accepted) const {
    const double now = rough_log2(clip(ratio)), before = rough_log2(clip(previous));
    if (!accepted) return bounded(-inverse_order * now - 0.2, -3.3, -0.15);
    return bounded((-0.7 * now + 0.4 * before) * inverse_order - 0.2, -1.0, 2.3);
  }

  // The equations are near dm/ds = m in the transformed time, whatever the problem.
  double first_step(double rtol) const {
    return 0.5 * rough_exp2(rough_log2(rtol) * inverse_order);
  }

 private:
  static double clip(double x) { return x < 1e-6 ? 1e-6 : (x < 1e30 ? x : 1e30); }
  static double bounded(double exponent, double low, double high) {
    return rough_exp2(exponent < low ? low : (exponent > high ? high : exponent));
  }
};

}  // namespace hermiteflow::HF_ISA
