#include "bindings.hpp"

#include <memory>

#include "hermiteflow/ensemble.hpp"
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

template <class T>
py::array_t<T> filled(std::vector<py::ssize_t> shape, T value) {
  py::array_t<T> out(shape);
  std::fill_n(out.mutable_data(), out.size(), value);
  return out;
}

py::dict solve(const FlowSpec& spec, const MaybeArray& second_layer, const Array& overlaps,
               const Array& outside, int method, double t_end, double step, double rtol,
               const Array& atol, bool atol_follows, Index max_steps, bool renormalize, bool frame,
               bool stop_if_trapped, const Array& levels, const py::array_t<bool>& level_terminal,
               bool watch_convergence, bool convergence_terminal, double convergence_tol,
               const Array& save_at, int threads, const py::object& progress) {
  const Index n = overlaps.shape(0), k = overlaps.shape(1);
  const Index n_levels = levels.shape(0), n_save = save_at.shape(0);
  Flow flow = spec.flow;
  flow.second_layer = data_or_null(second_layer);
  const Problem problem{flow,
                        n,
                        overlaps.data(),
                        outside.data(),
                        static_cast<Method>(method),
                        t_end,
                        step,
                        rtol,
                        atol.data(),
                        atol_follows,
                        max_steps,
                        renormalize,
                        frame,
                        stop_if_trapped,
                        n_levels,
                        levels.data(),
                        level_terminal.data(),
                        watch_convergence,
                        convergence_terminal,
                        convergence_tol,
                        n_save,
                        save_at.data(),
                        {}};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  auto final_time = filled<double>({n}, 0.0), ends = filled<double>({n, k}, 0.0);
  auto status = filled<std::int32_t>({n}, static_cast<std::int32_t>(Status::interrupted));
  auto steps = filled<Index>({n}, 0), rejected = filled<Index>({n}, 0);
  auto hits = filled<double>({n, n_levels}, nan), converged = filled<double>({n}, nan);
  auto path = filled<double>({n, n_save, k}, nan);
  auto frames = filled<double>({frame ? n : 0, k + 1}, 0.0);
  const Result result{
      final_time.mutable_data(), ends.mutable_data(),     status.mutable_data(),
      steps.mutable_data(),      rejected.mutable_data(), hits.mutable_data(),
      converged.mutable_data(),  path.mutable_data(),     frame ? frames.mutable_data() : nullptr};
  interruptible(progress,
                [&](const Poll& poll) { solve_ensemble(problem, result, threads, poll); });
  py::dict out;
  out["t_final"] = final_time;
  out["overlaps"] = ends;
  out["status"] = status;
  out["steps"] = steps;
  out["rejected"] = rejected;
  out["hits"] = hits;
  out["converged"] = converged;
  out["trajectory"] = path;
  out["frame"] = frames;
  return out;
}

}  // namespace

void bind_solve(py::module_& module) {
  py::class_<FlowSpec>(module, "FlowSpec")
      .def(py::init(&make_flow), py::arg("kind"), py::arg("k"), py::arg("beta"), py::arg("matrix"),
           py::arg("factor"), py::arg("power"), py::arg("stride"), py::arg("coefficients"),
           py::arg("arc"), py::arg("arc_skip"), py::arg("signs"), py::arg("target_weights"));
  module.def("solve", &solve, py::arg("flow"), py::arg("second_layer"), py::arg("overlaps"),
             py::arg("outside"), py::arg("method"), py::arg("t_end"), py::arg("step"),
             py::arg("rtol"), py::arg("atol"), py::arg("atol_follows"), py::arg("max_steps"),
             py::arg("renormalize"), py::arg("frame"), py::arg("stop_if_trapped"),
             py::arg("levels"), py::arg("level_terminal"), py::arg("watch_convergence"),
             py::arg("convergence_terminal"), py::arg("convergence_tol"), py::arg("save_at"),
             py::arg("threads"), py::arg("progress"), "Integrate every neuron.");
}

}  // namespace hermiteflow::bindings
