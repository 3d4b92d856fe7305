// Which minimum each converged neuron has reached. Knows fixed points and threads.
#pragma once

#include "hermiteflow/fixed_point.hpp"
#include "hermiteflow/parallel.hpp"

namespace hermiteflow {

enum class End : std::int32_t { index = 0, average = 1, degenerate = 2, other = 3 };

// Where the flow from +-v_j ends, for the pairs (j, sign) that are asked for.
struct References {
  Index count;
  const double* points;  // (count, k)
  const bool* reached;   // (count,) did it converge?
  const Index* key;      // (n,) which of them belongs to each neuron
  bool exchangeable;     // all are those of v_0: the roles of v_0 and v_j change
};

// For each row of overlaps (n, k) the place of the largest |m_j|, and 1 where it is positive, else
// 0.
void largest_overlaps(Index n, Index k, const double* overlaps, Index* best, Index* up, int threads,
                      const Poll& poll);

// index (n,): the index vector or -1, and the kind of the end (n,) near each row of overlaps (n,
// k).
void name_ends(const Flow& flow, Index n, const double* overlaps, const References& references,
               Index* index, std::int32_t* kind, int threads, const Poll& poll);

}  // namespace hermiteflow
