#include "hermiteflow/empirical.hpp"
#include "point_spec.hpp"
#include "squared_spec.hpp"

namespace hermiteflow::bindings {

namespace {

// Owns the arrays that an EmpiricalFlow points to.
struct EmpiricalSpec {
  py::array x;  // float32 or float64, rows apart: never copied
  MaybeArray y;
  Array a, vectors;
  py::object owner;  // of the link
  EmpiricalFlow flow;

  EmpiricalSpec(py::array sample, MaybeArray labels, Array layer, const py::object& link,
                bool squared, bool constrained, Array v)
      : x(std::move(sample)), y(std::move(labels)), a(std::move(layer)), vectors(std::move(v)),
        owner(link), flow{} {
    const Index item = x.itemsize(), d = x.ndim() == 2 ? x.shape(1) : 0;
    if (d == 0 || x.dtype().kind() != 'f' || (item != 4 && item != 8) ||
        (x.shape(1) > 1 && x.strides(1) != item) || x.strides(0) % item != 0 ||
        (y && y->size() != x.shape(0)) || vectors.ndim() != 2 || vectors.shape(1) != d)
      throw py::value_error("a sample must have arrays that fit together");
    flow = {{x.data(), item == 4, x.shape(0), d, x.strides(0) / item},
            data_or_null(y),
            a.size(),
            a.data(),
            link.cast<const PointSpec&>().link,
            squared,
            constrained,
            vectors.shape(0),
            vectors.data()};
  }

  const double* weights(const Array& w) const {
    if (w.ndim() != 2 || w.shape(0) != flow.n || w.shape(1) != flow.sample.d)
      throw py::value_error("w must have shape (n, d)");
    return w.data();
  }
};

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
  Array out({w.shape(0), w.shape(1)});
  const double* const from = spec.weights(w);
  double* const to = out.mutable_data();
  double found = 0.0;
  interruptible(py::none(), [&](const Poll& poll) {
    found = empirical_rates(spec.flow, from, to, threads, poll);
  });
  return py::make_tuple(out, found);
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
  double* const from = const_cast<double*>(spec.weights(w));
  Array end({n, spec.flow.sample.d}), m = filled({saves, n, k}), q = filled({saves, n, n});
  ResultArrays out(n, options);
  SquaredResult result = out.result({nullptr, nullptr, end.mutable_data(), nullptr},
                                    {m.mutable_data(), q.mutable_data(), nullptr, nullptr});
  interruptible(progress, [&](const Poll& poll) {
    solve_empirical(spec.flow, options, {nullptr, nullptr, from, nullptr}, result, threads, poll);
  });
  return out.dict(result, end, py::make_tuple(m, q));
}

}  // namespace

void bind_empirical(py::module_& module) {
  py::class_<EmpiricalSpec>(module, "EmpiricalSpec", "A student on a stored sample.")
      .def(py::init<py::array, MaybeArray, Array, const py::object&, bool, bool, Array>(),
           py::arg("x"), py::arg("y"), py::arg("second_layer"), py::arg("link"), py::arg("squared"),
           py::arg("constrained"), py::arg("vectors"));
  module.def("empirical_outputs", &outputs, py::arg("flow"), py::arg("w"), py::arg("threads"),
             "f of each sample (N,).");
  module.def("empirical_loss", &loss, py::arg("flow"), py::arg("w"), py::arg("threads"),
             "The loss on the sample.");
  module.def("empirical_rates", &rates, py::arg("flow"), py::arg("w"), py::arg("threads"),
             "dW/dt (n, d) and the loss.");
  module.def("solve_empirical", &solve, py::arg("flow"), py::arg("w"), py::arg("method"),
             py::arg("t_end"), py::arg("step"), py::arg("rtol"), py::arg("atol"),
             py::arg("max_steps"), py::arg("renormalize"), py::arg("levels"),
             py::arg("levels_terminal"), py::arg("losses"), py::arg("losses_terminal"),
             py::arg("tol"), py::arg("tol_terminal"), py::arg("save_at"), py::arg("threads"),
             py::arg("progress"), "Integrate all neurons on a stored sample together.");
}

}  // namespace hermiteflow::bindings
