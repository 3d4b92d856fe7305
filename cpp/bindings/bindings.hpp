// Shared by the bindings: array views, and a flow described from Python.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <thread>
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

// Python's lock, let go for a run; the thread that made this, and no other, takes it back. While
// the interpreter ends, Python ends a thread that asks for the lock by pthread_exit, and that
// cannot pass through a parallel region: such a thread waits for the end of the process here.
class Released {
 public:
  Released() : state_(PyEval_SaveThread()) {}
  Released(const Released&) = delete;
  void let_go() { state_ = PyEval_SaveThread(); }
  void take() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // pthread_exit of glibc, which no reference can be bound to; C throws nothing
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }

 private:
  PyThreadState* state_;
};

// Looks for signals and calls `progress(done)`; keeps the first exception and then says stop.
class PythonPoll {
 public:
  PythonPoll(const py::object& progress, Released& lock) : progress_(progress), lock_(lock) {}
  bool operator()(Index done) {
    lock_.take();
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (!progress_.is_none()) progress_(done);
    } catch (...) {
      if (!error) error = std::current_exception();
    }
    lock_.let_go();
    return !error;
  }
  std::exception_ptr error;

 private:
  const py::object& progress_;
  Released& lock_;
};

// work(poll) without the lock; what it, a signal or `progress` raises comes out here.
template <class Work>
void interruptible(const py::object& progress, const Work& work) {
  Released lock;
  PythonPoll poll(progress, lock);
  try {
    work(Poll(std::ref(poll)));
  } catch (...) {
    if (!poll.error) poll.error = std::current_exception();
  }
  lock.take();
  if (poll.error) std::rethrow_exception(poll.error);
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
