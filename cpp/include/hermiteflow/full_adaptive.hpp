// The adaptive methods in all d coordinates: the steps of stepper.hpp, one neuron at a time, to
// hold the overlaps against. Knows tableaux and the controller.
#pragma once

#include "hermiteflow/kernel_api.hpp"

namespace hermiteflow {

struct FullAdaptive {
  Method method;
  double t_end, rtol;
  Index max_steps;
  bool atol_follows;  // as in kernel_api.hpp
};

struct FullEnd {
  Status status;
  double t;
  Index steps, rejected;
};

// Integrates row `neuron` of the problem in place in `w` (d) from 0 to a finite t_end.
FullEnd full_adaptive(const FullProblem& full, const FullAdaptive& options, Index neuron,
                      double atol, double* w, const Pause& pause);

}  // namespace hermiteflow
