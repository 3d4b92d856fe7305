// Full weights in R^d: gradient, RK4 and the products between weights and overlaps, in blocks of
// full_block rows. A last block that is not full is padded with zero rows, so that the bits of a
// row do not depend on its company.
#include <Eigen/Dense>

#include "kernels.hpp"

#include "hermiteflow/slope.hpp"

namespace hermiteflow::HF_ISA {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<Matrix>;
using ConstView = Eigen::Map<const Matrix>;

// psi'(m) a_i b_j in place, and rho_i = sum_j D_ij m_ij.
void weigh(const Flow& flow, Index begin, Index rows, const double* m, double* d, double* rho) {
  const Index k = flow.gram.k;
  for (Index i = 0; i < full_block; ++i) {
    const bool real = i < rows;
    const double a = real && flow.second_layer != nullptr ? flow.second_layer[begin + i] : 1.0;
    double sum = 0.0;
    for (Index j = 0; j < k; ++j) {
      const double u = m[i * k + j], value = slope_at(flow.slope, u);
      d[i * k + j] = a * flow.target_weights[j] * value;
      sum += d[i * k + j] * u;
    }
    rho[i] = sum;
  }
}

// The velocity -gradient of (2): out = D V - diag(rho) Y for one block.
void velocity(const FullProblem& full, Index begin, Index rows, const double* y, double* out,
              double* m, double* d, double* rho) {
  const Index k = full.flow.gram.k;
  const ConstView v(full.index_vectors, k, full.d), here(y, full_block, full.d);
  View overlaps(m, full_block, k), weights(d, full_block, k), result(out, full_block, full.d);
  overlaps.noalias() = here * v.transpose();
  weigh(full.flow, begin, rows, m, d, rho);
  result.noalias() = weights * v;
  for (Index i = 0; i < full_block; ++i) result.row(i) -= rho[i] * here.row(i);
}

void copy_rows(const double* from, double* to, Index rows, Index columns) {
  for (Index i = 0; i < rows * columns; ++i) to[i] = from[i];
  for (Index i = rows * columns; i < full_block * columns; ++i) to[i] = 0.0;
}

}  // namespace

Index full_scratch(Index k, Index d) { return full_block * (4 * d + 2 * k + 1); }

void full_gradient(const FullProblem* full, Index begin, Index end, double* gradient,
                   double* scratch) {
  const Index rows = end - begin, k = full->flow.gram.k, d = full->d;
  double *m = scratch, *weights = m + full_block * k, *rho = weights + full_block * k;
  double *pad = rho + full_block, *pad_out = pad + full_block * d;
  const double* w = full->weights + begin * d;
  double* out = gradient + begin * d;
  const bool whole = rows == full_block;
  if (!whole) copy_rows(w, pad, rows, d);
  velocity(*full, begin, rows, whole ? w : pad, whole ? out : pad_out, m, weights, rho);
  const double* result = whole ? out : pad_out;
  for (Index i = 0; i < rows * d; ++i) out[i] = -result[i];
}

bool full_rk4(const FullProblem* full, double step, double t_end, bool renormalize, Index begin,
              Index end, double* weights, double* scratch, const int* stop) {
  const Index rows = end - begin, k = full->flow.gram.k, d = full->d, size = full_block * d;
  double *m = scratch, *dd = m + full_block * k, *rho = dd + full_block * k;
  double *state = rho + full_block, *stage = state + size, *slope = stage + size;
  double* sum = slope + size;
  copy_rows(weights + begin * d, state, rows, d);
  View y(state, full_block, d), z(stage, full_block, d), f(slope, full_block, d);
  View total(sum, full_block, d);
  for (Index n = 0;; ++n) {
    const double t = static_cast<double>(n) * step;
    if (t >= t_end || __atomic_load_n(stop, __ATOMIC_RELAXED) != 0) break;
    const bool last = t_end - t < step * (1.0 + 1e-9);
    const double h = last ? t_end - t : step;
    velocity(*full, begin, rows, state, slope, m, dd, rho);
    total = f;
    z = y + (0.5 * h) * f;
    velocity(*full, begin, rows, stage, slope, m, dd, rho);
    total += 2.0 * f;
    z = y + (0.5 * h) * f;
    velocity(*full, begin, rows, stage, slope, m, dd, rho);
    total += 2.0 * f;
    z = y + h * f;
    velocity(*full, begin, rows, stage, slope, m, dd, rho);
    y += (h / 6.0) * (total + f);
    if (renormalize)
      for (Index i = 0; i < rows; ++i) y.row(i) /= y.row(i).norm();
    if (last) break;
  }
  double* out = weights + begin * d;
  for (Index i = 0; i < rows * d; ++i) out[i] = state[i];
  return __atomic_load_n(stop, __ATOMIC_RELAXED) == 0;
}

void combine(Index rows, Index k, Index d, const double* s, const double* x, const double* c,
             const double* v, double* out, double* scratch) {
  double *pad = scratch, *result = pad + full_block * k;
  copy_rows(c, pad, rows, k);
  const bool whole = rows == full_block;
  View target(whole ? out : result, full_block, d);
  target.noalias() = ConstView(pad, full_block, k) * ConstView(v, k, d);
  for (Index i = 0; i < rows; ++i) {
    const double* from = target.data() + i * d;
    for (Index j = 0; j < d; ++j) out[i * d + j] = from[j] + s[i] * x[i * d + j];
  }
}

void project(Index rows, Index k, Index d, const double* x, const double* v, double* out,
             double* scratch) {
  double *pad = scratch, *result = pad + full_block * d;
  const bool whole = rows == full_block;
  if (!whole) copy_rows(x, pad, rows, d);
  View target(whole ? out : result, full_block, k);
  target.noalias() = ConstView(whole ? x : pad, full_block, d) * ConstView(v, k, d).transpose();
  if (!whole)
    for (Index i = 0; i < rows * k; ++i) out[i] = result[i];
}

}  // namespace hermiteflow::HF_ISA
