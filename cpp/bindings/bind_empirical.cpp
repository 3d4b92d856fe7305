#include "empirical_spec.hpp"
#include "squared_spec.hpp"

namespace hermiteflow::bindings {

namespace {

Array outputs(const EmpiricalSpec& spec, const Array& w, int threads) {
  Array out({spec.flow.sample.count});
  const double* const from = spec.weights(w);
  double* const to = out.mutable_data();
  interruptible(py::none(),
                [&](const Poll& poll) { empirical_outputs(spec.flow, from, to, threads, poll); });
  return out;
}

double loss(const EmpiricalSpec& spec, const Array& w, int threads) {
  const double* const from = spec.weights(w);
  double found = 0.0;
  interruptible(py::none(),
                [&](const Poll& poll) { found = empirical_loss(spec.flow, from, threads, poll); });
  return found;
}

py::tuple rates(const EmpiricalSpec& spec, const Array& w, int threads) {
  const double* const from = spec.weights(w);
  Array out({w.shape(0), w.shape(1)}), layer({spec.flow.trained ? spec.flow.n : Index{0}});
  double *const to = out.mutable_data(), *const a = layer.mutable_data();
  double found = 0.0;
  interruptible(py::none(), [&](const Poll& poll) {
    found = empirical_rates(spec.flow, from, to, a, threads, poll);
  });
  return py::make_tuple(out, layer, found);
}

py::dict solve(const EmpiricalSpec& spec, const Array& w, int method, double t_end, double step,
               double rtol, double atol, Index max_steps, bool renormalize, const Array& levels,
               bool levels_terminal, const Array& losses, bool losses_terminal, double tol,
               bool tol_terminal, const Array& save_at, int threads, const py::object& progress) {
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
  const Index n = spec.flow.n, k = spec.flow.k, saves = options.saves.count;
  const Index moving = spec.flow.trained ? n : 0;
  double *const from = const_cast<double*>(spec.weights(w)), *const a =
                                                                 const_cast<double*>(spec.flow.a);
  Array end({n, spec.flow.sample.d}), m = filled({saves, n, k}), q = filled({saves, n, n});
  Array layer({moving}), layers = filled({saves, moving});
  ResultArrays out(n, options);
  SquaredResult result =
      out.result({nullptr, nullptr, end.mutable_data(), layer.mutable_data()},
                 {m.mutable_data(), q.mutable_data(), nullptr, layers.mutable_data()});
  interruptible(progress, [&](const Poll& poll) {
    solve_empirical(spec.flow, options, {nullptr, nullptr, from, a}, result, threads, poll);
  });
  return out.dict(result, py::make_tuple(end, layer), py::make_tuple(m, q, layers));
}

}  // namespace

void bind_empirical(py::module_& module) {
  py::class_<EmpiricalSpec>(module, "EmpiricalSpec", "A student on a stored sample.")
      .def(py::init<py::array, MaybeArray, Array, const py::object&, bool, bool, Array, bool>(),
           py::arg("x"), py::arg("y"), py::arg("second_layer"), py::arg("link"), py::arg("squared"),
           py::arg("constrained"), py::arg("vectors"), py::arg("trained"));
  module.def("empirical_outputs", &outputs, py::arg("flow"), py::arg("w"), py::arg("threads"),
             "f of each sample (N,).");
  module.def("empirical_loss", &loss, py::arg("flow"), py::arg("w"), py::arg("threads"),
             "The loss on the sample.");
  module.def("empirical_rates", &rates, py::arg("flow"), py::arg("w"), py::arg("threads"),
             "dW/dt (n, d), da/dt (n,) where a is trained, and the loss.");
  module.def("solve_empirical", &solve, py::arg("flow"), py::arg("w"), py::arg("method"),
             py::arg("t_end"), py::arg("step"), py::arg("rtol"), py::arg("atol"),
             py::arg("max_steps"), py::arg("renormalize"), py::arg("levels"),
             py::arg("levels_terminal"), py::arg("losses"), py::arg("losses_terminal"),
             py::arg("tol"), py::arg("tol_terminal"), py::arg("save_at"), py::arg("threads"),
             py::arg("progress"), "Integrate all neurons on a stored sample together.");
}

}  // namespace hermiteflow::bindings
