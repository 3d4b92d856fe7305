// Plain data shared by the core, the kernels and the bindings. Knows nothing but the C++ language.
#pragma once

#include <cstdint>

namespace hermiteflow {

using Index = std::int64_t;

// How the integration of one neuron ended. The messages are in status.hpp.
enum class Status : std::int32_t {
  converged = 0,
  t_end = 1,
  event = 2,
  no_escape = 3,
  max_steps = 4,
  step_too_small = 5,
  non_finite = 6,
  interrupted = 7,
};

// Methods by number; Python reads their names.
enum class Method : std::int32_t { rk4 = 0, dopri5 = 1, tsit5 = 2, dop853 = 3 };

struct MethodEntry {
  Method method;
  const char* name;
};

inline constexpr MethodEntry method_table[] = {{Method::rk4, "rk4"},
                                               {Method::dopri5, "dopri5"},
                                               {Method::tsit5, "tsit5"},
                                               {Method::dop853, "dop853"}};

// Structure of the Gram matrix G of the index vectors.
enum class GramKind : std::int32_t { identity = 0, equiangular = 1, general = 2 };

struct Gram {
  GramKind kind;
  Index k;
  double beta;           // equiangular
  const double* matrix;  // general: (k, k), symmetric
  const double* factor;  // general: L (k, rank), row-major, L L^T = G
  Index rank;
  const double* panels = nullptr;  // general, within a run: see below
};

// A general G for the kernels: panels of so many of its columns, (ceil(k / gram_panel), k,
// gram_panel), zero behind column k.
inline constexpr Index gram_panel = 12;

// psi'(u) = u^power (c_0 + c_1 x + ... ) + arc A(u), x = u^stride, A = asin without the first
// arc_skip terms of its Taylor series: two ReLUs give arc = 1 / (2 pi). A is of a higher order at 0
// than the series. What is known of the signs: psi' keeps the sign sign_right on (0, reach_right)
// and sign_left on (-reach_left, 0).
struct Slope {
  Index power;
  Index stride;
  Index terms;
  const double* coefficients;
  double arc;
  Index arc_skip;
  const double* arc_short;  // (2, arc_short_terms), for the kernels: see economise in slope.hpp
  double sign_right, reach_right;
  double sign_left, reach_left;

  bool pure() const { return terms == 1 && arc == 0.0; }  // one power of u
};

// Terms of the Taylor series of asin that reach rounding for |u| <= 1/2.
inline constexpr Index arc_terms = 25;
inline constexpr Index arc_short_terms = 15;
inline constexpr Index most_arc_skip = 320;

// Where psi' vanishes away from 0, forces below this share of its terms count as zero: there the
// flow comes to rest on a degenerate set, m . g = 0.
inline constexpr double vanishing = 1e-3;

// Gradient flow of the correlation loss: one neuron obeys dm/dt = G g - (m . g) m,
// g_j = a b_j psi'(m_j), MATH (4).
struct Flow {
  Gram gram;
  Slope slope;
  const double* second_layer;    // (n,) or null for ones
  const double* target_weights;  // (k,), never null
};

}  // namespace hermiteflow
