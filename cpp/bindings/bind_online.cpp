#include "bindings.hpp"
#include "point_spec.hpp"

#include "hermiteflow/online.hpp"
#include "hermiteflow/online_step.hpp"

namespace hermiteflow::bindings {

namespace {

using Whole = py::array_t<Index, py::array::c_style>;

// Owns the arrays that an OnlineModel points to.
struct OnlineSpec {
  OnlineModel model;
  py::object student, teacher;
  Array target_weights;
  MaybeArray factor;

  OnlineSpec(py::object own, py::object others, Index n, Array weights, bool squared, bool sphere,
             bool trained, MaybeArray l, double d)
      : model{}, student(std::move(own)), teacher(std::move(others)),
        target_weights(std::move(weights)), factor(std::move(l)) {
    const Index k = target_weights.size();
    model.sample = {n,
                    k,
                    padded_to(n, 8),
                    padded_to(k, 8),
                    student.cast<const PointSpec&>().link,
                    teacher.cast<const PointSpec&>().link,
                    target_weights.data(),
                    squared,
                    sphere};
    model.rank = factor ? factor->shape(1) : k;
    model.factor = data_or_null(factor);
    model.d = d;
    model.trained = trained;
  }
};

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
      first,         last,          rate,     batch,        {{key[0], key[1]}},
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
}

}  // namespace hermiteflow::bindings
