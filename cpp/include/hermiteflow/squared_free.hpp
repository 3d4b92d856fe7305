// Right-hand side of docs/squared (15) in coordinates: W' = D V - C W - diag(s) W for weights of
// any norm. Knows lanes and the products of squared_field.hpp; nothing of time steps.
#pragma once

#include <math.h>  // no overloads: they would be weak symbols

#include "hermiteflow/squared_field.hpp"

namespace hermiteflow::HF_ISA {

class FreeRates {
 public:
  FreeRates(const SquaredField& field, const FreeField& free, double* scratch)
      : f_(field), free_(free), products_(field, nullptr), scratch_(scratch) {}

  // Doubles of scratch memory for so many rows.
  static Index memory(const SquaredField& f, Index rows) {
    return SquaredRates::memory(f, rows) + rows * f.width + 2 * padded(rows);
  }

  void operator()(const double* y, double* out, double* sums, double* speed2, Index begin,
                  Index end) const {
    const Index rows = end - begin, w = f_.across;
    double *const t = scratch_, *const x = t + rows * w, *const pulled = x + rows * w,
                  *const along = pulled + rows * f_.width, *const rest = along + 2 * padded(rows);
    products_.overlaps(y, begin, rows, x, rest);
    for (Index i = 0; i < rows; ++i) {
      x[i * w + f_.first + begin + i] = free_.norms[begin + i];  // to the last bit
      const Row row{begin + i, x + i * w, t + i * w};
      if (sums == nullptr)
        weigh<false>(row, along + 2 * i, nullptr);
      else
        weigh<true>(row, along + 2 * i, sums);
    }
    if (out == nullptr) return;
    const Index width = f_.width;
    double* const to = out + begin * width;
    products_.push(y, rows, t, to, rest);
    for (Index c = 0; c < rows * width; c += SL) store<SL>(pulled + c, Block(0.0));
    products_.pull(rows, t, pulled, rest);
    for (Index i = 0; i < rows; ++i) {
      const Speeds found =
          join(y + (begin + i) * width, along + 2 * i, pulled + i * width, to + i * width);
      if (speed2 == nullptr) continue;
      speed2[begin + i] = found.moved;
      const double force = sqrt(found.pull) + sqrt(found.push);
      speed2[f_.n + begin + i] = force * force;
    }
  }

 private:
  struct Row {
    Index i;
    const double* x;  // of [M | Q]
    double* t;        // of [D | -C]
  };
  struct Sums {
    Block slope = 0.0, value = 0.0;  // of K_1 and K, times b or -a
  };
  struct Averages {
    Block value = 0.0, d11 = 0.0, d12 = 0.0;
  };
  struct Speeds {
    double moved, pull, push;  // squares
  };
  static constexpr double pi = 3.141592653589793;

  const SquaredField& f_;
  const FreeField& free_;
  SquaredRates products_;
  double* scratch_;

  // t, 2 a_i sum_j b_j K_1 and 2 a_i sum_l a_l K_1 into `along`
  template <bool Values>
  void weigh(const Row& row, double* along, double* sums) const {
    const Sums cross = part<Values>(free_.cross, row, 0, f_.first),
               own = part<Values>(free_.own, row, f_.first, f_.across);
    const double twice = 2.0 * f_.a[row.i];
    along[0] = twice * cross.slope.sum();
    along[1] = -(twice * own.slope.sum());
    if constexpr (Values) {
      sums[row.i] = cross.value.sum();
      sums[f_.n + row.i] = -own.value.sum();
    }
  }

  template <bool Values>
  Sums part(const FreeLaw& law, const Row& row, Index from, Index to) const {
    Sums sums;
    const double q11 = free_.norms[row.i];
    const Block a = f_.a[row.i];
    for (Index c = from; c < to; c += SL) {
      const Block q12 = load<SL>(row.x + c), q22 = load<SL>(law.norms + c - from);
      const Block weight = load<SL>(f_.row + c);
      Averages k;
      series<Values>(law, row.i, c - from, to - from, q12, k);
      if (law.erf_erf != 0.0) arc<Values>(law.erf_erf, q11, q12, q22, 1.0, k);
      if (law.erf_sign != 0.0) arc<Values>(law.erf_sign, q11, q12, q22, 0.0, k);
      if (law.relu_relu != 0.0) relu(law.relu_relu, q11, q12, q22, k);
      store<SL>(row.t + c, a * weight * k.d12);
      sums.slope = madd(weight, k.d11, sums.slope);
      if constexpr (Values) sums.value = madd(weight, k.value, sums.value);
    }
    return sums;
  }

