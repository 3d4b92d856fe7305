// Full weights in R^d: gradient, RK4 and the products between weights and overlaps.
#include <cmath>

#include "kernels.hpp"

#include "hermiteflow/product.hpp"
#include "hermiteflow/slope.hpp"

namespace hermiteflow::HF_ISA {

namespace {

// D_ij = sign a_i b_j psi'(m_ij), and -rho_i = -sum_j D_ij m_ij, for `rows` neurons.
void weigh(const Flow& flow, Index begin, Index rows, double sign, const double* m, double* d,
           double* minus_rho) {
  const Index k = flow.gram.k;
  for (Index i = 0; i < rows; ++i) {
    const double a = sign * (flow.second_layer != nullptr ? flow.second_layer[begin + i] : 1.0);
    double sum = 0.0;
    for (Index j = 0; j < k; ++j) {
      const double u = m[i * k + j], value = slope_at(flow.slope, u);
      d[i * k + j] = a * flow.target_weights[j] * value;
      sum += d[i * k + j] * u;
    }
    minus_rho[i] = -sum;
  }
}

// sign times the velocity -gradient of (2): out = D V - diag(rho) Y for a block of rows.
void velocity(const FullProblem& full, Index begin, Index rows, double sign, const double* y,
              double* out, double* scratch) {
  const Index k = full.flow.gram.k, d = full.d;
  double *const m = scratch + Product::memory(), *const layer = m + rows * k,
                *const minus_rho = layer + rows * k;
  const double* const v = full.index_vectors;
  Product{rows, k, d, y, v, nullptr, nullptr, m}.run<Layout::transposed>(scratch);
  weigh(full.flow, begin, rows, sign, m, layer, minus_rho);
  Product{rows, d, k, layer, v, minus_rho, y, out}.run<Layout::plain>(scratch);
}

}  // namespace

Index product_scratch() { return Product::memory(); }
Index gradient_scratch(Index rows, Index k) { return Product::memory() + rows * (2 * k + 1); }
Index rk4_scratch(Index rows, Index k, Index d) { return gradient_scratch(rows, k) + 3 * rows * d; }

void full_gradient(const FullProblem* full, Index begin, Index end, double* gradient,
                   double* scratch) {
  const Index d = full->d;
  velocity(*full, begin, end - begin, -1.0, full->weights + begin * d, gradient + begin * d,
           scratch);
}

bool full_rk4(const FullProblem* full, double step, double t_end, bool renormalize, Index begin,
              Index end, double* weights, double* scratch, const Pause* pause) {
  const Index rows = end - begin, d = full->d, size = rows * d;
  double *const y = weights + begin * d,
                *const z = scratch + gradient_scratch(rows, full->flow.gram.k), *const f = z + size,
                *const total = f + size;
  for (Index n = 0;; ++n) {
    const double t = static_cast<double>(n) * step;
    if (t >= t_end) break;
    if (pause->wanted(pause->context)) return false;
    const bool last = t_end - t < step * (1.0 + 1e-9);
    const double h = last ? t_end - t : step, half = 0.5 * h, sixth = h / 6.0;
    velocity(*full, begin, rows, 1.0, y, f, scratch);
    for (Index i = 0; i < size; ++i) {
      total[i] = f[i];
      z[i] = y[i] + half * f[i];
    }
    velocity(*full, begin, rows, 1.0, z, f, scratch);
    for (Index i = 0; i < size; ++i) {
      total[i] += 2.0 * f[i];
      z[i] = y[i] + half * f[i];
    }
    velocity(*full, begin, rows, 1.0, z, f, scratch);
    for (Index i = 0; i < size; ++i) {
      total[i] += 2.0 * f[i];
      z[i] = y[i] + h * f[i];
    }
    velocity(*full, begin, rows, 1.0, z, f, scratch);
    for (Index i = 0; i < size; ++i) y[i] += sixth * (total[i] + f[i]);
    for (Index i = 0; renormalize && i < rows; ++i) {
      double* const w = y + i * d;
      double square = 0.0;
      for (Index j = 0; j < d; ++j) square += w[j] * w[j];
      const double scale = 1.0 / std::sqrt(square);
      for (Index j = 0; j < d; ++j) w[j] *= scale;
    }
    if (last) break;
  }
  return true;
}

void combine(Index rows, Index k, Index d, const double* s, const double* x, const double* c,
             const double* v, double* out, double* scratch) {
  Product{rows, d, k, c, v, s, x, out}.run<Layout::plain>(scratch);
}

void project(Index rows, Index k, Index d, const double* x, const double* v, double* out,
             double* scratch) {
  Product{rows, k, d, x, v, nullptr, nullptr, out}.run<Layout::transposed>(scratch);
}

}  // namespace hermiteflow::HF_ISA
