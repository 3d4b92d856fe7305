// Many neurons: threads, scratch memory, cancellation.
#pragma once

#include <functional>

#include "hermiteflow/kernel_api.hpp"

namespace hermiteflow {

// Called about every 0.1 s by the calling thread with the number of neurons done; false stops.
using Poll = std::function<bool(Index done)>;

// Integrates every neuron of `problem` (whose oracle is set here). False: stopped by the poll.
bool solve_ensemble(Problem problem, const Result& result, int threads, const Poll& poll);

}  // namespace hermiteflow
