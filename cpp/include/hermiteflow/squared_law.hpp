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

#if defined(__AVX512F__)
// 1 / sqrt(x) to rounding, x > 0: 14 bits and one step of fourth order, where square roots and
// divisions would take three times as long.
inline constexpr bool quick_roots = true;
HF_INLINE Block inverse_root(const Block& x) {
  Block y;
  y.part = _mm512_rsqrt14_pd(x.part);
  const Block xy = x * y, error = madd(Block(0.0) - xy, y, 1.0);
  return madd(y * error, madd(madd(0.3125, error, 0.375), error, 0.5), y);
}
#else
inline constexpr bool quick_roots = false;
HF_INLINE Block inverse_root(const Block& x) { return x.sqrt().inverse(); }
#endif

class Law {
 public:
  // root > 0: psi'(u) is root / sqrt(4 - u^2), that of two error functions
  explicit Law(const Slope& slope, double root)
      : root_(quick_roots ? root : 0.0), c_(slope.coefficients), terms_(slope.terms), power_(slope.power),
        squares_(slope.stride == 2), arc_(slope.arc != 0.0),
        series_(Flow{{}, slope, nullptr, &one}) {}

  // u := psi'(u), |u| > 1 taken as 1: stages of Runge-Kutta methods overshoot.
  template <int R>
  HF_INLINE void apply(Block (&u)[R]) const {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) u[r] = u[r].min(1.0).max(-1.0);
    if (quick_roots && root_ != 0.0) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) u[r] = root_ * inverse_root(madd(Block(0.0) - u[r], u[r], 4.0));
      return;
    }
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
