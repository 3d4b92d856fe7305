#define HF_ISA full  // the controller's own copy, apart from those of the kernels

#include "hermiteflow/full_adaptive.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Dense>

#include "hermiteflow/controller.hpp"
#include "hermiteflow/event.hpp"
#include "hermiteflow/slope.hpp"
#include "hermiteflow/tableau.hpp"

namespace hermiteflow {

namespace {

using Vector = Eigen::VectorXd;
using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// dw/ds and dt/ds of one neuron, as in stepper.hpp.
class Field {
 public:
  Field(const FullProblem& full, Index neuron)
      : flow_(full.flow), vectors_(full.index_vectors, full.flow.gram.k, full.d),
        a_(flow_.second_layer != nullptr ? flow_.second_layer[neuron] : 1.0),
        least_(least_square_of(flow_.slope)), g_(flow_.gram.k) {
    for (Index j = 0; j < g_.size(); ++j)
      weight_max_ = std::max(weight_max_, std::fabs(flow_.target_weights[j]));
  }

  Vector overlaps(const Vector& w) const { return vectors_ * w; }

  double operator()(const Vector& w, Vector& slope) {
    const Vector m = overlaps(w);
    for (Index j = 0; j < g_.size(); ++j)
      g_[j] = a_ * flow_.target_weights[j] * slope_at(flow_.slope, m[j]);
    const double mg = m.dot(g_), norm2 = w.squaredNorm();
    const double lambda = mg * (2.0 - norm2) + std::fabs(mg) * (norm2 - 1.0);
    const double size2 = g_.squaredNorm() + floor2(m.norm());
    const double weight = size2 > 0.0 ? std::sqrt((m.squaredNorm() + least_) / size2) : 1.0;
    slope.noalias() = weight * (vectors_.transpose() * g_);
    slope -= (weight * lambda) * w;
    return weight;
  }

 private:
  Flow flow_;
  Eigen::Map<const Rows> vectors_;
  double a_, least_, weight_max_ = 0.0;
  Vector g_;

  double floor2(double size) const {
    if (flow_.slope.pure()) return 0.0;
    const double force = vanishing * weight_max_ * a_ * reach_of(flow_.slope, size);
    return force * force;
  }
};

template <class T>
FullEnd integrate(const FullProblem& full, const FullAdaptive& options, Index neuron, double atol,
                  double* start, const Pause& pause) {
  Eigen::Map<Vector> out(start, full.d);
  Field field(full, neuron);
  const full::Controller controller{1.0 / (T::error_order + 1.0)};
  Vector w = out, z(full.d), slopes[T::dense_stages];
  for (Vector& slope : slopes) slope.resize(full.d);
  double weights[T::dense_stages] = {}, t = 0.0, h = controller.first_step(options.rtol);
  double previous = 1.0;
  bool first = true;
  const auto combine = [&](const double* of, int count) {
    Vector sum = Vector::Zero(full.d);
    for (int j = 0; j < count; ++j)
      if (of[j] != 0.0) sum += of[j] * slopes[j];
    return sum;
  };
  const auto time = [&](const double* of, int count) {
    double sum = 0.0;
    for (int j = 0; j < count; ++j) sum += of[j] * weights[j];
    return sum;
  };
  FullEnd end{Status::t_end, 0.0, 0, 0};
  Vector m = field.overlaps(w);
  weights[0] = field(w, slopes[0]);
  while (t < options.t_end) {
    if (pause.wanted(pause.context)) end.status = Status::interrupted;
    if (end.steps + end.rejected >= options.max_steps) end.status = Status::max_steps;
    if (end.status != Status::t_end) break;
    for (int i = 1; i < T::stages; ++i) {
      z = w + h * combine(T::a[i], i);
      weights[i] = field(z, slopes[i]);
    }
    const double t_new = t + h * time(T::b, T::stages - 1);
    const Vector m_new = field.overlaps(z);
    Vector scale(m.size());
    for (Index j = 0; j < m.size(); ++j) {
      const double size = std::max(std::fabs(m_new[j]), std::fabs(m[j]));
      scale[j] = full::rough_inverse(atol + options.rtol * size);
    }
    const auto estimate = [&](const double* of) {
      const Vector error = field.overlaps(combine(of, T::stages));
      return h * std::max(error.cwiseProduct(scale).cwiseAbs().maxCoeff(),
                          std::fabs(time(of, T::stages)) / (options.rtol * t_new));
    };
    double ratio = estimate(T::e);
    if constexpr (T::has_second_error) {
      const double third = estimate(T::e3), both = std::sqrt(ratio * ratio + 0.01 * third * third);
      ratio = both > 0.0 ? ratio * ratio / both : 0.0;
    }
    ratio *= T::share;
    const bool finite = std::isfinite(ratio) && z.allFinite() && std::isfinite(t_new);
    if (!finite || ratio > 1.0) {
      ++end.rejected;
      h *= finite ? controller.factor(ratio, previous, false) : 0.1;
      if (h < 1e-13) end.status = finite ? Status::step_too_small : Status::non_finite;
      continue;
    }
    ++end.steps;
    double factor = controller.factor(ratio, previous, true);
    if (!first && factor > 1.0 && factor < 1.1) factor = 1.0;
    first = false;
    previous = ratio;
    if (t_new >= options.t_end) {  // the end lies within this step: dense output
      Vector extra(full.d);
      for (int i = T::stages; i < T::dense_stages; ++i) {
        extra = w + h * combine(T::a[i], i);
        weights[i] = field(extra, slopes[i]);
      }
      double at[T::dense_stages];
      const auto aim = [&](double theta) {
        for (int i = 0; i < T::dense_stages; ++i) {
          at[i] = 0.0;
          for (int q = T::dense_degree - 1; q >= 0; --q) at[i] = (at[i] + T::dense[i][q]) * theta;
        }
        return t + h * time(at, T::dense_stages) - options.t_end;
      };
      aim(full::locate(aim, 0.0, 1.0, t - options.t_end, t_new - options.t_end));
      w += h * combine(at, T::dense_stages);
      t = options.t_end;
      break;
    }
    h *= factor;
    t = t_new;
    std::swap(w, z);
    m = m_new;
    if (options.atol_follows) atol = std::min(atol, 1e-3 * options.rtol * m.cwiseAbs().maxCoeff());
    std::swap(slopes[0], slopes[T::stages - 1]);
    weights[0] = weights[T::stages - 1];
  }
  out = w;
  end.t = t;
  return end;
}

}  // namespace

FullEnd full_adaptive(const FullProblem& full, const FullAdaptive& options, Index neuron,
                      double atol, double* w, const Pause& pause) {
  switch (options.method) {
  case Method::dopri5:
    return integrate<DormandPrince5>(full, options, neuron, atol, w, pause);
  case Method::dop853:
    return integrate<DormandPrince853>(full, options, neuron, atol, w, pause);
  default:
    return integrate<Tsitouras5>(full, options, neuron, atol, w, pause);
  }
}

}  // namespace hermiteflow
