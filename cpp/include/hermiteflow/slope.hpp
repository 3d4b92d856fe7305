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

}  // namespace hermiteflow
