// Every OpenMP pragma of the package, and the number of threads. Results are stored by block, so
// the order in which threads take blocks cannot matter.
#pragma once

#include <atomic>
#include <exception>

#include <omp.h>

#include "hermiteflow/types.hpp"

namespace hermiteflow {

// The number of threads for a run: the request, or OpenMP's default when it is 0.
inline int thread_count(int request) {
  return request > 0 ? request : (omp_in_parallel() ? 1 : omp_get_max_threads());
}

// Make forked children usable after an OpenMP region of the parent.
void install_fork_handler();

// work(thread) once on each of `threads` threads.
template <class Work>
void on_each_thread(int threads, const Work& work) {
#pragma omp parallel num_threads(threads) default(shared)
  { work(omp_get_thread_num()); }
}

// work(begin, end) for blocks of [0, n), taken from a ticket counter.
template <class Work>
void for_blocks(Index n, Index block, int threads, const Work& work) {
  std::atomic<Index> ticket{0};
  const Index blocks = (n + block - 1) / block;
  if (blocks < threads) threads = static_cast<int>(blocks > 0 ? blocks : 1);
  on_each_thread(threads, [&](int) {
    for (Index b; (b = ticket.fetch_add(1, std::memory_order_relaxed)) < blocks;)
      work(b * block, b * block + block < n ? b * block + block : n);
  });
}

}  // namespace hermiteflow
