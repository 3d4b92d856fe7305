#include "bindings.hpp"
#include "point_spec.hpp"

#include <algorithm>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/scratch.hpp"

namespace hermiteflow::bindings {

namespace {

py::tuple values(const PointSpec& spec, const Array& x) {
  Array value({x.size()}), slope({x.size()});
  constexpr Index block = 1024;
  const Scratch scratch = make_scratch(3 * block);
  double *const at = scratch.get(), *const v = at + block, *const s = v + block;
  for (Index i = 0; i < x.size(); i += block) {
    const Index count = std::min<Index>(block, x.size() - i), rounded = (count + 7) / 8 * 8;
    std::fill_n(std::copy_n(x.data() + i, count, at), rounded - count, 0.0);
    kernels().point_values(&spec.link, rounded, at, v, s);
    std::copy_n(v, count, value.mutable_data() + i);
    std::copy_n(s, count, slope.mutable_data() + i);
  }
  return py::make_tuple(value, slope);
}

Array normals(const std::array<std::uint32_t, 2>& words, std::uint32_t tag, std::uint64_t sample,
              Index groups) {
  Array out({16 * groups});
  const SampleKey key{{words[0], words[1]}};
  kernels().sample_normals(&key, static_cast<SampleTag>(tag), sample, 0, groups,
                           out.mutable_data());
  return out;
}

}  // namespace

void bind_samples(py::module_& module) {
  py::class_<PointSpec>(module, "PointSpec", "A link as a function of a point.")
      .def(py::init<Array, Array, Array, Array, const Array&, double, MaybeArray>(),
           py::arg("series"), py::arg("slope_series"), py::arg("up"), py::arg("down"),
           py::arg("factors"), py::arg("reach"), py::arg("table"));
  module.def("point_values", &values, py::arg("link"), py::arg("x"),
             "sigma and sigma' of points (N,).");
  module.def("sample_normals", &normals, py::arg("key"), py::arg("tag"), py::arg("sample"),
             py::arg("groups"), "Normal numbers (16 groups,) of a sample.");
}

}  // namespace hermiteflow::bindings
