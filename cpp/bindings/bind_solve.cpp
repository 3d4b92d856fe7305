#include "bindings.hpp"

#include <algorithm>
#include <limits>

#include "hermiteflow/ensemble.hpp"

namespace hermiteflow::bindings {

namespace {

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
  module.def("solve", &solve, py::arg("flow"), py::arg("second_layer"), py::arg("overlaps"),
             py::arg("outside"), py::arg("method"), py::arg("t_end"), py::arg("step"),
             py::arg("rtol"), py::arg("atol"), py::arg("atol_follows"), py::arg("max_steps"),
             py::arg("renormalize"), py::arg("frame"), py::arg("stop_if_trapped"),
             py::arg("levels"), py::arg("level_terminal"), py::arg("watch_convergence"),
             py::arg("convergence_terminal"), py::arg("convergence_tol"), py::arg("save_at"),
             py::arg("threads"), py::arg("progress"), "Integrate every neuron.");
}

}  // namespace hermiteflow::bindings
