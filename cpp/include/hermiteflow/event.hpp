// Events of one neuron within one accepted step, located on its dense output.
// A Segment gives value(row, theta), time(theta), slope(row, end) and edge(row, end), 0 <= theta
// <= 1.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

inline double magnitude(double x) { return x < 0 ? -x : x; }

// Root of f in [low, high] with f(low) < 0 <= f(high): bisection and the Illinois rule by turns.
template <class Function>
inline double locate(const Function& f, double low, double high, double f_low, double f_high) {
  int side = 0;
  for (int i = 0; i < 100 && high - low > 4e-16 * (1.0 + high); ++i) {
    double x = (low * f_high - high * f_low) / (f_high - f_low);
    if (!(x > low && x < high) || i % 3 == 2) x = 0.5 * (low + high);
    if (!(x > low && x < high)) break;
    const double y = f(x);
    if (y >= 0) {
      high = x;
      f_high = y;
      if (side == 1) f_low *= 0.5;
      side = 1;
      if (y == 0) break;
    } else {
      low = x;
      f_low = y;
      if (side == -1) f_high *= 0.5;
      side = -1;
    }
  }
  return high;
}

// Some theta in [0, 1] with 0 <= f(theta) <= close, for a nearly linear f whose values at 0 and 1
// are known; 0 where f is not negative there, 1 where it stays negative.
template <class Function>
inline double locate_roughly(const Function& f, double f_low, double f_high, double close) {
  double low = 0.0, high = 1.0;
  if (!(f_high >= 0.0 && f_low < 0.0)) return f_low >= 0.0 ? 0.0 : 1.0;
  for (int i = 0; i < 20 && f_high > close && high - low > 1e-3; ++i) {
    const double slope = (f_high - f_low) / (high - low);
    const double x = i % 4 == 3 ? 0.5 * (low + high) : low + (0.5 * close - f_low) / slope;
    const double y = f(x);
    (y >= 0.0 ? high : low) = x;
    (y >= 0.0 ? f_high : f_low) = y;
  }
  return high;
}

// First theta of a step at which speed(theta) <= tol; the squares of the speed at its ends are
// known.
template <class Function>
inline double first_calm(const Function& speed, double tol, double before2, double after2) {
  const auto excess = [&](double square) {  // log2(tol^2 / speed^2), nearly linear in s
    return rough_log2(tol * tol / (square > 1e-300 ? square : 1e-300));
  };
  const auto at = [&](double theta) {
    const double here = speed(theta);
    return excess(here * here);
  };
  return locate_roughly(at, excess(before2), excess(after2), 2e-2);
}

// First theta at which |m_j| >= level for some j, or a number above 1 where there is none.
template <class Segment>
inline double first_hit(const Segment& segment, Index k, double level) {
  double best = 2.0;
  for (Index j = 0; j < k; ++j) {
    const double start = magnitude(segment.edge(j, 0)), end = magnitude(segment.edge(j, 1));
    if (start >= level) return 0.0;
    if (end < level && start + magnitude(segment.slope(j, 0)) < level) continue;
    const auto above = [&](double theta) { return magnitude(segment.value(j, theta)) - level; };
    double high = 1.0, top = end - level;
    if (end < level) {  // a hump: up at the start, down at the end, and high enough
      const double up = segment.edge(j, 0) < 0 ? -segment.slope(j, 0) : segment.slope(j, 0);
      const double down = segment.edge(j, 1) < 0 ? -segment.slope(j, 1) : segment.slope(j, 1);
      if (!(up > 0 && down < 0)) continue;
      double low = 0.0;
      for (int i = 0; i < 60; ++i) {  // the maximum by thirds
        const double x = low + (high - low) / 3, z = high - (high - low) / 3;
        if (above(x) < above(z))
          low = x;
        else
          high = z;
      }
      top = above(high);
      if (top < 0) continue;
    }
    const double theta = locate(above, 0.0, high, start - level, top);
    if (theta < best) best = theta;
  }
  return best;
}

// theta with time(theta) = t, for t between the ends of the step.
template <class Segment>
inline double theta_of_time(const Segment& segment, double t) {
  const double start = segment.time(0.0), end = segment.time(1.0);
  if (t >= end) return 1.0;
  if (t <= start) return 0.0;
  return locate([&](double theta) { return segment.time(theta) - t; }, 0.0, 1.0, start - t,
                end - t);
}

}  // namespace hermiteflow::HF_ISA
