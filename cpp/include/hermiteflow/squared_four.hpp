// The field of four neurons and four index vectors in order parameters: a row of [M | Q] is eight
// doubles, and the whole state stays in registers. Knows lanes and psi'.
#pragma once

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/squared_law.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace hermiteflow::HF_ISA {

#if defined(__AVX512F__) || defined(__AVX2__)
inline constexpr bool has_four = true;
#else
inline constexpr bool has_four = false;
#endif

// From memory a number is spread over a register without a shuffle; compilers that still hold what
// was stored would shuffle.
HF_INLINE void forget(double* stored) { asm volatile("" : : "r"(stored) : "memory"); }

// out_j = [0 | column j of the left or the right half of x]
template <bool Right>
HF_INLINE void turn_four(const Block (&x)[4], Block (&out)[4]) {
#if defined(__AVX512F__)
  constexpr long long b = Right ? 4 : 0;
  const __m512i pairs = _mm512_setr_epi64(b, b + 8, b + 1, b + 9, b + 2, b + 10, b + 3, b + 11);
  const __m512d low = _mm512_permutex2var_pd(x[0].part, pairs, x[1].part);
  const __m512d high = _mm512_permutex2var_pd(x[2].part, pairs, x[3].part);
#pragma GCC unroll 4
  for (long long j = 0; j < 4; ++j) {
    const __m512i take = _mm512_setr_epi64(0, 0, 0, 0, 2 * j, 2 * j + 1, 2 * j + 8, 2 * j + 9);
    out[j].part = _mm512_maskz_permutex2var_pd(0xF0, low, take, high);
  }
#elif defined(__AVX2__)
  Eigen::internal::PacketBlock<Packet, 4> square;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) square.packet[i] = Right ? x[i].high.part : x[i].low.part;
  Eigen::internal::ptranspose(square);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    out[j].low = 0.0;
    out[j].high.part = square.packet[j];
  }
#else
  for (int j = 0; j < 4; ++j)
    for (int i = 0; i < SL; ++i) out[j][i] = i < 4 ? 0.0 : x[i - 4][(Right ? 4 : 0) + j];
#endif
}

// The sums of four registers to four neighbouring doubles, negative.
HF_INLINE void minus_sums(const Block (&x)[4], double* to) {
#if defined(__AVX512F__)
  const auto pairs = [](const Block& p, const Block& q) HF_SURE {
    return _mm512_add_pd(_mm512_unpacklo_pd(p.part, q.part), _mm512_unpackhi_pd(p.part, q.part));
  };
  const __m512d left = pairs(x[0], x[1]), right = pairs(x[2], x[3]);
  const __m512i even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
  const __m512i odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  const __m512d both = _mm512_add_pd(_mm512_permutex2var_pd(left, even, right),
                                     _mm512_permutex2var_pd(left, odd, right));
  const __m256d sum = _mm256_add_pd(_mm512_castpd512_pd256(both), _mm512_extractf64x4_pd(both, 1));
  _mm256_store_pd(to, _mm256_sub_pd(_mm256_setzero_pd(), sum));
#else
  for (int i = 0; i < 4; ++i) to[i] = -x[i].sum();
#endif
}

class SquaredFour {
 public:
  static bool takes(const SquaredField& f) {
    return has_four && f.form == SquaredForm::order_parameters && f.n == 4 && f.first == 4;
  }
  explicit SquaredFour(const SquaredField& f) : law_(f.own, f.own_root) {
    for (int i = 0; i < 4; ++i) {
      Block row = load<SL>(f.row) * Block(law_.scale() * f.a[i]);
      row[4 + i] = 0.0;
      weight_[i] = row;
      gram_[i] = 0.0;
      for (int j = 0; j < 4; ++j)
        gram_[i][j] = f.kind == GramKind::general ? f.gram[i * 4 + j] : (i == j ? 1.0 : f.beta);
    }
  }

  template <bool Root>
  HF_INLINE void rates(const Block (&x)[4], Block (&out)[4]) const {
    alignas(64) double t[5 * SL];
    Block u[4], part[4], y[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) u[i] = x[i];
    law_.template apply<Root>(u);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      u[i] *= weight_[i];
      store<SL>(t + i * SL, u[i]);
      part[i] = u[i] * x[i];
    }
    minus_sums(part, t + 4 * SL);
    forget(t);
    turn_four<false>(x, y);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) y[j] += gram_[j];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const double* const row = t + i * SL;
      Block first = Block(row[0]) * y[0], second = Block(row[1]) * y[1];
      first = madd(Block(row[2]), y[2], first);
      second = madd(Block(row[3]), y[3], second);
      Block third = Block(row[4 + (i + 1) % 4]) * x[(i + 1) % 4],
            fourth = Block(row[4 + (i + 2) % 4]) * x[(i + 2) % 4];
      third = madd(Block(row[4 + (i + 3) % 4]), x[(i + 3) % 4], third);
      fourth = madd(Block(t[4 * SL + i]), x[i], fourth);
      out[i] = (first + second) + (third + fourth);
    }
    turn_four<true>(out, y);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) out[i] = cleared_sum(out[i], y[i], i);
  }

  // So many steps of RK4, in place.
  void rk4(double* at, double step, Index steps) const {
    if (law_.has_root())
      run<true>(at, step, steps);
    else
      run<false>(at, step, steps);
  }

 private:
  Law law_;
  Block weight_[4], gram_[4];

  // x + y, and zero on the diagonal of Q
  static HF_INLINE Block cleared_sum(const Block& x, const Block& y, int i) {
    Block sum;
#if defined(__AVX512F__)
    sum.part = _mm512_maskz_add_pd(static_cast<__mmask8>(0xFF ^ (16 << i)), x.part, y.part);
#else
    static constexpr double mask[2 * SL] = {1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    sum = (x + y) * Block::load<false>(mask + 3 - i);
#endif
    return sum;
  }

  template <bool Root>
  void run(double* at, double step, Index steps) const {
    const Block half = 0.5 * step, full = step, two = 2.0, sixth = step / 6.0;
    Block y[4], z[4], f[4], total[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) y[i] = load<SL>(at + i * SL);
    for (Index s = 0; s < steps; ++s) {
      rates<Root>(y, total);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) z[i] = madd(half, total[i], y[i]);
      rates<Root>(z, f);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        total[i] = madd(two, f[i], total[i]);
        z[i] = madd(half, f[i], y[i]);
      }
      rates<Root>(z, f);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        total[i] = madd(two, f[i], total[i]);
        z[i] = madd(full, f[i], y[i]);
      }
      rates<Root>(z, f);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) y[i] = madd(sixth, total[i] + f[i], y[i]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) store<SL>(at + i * SL, y[i]);
  }
};

}  // namespace hermiteflow::HF_ISA
