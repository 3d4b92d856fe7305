// Neurons that threads take one by one: the flag, the counters and scratch memory of such a run.
#pragma once

#include <algorithm>
#include <vector>

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/parallel.hpp"
#include "hermiteflow/scratch.hpp"

namespace hermiteflow {

// share(control, scratch, may_poll) once on each thread, of which there are at most one for
// `at_least` neurons; false if `poll` has stopped the run.
template <class Share>
bool over_neurons(Index n, Index at_least, Index scratch_doubles, int threads, const Poll& poll,
                  const Share& share) {
  Index ticket = 0, done = 0;
  int stop = 0;
  Watch watch(poll);
  const Control control{
      &ticket, &stop, &done,
      [](void* context, Index finished) { return !static_cast<Watch*>(context)->look(finished); },
      &watch};
  threads =
      static_cast<int>(std::min<Index>(thread_count(threads), std::max<Index>(1, n / at_least)));
  std::vector<Scratch> scratch;  // taken here, so that a failure is not in a parallel region
  for (int i = 0; i < threads; ++i) scratch.push_back(make_scratch(scratch_doubles));
  on_each_thread(
      threads,
      [&](int thread) {
        share(control, scratch[static_cast<std::size_t>(thread)].get(), thread == 0);
      },
      [&] { __atomic_store_n(&stop, 1, __ATOMIC_RELAXED); });
  if (stop == 0) poll(n);
  return stop == 0;
}

}  // namespace hermiteflow
