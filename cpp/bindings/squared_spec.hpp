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

// What a run gives back beside its states.
struct ResultArrays {
  Array path_loss, hits, loss_times, norms;
  ResultArrays(Index n, const SquaredOptions& options)
      : path_loss(filled({options.saves.count})), hits(filled({n, options.levels.count})),
        loss_times(filled({options.losses.count})), norms(filled({n})) {}
  SquaredResult result(const SquaredState& end, const SquaredState& path) {
    SquaredResult out{end,
                      path,
                      path_loss.mutable_data(),
                      hits.mutable_data(),
                      loss_times.mutable_data(),
                      norms.mutable_data()};
    out.converged_time = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  py::dict dict(const SquaredResult& result, const py::object& state,
                const py::object& path) const {
    using namespace py::literals;
    return py::dict("state"_a = state, "path"_a = path, "path_loss"_a = path_loss, "hits"_a = hits,
                    "loss_times"_a = loss_times, "gradient_norms"_a = norms,
                    "converged"_a = result.converged_time, "t"_a = result.t, "loss"_a = result.loss,
                    "status"_a = static_cast<int>(result.status), "steps"_a = result.steps,
                    "rejected"_a = result.rejected, "evaluations"_a = result.evaluations);
  }
};

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
