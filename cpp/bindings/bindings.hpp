// Shared by the bindings: array views, and a flow described from Python.
#pragma once

#include <optional>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "hermiteflow/ensemble.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::bindings {

namespace py = pybind11;
using Array = py::array_t<double, py::array::c_style>;  // never converted: _checks.py did
using MaybeArray = std::optional<Array>;

inline const double* data_or_null(const MaybeArray& array) {
  return array ? array->data() : nullptr;
}

// Owns the arrays that a Flow points to.
struct FlowSpec {
  Flow flow;
  MaybeArray matrix, factor;
  Array coefficients, target_weights;
  std::vector<double> arc_short;
};

// Looks for signals and calls `progress(done)`; keeps the first exception and then says stop.
class PythonPoll {
 public:
  explicit PythonPoll(py::object progress) : progress_(std::move(progress)) {}
  bool operator()(Index done);
  void rethrow() {
    if (error_) error_->restore(), error_.reset(), throw py::error_already_set();
  }

 private:
  py::object progress_;
  std::optional<py::error_already_set> error_;
};

inline bool PythonPoll::operator()(Index done) {
  const py::gil_scoped_acquire gil;
  try {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!progress_.is_none()) progress_(done);
  } catch (py::error_already_set& error) {
    if (!error_) error_.emplace(error);
  }
  return !error_;
}

// work(poll) without the GIL; what a signal or `progress` raises comes out here.
template <class Work>
void interruptible(const py::object& progress, const Work& work) {
  PythonPoll poll(progress);
  {
    const py::gil_scoped_release released;
    work(Poll(std::ref(poll)));
  }
  poll.rethrow();
}

void bind_math(py::module_& module);
void bind_starts(py::module_& module);
void bind_flow(py::module_& module);
void bind_weights(py::module_& module);
void bind_solve(py::module_& module);
void bind_squared(py::module_& module);
void bind_samples(py::module_& module);
void bind_online(py::module_& module);
void bind_empirical(py::module_& module);
void bind_ends(py::module_& module);

}  // namespace hermiteflow::bindings
