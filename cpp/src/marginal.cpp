#include "hermiteflow/marginal.hpp"

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/online_step.hpp"
#include "hermiteflow/over_neurons.hpp"

namespace hermiteflow {

bool online_marginal(MarginalProblem problem, const RandomKey& key, const MarginalResult& result,
                     int threads, const Poll& poll) {
  const KernelTable& table = kernels();
  problem.key = sample_key(key);
  problem.context = &key;
  problem.chi_squared = [](const MarginalProblem* of, Index neuron, Index step, double normal,
                           double uniform) {
    RandomKey own = *static_cast<const RandomKey*>(of->context);
    own.word[1] ^= static_cast<std::uint64_t>(neuron + 1) * 0x9E3779B97F4A7C15ULL;
    Stream more(own, static_cast<std::uint64_t>(step), StreamTag::samples);
    return chi_squared_from(of->freedom, normal, uniform, more);
  };
  return over_neurons(problem.n, 64, table.marginal_scratch(&problem), threads, poll,
                      [&](const Control& control, double* scratch, bool may_poll) {
                        table.marginal_neurons(&problem, &result, &control, scratch, may_poll);
                      });
}

}  // namespace hermiteflow
