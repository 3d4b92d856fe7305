#include "hermiteflow/parallel.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#if defined(_OPENMP) && (defined(__unix__) || defined(__APPLE__))
#define HF_FORKS_THREADS
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace hermiteflow {

namespace {

thread_local int team_there = 1;  // threads that OpenMP keeps for this one, with this one

#if defined(__linux__)
// Throws std::bad_alloc unless the system, and not what the heap has kept, has so much to give.
void require_memory(std::size_t bytes) {
  void* const room = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) throw std::bad_alloc();
  munmap(room, bytes);
}

// The stack of a process's first thread grows when it is used; where no memory is left for that the
// process ends. It is used once here, when there is some.
void grow_stack() {
  constexpr std::size_t enough = 512 << 10, page = 4096;
  static bool grown = false;
  rlimit limit{};
  if (grown || gettid() != getpid() || getrlimit(RLIMIT_STACK, &limit) != 0) return;
  require_memory(4 * enough);
  const std::size_t bytes = std::min<std::size_t>(enough, limit.rlim_cur / 4);
  volatile char* const stack = static_cast<volatile char*>(__builtin_alloca(bytes));
  for (std::size_t i = bytes; i >= page; i -= page) stack[i - page] = 0;
  grown = true;
}
#else
void require_memory(std::size_t) {}
void grow_stack() {}
#endif

// Starts so many threads side by side, and lets all of them end.
int start_and_end(int wanted) {
  std::mutex mutex;
  std::condition_variable all_are_there;
  bool done = false;
  std::vector<std::thread> started;
  const auto wait = [&] {
    std::unique_lock lock(mutex);
    all_are_there.wait(lock, [&] { return done; });
  };
  try {
    started.reserve(static_cast<std::size_t>(wanted));
    while (static_cast<int>(started.size()) < wanted) started.emplace_back(wait);
  } catch (...) {  // no more of them
  }
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  all_are_there.notify_all();
  for (std::thread& thread : started) thread.join();
  return static_cast<int>(started.size());
}

}  // namespace

int startable_threads(int threads) {
  grow_stack();
  if (threads <= 1) return threads;  // one alone leaves the others where they are
  if (threads > team_there) {
    require_memory(1 << 20);  // what belongs to a thread takes some
    // and one more: threads take some memory beside their stacks
    const int wanted = threads - team_there, found = start_and_end(wanted + 1);
    if (found <= wanted) threads = team_there + (found > 1 ? found - 1 : 0);
  }
  if (threads > 1) team_there = threads;
  return threads;
}

#if defined(HF_FORKS_THREADS)
namespace {

using PauseAll = int (*)(int);
PauseAll pause_all = nullptr;
constexpr int soft_pause = 1;  // omp_pause_soft

// libgomp's worker threads do not exist in a forked child, which then waits for them for ever;
// releasing them before the fork lets the child start its own.
void before_fork() {
  if (pause_all != nullptr && !omp_in_parallel() && pause_all(soft_pause) == 0) team_there = 1;
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
