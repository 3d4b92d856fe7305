// Many neurons: threads, scratch memory, cancellation.
#pragma once

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/parallel.hpp"

namespace hermiteflow {

// Integrates every neuron of `problem` (whose oracle is set here). False: stopped by the poll.
bool solve_ensemble(Problem problem, const Result& result, int threads, const Poll& poll);

}  // namespace hermiteflow
