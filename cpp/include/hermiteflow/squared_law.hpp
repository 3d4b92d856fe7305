// psi' of many overlaps at once, several registers side by side: one long chain of multiply-adds
// would wait for itself. Knows lanes and slopes.
#pragma once

#include "hermiteflow/flow.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace hermiteflow::HF_ISA {

inline constexpr int SL = static_cast<int>(squared_lanes);
using Block = Lane<SL>;

// Registers whose polynomials run side by side.
inline constexpr int abreast = packet_lanes >= 8 ? 4 : 2;

// 1 / sqrt(4 - min(u^2, 1)) to rounding: 14 bits and one step of fourth order, where square
// roots and divisions would take three times as long. A polynomial is quicker elsewhere.
#if defined(__AVX512F__)
inline constexpr bool quick_roots = true;
HF_INLINE Block inverse_root(const Block& u) {
  const Block minus = madd(u, u, -4.0).min(-3.0);
  Block y;
  y.part = _mm512_rsqrt14_pd((Block(0.0) - minus).part);
  const Block error = madd(minus * y, y, 1.0);
  return madd(y * error, madd(madd(0.3125, error, 0.375), error, 0.5), y);
}
#else
inline constexpr bool quick_roots = false;
HF_INLINE Block inverse_root(const Block& u) {
  return madd(u, u, -4.0).min(-3.0).abs().sqrt().inverse();
}
#endif

class Law {
 public:
  // root > 0: psi'(u) is root / sqrt(4 - u^2), that of two error functions
  explicit Law(const Slope& slope, double root)
      : root_(quick_roots ? root : 0.0), c_(slope.coefficients), terms_(slope.terms),
        power_(slope.power), squares_(slope.stride == 2), arc_(slope.arc != 0.0),
        series_(Flow{{}, slope, nullptr, &one}) {}

  bool has_root() const { return root_ != 0.0; }
  double scale() const { return has_root() ? root_ : 1.0; }

  // u := psi'(u) / scale, |u| > 1 taken as 1: stages of Runge-Kutta methods overshoot.
  template <bool Root, int R>
  HF_INLINE void apply(Block (&u)[R]) const {
    if constexpr (Root) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) u[r] = inverse_root(u[r]);
      return;
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) u[r] = u[r].min(1.0).max(-1.0);
    if (arc_) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) u[r] = series_.force(0, u[r]);
      return;
    }
    Block x[R], y[R], even[R], odd[R];
    const Block high = c_[terms_ - 2], higher = c_[terms_ - 1];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      x[r] = squares_ ? u[r] * u[r] : u[r];
      y[r] = x[r] * x[r];
      even[r] = high;
      odd[r] = higher;
    }
    for (Index i = terms_ - 4; i >= 0; i -= 2) {
      const Block c = c_[i], d = c_[i + 1];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        even[r] = madd(even[r], y[r], c);
        odd[r] = madd(odd[r], y[r], d);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) even[r] = madd(odd[r], x[r], even[r]);
    for (Index i = 0; i < power_; ++i)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) even[r] *= u[r];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) u[r] = even[r];
  }

 private:
  static constexpr double one = 1.0;
  double root_;
  const double* c_;
  Index terms_, power_;
  bool squares_, arc_;
  SeriesSlope<SL> series_;
};

}  // namespace hermiteflow::HF_ISA
