// Weights in R^d: overlaps, gradient, RK4, and weights from (s, alpha), over threads. False:
// stopped by the poll.
#pragma once

#include "hermiteflow/ensemble.hpp"
#include "hermiteflow/full_adaptive.hpp"
#include "hermiteflow/kernel_api.hpp"

namespace hermiteflow {

// W V^T: (n, d) (k, d) -> (n, k)
bool project_weights(Index n, Index k, Index d, const double* w, const double* v, double* out,
                     int threads, const Poll& poll);
// diag(s) W + alpha V: (n,), (n, d), (n, k), (k, d) -> (n, d)
bool combine_weights(Index n, Index k, Index d, const double* s, const double* w,
                     const double* alpha, const double* v, double* out, int threads,
                     const Poll& poll);
// Riemannian gradient of MATH (2): (n, d)
bool weights_gradient(const FullProblem& problem, Index n, double* gradient, int threads,
                      const Poll& poll);
// RK4 on all coordinates, in place in `weights` (n, d).
bool weights_rk4(const FullProblem& problem, Index n, double step, double t_end, bool renormalize,
                 double* weights, int threads, const Poll& poll);

// The same by an adaptive method, row by row; `ends` (n,).
bool weights_adaptive(const FullProblem& problem, Index n, const FullAdaptive& options,
                      const double* atol, double* weights, FullEnd* ends, int threads,
                      const Poll& poll);

}  // namespace hermiteflow
