#include "bindings.hpp"

#include "hermiteflow/starts.hpp"

namespace hermiteflow::bindings {

namespace {

using Key = std::array<std::uint64_t, 2>;

RandomKey random_key(const Key& key) { return {{key[0], key[1]}}; }

Array overlaps(const Key& key, Index first, Index n, Index k, const MaybeArray& factor, double d,
               int threads) {
  Array out({n, k});
  const Index rank = factor ? factor->shape(1) : k;
  const double* l = data_or_null(factor);
  double* const target = out.mutable_data();
  interruptible(py::none(), [&](const Poll& poll) {
    draw_overlaps(random_key(key), first, n, k, l, rank, d, target, threads, poll);
  });
  return out;
}

Array weights(const Key& key, Index n, Index d, int threads) {
  Array out({n, d});
  double* const target = out.mutable_data();
  interruptible(py::none(), [&](const Poll& poll) {
    draw_weights(random_key(key), n, d, target, threads, poll);
  });
  return out;
}

Array gram(const Key& key, Index k, double d) {
  Array out({k, k});
  double* const target = out.mutable_data();
  const py::gil_scoped_release released;
  draw_gram(random_key(key), k, d, target);
  return out;
}

}  // namespace

void bind_starts(py::module_& module) {
  module.def("draw_overlaps", &overlaps, py::arg("key"), py::arg("first"), py::arg("n"),
             py::arg("k"), py::arg("factor"), py::arg("d"), py::arg("threads"),
             "Overlaps (n, k) of uniform starts, MATH (6).");
  module.def("draw_weights", &weights, py::arg("key"), py::arg("n"), py::arg("d"),
             py::arg("threads"), "Uniform unit vectors (n, d).");
  module.def("draw_gram", &gram, py::arg("key"), py::arg("k"), py::arg("d"),
             "Gram matrix (k, k) of uniform unit vectors of R^d.");
}

}  // namespace hermiteflow::bindings
