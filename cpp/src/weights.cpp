#include "hermiteflow/weights.hpp"

#include <algorithm>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/scratch.hpp"

namespace hermiteflow {

namespace {

// Rows that a thread treats at once: many, so that the packing of V is shared by many, but so that
// all threads have the same share. The bits of a row do not depend on it.
Index rows_at_once(Index n, int threads, Index most) {
  const Index grain = kernels().grain;
  const Index rounds = (n + threads * most - 1) / (threads * most);
  const Index rows = (n + rounds * threads - 1) / std::max<Index>(rounds * threads, 1);
  return std::max<Index>((rows + grain - 1) / grain, 1) * grain;
}

// work(begin, end, scratch, thread) for blocks of rows, each thread with scratch of its own.
template <class Work>
bool rows_with_scratch(Index n, Index block, Index doubles, int threads, Watch& watch,
                       const Work& work) {
  std::vector<Scratch> scratch;
  for (int i = 0; i < threads; ++i) scratch.push_back(make_scratch(doubles));
  return for_blocks(n, block, threads, watch, [&](Index begin, Index end, int thread) {
    work(begin, end, scratch[static_cast<std::size_t>(thread)].get(), thread);
  });
}

// Asked by a kernel between its steps.
struct Glance {
  Watch& watch;
  bool calling;
  Index done;
  static bool wanted(void* context) {
    auto& self = *static_cast<Glance*>(context);
    return self.calling ? self.watch.look(self.done) : self.watch.stopped();
  }
};

constexpr Index many = 384;  // rows at once: the packing of V is shared by them

// With three stages to keep: at most 64 MiB a thread, but for 8 rows of any d.
Index with_stages(Index d) {
  const Index fit = (Index{64} << 20) / (3 * 8 * d);
  return std::clamp<Index>(fit, 8, many);
}

}  // namespace

bool project_weights(Index n, Index k, Index d, const double* w, const double* v, double* out,
                     int threads, const Poll& poll) {
  Watch watch(poll);
  threads = thread_count(threads);
  const KernelTable& table = kernels();
  const Index block = rows_at_once(n, threads, many);
  return rows_with_scratch(n, block, table.product_scratch(), threads, watch,
                           [&](Index begin, Index end, double* scratch, int) {
                             table.project(end - begin, k, d, w + begin * d, v, out + begin * k,
                                           scratch);
                           });
}

bool combine_weights(Index n, Index k, Index d, const double* s, const double* w,
                     const double* alpha, const double* v, double* out, int threads,
                     const Poll& poll) {
  Watch watch(poll);
  threads = thread_count(threads);
  const KernelTable& table = kernels();
  const Index block = rows_at_once(n, threads, many);
  return rows_with_scratch(n, block, table.product_scratch(), threads, watch,
                           [&](Index begin, Index end, double* scratch, int) {
                             table.combine(end - begin, k, d, s + begin, w + begin * d,
                                           alpha + begin * k, v, out + begin * d, scratch);
                           });
}

bool weights_gradient(const FullProblem& problem, Index n, double* gradient, int threads,
                      const Poll& poll) {
  Watch watch(poll);
  threads = thread_count(threads);
  const KernelTable& table = kernels();
  const Index block = rows_at_once(n, threads, many);
  return rows_with_scratch(n, block, table.gradient_scratch(block, problem.flow.gram.k), threads,
                           watch, [&](Index begin, Index end, double* scratch, int) {
                             table.full_gradient(&problem, begin, end, gradient, scratch);
                           });
}

bool weights_rk4(const FullProblem& problem, Index n, double step, double t_end, bool renormalize,
                 double* weights, int threads, const Poll& poll) {
  Watch watch(poll);
  threads = thread_count(threads);
  const KernelTable& table = kernels();
  const Index block = rows_at_once(n, threads, with_stages(problem.d));
  return rows_with_scratch(
      n, block, table.rk4_scratch(block, problem.flow.gram.k, problem.d), threads, watch,
      [&](Index begin, Index end, double* scratch, int thread) {
        Glance glance{watch, thread == 0, begin};
        const Pause pause{&glance, &Glance::wanted};
        table.full_rk4(&problem, step, t_end, renormalize, begin, end, weights, scratch, &pause);
      });
}

bool weights_adaptive(const FullProblem& problem, Index n, const FullAdaptive& options,
                      const double* atol, double* weights, FullEnd* ends, int threads,
                      const Poll& poll) {
  Watch watch(poll);
  return for_blocks(n, 1, thread_count(threads), watch, [&](Index i, Index, int thread) {
    Glance glance{watch, thread == 0, i};
    const Pause pause{&glance, &Glance::wanted};
    ends[i] = full_adaptive(problem, options, i, atol[i], weights + i * problem.d, pause);
  });
}

}  // namespace hermiteflow