  // sum_n S_n T_n q12^n by Horner's rule, and its derivatives
  template <bool Values>
  HF_INLINE static void series(const FreeLaw& law, Index i, Index c, Index width, const Block& q12,
                               Averages& k) {
    const Index all = law.channels * law.powers;
    const double *const s = law.first + 3 * i * all, *const times = s + all,
                        *const slope = times + all, *const t = law.second + c;
    for (Index n = law.powers - 1; n >= 0; --n) {
      if constexpr (Values) k.value *= q12;
      k.d11 *= q12;
      if (n > 0) k.d12 *= q12;
      for (Index at = n; at < all; at += law.powers) {
        const Block other = load<SL>(t + at * width);
        if constexpr (Values) k.value = madd(s[at], other, k.value);
        k.d11 = madd(slope[at], other, k.d11);
        if (n > 0) k.d12 = madd(times[at], other, k.d12);
      }
    }
  }

  HF_INLINE static Block determinant(double q11, const Block& q12, const Block& q22) {
    const Block root = (q11 * q22).sqrt();
    return ((root - q12) * (root + q12)).max(0.0);
  }

  // Out of line: among registers of 512 bits the calls took three times as long.
  __attribute__((noinline)) static void arctangents(const double* y, double* x) {
    for (int l = 0; l < SL; ++l) x[l] = atan2(y[l], x[l]);
  }
  HF_INLINE static Block arctangent(const Block& y, const Block& x) {
    alignas(64) double above[SL], found[SL];
    store<SL>(above, y);
    store<SL>(found, x);
    arctangents(above, found);
    return load<SL>(found);
  }

  // factor (2/pi) asin(q12 / sqrt((1 + q11)(more + q22)))
  template <bool Values>
  HF_INLINE static void arc(double factor, double q11, const Block& q12, const Block& q22,
                            double more, Averages& k) {
    const Block one = 1.0 + q11;
    const Block rest = more * one + q22 + determinant(q11, q12, q22), root = rest.sqrt();
    const Block slope = Block(2.0 / pi * factor) / root;
    k.d12 += slope;
    k.d11 -= Block(0.5) * q12 * slope / one;
    if constexpr (Values) k.value = madd(2.0 / pi * factor, arctangent(q12, root), k.value);
  }

  // the arc-cosine kernel
  HF_INLINE static void relu(double factor, double q11, const Block& q12, const Block& q22,
                             Averages& k) {
    const Block root = determinant(q11, q12, q22).sqrt();
    const Block slope = Block(factor / (2.0 * pi)) * (Block(pi) - arctangent(root, q12));
    k.d12 += slope;
    k.d11 = madd(factor / (4.0 * pi), root / Block(q11), k.d11);
    k.value += madd(q12, slope, Block(factor / (2.0 * pi)) * root);
  }

  // to := D V + pull w - (C W + push w); -C W is there already
  HF_INLINE Speeds join(const double* y, const double* along, const double* pulled,
                        double* to) const {
    Block moved = 0.0, pull = 0.0, push = 0.0;
    const Block toward = along[0], away = -along[1];
    for (Index c = 0; c < f_.width; c += SL) {
      const Block w = load<SL>(y + c), minus = madd(away, w, load<SL>(to + c)),
                  plus = madd(toward, w, load<SL>(pulled + c)), rate = plus + minus;
      store<SL>(to + c, rate);
      moved = madd(rate, rate, moved);
      pull = madd(plus, plus, pull);
      push = madd(minus, minus, push);
    }
    return {moved.sum(), pull.sum(), push.sum()};
  }
};

}  // namespace hermiteflow::HF_ISA
