#include "hermiteflow/weights.hpp"

#include <atomic>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/parallel.hpp"

namespace hermiteflow {

namespace {

// work(begin, end, scratch) for blocks of rows, each thread with scratch of its own.
template <class Work>
void blocks_with_scratch(Index n, Index doubles, int threads, const Work& work) {
  const Index block = kernels().block, blocks = (n + block - 1) / block;
  threads = thread_count(threads);
  if (blocks < threads) threads = static_cast<int>(blocks > 0 ? blocks : 1);
  std::vector<std::vector<double>> scratch(static_cast<std::size_t>(threads));
  for (auto& buffer : scratch) buffer.resize(static_cast<std::size_t>(doubles));
  std::atomic<Index> ticket{0};
  on_each_thread(threads, [&](int thread) {
    double* const mine = scratch[static_cast<std::size_t>(thread)].data();
    for (Index b; (b = ticket.fetch_add(1)) < blocks;) {
      const Index begin = b * block, end = begin + block < n ? begin + block : n;
      work(begin, end, mine, thread);
    }
  });
}

}  // namespace

void project_weights(Index n, Index k, Index d, const double* w, const double* v, double* out,
                     int threads) {
  const KernelTable& table = kernels();
  blocks_with_scratch(
      n, table.block * (d + k), threads, [&](Index begin, Index end, double* scratch, int) {
        table.project(end - begin, k, d, w + begin * d, v, out + begin * k, scratch);
      });
}

void combine_weights(Index n, Index k, Index d, const double* s, const double* w,
                     const double* alpha, const double* v, double* out, int threads) {
  const KernelTable& table = kernels();
  blocks_with_scratch(n, table.block * (d + k), threads,
                      [&](Index begin, Index end, double* scratch, int) {
                        table.combine(end - begin, k, d, s + begin, w + begin * d,
                                      alpha + begin * k, v, out + begin * d, scratch);
                      });
}

void weights_gradient(const FullProblem& problem, Index n, double* gradient, int threads) {
  const KernelTable& table = kernels();
  blocks_with_scratch(n, table.full_scratch(problem.flow.gram.k, problem.d), threads,
                      [&](Index begin, Index end, double* scratch, int) {
                        table.full_gradient(&problem, begin, end, gradient, scratch);
                      });
}

bool weights_rk4(const FullProblem& problem, Index n, double step, double t_end, bool renormalize,
                 double* weights, int threads, const Poll& poll) {
  const KernelTable& table = kernels();
  int stop = 0;
  blocks_with_scratch(n, table.full_scratch(problem.flow.gram.k, problem.d), threads,
                      [&](Index begin, Index end, double* scratch, int thread) {
                        if (thread == 0 && !poll(begin))
                          __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
                        table.full_rk4(&problem, step, t_end, renormalize, begin, end, weights,
                                       scratch, &stop);
                      });
  return stop == 0;
}

bool weights_adaptive(const FullProblem& problem, Index n, const FullAdaptive& options,
                      const double* atol, double* weights, FullEnd* ends, int threads,
                      const Poll& poll) {
  int stop = 0;
  std::atomic<Index> ticket{0};
  on_each_thread(thread_count(threads), [&](int thread) {
    for (Index i; (i = ticket.fetch_add(1)) < n;) {
      if (thread == 0 && !poll(i)) __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
      ends[i] = full_adaptive(problem, options, i, atol[i], weights + i * problem.d, &stop);
    }
  });
  return stop == 0;
}

}  // namespace hermiteflow
