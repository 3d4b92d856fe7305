// psi' of one overlap. Internal linkage: each instruction set and the core have a copy of their
// own.
#pragma once

#include "hermiteflow/types.hpp"

namespace hermiteflow {

// psi'(u)
static inline double slope_at(const Slope& s, double u) {
  const double x = s.stride == 2 ? u * u : u;
  double value = s.coefficients[s.terms - 1];
  for (Index l = s.terms - 2; l >= 0; --l) value = value * x + s.coefficients[l];
  for (Index l = 0; l < s.power; ++l) value *= u;
  return value;
}

// The largest |b_j| times the largest coefficient of psi'.
static inline double strongest_force(const Flow& flow) {
  double largest = 0.0;
  for (Index j = 0; j < flow.gram.k; ++j)
    for (Index i = 0; i < flow.slope.terms; ++i) {
      const double force = flow.target_weights[j] * flow.slope.coefficients[i];
      largest = force > largest ? force : (-force > largest ? -force : largest);
    }
  return largest;
}

// What stands in for |m|^2 where that is smaller, in the time of the adaptive methods: the flow
// leaves m = 0 only where psi'(0) != 0; elsewhere decaying overlaps keep their relative accuracy.
static inline double least_square_of(const Slope& s) { return s.power == 0 ? 1e-40 : 1e-280; }

}  // namespace hermiteflow
