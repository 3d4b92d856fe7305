// Step-size choice from scalars only: a PI controller (HNW II.4; Gustafsson 1991). It never
// evaluates the field.
#pragma once

#include "hermiteflow/lanes.hpp"

namespace hermiteflow::HF_ISA {

struct Controller {
  double inverse_order;  // the error estimate behaves as h^(1 / inverse_order)
  double margin =
      inverse_order < 0.15 ? 0.3 : 0.2;  // high orders: estimates at large steps say less

  // Factors for the next steps after error ratios; `previous` are those of the last accepted steps.
  template <int L>
  Real<L> factor(const Real<L>& ratio, const Real<L>& previous, const Whole<L>& accepted) const {
    const Real<L> now = rough_log2<L>(clip<L>(ratio)), before = rough_log2<L>(clip<L>(previous));
    const Real<L> back = bounded<L>(-inverse_order * now - 0.2, -3.3, -0.15);
    const Real<L> on = bounded<L>((-0.7 * now + 0.4 * before) * inverse_order - margin, -1.0, 2.3);
    return rough_exp2<L>(accepted ? on : back);
  }
  double factor(double ratio, double previous, bool accepted) const {
    return factor<1>(filled<1>(ratio), filled<1>(previous), Whole<1>{} - accepted)[0];
  }

  // The equations are near dm/ds = m in the transformed time, whatever the problem.
  double first_step(double rtol) const {
    return 0.5 * rough_exp2<1>(filled<1>(rough_log2(rtol) * inverse_order))[0];
  }

 private:
  template <int L>
  static Real<L> clip(const Real<L>& x) {  // NaN becomes 1e30
    return x < 1e-6 ? filled<L>(1e-6) : (x < 1e30 ? x : filled<L>(1e30));
  }
  template <int L>
  static Real<L> bounded(const Real<L>& x, double low, double high) {
    return x < low ? filled<L>(low) : (x > high ? filled<L>(high) : x);
  }
};

}  // namespace hermiteflow::HF_ISA
