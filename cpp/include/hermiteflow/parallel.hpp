// Every OpenMP pragma of the package, the number of threads, and how a run is watched and stopped.
// Results are stored by block, so the order in which threads take blocks cannot matter, nor can it
// that fewer threads come than were asked for.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "hermiteflow/types.hpp"

namespace hermiteflow {

// Asked about every 0.1 s, on the calling thread only, with how much is done; false stops the run.
using Poll = std::function<bool(Index done)>;

class Watch {
 public:
  explicit Watch(const Poll& poll) : poll_(poll) {}
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }
  void stop() { stop_.store(true, std::memory_order_relaxed); }
  // For the calling thread; quick when called too early.
  bool look(Index done) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_) {
      next_ = now + std::chrono::milliseconds(100);
      if (!poll_(done)) stop();
    }
    return stopped();
  }

 private:
  const Poll& poll_;
  std::atomic<bool> stop_{false};
  std::chrono::steady_clock::time_point next_ =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
};

// Built without OpenMP, a team is the calling thread alone and the version is 0.
#if defined(_OPENMP)
inline constexpr int openmp_version = _OPENMP;
inline int most_threads() { return omp_get_max_threads(); }
// The number of threads for a run: the request, or OpenMP's default when it is 0.
inline int thread_count(int request) {
  return request > 0 ? request : (omp_in_parallel() ? 1 : most_threads());
}
#else
inline constexpr int openmp_version = 0;
inline int most_threads() { return 1; }
inline int thread_count(int) { return 1; }
#endif

// No more threads than there are blocks of [0, n).
inline int threads_for(Index n, Index block, int threads) {
  const Index blocks = (n + block - 1) / block;
  return blocks < threads ? static_cast<int>(blocks > 0 ? blocks : 1) : threads;
}

// How many of `threads` the system will start now: OpenMP ends the process where one cannot be.
// Throws std::bad_alloc where not even the calling thread has what it needs.
int startable_threads(int threads);

// Make forked children usable after an OpenMP region of the parent.
void install_fork_handler();

// work(thread) once on each of at most `threads` threads; thread 0 is the calling one. No exception
// may leave a parallel region: the first one is kept, give_up() may tell the other threads to end,
// and it is thrown when all have.
template <class Work, class GiveUp>
void on_each_thread([[maybe_unused]] int threads, const Work& work,
                    [[maybe_unused]] const GiveUp& give_up) {
#if defined(_OPENMP)
  std::exception_ptr first;
  threads = startable_threads(threads);
#pragma omp parallel num_threads(threads) default(shared)
  {
    try {
      static_cast<void>(std::current_exception());  // takes what throwing needs, while it is there
      work(omp_get_thread_num());
    } catch (...) {
#pragma omp critical(hermiteflow_exception)
      if (first == nullptr) first = std::current_exception();
      give_up();
    }
  }
  if (first != nullptr) std::rethrow_exception(first);
#else
  work(0);
#endif
}

// Within on_each_thread: how many threads came, which may be fewer, and a wait for all of them.
#if defined(_OPENMP)
inline int team_size() { return omp_get_num_threads(); }
inline void meet_team() {
#pragma omp barrier
}
#else
inline int team_size() { return 1; }
inline void meet_team() {}
#endif

// work(begin, end, thread) for blocks of [0, n), taken from a ticket counter. False: stopped.
template <class Work>
bool for_blocks(Index n, Index block, int threads, Watch& watch, const Work& work) {
  std::atomic<Index> ticket{0};
  const Index blocks = (n + block - 1) / block;
  threads = threads_for(n, block, threads);
  const auto share = [&](int thread) {
    for (Index b; (b = ticket.fetch_add(1, std::memory_order_relaxed)) < blocks;) {
      if (thread == 0 ? watch.look(b * block) : watch.stopped()) return;
      work(b * block, b * block + block < n ? b * block + block : n, thread);
    }
  };
  on_each_thread(threads, share, [&] { watch.stop(); });
  return !watch.stopped();
}

}  // namespace hermiteflow
