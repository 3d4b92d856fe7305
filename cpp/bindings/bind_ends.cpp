#include "bindings.hpp"

#include "hermiteflow/ends.hpp"

namespace hermiteflow::bindings {

namespace {

// Each row of m on the sphere and, where Newton's method works, on the fixed point nearby.
Array settle(const FlowSpec& spec, const Array& second_layer, const Array& m) {
  const Index n = m.shape(0), k = m.shape(1);
  Array points({n, k});
  const std::vector<double> outside(static_cast<std::size_t>(n), 0.0);
  Flow flow = spec.flow;
  flow.second_layer = second_layer.data();
  const Landscape landscape(flow, outside.data());
  for (Index i = 0; i < n; ++i) {
    double* const point = points.mutable_data(i);
    std::copy_n(m.data(i), k, point);
    const double a = second_layer.data()[i];
    if (!landscape.vanished(a, point)) landscape.settle(a, point);
  }
  return points;
}

py::tuple largest(const Array& overlaps, int threads) {
  const Index n = overlaps.shape(0), k = overlaps.shape(1);
  py::array_t<Index> best(n), up(n);
  const double* const m = overlaps.data();
  Index *const out = best.mutable_data(), *const out_up = up.mutable_data();
  interruptible(py::none(),
                [&](const Poll& poll) { largest_overlaps(n, k, m, out, out_up, threads, poll); });
  return py::make_tuple(best, up);
}

py::tuple ends(const FlowSpec& spec, const MaybeArray& second_layer, const Array& overlaps,
               const Array& points, const py::array_t<bool>& reached, const py::array_t<Index>& key,
               bool exchangeable, int threads) {
  const Index n = overlaps.shape(0);
  py::array_t<Index> index(n);
  py::array_t<std::int32_t> kind(n);
  Flow flow = spec.flow;
  flow.second_layer = data_or_null(second_layer);
  const References references{points.shape(0), points.data(), reached.data(), key.data(),
                              exchangeable};
  const double* const m = overlaps.data();
  Index* const out = index.mutable_data();
  std::int32_t* const out_kind = kind.mutable_data();
  interruptible(py::none(), [&](const Poll& poll) {
    name_ends(flow, n, m, references, out, out_kind, threads, poll);
  });
  return py::make_tuple(index, kind);
}

}  // namespace

void bind_ends(py::module_& module) {
  module.def("largest_overlaps", &largest, py::arg("overlaps"), py::arg("threads"),
             "Place of the largest |overlap| of each row, and whether it is positive.");
  module.def("name_ends", &ends, py::arg("flow"), py::arg("second_layer"), py::arg("overlaps"),
             py::arg("points"), py::arg("reached"), py::arg("key"), py::arg("exchangeable"),
             py::arg("threads"), "Index and kind of the minima near converged overlaps.");
  module.def("settle", &settle, py::arg("flow"), py::arg("second_layer"), py::arg("m"),
             "The fixed points near m, polished where possible.");
}

}  // namespace hermiteflow::bindings
