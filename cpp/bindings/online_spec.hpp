// Online gradient descent described from Python.
#pragma once

#include "bindings.hpp"
#include "point_spec.hpp"

#include "hermiteflow/online.hpp"

namespace hermiteflow::bindings {

// Owns the arrays that an OnlineModel points to.
struct OnlineSpec {
  OnlineModel model;
  py::object student, teacher;
  Array target_weights;
  MaybeArray factor;

  OnlineSpec(py::object own, py::object others, Index n, Array weights, bool squared, bool sphere,
             bool trained, MaybeArray l, double d)
      : model{}, student(std::move(own)), teacher(std::move(others)),
        target_weights(std::move(weights)), factor(std::move(l)) {
    const Index k = target_weights.size();
    model.sample = {n,
                    k,
                    (n + 7) / 8 * 8,
                    (k + 7) / 8 * 8,
                    student.cast<const PointSpec&>().link,
                    teacher.cast<const PointSpec&>().link,
                    target_weights.data(),
                    squared,
                    sphere};
    model.rank = factor ? factor->shape(1) : k;
    model.factor = data_or_null(factor);
    model.d = d;
    model.trained = trained;
  }
};

}  // namespace hermiteflow::bindings
