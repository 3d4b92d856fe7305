// The error of a step of coupled neurons over its tolerance. Knows tableaux; the evaluator is a
// parameter.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "hermiteflow/squared.hpp"

namespace hermiteflow {

// |F_i| of each neuron where a step starts, the force before it is projected.
struct SquaredForces {
  std::vector<double> sizes;
  double most = 0.0;

  explicit SquaredForces(Index n) : sizes(static_cast<std::size_t>(n)) {}
  void follow(const double* force2) {
    for (double& size : sizes) size = std::sqrt(*force2++);
    most = *std::max_element(sizes.begin(), sizes.end());
  }
};

// What rounding leaves of an estimate, in units of h |F|: sixteen roundings, and of the order 8,
// whose stages have coefficients of up to 40, five hundred.
template <class T>
inline constexpr double rounding = T::has_second_error ? 0x1p-43 : 0x1p-48;

// One number for both estimates; NaN where the new state is not finite.
template <class T>
double joined(const SquaredError& error) {
  double found = error.first;
  if constexpr (T::has_second_error) {
    const double both = std::sqrt(found * found + 0.01 * error.second * error.second);
    found = both > 0.0 ? found * found / both : 0.0;
  }
  if constexpr (T::adaptive) found *= T::share;
  return found + error.sound;
}

// Of the step of size h from y to z; fixed steps: 0, or NaN.
template <class T, class Evaluator>
double error_ratio(Evaluator& evaluator, const SquaredTimes& times, double h,
                   const double* const* rates, const double* y, const double* z,
                   const SquaredForces& forces) {
  double e[T::stages], e3[T::stages];
  for (int j = 0; j < T::stages; ++j) {
    e[j] = h * T::e[j];
    e3[j] = h * T::e3[j];
  }
  const double* const second = T::has_second_error ? e3 : nullptr;
  const double noise = T::adaptive ? rounding<T> * h : 0.0;
  if (noise * forces.most > 0.01 * times.atol)
    return joined<T>(evaluator.error_beside_rounding(T::stages, e, second, rates, y, z, times.rtol,
                                                     times.atol, noise, forces.sizes.data()));
  const SquaredError error =
      evaluator.error(T::stages, e, second, rates, y, z, times.rtol, times.atol);
  return T::adaptive ? joined<T>(error) : error.sound;
}

}  // namespace hermiteflow
