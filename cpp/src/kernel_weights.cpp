// Full weights in R^d: gradient, RK4 and the products between weights and overlaps. Products take
// a multiple of full_grain rows, with zeros below the last ones, so that the bits of a row do not
// depend on its company.
#include <Eigen/Dense>

#include "kernels.hpp"

#include "hermiteflow/slope.hpp"

namespace hermiteflow::HF_ISA {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<Matrix>;
using ConstView = Eigen::Map<const Matrix>;

Index padded(Index rows) { return (rows + full_grain - 1) / full_grain * full_grain; }

// D_ij = sign a_i b_j psi'(m_ij), and rho_i = sum_j D_ij m_ij, for `rows` neurons; 0 below them.
void weigh(const Flow& flow, Index begin, Index rows, double sign, const double* m, double* d,
           double* rho) {
  const Index k = flow.gram.k;
  for (Index i = 0; i < padded(rows); ++i) {
    const bool real = i < rows;
    const double a =
        sign * (real && flow.second_layer != nullptr ? flow.second_layer[begin + i] : 1.0);
    double sum = 0.0;
    for (Index j = 0; j < k; ++j) {
      const double u = m[i * k + j], value = slope_at(flow.slope, u);
      d[i * k + j] = a * flow.target_weights[j] * value;
      sum += d[i * k + j] * u;
    }
    rho[i] = sum;
  }
}

// sign times the velocity -gradient of (2): out = D V - diag(rho) Y for a padded block of rows.
void velocity(const FullProblem& full, Index begin, Index rows, double sign, const double* y,
              double* out, double* scratch) {
  const Index k = full.flow.gram.k, d = full.d, size = padded(rows);
  double *m = scratch, *weights = m + size * k, *rho = weights + size * k;
  const ConstView v(full.index_vectors, k, d), here(y, size, d);
  View overlaps(m, size, k), layer(weights, size, k), result(out, size, d);
  overlaps.noalias() = here * v.transpose();
  weigh(full.flow, begin, rows, sign, m, weights, rho);
  constexpr Index panel = 256;  // columns that stay in cache between the product and what follows
  for (Index c = 0; c < d; c += panel) {
    const Index width = c + panel < d ? panel : d - c;
    result.middleCols(c, width).noalias() = layer * v.middleCols(c, width);
    for (Index i = 0; i < rows; ++i) {
      const double* from = y + i * d + c;
      double* to = out + i * d + c;
      for (Index j = 0; j < width; ++j) to[j] -= rho[i] * from[j];
    }
  }
}

void copy_rows(const double* from, double* to, Index rows, Index columns, Index room) {
  for (Index i = 0; i < rows * columns; ++i) to[i] = from[i];
  for (Index i = rows * columns; i < room * columns; ++i) to[i] = 0.0;
}

Index velocity_scratch(Index rows, Index k) { return padded(rows) * (2 * k + 1); }

}  // namespace

Index gradient_scratch(Index rows, Index k, Index d) {
  return velocity_scratch(rows, k) + 2 * full_grain * d;
}
Index rk4_scratch(Index rows, Index k, Index d) {
  return velocity_scratch(rows, k) + 4 * padded(rows) * d;
}

void full_gradient(const FullProblem* full, Index begin, Index end, double* gradient,
                   double* scratch) {
  const Index rows = end - begin, tail = rows % full_grain, whole = rows - tail, d = full->d;
  double *pad = scratch, *pad_out = pad + full_grain * d, *rest = pad_out + full_grain * d;
  if (whole > 0)
    velocity(*full, begin, whole, -1.0, full->weights + begin * d, gradient + begin * d, rest);
  if (tail == 0) return;
  const Index first = begin + whole;
  copy_rows(full->weights + first * d, pad, tail, d, full_grain);
  velocity(*full, first, tail, -1.0, pad, pad_out, rest);
  copy_rows(pad_out, gradient + first * d, tail, d, tail);
}

bool full_rk4(const FullProblem* full, double step, double t_end, bool renormalize, Index begin,
              Index end, double* weights, double* scratch, const Pause* pause) {
  const Index rows = end - begin, room = padded(rows), d = full->d, size = room * d;
  double *state = scratch, *stage = state + size, *slope = stage + size, *sum = slope + size;
  double* rest = sum + size;
  copy_rows(weights + begin * d, state, rows, d, room);
  View y(state, room, d), z(stage, room, d), f(slope, room, d), total(sum, room, d);
  for (Index n = 0;; ++n) {
    const double t = static_cast<double>(n) * step;
    if (t >= t_end) break;
    if (pause->wanted(pause->context)) return false;
    const bool last = t_end - t < step * (1.0 + 1e-9);
    const double h = last ? t_end - t : step;
    velocity(*full, begin, rows, 1.0, state, slope, rest);
    total = f;
    z = y + (0.5 * h) * f;
    velocity(*full, begin, rows, 1.0, stage, slope, rest);
    total += 2.0 * f;
    z = y + (0.5 * h) * f;
    velocity(*full, begin, rows, 1.0, stage, slope, rest);
    total += 2.0 * f;
    z = y + h * f;
    velocity(*full, begin, rows, 1.0, stage, slope, rest);
    y += (h / 6.0) * (total + f);
    if (renormalize)
      for (Index i = 0; i < rows; ++i) y.row(i) /= y.row(i).norm();
    if (last) break;
  }
  copy_rows(state, weights + begin * d, rows, d, rows);
  return true;
}

void combine(Index rows, Index k, Index d, const double* s, const double* x, const double* c,
             const double* v, double* out, double* scratch) {
  const ConstView vectors(v, k, d);
  const Index tail = rows % full_grain, whole = rows - tail;
  View(out, whole, d).noalias() = ConstView(c, whole, k) * vectors;
  if (tail > 0) {
    double *pad = scratch, *result = pad + full_grain * k;
    copy_rows(c + whole * k, pad, tail, k, full_grain);
    View(result, full_grain, d).noalias() = ConstView(pad, full_grain, k) * vectors;
    copy_rows(result, out + whole * d, tail, d, tail);
  }
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < d; ++j) out[i * d + j] += s[i] * x[i * d + j];
}

void project(Index rows, Index k, Index d, const double* x, const double* v, double* out,
             double* scratch) {
  const ConstView vectors(v, k, d);
  const Index tail = rows % full_grain, whole = rows - tail;
  View(out, whole, k).noalias() = ConstView(x, whole, d) * vectors.transpose();
  if (tail == 0) return;
  double *pad = scratch, *result = pad + full_grain * d;
  copy_rows(x + whole * d, pad, tail, d, full_grain);
  View(result, full_grain, k).noalias() = ConstView(pad, full_grain, d) * vectors.transpose();
  copy_rows(result, out + whole * k, tail, k, tail);
}

}  // namespace hermiteflow::HF_ISA
