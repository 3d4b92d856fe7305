#include "hermiteflow/ensemble.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/fixed_point.hpp"
#include "hermiteflow/scratch.hpp"

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
  Index ticket = 0, done = 0;
  int stop = 0;
  Watch watch(poll);
  const Control control{
      &ticket, &stop, &done,
      [](void* context, Index finished) { return !static_cast<Watch*>(context)->look(finished); },
      &watch};
  threads =
      static_cast<int>(std::min<Index>(thread_count(threads), std::max<Index>(1, problem.n / 8)));
  std::vector<Scratch> scratch;  // taken here, so that a failure is not in a parallel region
  for (int i = 0; i < threads; ++i) scratch.push_back(make_scratch(table.solve_scratch(&problem)));
  const auto share = [&](int thread) {
    table.solve_tiles(&problem, &result, &control, scratch[static_cast<std::size_t>(thread)].get(),
                      thread == 0);
  };
  on_each_thread(threads, share, [&] { __atomic_store_n(&stop, 1, __ATOMIC_RELAXED); });
  if (stop == 0) poll(problem.n);
  return stop == 0;
}

}  // namespace hermiteflow
