// Every entry of the core on four threads, many times, for a race detector; also several callers
// at once. With HF_PLANT two threads write one number without a lock, which must be found.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "runs.hpp"

namespace {

std::vector<std::uint8_t> noise(std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<std::uint8_t> out(1 << 14);
  for (std::uint8_t& b : out) b = static_cast<std::uint8_t>(engine());
  return out;
}

void run_all(std::uint64_t seed, int threads) {
  for (std::size_t i = 0; i < std::size(native::runs); ++i) {
    const std::vector<std::uint8_t> data = noise(seed * 100 + i);
    native::Bytes from(data.data(), data.size());
    native::Limits may;
    may.threads = threads;
    may.steps = 20;
    may.more = 12;
    int polls = 0;
    if (seed % 5 == 4) may.poll = [&polls](native::Index) { return ++polls < 2; };
    native::runs[i].run(from, may);
  }
}

#if defined(HF_PLANT)
void plant() {
  double shared = 0.0;
  const auto add = [&](int thread) {
    for (int i = 0; i < 1000; ++i) shared += thread;
  };
  hermiteflow::on_each_thread(4, add, [] {});
  std::printf("%g\n", shared);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20;
#if defined(HF_PLANT)
  plant();
#endif
  for (int seed = 0; seed < rounds; ++seed) run_all(static_cast<std::uint64_t>(seed), 4);
  std::thread other([&] {
    for (int seed = 0; seed < rounds / 4; ++seed)
      run_all(static_cast<std::uint64_t>(1000 + seed), 2);
  });
  for (int seed = 0; seed < rounds / 4; ++seed) run_all(static_cast<std::uint64_t>(2000 + seed), 2);
  other.join();
  std::printf("%d rounds of %zu runs on 4 threads, %d beside another caller\n", rounds,
              std::size(native::runs), rounds / 4);
}
