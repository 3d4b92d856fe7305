#include "bindings.hpp"

#include <string>

#include "hermiteflow/slope.hpp"

namespace hermiteflow::bindings {

namespace {

FlowSpec make_flow(int kind, Index k, double beta, MaybeArray matrix, MaybeArray factor,
                   Index power, Index stride, Array coefficients, double arc, Index arc_skip,
                   std::array<double, 4> signs, Array target_weights) {
  if (arc_skip < 0 || arc_skip > most_arc_skip)
    throw py::value_error("arc_skip must be in [0, " + std::to_string(most_arc_skip) + "], got " +
                          std::to_string(arc_skip));
  FlowSpec spec{{},
                std::move(matrix),
                std::move(factor),
                std::move(coefficients),
                std::move(target_weights),
                std::vector<double>(2 * arc_short_terms)};
  economise(arc_skip, spec.arc_short.data());
  economise(0, spec.arc_short.data() + arc_short_terms);
  spec.flow.gram = {static_cast<GramKind>(kind),
                    k,
                    beta,
                    data_or_null(spec.matrix),
                    data_or_null(spec.factor),
                    spec.factor ? spec.factor->shape(1) : k};
  spec.flow.slope = {power,
                     stride,
                     spec.coefficients.shape(0),
                     spec.coefficients.data(),
                     arc,
                     arc_skip,
                     spec.arc_short.data(),
                     signs[0],
                     signs[1],
                     signs[2],
                     signs[3]};
  spec.flow.second_layer = nullptr;
  spec.flow.target_weights = spec.target_weights.data();
  return spec;
}

}  // namespace

void bind_flow(py::module_& module) {
  py::class_<FlowSpec>(module, "FlowSpec")
      .def(py::init(&make_flow), py::arg("kind"), py::arg("k"), py::arg("beta"), py::arg("matrix"),
           py::arg("factor"), py::arg("power"), py::arg("stride"), py::arg("coefficients"),
           py::arg("arc"), py::arg("arc_skip"), py::arg("signs"), py::arg("target_weights"));
}

}  // namespace hermiteflow::bindings
