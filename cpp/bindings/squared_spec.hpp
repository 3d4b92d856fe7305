// The squared loss described from Python, and its states as arrays.
#pragma once

#include <algorithm>
#include <limits>

#include "bindings.hpp"

#include "hermiteflow/squared.hpp"

namespace hermiteflow::bindings {

// Owns the arrays that a SquaredFlow points to, beside those of its two FlowSpec.
struct SquaredSpec {
  Array second_layer;
  double loss_at_zero, cross_at_zero, own_at_zero;
  bool trained;
  MaybeArray student, teacher;  // series of free weights' links
  FreeLinks links{};

  // functions (2, 3): factors of erf, sign and ReLU, of the student and of the teacher
  SquaredSpec(Array layer, double loss, double cross, double own, bool trains, MaybeArray s,
              MaybeArray t, const MaybeArray& functions)
      : second_layer(std::move(layer)), loss_at_zero(loss), cross_at_zero(cross), own_at_zero(own),
        trained(trains), student(std::move(s)), teacher(std::move(t)) {
    if (!student || !teacher || !functions) return;
    const double* const f = functions->data();
    links = {{student->size(), student->data(), f[0], f[1], f[2]},
             {teacher->size(), teacher->data(), f[3], f[4], f[5]}};
  }
};

inline Array filled(const std::vector<py::ssize_t>& shape) {
  Array out(shape);
  std::fill_n(out.mutable_data(), out.size(), std::numeric_limits<double>::quiet_NaN());
  return out;
}

// State arrays, one or `count`: M and Q, or W; a where it is trained.
struct StateArrays {
  Array m, q, w, a;
  explicit StateArrays(const SquaredFlow& flow, Index count = -1) {
    const bool moves = flow.form == SquaredForm::coordinates;
    const auto make = [&](std::vector<py::ssize_t> shape) {
      if (count >= 0) shape.insert(shape.begin(), count);
      return filled(shape);
    };
    m = make({moves ? 0 : flow.n, flow.gram.k});
    q = make({moves ? 0 : flow.n, flow.n});
    w = make({moves ? flow.n : 0, flow.r});
    a = make({flow.trained ? flow.n : 0});
  }
  SquaredState state() {
    return {m.mutable_data(), q.mutable_data(), w.mutable_data(), a.mutable_data()};
  }
  py::tuple tuple() const { return py::make_tuple(m, q, w, a); }
};

// The state is (M, Q), or W (n, r) in place of M without Q.
inline SquaredFlow squared_flow(const FlowSpec& cross, const FlowSpec& own, const SquaredSpec& spec,
                                const Array& state, const MaybeArray& q) {
  return {q ? SquaredForm::order_parameters : SquaredForm::coordinates,
          state.shape(0),
          q ? 0 : state.shape(1),
          cross.flow.gram,
          cross.flow.slope,
          own.flow.slope,
          spec.second_layer.data(),
          cross.flow.target_weights,
          spec.loss_at_zero,
          spec.trained,
          spec.cross_at_zero,
          spec.own_at_zero,
          spec.student ? &spec.links : nullptr};
}

inline SquaredState squared_state(const SquaredSpec& spec, const Array& state,
                                  const MaybeArray& q) {
  double* const first = const_cast<double*>(state.data());
  return {first, q ? const_cast<double*>(q->data()) : nullptr, first,
          const_cast<double*>(spec.second_layer.data())};
}

}  // namespace hermiteflow::bindings
