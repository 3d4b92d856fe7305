#include "bindings.hpp"

#include <string>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/parallel.hpp"
#include "hermiteflow/status.hpp"

namespace hermiteflow::bindings {

namespace {

py::dict build_info() {
  py::dict info;
  info["version"] = HERMITEFLOW_VERSION;
#if defined(__clang__)
  info["compiler"] = std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
  info["compiler"] = std::string("gcc ") + __VERSION__;
#else
  info["compiler"] = "unknown";
#endif
  info["isa"] = kernels().name;
  std::vector<std::string> names;
  const Variants variants = available_kernels();
  for (int i = 0; i < variants.count; ++i) names.emplace_back(variants.tables[i]->name);
  info["isa_available"] = names;
  info["openmp"] = openmp_version;
  info["max_threads"] = most_threads();
  return info;
}

py::list status_entries() {
  py::list entries;
  for (const StatusEntry& entry : status_table)
    entries.append(py::make_tuple(static_cast<int>(entry.status), entry.name, entry.message));
  return entries;
}

py::dict methods() {
  py::dict numbers;
  for (const MethodEntry& entry : method_table)
    numbers[entry.name] = static_cast<int>(entry.method);
  return numbers;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "C++ core of hermiteflow. Arguments are checked in Python, by _checks.py.";
  install_fork_handler();
  module.def("build_info", &build_info, "Compiler, instruction set in use, OpenMP.");
  module.def(
      "select_isa", [](const std::string& name) { return select_kernels(name.c_str()); },
      py::arg("name"), "Use the kernels of one instruction set; False if not available.");
  module.def(
      "fma_peak", [](double seconds) { return kernels().fma_peak(seconds); }, py::arg("seconds"),
      py::call_guard<py::gil_scoped_release>(),
      "GF/s of a multiply-add loop on one thread with the kernels in use.");
  module.def("status_table", &status_entries, "(number, name, message) of each status.");
  module.attr("METHODS") = methods();
  bind_math(module);
  bind_starts(module);
  bind_flow(module);  // before those that take a FlowSpec
  bind_solve(module);
  bind_samples(module);  // before those that take a PointSpec
  bind_online(module);
  bind_empirical(module);
  bind_ends(module);
  bind_weights(module);
  bind_squared(module);
}

}  // namespace hermiteflow::bindings
