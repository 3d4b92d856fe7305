// Dense output of one neuron's overlaps, for event.hpp. Knows tableaux.
#pragma once

#include "hermiteflow/types.hpp"

namespace hermiteflow {

// What dense output multiplies h times the rates with, theta of a step from its start.
template <class T>
void aim(double theta, double* weights) {
  for (int i = 0; i < T::dense_stages; ++i) {
    weights[i] = 0.0;
    for (int q = T::dense_degree - 1; q >= 0; --q)
      weights[i] = (weights[i] + T::dense[i][q]) * theta;
  }
}

// The overlaps of one neuron within a step; for event.hpp.
template <class T>
struct Segment {
  Index k;
  const double *start, *end;  // (k,)
  const double* rates;        // (dense_stages, k)
  double h;
  double edge(Index j, int which) const { return (which != 0 ? end : start)[j]; }
  double slope(Index j, int which) const {
    return h * rates[(which != 0 ? T::stages - 1 : 0) * k + j];
  }
  double value(Index j, double theta) const {
    if (theta >= 1.0) return end[j];
    double weights[T::dense_stages], sum = start[j];
    aim<T>(theta, weights);
    for (int i = 0; i < T::dense_stages; ++i) sum += h * weights[i] * rates[i * k + j];
    return sum;
  }
};

}  // namespace hermiteflow
