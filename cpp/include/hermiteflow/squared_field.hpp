// Right-hand side of MATH (10) for rows of X = [M | Q], and the same flow in coordinates of W.
// With T = [D | -C], rho in place of its zero diagonal with a minus, dX = T [Y; X], Y = [G | M^T].
// Knows lanes, psi' and products; knows nothing of time steps.
#pragma once

#include <cmath>

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/product.hpp"
#include "hermiteflow/small_product.hpp"
#include "hermiteflow/squared_law.hpp"

namespace hermiteflow::HF_ISA {

// v with lane `place` set to zero
HF_INLINE Block without(Block v, Index place) {
  static constexpr double mask[2 * SL] = {1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  return v * Block::load<false>(mask + SL - 1 - place);
}

class SquaredRates {
 public:
  SquaredRates(const SquaredField& field, double* scratch)
      : f_(field), cross_(field.cross, field.cross_root), own_(field.own, field.own_root),
        scratch_(scratch), coordinates_(field.form == SquaredForm::coordinates) {}

  // Doubles of scratch memory for so many rows.
  static Index memory(const SquaredField& f, Index rows) {
    const bool moves = f.form == SquaredForm::coordinates;
    const Index turned = (moves ? f.width : f.first + SL) * padded(f.n);
    return (moves ? 2 : 1) * rows * f.across + padded(rows) +
           (f.small ? turned : Product::memory());
  }

  void operator()(const double* y, double* out, double* speed2, Index begin, Index end) const {
    const Index rows = end - begin;
    double *const t = scratch_, *const x = t + rows * f_.across,
                  *const rest = coordinates_ ? x + rows * f_.across : x;
    if (coordinates_) {
      overlaps(y, begin, rows, x, rest);
      weigh(x, begin, rows, t);
      push(y, rows, t, out + begin * f_.width, rest);
      pull(rows, t, out + begin * f_.width, rest);
      project(y + begin * f_.width, out + begin * f_.width, rows,
              speed2 == nullptr ? nullptr : speed2 + f_.n + begin);
    } else {
      weigh(y + begin * f_.across, begin, rows, t);
      if (f_.small)
        few(y, t, out, rest);
      else
        many(y, begin, rows, t, out, rest);
    }
    if (speed2 != nullptr) speeds(t, out, speed2, begin, rows);
  }

  // [M | Q] at y
  void order_parameters(const double* y, double* out, Index begin, Index end) const {
    const Index w = f_.across;
    if (coordinates_) return overlaps(y, begin, end - begin, out + begin * w, scratch_);
    for (Index c = begin * w; c < end * w; c += SL) store<SL>(out + c, load<SL>(y + c));
  }

  // Q's part of rows [begin, end) plus its transpose: each pair of blocks once.
  void close(double* out, Index begin, Index end) const {
    double* const q = out + f_.first;
    const Index w = f_.width;
    if (f_.first % SL != 0) {  // rows that share a register with M
      for (Index i = begin; i < end; ++i)
        for (Index l = 0; l < i; ++l) q[i * w + l] = q[l * w + i] = q[i * w + l] + q[l * w + i];
    } else {
      for (Index i = begin; i < end; i += packet_lanes)
        for (Index l = 0; l <= i; l += packet_lanes) add_transposed(q, w, i, l, f_.n);
    }
    for (Index i = begin; i < end; ++i) q[i * w + i] = 0.0;
  }

  void normalise(double* y, Index begin, Index end) const {
    for (Index i = begin; i < end; ++i) {
      double* const w = y + i * f_.width;
      const Block scale = 1.0 / std::sqrt(dot(w, w, f_.width));
      for (Index c = 0; c < f_.width; c += SL) store<SL>(w + c, scale * load<SL>(w + c));
    }
  }

  // [M | Q] of rows of W
  void overlaps(const double* y, Index begin, Index rows, double* x, double* memory) const {
    const Index n = f_.n, r = f_.width, w = f_.across;
    const double* const from = y + begin * r;
    double* const q = x + f_.first;
    if (f_.small) {
      turn(y, r, n, r, memory, padded(n));
      small_product(rows, padded(n), r, from, r, memory, padded(n), q, w, false);
    } else {
      for (Index i = 0; i < rows; ++i)
        for (Index l = n; l < w - f_.first; ++l) q[i * w + l] = 0.0;
      Product{rows, n, r, from, y, nullptr, nullptr, q, r, r, w}.run<Layout::transposed>(memory);
    }
    if (f_.kind == GramKind::general)
      product(rows, f_.first, f_.rank, from, r, f_.v_across, f_.first, x, w, memory);
    else
      lead(from, rows, x);
  }

  // -C W into `to` (rows, width)
  void push(const double* y, Index rows, const double* t, double* to, double* memory) const {
    product(rows, f_.width, f_.n, t + f_.first, f_.across, y, f_.width, to, f_.width, memory);
  }

  // D V, added to `to`
  void pull(Index rows, const double* t, double* to, double* memory) const {
    const Index r = f_.width, w = f_.across;
    if (f_.kind == GramKind::general) {
      const Index wide = padded(f_.rank);
      if (f_.small) return small_product(rows, wide, f_.k, t, w, f_.v, wide, to, r, true);
      double* const ones = memory + Product::memory();
      for (Index i = 0; i < rows; ++i) ones[i] = 1.0;
      Product{rows, wide, f_.k, t, f_.v, ones, to, to, w, wide, r}.run<Layout::plain>(memory);
      return;
    }
    for (Index i = 0; i < rows; ++i) {
      const double* const d = t + i * w;
      double* const row = to + i * r;
      double sum = 0.0;
      if (f_.kind == GramKind::equiangular)
        for (Index j = 0; j < f_.k; ++j) sum += d[j];
      const double alpha = f_.alpha, all = f_.gamma * sum;
      for (Index j = 0; j < f_.k; ++j) row[j] += alpha * d[j] + all;
    }
  }

 private:
  const SquaredField& f_;
  Law cross_, own_;
  double* scratch_;
  bool coordinates_;

  static double dot(const double* x, const double* y, Index width) {
    Block sum = 0.0;
    for (Index c = 0; c < width; c += SL) sum = madd(load<SL>(x + c), load<SL>(y + c), sum);
    return sum.sum();
  }

  // T = [D | -C] of rows of [M | Q]; order parameters: -rho on its diagonal
  void weigh(const double* x, Index begin, Index rows, double* t) const {
    if (cross_.has_root() && own_.has_root())
      weigh_rows<true>(x, begin, rows, t);
    else
      weigh_rows<false>(x, begin, rows, t);
  }
  template <bool Root>
  void weigh_rows(const double* x, Index begin, Index rows, double* t) const {
    Index i = 0;
    for (; i + abreast <= rows; i += abreast)
      weigh_few<Root, abreast>(x + i * f_.across, begin + i, t + i * f_.across);
    for (; i < rows; ++i) weigh_few<Root, 1>(x + i * f_.across, begin + i, t + i * f_.across);
  }
  template <bool Root, int R>
  HF_INLINE void weigh_few(const double* x, Index i, double* t) const {
    Block drag[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) drag[r] = 0.0;
    weigh_part<Root, R>(cross_, x, i, t, 0, f_.first, drag);
    weigh_part<Root, R>(own_, x, i, t, f_.first % SL == 0 ? f_.first : SL, f_.across, drag);
    if (coordinates_) return;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) t[r * f_.across + f_.first + i + r] = -drag[r].sum();
  }
  template <bool Root, int R>
  HF_INLINE void weigh_part(const Law& law, const double* x, Index i, double* t, Index from,
                            Index to, Block (&drag)[R]) const {
    Block a[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) a[r] = law.scale() * f_.a[i + r];
    for (Index c = from; c < to; c += SL) {
      const Block row = load<SL>(f_.row + c);
      Block u[R], weight[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) u[r] = load<SL>(x + r * f_.across + c);
      law.template apply<Root>(u);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) weight[r] = a[r] * row;
      const Index diagonal = f_.first + i - c;  // of the first row, in this register
      if (diagonal > -R && diagonal < SL) {
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
          if (diagonal + r >= 0 && diagonal + r < SL) weight[r] = without(weight[r], diagonal + r);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Block value = weight[r] * u[r];
        drag[r] = madd(value, load<SL>(x + r * f_.across + c), drag[r]);
        store<SL>(t + r * f_.across + c, value);
      }
    }
  }

