#include "hermiteflow/parallel.hpp"

#if defined(_OPENMP) && (defined(__unix__) || defined(__APPLE__))
#define HF_FORKS_THREADS
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace hermiteflow {

#if defined(HF_FORKS_THREADS)
namespace {

using PauseAll = int (*)(int);
PauseAll pause_all = nullptr;
constexpr int soft_pause = 1;  // omp_pause_soft

// libgomp's worker threads do not exist in a forked child, which then waits for them for ever;
// releasing them before the fork lets the child start its own.
void before_fork() {
  if (pause_all != nullptr && !omp_in_parallel()) pause_all(soft_pause);
}

void in_child() {
  if (pause_all == nullptr) omp_set_num_threads(1);
}

}  // namespace

void install_fork_handler() {
  pause_all = reinterpret_cast<PauseAll>(dlsym(RTLD_DEFAULT, "omp_pause_resource_all"));
  pthread_atfork(before_fork, nullptr, in_child);
}
#else
void install_fork_handler() {}
#endif

}  // namespace hermiteflow
