// A student on a stored sample described from Python.
#pragma once

#include "bindings.hpp"
#include "point_spec.hpp"

#include "hermiteflow/empirical.hpp"

namespace hermiteflow::bindings {

// Owns the arrays that an EmpiricalFlow points to.
struct EmpiricalSpec {
  py::array x;  // float32 or float64, rows apart: never copied
  MaybeArray y;
  Array a, vectors;
  py::object owner;  // of the link
  EmpiricalFlow flow;

  EmpiricalSpec(py::array sample, MaybeArray labels, Array layer, const py::object& link,
                bool squared, bool constrained, Array v, bool trained)
      : x(std::move(sample)), y(std::move(labels)), a(std::move(layer)), vectors(std::move(v)),
        owner(link), flow{} {
    const Index item = x.itemsize(), d = x.ndim() == 2 ? x.shape(1) : 0;
    if (d == 0 || x.dtype().kind() != 'f' || (item != 4 && item != 8) ||
        (x.shape(1) > 1 && x.strides(1) != item) || x.strides(0) % item != 0 ||
        (y && y->size() != x.shape(0)) || vectors.ndim() != 2 || vectors.shape(1) != d)
      throw py::value_error("a sample must have arrays that fit together");
    flow = {{x.data(), item == 4, x.shape(0), d, x.strides(0) / item},
            data_or_null(y),
            a.size(),
            a.data(),
            link.cast<const PointSpec&>().link,
            squared,
            constrained,
            vectors.shape(0),
            vectors.data(),
            trained};
  }

  const double* weights(const Array& w) const {
    if (w.ndim() != 2 || w.shape(0) != flow.n || w.shape(1) != flow.sample.d)
      throw py::value_error("w must have shape (n, d)");
    return w.data();
  }
};

}  // namespace hermiteflow::bindings