  // Order parameters, rows of M and Q by products without packing.
  void few(const double* y, const double* t, double* out, double* turned) const {
    const Index n = f_.n, w = f_.across;
    if (f_.first % SL == 0) {
      turn(y, w, n, f_.k, turned, padded(n));
      small_product(n, padded(n), f_.k, t, w, turned, padded(n), out + f_.first, w, false);
      direct(t, n, out);
      small_product(n, w, n, t + f_.first, w, y, w, out, w, true);
    } else {  // one register holds a row, and Y is written out
      for (Index j = 0; j < f_.k; ++j) {
        double* const to = turned + j * SL;
        for (Index l = 0; l < SL; ++l) to[l] = l < f_.k ? gram(j, l) : 0.0;
        for (Index i = 0; i < n; ++i) to[f_.k + i] = y[i * w + j];
      }
      small_product(n, w, f_.k, t, w, turned, SL, out, w, false);
      small_product(n, w, n, t + f_.first, w, y, w, out, w, true);
    }
  }
  double gram(Index j, Index l) const {
    if (f_.kind == GramKind::general) return f_.gram[j * f_.first + l];
    return j == l ? 1.0 : f_.beta;
  }

  // The same in packed blocks.
  void many(const double* y, Index begin, Index rows, const double* t, double* out,
            double* memory) const {
    const Index n = f_.n, w = f_.across;
    double *const to = out + begin * w, *const ones = memory + Product::memory();
    for (Index i = 0; i < rows; ++i) ones[i] = 1.0;
    for (Index i = 0; i < rows; ++i)
      for (Index l = n; l < w - f_.first; ++l) to[i * w + f_.first + l] = 0.0;
    Product{rows, n, f_.k, t, y, nullptr, nullptr, to + f_.first, w, w, w}.run<Layout::transposed>(
        memory);
    if (f_.kind == GramKind::general)
      Product{rows, f_.first, f_.k, t, f_.gram, nullptr, nullptr, to, w, f_.first, w}
          .run<Layout::plain>(memory);
    else
      direct(t, rows, to);
    Product{rows, w, n, t + f_.first, y, ones, to, to, w, w, w}.run<Layout::plain>(memory);
  }

