#include "bindings.hpp"

#include "hermiteflow/weights.hpp"

namespace hermiteflow::bindings {

namespace {

Array project(const Array& w, const Array& v, int threads) {
  const Index n = w.shape(0), d = w.shape(1), k = v.shape(0);
  Array out({n, k});
  const double *x = w.data(), *y = v.data();
  double* const target = out.mutable_data();
  interruptible(py::none(),
                [&](const Poll& poll) { project_weights(n, k, d, x, y, target, threads, poll); });
  return out;
}

Array combine(const Array& s, const Array& w, const Array& alpha, const Array& v, int threads) {
  const Index n = w.shape(0), d = w.shape(1), k = v.shape(0);
  Array out({n, d});
  const double *scale = s.data(), *x = w.data(), *c = alpha.data(), *y = v.data();
  double* const target = out.mutable_data();
  interruptible(py::none(), [&](const Poll& poll) {
    combine_weights(n, k, d, scale, x, c, y, target, threads, poll);
  });
  return out;
}

FullProblem full_problem(const FlowSpec& spec, const MaybeArray& second_layer, const Array& v,
                         const double* w) {
  FullProblem full{spec.flow, v.shape(1), v.data(), w};
  full.flow.second_layer = data_or_null(second_layer);
  return full;
}

Array gradient(const FlowSpec& spec, const MaybeArray& second_layer, const Array& v, const Array& w,
               int threads) {
  const Index n = w.shape(0);
  Array out({n, w.shape(1)});
  const FullProblem full = full_problem(spec, second_layer, v, w.data());
  double* const target = out.mutable_data();
  interruptible(py::none(),
                [&](const Poll& poll) { weights_gradient(full, n, target, threads, poll); });
  return out;
}

void rk4(const FlowSpec& spec, const MaybeArray& second_layer, const Array& v, Array w, double step,
         double t_end, bool renormalize, int threads, const py::object& progress) {
  const Index n = w.shape(0);
  double* const target = w.mutable_data();
  const FullProblem full = full_problem(spec, second_layer, v, target);
  interruptible(progress, [&](const Poll& poll) {
    weights_rk4(full, n, step, t_end, renormalize, target, threads, poll);
  });
}

py::tuple adaptive(const FlowSpec& spec, const MaybeArray& second_layer, const Array& v, Array w,
                   int method, double t_end, double rtol, const Array& atol, bool atol_follows,
                   Index max_steps, int threads, const py::object& progress) {
  const Index n = w.shape(0);
  double* const target = w.mutable_data();
  const FullProblem full = full_problem(spec, second_layer, v, target);
  const FullAdaptive options{static_cast<Method>(method), t_end, rtol, max_steps, atol_follows};
  std::vector<FullEnd> ends(static_cast<std::size_t>(n));
  const double* const floor = atol.data();
  interruptible(progress, [&](const Poll& poll) {
    weights_adaptive(full, n, options, floor, target, ends.data(), threads, poll);
  });
  py::array_t<std::int32_t> status(n);
  py::array_t<Index> steps(n), rejected(n);
  Array t_final(n);
  for (Index i = 0; i < n; ++i) {
    const FullEnd& end = ends[static_cast<std::size_t>(i)];
    status.mutable_data()[i] = static_cast<std::int32_t>(end.status);
    t_final.mutable_data()[i] = end.t;
    steps.mutable_data()[i] = end.steps;
    rejected.mutable_data()[i] = end.rejected;
  }
  return py::make_tuple(status, t_final, steps, rejected);
}

}  // namespace

void bind_weights(py::module_& module) {
  module.def("project_weights", &project, py::arg("w").noconvert(), py::arg("v").noconvert(),
             py::arg("threads"), "W V^T (n, k).");
  module.def("combine_weights", &combine, py::arg("s"), py::arg("w"), py::arg("alpha"),
             py::arg("v"), py::arg("threads"), "diag(s) W + alpha V (n, d).");
  module.def("weights_gradient", &gradient, py::arg("flow"), py::arg("second_layer"),
             py::arg("v").noconvert(), py::arg("w").noconvert(), py::arg("threads"),
             "Riemannian gradient (n, d) of MATH (2).");
  module.def("weights_rk4", &rk4, py::arg("flow"), py::arg("second_layer"),
             py::arg("v").noconvert(), py::arg("w").noconvert(), py::arg("step"), py::arg("t_end"),
             py::arg("renormalize"), py::arg("threads"), py::arg("progress"),
             "RK4 on all d coordinates, in place in w.");
  module.def("weights_adaptive", &adaptive, py::arg("flow"), py::arg("second_layer"),
             py::arg("v").noconvert(), py::arg("w").noconvert(), py::arg("method"),
             py::arg("t_end"), py::arg("rtol"), py::arg("atol"), py::arg("atol_follows"),
             py::arg("max_steps"), py::arg("threads"), py::arg("progress"),
             "An adaptive method on all d coordinates, in place in w: status, t, steps, rejected.");
}

}  // namespace hermiteflow::bindings
