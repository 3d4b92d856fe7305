#include "bindings.hpp"

#include <string>

#include "hermiteflow/random.hpp"
#include "hermiteflow/tableau.hpp"

namespace hermiteflow::bindings {

namespace {

Array copy(const double* values, std::vector<py::ssize_t> shape) {
  Array out(shape);
  for (py::ssize_t i = 0; i < out.size(); ++i) out.mutable_data()[i] = values[i];
  return out;
}

template <class T>
py::dict describe() {
  const py::ssize_t all = T::dense_stages, step = T::stages;
  py::dict table;
  table["name"] = T::name;
  table["order"] = T::order;
  table["error_order"] = T::error_order;
  table["dense_order"] = T::dense_order;
  table["stages"] = T::stages;
  table["dense_stages"] = T::dense_stages;
  table["c"] = copy(T::c, {all});
  table["a"] = copy(&T::a[0][0], {all, all});
  table["b"] = copy(T::b, {all});
  table["e"] = copy(T::e, {step});
  table["e3"] = T::has_second_error ? py::object(copy(T::e3, {step})) : py::object(py::none());
  table["dense"] = copy(&T::dense[0][0], {all, T::dense_degree});
  return table;
}

py::dict tableau(const std::string& name) {
  if (name == RK4::name) return describe<RK4>();
  if (name == DormandPrince5::name) return describe<DormandPrince5>();
  if (name == Tsitouras5::name) return describe<Tsitouras5>();
  if (name == DormandPrince853::name) return describe<DormandPrince853>();
  throw py::value_error("no tableau is called " + name);
}

}  // namespace

void bind_math(py::module_& module) {
  module.def("tableau", &tableau, py::arg("name"),
             "Coefficients of a Runge-Kutta method as arrays.");
  module.def(
      "philox",
      [](std::array<std::uint64_t, 4> counter, std::array<std::uint64_t, 2> key) {
        std::array<std::uint64_t, 4> out{};
        philox4x64(counter.data(), key.data(), out.data());
        return out;
      },
      py::arg("counter"), py::arg("key"), "One block of Philox-4x64-10.");
  module.def("normal_quantile", &normal_quantile, py::arg("tail"),
             "x > 0 with P(X > x) = tail for a standard normal X.");
  module.def(
      "chi_squared",
      [](std::array<std::uint64_t, 2> key, double freedom, py::ssize_t count) {
        Array out(count);
        for (py::ssize_t i = 0; i < count; ++i)
          out.mutable_data()[i] =
              Stream({{key[0], key[1]}}, static_cast<std::uint64_t>(i), StreamTag::overlaps)
                  .chi_squared(freedom);
        return out;
      },
      py::arg("key"), py::arg("freedom"), py::arg("count"), "Draws for tests of the generator.");
}

}  // namespace hermiteflow::bindings
