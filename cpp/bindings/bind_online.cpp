#include "bindings.hpp"
#include "online_spec.hpp"

#include "hermiteflow/marginal.hpp"
#include "hermiteflow/online.hpp"

namespace hermiteflow::bindings {

namespace {

using Whole = py::array_t<Index, py::array::c_style>;

// The state is changed in place; (step, status, columns, saved) comes back.
py::tuple run(const OnlineSpec& spec, bool in_law, Index first, Index last, double rate,
              Index batch, const std::array<std::uint64_t, 2>& key, const Array& levels,
              Index enough, const Whole& saves, Array rows, Index columns, Array scale, Array layer,
              Whole reached, Index saved, Array hits, Array overlaps, Array students, Array layers,
              int threads, const py::object& progress) {
  const Index n = spec.model.sample.n, wide = spec.model.sample.own;
  if (rows.ndim() != 2 || rows.shape(0) != n || rows.shape(1) % 16 != 0 || scale.size() != n ||
      layer.size() != wide || reached.size() != n || columns > rows.shape(1) || batch < 1)
    throw py::value_error("a state of online_sgd must have arrays that fit together");
  const OnlineOptions options{
      first,         last,          rate,   batch,        {{key[0], key[1]}},
      levels.size(), levels.data(), enough, saves.size(), saves.data()};
  OnlineState state{rows.mutable_data(),  rows.shape(1),          columns, scale.mutable_data(),
                    layer.mutable_data(), reached.mutable_data(), saved};
  OnlineResult result{hits.mutable_data(), overlaps.mutable_data(), students.mutable_data(),
                      layers.mutable_data()};
  result.step = first;
  interruptible(progress, [&](const Poll& poll) {
    if (in_law)
      online_in_law(spec.model, options, state, result, poll);
    else
      online_direct(spec.model, options, state, result, threads, poll);
  });
  return py::make_tuple(result.step, static_cast<int>(result.status), state.columns, state.saved);
}

// (overlaps, steps, status); hits (n, L) and trajectory (T, n, k) in place
py::tuple marginal(const OnlineSpec& spec, Index steps, double rate,
                   const std::array<std::uint64_t, 2>& key, const Array& levels, Index enough,
                   const Whole& saves, const Array& start, const Array& layer, const Whole& reached,
                   Array hits, Array path, int threads, const py::object& progress) {
  const SampleModel& of = spec.model.sample;
  const Index n = of.n;
  if (start.ndim() != 2 || start.shape(0) != n || start.shape(1) != spec.model.rank + 1 ||
      layer.size() != n || reached.size() != n || hits.size() != n * levels.size())
    throw py::value_error("a start of online_sgd must have arrays that fit together");
  const MarginalProblem problem{n,
                                of.k,
                                spec.model.rank,
                                spec.model.factor,
                                of.student,
                                of.teacher,
                                of.target_weights,
                                layer.data(),
                                start.data(),
                                reached.data(),
                                spec.model.d - static_cast<double>(spec.model.rank + 1),
                                rate,
                                steps,
                                {},
                                levels.size(),
                                levels.data(),
                                enough,
                                saves.size(),
                                saves.data(),
                                nullptr,
                                nullptr};
  Array overlaps({n, of.k});
  py::array_t<std::int32_t> status({n});
  Whole taken({n});
  const MarginalResult result{overlaps.mutable_data(), status.mutable_data(), taken.mutable_data(),
                              hits.mutable_data(), path.mutable_data()};
  const RandomKey random{{key[0], key[1]}};
  interruptible(progress,
                [&](const Poll& poll) { online_marginal(problem, random, result, threads, poll); });
  return py::make_tuple(overlaps, taken, status);
}

}  // namespace

void bind_online(py::module_& module) {
  py::class_<OnlineSpec>(module, "OnlineSpec", "What online gradient descent is run on.")
      .def(py::init<py::object, py::object, Index, Array, bool, bool, bool, MaybeArray, double>(),
           py::arg("student"), py::arg("teacher"), py::arg("n"), py::arg("target_weights"),
           py::arg("squared"), py::arg("sphere"), py::arg("trained"), py::arg("factor"),
           py::arg("d"));
  module.def(
      "online_columns",
      [](const OnlineSpec& spec, Index batch) { return online_columns(spec.model, batch); },
      py::arg("spec"), py::arg("batch"), "Columns of a state in law.");
  module.def("online_sgd", &run, py::arg("spec"), py::arg("in_law"), py::arg("first"),
             py::arg("last"), py::arg("rate"), py::arg("batch"), py::arg("key"), py::arg("levels"),
             py::arg("enough"), py::arg("saves"), py::arg("rows"), py::arg("columns"),
             py::arg("scale"), py::arg("layer"), py::arg("reached"), py::arg("saved"),
             py::arg("hits"), py::arg("overlaps"), py::arg("students"), py::arg("layers"),
             py::arg("threads"), py::arg("progress"),
             "Steps first + 1 .. last, in place: (step, status, columns, saved).");
  module.def("online_marginal", &marginal, py::arg("spec"), py::arg("steps"), py::arg("rate"),
             py::arg("key"), py::arg("levels"), py::arg("enough"), py::arg("saves"),
             py::arg("start"), py::arg("layer"), py::arg("reached"), py::arg("hits"),
             py::arg("path"), py::arg("threads"), py::arg("progress"),
             "Neurons with samples of their own: (overlaps, steps, status).");
}

}  // namespace hermiteflow::bindings
