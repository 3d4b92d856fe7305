// The one exported symbol of an instruction set's kernels, and its measured peak.
#include <chrono>

#include "kernels.hpp"

#include "hermiteflow/lanes.hpp"

#define HF_JOIN2(a, b) a##b
#define HF_JOIN(a, b) HF_JOIN2(a, b)
#define HF_TEXT2(a) #a
#define HF_TEXT(a) HF_TEXT2(a)

namespace hermiteflow::HF_ISA {

// GF/s of multiply-adds on registers, on one thread, by the clock on the wall.
double fma_peak(double seconds) {
  constexpr int L = 8, chains = 12;
  Lane<L> x[chains];
  for (int i = 0; i < chains; ++i) x[i] = 1.0 + 1e-3 * i;
  const Lane<L> c = 0.999999, e = 1e-6;
  const auto begin = std::chrono::steady_clock::now();
  double flops = 0.0, spent = 0.0;
  while (spent < seconds) {
    for (int n = 0; n < 20000; ++n)
      for (int i = 0; i < chains; ++i) x[i] = madd(x[i], c, e);
    flops += 20000.0 * chains * L * 2.0;
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    spent = passed.count();
  }
  double sum = 0.0;
  for (int i = 0; i < chains; ++i) sum += x[i].sum();
  return sum == 0.0 ? 0.0 : flops / spent * 1e-9;
}

}  // namespace hermiteflow::HF_ISA

extern "C" const hermiteflow::KernelTable HF_JOIN(hermiteflow_kernels_, HF_ISA);
extern "C" const hermiteflow::KernelTable HF_JOIN(hermiteflow_kernels_, HF_ISA) = {
    HF_TEXT(HF_ISA),
    hermiteflow::HF_ISA::full_grain,
    hermiteflow::HF_ISA::solve_scratch,
    hermiteflow::HF_ISA::solve_tiles,
    hermiteflow::HF_ISA::product_scratch,
    hermiteflow::HF_ISA::gradient_scratch,
    hermiteflow::HF_ISA::rk4_scratch,
    hermiteflow::HF_ISA::full_gradient,
    hermiteflow::HF_ISA::full_rk4,
    hermiteflow::HF_ISA::combine,
    hermiteflow::HF_ISA::project,
    hermiteflow::HF_ISA::squared_scratch,
    hermiteflow::HF_ISA::squared_rates,
    hermiteflow::HF_ISA::squared_overlaps,
    hermiteflow::HF_ISA::squared_free_scratch,
    hermiteflow::HF_ISA::squared_free,
    hermiteflow::HF_ISA::squared_close,
    hermiteflow::HF_ISA::squared_normalise,
    hermiteflow::HF_ISA::squared_advance,
    hermiteflow::HF_ISA::squared_error,
    hermiteflow::HF_ISA::squared_rk4,
    hermiteflow::HF_ISA::sample_normals,
    hermiteflow::HF_ISA::sample_uniforms,
    hermiteflow::HF_ISA::point_values,
    hermiteflow::HF_ISA::sample_scratch,
    hermiteflow::HF_ISA::sample_fields,
    hermiteflow::HF_ISA::sample_pull,
    hermiteflow::HF_ISA::sample_advance,
    hermiteflow::HF_ISA::marginal_scratch,
    hermiteflow::HF_ISA::marginal_neurons,
    hermiteflow::HF_ISA::empirical_scratch,
    hermiteflow::HF_ISA::empirical_weights,
    hermiteflow::HF_ISA::empirical_sums,
    hermiteflow::HF_ISA::empirical_outputs,
    hermiteflow::HF_ISA::fma_peak,
};
