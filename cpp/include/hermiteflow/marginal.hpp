// Online gradient descent of neurons that do not share samples: threads and cancellation.
#pragma once

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/parallel.hpp"
#include "hermiteflow/random.hpp"

namespace hermiteflow {

// The key and the core's answers are filled in here. False: stopped by the poll.
bool online_marginal(MarginalProblem problem, const RandomKey& key, const MarginalResult& result,
                     int threads, const Poll& poll);

}  // namespace hermiteflow
