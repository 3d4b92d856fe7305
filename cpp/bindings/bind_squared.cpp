#include "squared_spec.hpp"

namespace hermiteflow::bindings {

namespace {

py::tuple rates(const FlowSpec& cross, const FlowSpec& own, const SquaredSpec& spec,
                const Array& state, const MaybeArray& q, int threads) {
  const SquaredFlow flow = squared_flow(cross, own, spec, state, q);
  StateArrays out(flow);
  Array norms = filled({flow.n});
  const SquaredState from = squared_state(spec, state, q), to = out.state();
  double* const speeds = norms.mutable_data();
  double loss = 0.0;
  interruptible(py::none(), [&](const Poll& poll) {
    loss = squared_rates(flow, from, to, speeds, threads, poll);
  });
  return py::make_tuple(out.tuple(), norms, loss);
}

py::dict solve(const FlowSpec& cross, const FlowSpec& own, const SquaredSpec& spec,
               const Array& state, const MaybeArray& q, int method, double t_end, double step,
               double rtol, double atol, Index max_steps, bool renormalize, const Array& levels,
               bool levels_terminal, const Array& losses, bool losses_terminal, double tol,
               bool tol_terminal, const Array& save_at, int threads, const py::object& progress) {
  const SquaredFlow flow = squared_flow(cross, own, spec, state, q);
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
  StateArrays end(flow), path(flow, options.saves.count);
  Array path_loss = filled({options.saves.count}), hits = filled({flow.n, options.levels.count}),
        loss_times = filled({options.losses.count}), norms = filled({flow.n});
  SquaredResult result{end.state(),
                       path.state(),
                       path_loss.mutable_data(),
                       hits.mutable_data(),
                       loss_times.mutable_data(),
                       norms.mutable_data()};
  result.converged_time = std::numeric_limits<double>::quiet_NaN();
  const SquaredState from = squared_state(spec, state, q);
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
  py::class_<SquaredSpec>(module, "SquaredSpec")
      .def(py::init<Array, double, double, double, bool, MaybeArray, MaybeArray,
                    const MaybeArray&>(),
           py::arg("second_layer"), py::arg("loss_at_zero"), py::arg("cross_at_zero"),
           py::arg("own_at_zero"), py::arg("trained"), py::arg("student"), py::arg("teacher"),
           py::arg("functions"));
  module.def(
      "squared_rates", &rates, py::arg("cross"), py::arg("own"), py::arg("spec"), py::arg("state"),
      py::arg("q"), py::arg("threads"),
      "Right-hand side of MATH (10) or docs/squared (15), norms of the gradient (n,), loss.");
  module.def("solve_squared", &solve, py::arg("cross"), py::arg("own"), py::arg("spec"),
             py::arg("state"), py::arg("q"), py::arg("method"), py::arg("t_end"), py::arg("step"),
             py::arg("rtol"), py::arg("atol"), py::arg("max_steps"), py::arg("renormalize"),
             py::arg("levels"), py::arg("levels_terminal"), py::arg("losses"),
             py::arg("losses_terminal"), py::arg("tol"), py::arg("tol_terminal"),
             py::arg("save_at"), py::arg("threads"), py::arg("progress"),
             "Integrate all neurons of the squared loss together.");
}

}  // namespace hermiteflow::bindings
