// What a neuron that leaves its lane keeps of w = s w(0) + V^T alpha, MATH (5). Knows the problem;
// sees a tile through its newest step.
#pragma once

#include "hermiteflow/kernel_api.hpp"

namespace hermiteflow::HF_ISA {

// frame (1 + k): s and alpha at theta of the step; theta = 0 is its start.
template <class Tile, class Segment>
void write_frame(const Problem& problem, const Tile& tile, const Segment& segment, double theta,
                 const double* start, const double* end, double* frame) {
  const Gram& gram = problem.flow.gram;
  const int lane = segment.lane;
  const double scale = theta == 0.0 ? tile.s[lane] : segment.scale(theta);
  double total = 0.0;
  frame[0] = scale;
  for (Index r = 0; r < gram.k; ++r) {
    if (tile.alpha != nullptr)
      frame[1 + r] =
          theta == 0.0 ? tile.alpha[r * Tile::lanes + lane] : segment.alpha_value(r, theta);
    else
      frame[1 + r] = end[r] - scale * start[r];
    total += frame[1 + r];
  }
  if (gram.kind != GramKind::equiangular) return;
  const double beta = gram.beta;  // alpha = G^-1 (m - s m(0))
  const double mean = beta * total / (1.0 + static_cast<double>(gram.k - 1) * beta);
  for (Index r = 0; r < gram.k; ++r) frame[1 + r] = (frame[1 + r] - mean) / (1.0 - beta);
}

}  // namespace hermiteflow::HF_ISA
