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
  ResultArrays out(flow.n, options);
  SquaredResult result = out.result(end.state(), path.state());
  const SquaredState from = squared_state(spec, state, q);
  interruptible(progress, [&](const Poll& poll) {
    solve_squared(flow, options, from, result, threads, poll);
  });
  return out.dict(result, end.tuple(), path.tuple());
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
