// The field of the squared loss at one state, for those who integrate it themselves.
#include <algorithm>
#include <cmath>
#include <vector>

#include "hermiteflow/squared_evaluator.hpp"

namespace hermiteflow {

double squared_rates(const SquaredFlow& flow, const SquaredState& at, const SquaredState& rates,
                     double* norms, int threads, const Poll& poll) {
  Watch watch(poll);
  SquaredEvaluator evaluator(flow, threads, watch);
  const Scratch y = evaluator.state(), out = evaluator.state();
  evaluator.layout.pack(at, y.get());
  std::vector<double> speed2(static_cast<std::size_t>(2 * flow.n));
  evaluator.rates(y.get(), out.get(), speed2.data());
  evaluator.layout.unpack(out.get(), rates);
  std::transform(speed2.begin(), speed2.begin() + flow.n, norms,
                 [](double x) { return std::sqrt(x); });
  return evaluator.loss(y.get());
}

}  // namespace hermiteflow
