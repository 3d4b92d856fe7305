// The field of eight neurons and eight index vectors in order parameters, where a register holds
// eight doubles: M, Q and what is made of them are eight registers each. Knows lanes and psi'.
#pragma once

#include "hermiteflow/squared_four.hpp"

#if defined(__AVX512F__)

namespace hermiteflow::HF_ISA {

class SquaredEight {
 public:
  static bool takes(const SquaredField& f) {
    return f.form == SquaredForm::order_parameters && f.n == 8 && f.k == 8;
  }
  explicit SquaredEight(const SquaredField& f)
      : f_(f), cross_(f.cross, f.cross_root), own_(f.own, f.own_root) {
    for (int i = 0; i < 8; ++i) {
      a_[i] = f.a[i] * cross_.scale();
      a_[8 + i] = f.a[i] * own_.scale();
      for (int j = 0; j < 8; ++j)
        gram_[i * 8 + j] =
            f.kind == GramKind::general ? f.gram[i * 8 + j] : (i == j ? 1.0 : f.beta);
    }
  }

  template <bool Root>
  HF_INLINE void rates(const double* x, double* out) const {
    alignas(64) double t[17 * SL];  // D, -C, -rho
    const Block row = load<SL>(f_.row), row_own = load<SL>(f_.row + SL);
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      Block u[4], v[4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        u[r] = load<SL>(x + (i + r) * 16);
        v[r] = load<SL>(x + (i + r) * 16 + 8);
      }
      cross_.template apply<Root>(u);
      own_.template apply<Root>(v);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        u[r] *= Block(a_[i + r]) * row;
        v[r] *= Block(a_[8 + i + r]) * eight_cleared(row_own, i + r);
        store<SL>(t + (i + r) * SL, u[r]);
        store<SL>(t + (8 + i + r) * SL, v[r]);
        u[r] = madd(u[r], load<SL>(x + (i + r) * 16), v[r] * load<SL>(x + (i + r) * 16 + 8));
      }
      minus_sums(u, t + 16 * SL + i);
    }
    forget(t);
    Block part[8], sums[8];
#pragma GCC unroll 8
    for (int l = 0; l < 8; ++l) part[l] = load<SL>(x + l * 16);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) sums[i] = load<SL>(t + i * SL);
    if (f_.kind != GramKind::identity) times_gram(t, sums);
    add(t + 8 * SL, t + 16 * SL, part, sums);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) store<SL>(out + i * 16, sums[i]);
    turn_eight(part);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      sums[i] = Block(t[i * SL]) * part[0];
#pragma GCC unroll 8
      for (int j = 1; j < 8; ++j) sums[i] = madd(Block(t[i * SL + j]), part[j], sums[i]);
    }
#pragma GCC unroll 8
    for (int l = 0; l < 8; ++l) part[l] = load<SL>(x + l * 16 + 8);
    add(t + 8 * SL, t + 16 * SL, part, sums);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) part[i] = sums[i];
    turn_eight(part);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) store<SL>(out + i * 16 + 8, eight_cleared(sums[i] + part[i], i));
  }

  // So many steps of RK4, in place; `scratch`: three states.
  void rk4(double* y, double step, Index steps, double* scratch) const {
    if (cross_.has_root() && own_.has_root())
      run<true>(y, step, steps, scratch);
    else
      run<false>(y, step, steps, scratch);
  }

 private:
  const SquaredField& f_;
  Law cross_, own_;
  double a_[16];
  alignas(64) double gram_[64];

  static HF_INLINE Block eight_cleared(const Block& v, int i) {
    static constexpr double mask[2 * SL] = {1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    return v * Block::load<false>(mask + 7 - i);
  }
  // sums_i += sum_l c_il part_l, with rho_i in place of c_ii
  static HF_INLINE void add(const double* c, const double* rho, const Block (&part)[8],
                            Block (&sums)[8]) {
#pragma GCC unroll 8
    for (int l = 0; l < 8; ++l)
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i)
        if (l != i) sums[i] = madd(Block(c[i * SL + l]), part[l], sums[i]);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) sums[i] = madd(Block(rho[i]), part[i], sums[i]);
  }
  void times_gram(const double* d, Block (&sums)[8]) const {
    for (int i = 0; i < 8; ++i) {
      Block sum = 0.0;
      for (int j = 0; j < 8; ++j) sum = madd(Block(d[i * SL + j]), load<SL>(gram_ + j * SL), sum);
      sums[i] = sum;
    }
  }
  static HF_INLINE void turn_eight(Block (&x)[8]) {
    Eigen::internal::PacketBlock<Packet, SL> square;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) square.packet[i] = x[i].part;
    Eigen::internal::ptranspose(square);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) x[i].part = square.packet[i];
  }

  template <bool Root>
  void run(double* y, double step, Index steps, double* scratch) const {
    constexpr int size = 8 * 16;
    double *const z = scratch, *const f = z + size, *const total = f + size;
    const Block half = 0.5 * step, full = step, two = 2.0, sixth = step / 6.0;
    for (Index s = 0; s < steps; ++s) {
      rates<Root>(y, total);
#pragma GCC unroll 4
      for (int c = 0; c < size; c += SL)
        store<SL>(z + c, madd(half, load<SL>(total + c), load<SL>(y + c)));
      for (int stage = 0; stage < 2; ++stage) {
        rates<Root>(z, f);
        const Block on = stage == 0 ? half : full;
#pragma GCC unroll 4
        for (int c = 0; c < size; c += SL) {
          const Block rate = load<SL>(f + c);
          store<SL>(total + c, madd(two, rate, load<SL>(total + c)));
          store<SL>(z + c, madd(on, rate, load<SL>(y + c)));
        }
      }
      rates<Root>(z, f);
#pragma GCC unroll 4
      for (int c = 0; c < size; c += SL)
        store<SL>(y + c, madd(sixth, load<SL>(total + c) + load<SL>(f + c), load<SL>(y + c)));
    }
  }
};

}  // namespace hermiteflow::HF_ISA

#endif
