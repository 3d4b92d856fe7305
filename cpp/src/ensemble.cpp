#include "hermiteflow/ensemble.hpp"

#include <memory>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/fixed_point.hpp"
#include "hermiteflow/over_neurons.hpp"

namespace hermiteflow {

namespace {

std::vector<double> panels_of(const Gram& gram) {
  if (gram.kind != GramKind::general) return {};
  const Index k = gram.k, count = (k + gram_panel - 1) / gram_panel;
  std::vector<double> panels(static_cast<std::size_t>(count * k * gram_panel), 0.0);
  for (Index row = 0; row < k; ++row)
    for (Index column = 0; column < k; ++column) {
      const Index panel = column / gram_panel, place = column % gram_panel;
      panels[static_cast<std::size_t>((panel * k + row) * gram_panel + place)] =
          gram.matrix[row * k + column];
    }
  return panels;
}

}  // namespace

bool solve_ensemble(Problem problem, const Result& result, int threads, const Poll& poll) {
  const KernelTable& table = kernels();
  const std::vector<double> panels = panels_of(problem.flow.gram);
  problem.flow.gram.panels = panels.data();
  std::unique_ptr<const Trap> trap;
  if (problem.stop_if_trapped) trap = std::make_unique<const Trap>(problem.flow);
  const Landscape landscape(problem.flow, problem.outside, trap.get());
  problem.oracle = landscape.oracle();
  return over_neurons(problem.n, 8, table.solve_scratch(&problem), threads, poll,
                      [&](const Control& control, double* scratch, bool may_poll) {
                        table.solve_tiles(&problem, &result, &control, scratch, may_poll);
                      });
}

}  // namespace hermiteflow