  // D G into the columns of M; a general G by few rows
  void direct(const double* t, Index rows, double* out) const {
    const Index w = f_.across;
    if (f_.kind == GramKind::general)
      return small_product(rows, f_.first, f_.k, t, w, f_.gram, f_.first, out, w, false);
    spread(t, w, rows, 1.0 - f_.beta, f_.beta, out, w);
  }

  // out = own x + all (sum of x) in the first k columns, zero behind them
  void spread(const double* x, Index x_width, Index rows, double own, double all, double* out,
              Index width) const {
    for (Index i = 0; i < rows; ++i, x += x_width, out += width) {
      if (f_.kind == GramKind::identity) {
        for (Index c = 0; c < f_.first; c += SL) store<SL>(out + c, load<SL>(x + c));
        continue;
      }
      double sum = 0.0;
      for (Index j = 0; j < f_.k; ++j) sum += x[j];
      for (Index j = 0; j < f_.k; ++j) out[j] = own * x[j] + all * sum;
      for (Index j = f_.k; j < f_.first; ++j) out[j] = 0.0;
    }
  }

  // M of rows of W where V = [alpha I + gamma 1 1^T, 0]; the columns behind k are not M's
  void lead(const double* from, Index rows, double* x) const {
    for (Index i = 0; i < rows; ++i, from += f_.width, x += f_.across) {
      double sum = 0.0;
      if (f_.kind == GramKind::equiangular)
        for (Index j = 0; j < f_.k; ++j) sum += from[j];
      const double alpha = f_.alpha, all = f_.gamma * sum;
      for (Index j = 0; j < f_.k; ++j) x[j] = alpha * from[j] + all;
      for (Index j = f_.k; j < f_.first; ++j) x[j] = 0.0;
    }
  }

  // F - (F . w / |w|^2) w; |F . w / |w||^2 into `radial2` (rows,) or null
  void project(const double* y, double* out, Index rows, double* radial2) const {
    for (Index i = 0; i < rows; ++i, y += f_.width, out += f_.width) {
      const double pull = dot(out, y, f_.width), norm2 = dot(y, y, f_.width);
      if (radial2 != nullptr) radial2[i] = pull * pull / norm2;
      const Block along = -pull / norm2;
      for (Index c = 0; c < f_.width; c += SL)
        store<SL>(out + c, madd(along, load<SL>(y + c), load<SL>(out + c)));
    }
  }

  // dw_i = [V; W]^T t_i, so |dw_i|^2 = t_i . ([V; W] dw_i), before the transpose is added. Where M
  // and Q are not quite those of any W this may be below 0, but no v . dw or w . dw is above |dw|.
  void speeds(const double* t, const double* out, double* speed2, Index begin, Index rows) const {
    for (Index i = 0; i < rows; ++i) {
      const double* const row = out + (begin + i) * f_.width;
      const double square = dot(coordinates_ ? row : t + i * f_.across, row, f_.width);
      Block largest = 0.0;
      for (Index c = 0; c < f_.width; c += SL) largest = largest.max(load<SL>(row + c).abs());
      const double least = -(Block(0.0) - largest).least();
      const double moved = square < least * least ? least * least : square;  // a NaN stays
      double& pull2 = speed2[f_.n + begin + i];
      if (!coordinates_) {
        const double rho = t[i * f_.across + f_.first + begin + i];
        pull2 = rho * rho;
      }
      speed2[begin + i] = moved;
      pull2 += moved;
    }
  }

  void product(Index rows, Index columns, Index depth, const double* a, Index a_width,
               const double* b, Index b_width, double* c, Index c_width, double* memory) const {
    if (f_.small)
      small_product(rows, columns, depth, a, a_width, b, b_width, c, c_width, false);
    else
      Product{rows, columns, depth, a, b, nullptr, nullptr, c, a_width, b_width, c_width}
          .run<Layout::plain>(memory);
  }
};

}  // namespace hermiteflow::HF_ISA
