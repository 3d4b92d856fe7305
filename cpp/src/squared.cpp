// The squared loss, integrated.
#define HF_ISA squared  // the controller's own copy, apart from those of the kernels

#include "hermiteflow/squared.hpp"

#include "hermiteflow/coupled_run.hpp"
#include "hermiteflow/squared_evaluator.hpp"

namespace hermiteflow {

void solve_squared(const SquaredFlow& flow, const SquaredOptions& options,
                   const SquaredState& start, SquaredResult& result, int threads,
                   const Poll& poll) {
  const Poll with_steps = [&](Index) { return poll(result.steps); };
  Watch watch(with_steps);
  SquaredEvaluator evaluator(flow, threads, watch);
  run_method(evaluator, options, start, result, watch);
}

}  // namespace hermiteflow
