#include "hermiteflow/marginal.hpp"

#include <algorithm>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/online_step.hpp"
#include "hermiteflow/scratch.hpp"

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
  Index ticket = 0, done = 0;
  int stop = 0;
  Watch watch(poll);
  const Control control{
      &ticket, &stop, &done,
      [](void* context, Index finished) { return !static_cast<Watch*>(context)->look(finished); },
      &watch};
  threads =
      static_cast<int>(std::min<Index>(thread_count(threads), std::max<Index>(1, problem.n / 64)));
  std::vector<Scratch> scratch;  // taken here, so that a failure is not in a parallel region
  for (int i = 0; i < threads; ++i)
    scratch.push_back(make_scratch(table.marginal_scratch(&problem)));
  const auto share = [&](int thread) {
    table.marginal_neurons(&problem, &result, &control,
                           scratch[static_cast<std::size_t>(thread)].get(), thread == 0);
  };
  on_each_thread(threads, share, [&] { __atomic_store_n(&stop, 1, __ATOMIC_RELAXED); });
  if (stop == 0) poll(problem.n);
  return stop == 0;
}

}  // namespace hermiteflow
