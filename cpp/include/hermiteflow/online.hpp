// One-pass (online) gradient descent with fresh samples, MATH section 8: in R^d, or in law by
// coordinates of span(W, V), to which each step adds a direction. Knows the kernels of samples.
#pragma once

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/parallel.hpp"
#include "hermiteflow/random.hpp"

namespace hermiteflow {

struct OnlineModel {
  SampleModel sample;
  Index rank;
  const double* factor;  // L (k, rank), or null for G = I
  double d;              // input dimension
  bool trained;          // the second layer learns too
};

struct OnlineOptions {
  Index first, last;  // steps first + 1 .. last are taken
  double rate;
  Index batch;
  RandomKey key;
  Index n_levels;
  const double* levels;  // of max_j |M_ij|, ascending
  Index enough;          // stop when each neuron has met so many; 0: never
  Index n_saves;
  const Index* saves;  // steps, ascending
};

// W = diag(scale) rows; the first `rank` coordinates are those of span(V). All of it changes.
struct OnlineState {
  double* rows;
  Index stride;    // a multiple of 16; zeros behind the columns in use
  Index columns;   // in use
  double* scale;   // (n,)
  double* layer;   // (own,), zeros behind n
  Index* reached;  // (n,): levels met
  Index saved;
};

struct OnlineResult {
  double* hits;                          // (n, n_levels): steps
  double *overlaps, *students, *layers;  // (n_saves, ...): M, Q, a
  Index step = 0;
  Status status = Status::t_end;
};

void online_direct(const OnlineModel& model, const OnlineOptions& options, OnlineState& state,
                   OnlineResult& result, int threads, const Poll& poll);
void online_in_law(const OnlineModel& model, const OnlineOptions& options, OnlineState& state,
                   OnlineResult& result, const Poll& poll);

// Columns that a state in law needs: those of W outside span(V), and room for new directions.
Index online_columns(const OnlineModel& model, Index batch);

}  // namespace hermiteflow
