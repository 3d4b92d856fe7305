#include "bindings.hpp"

#include "hermiteflow/squared.hpp"

namespace hermiteflow::bindings {

namespace {

Array filled(const std::vector<py::ssize_t>& shape) {
  Array out(shape);
  std::fill_n(out.mutable_data(), out.size(), std::numeric_limits<double>::quiet_NaN());
  return out;
}

// State arrays, one or `count`: M and Q, or W.
struct Arrays {
  Array m, q, w;
  explicit Arrays(const SquaredFlow& flow, Index count = -1) {
    const bool moves = flow.form == SquaredForm::coordinates;
    const auto make = [&](Index rows, Index columns) {
      return count < 0 ? filled({rows, columns}) : filled({count, rows, columns});
    };
    m = make(moves ? 0 : flow.n, flow.gram.k);
    q = make(moves ? 0 : flow.n, flow.n);
    w = make(moves ? flow.n : 0, flow.r);
  }
  SquaredState state() { return {m.mutable_data(), q.mutable_data(), w.mutable_data()}; }
  py::tuple tuple() const { return py::make_tuple(m, q, w); }
};

// The state is (M, Q), or W (n, r) in place of M without Q.
SquaredFlow make_flow(const FlowSpec& cross, const FlowSpec& own, const Array& second_layer,
                      const Array& state, const MaybeArray& q, double loss_at_zero) {
  return {q ? SquaredForm::order_parameters : SquaredForm::coordinates,
          state.shape(0),
          q ? 0 : state.shape(1),
          cross.flow.gram,
          cross.flow.slope,
          own.flow.slope,
          second_layer.data(),
          cross.flow.target_weights,
          loss_at_zero};
}

SquaredState view(const Array& state, const MaybeArray& q) {
  double* const first = const_cast<double*>(state.data());
  return {first, q ? const_cast<double*>(q->data()) : nullptr, first};
}

py::tuple rates(const FlowSpec& cross, const FlowSpec& own, const Array& second_layer,
                const Array& state, const MaybeArray& q, double loss_at_zero, int threads) {
  const SquaredFlow flow = make_flow(cross, own, second_layer, state, q, loss_at_zero);
  Arrays out(flow);
  Array norms = filled({flow.n});
  const SquaredState from = view(state, q), to = out.state();
  double* const speeds = norms.mutable_data();
  double loss = 0.0;
  interruptible(py::none(), [&](const Poll& poll) {
    loss = squared_rates(flow, from, to, speeds, threads, poll);
  });
  return py::make_tuple(out.tuple(), norms, loss);
}

py::dict solve(const FlowSpec& cross, const FlowSpec& own, const Array& second_layer,
               const Array& state, const MaybeArray& q, double loss_at_zero, int method,
               double t_end, double step, double rtol, double atol, Index max_steps,
               bool renormalize, const Array& levels, bool levels_terminal, const Array& losses,
               bool losses_terminal, double tol, bool tol_terminal, const Array& save_at,
               int threads, const py::object& progress) {
  const SquaredFlow flow = make_flow(cross, own, second_layer, state, q, loss_at_zero);
  const SquaredOptions options{static_cast<Method>(method),
                               {t_end, step, rtol, atol},
                               max_steps,
                               renormalize,
                               {levels.size(), levels.data()},
                               levels_terminal,
                               {losses.size(), losses.data()},
                               losses_terminal,
                               tol,
                               tol_terminal,
                               {save_at.size(), save_at.data()}};
  Arrays end(flow), path(flow, options.saves.count);
  Array path_loss = filled({options.saves.count}), hits = filled({flow.n, options.levels.count}),
        loss_times = filled({options.losses.count}), norms = filled({flow.n});
  SquaredResult result{end.state(),
                       path.state(),
                       path_loss.mutable_data(),
                       hits.mutable_data(),
                       loss_times.mutable_data(),
                       norms.mutable_data()};
  result.converged_time = std::numeric_limits<double>::quiet_NaN();
  const SquaredState from = view(state, q);
  interruptible(progress, [&](const Poll& poll) {
    solve_squared(flow, options, from, result, threads, poll);
  });
  using namespace py::literals;
  return py::dict("state"_a = end.tuple(), "path"_a = path.tuple(), "path_loss"_a = path_loss,
                  "hits"_a = hits, "loss_times"_a = loss_times, "gradient_norms"_a = norms,
                  "converged"_a = result.converged_time, "t"_a = result.t, "loss"_a = result.loss,
                  "status"_a = static_cast<int>(result.status), "steps"_a = result.steps,
                  "rejected"_a = result.rejected, "evaluations"_a = result.evaluations);
}

}  // namespace

void bind_squared(py::module_& module) {
  module.def("squared_rates", &rates, py::arg("cross"), py::arg("own"), py::arg("second_layer"),
             py::arg("state"), py::arg("q"), py::arg("loss_at_zero"), py::arg("threads"),
             "Right-hand side of MATH (10), norms of the gradient (n,), loss.");
  module.def("solve_squared", &solve, py::arg("cross"), py::arg("own"), py::arg("second_layer"),
             py::arg("state"), py::arg("q"), py::arg("loss_at_zero"), py::arg("method"),
             py::arg("t_end"), py::arg("step"), py::arg("rtol"), py::arg("atol"),
             py::arg("max_steps"), py::arg("renormalize"), py::arg("levels"),
             py::arg("levels_terminal"), py::arg("losses"), py::arg("losses_terminal"),
             py::arg("tol"), py::arg("tol_terminal"), py::arg("save_at"), py::arg("threads"),
             py::arg("progress"), "Integrate all neurons of the squared loss together.");
}

}  // namespace hermiteflow::bindings
