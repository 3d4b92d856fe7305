#include "hermiteflow/dispatch.hpp"

#include <cstdint>
#include <cstring>

#if defined(HERMITEFLOW_X86_VARIANTS)
#include <cpuid.h>
#endif

extern "C" const hermiteflow::KernelTable hermiteflow_kernels_generic;
#if defined(HERMITEFLOW_X86_VARIANTS)
extern "C" const hermiteflow::KernelTable hermiteflow_kernels_v3;
extern "C" const hermiteflow::KernelTable hermiteflow_kernels_v4;
#endif

namespace hermiteflow {

namespace {

#if defined(HERMITEFLOW_X86_VARIANTS)
template <class... Bits>
constexpr unsigned bits(Bits... at) {
  return ((1U << at) | ...);
}

// Asked of the processor itself: not every linker knows the table of __builtin_cpu_supports, and
// the names of whole levels are newer than some compilers. Levels and bits: x86-64 psABI 3.1.1.
struct Processor {
  bool v3 = false, v4 = false;

  Processor() {
    unsigned a, b, c, d, unused;
    if (__get_cpuid_count(1, 0, &a, &b, &c, &d) == 0) return;
    // ssse3, fma, sse4.1, sse4.2, movbe, popcnt, osxsave, avx, f16c
    constexpr unsigned base = bits(9, 12, 19, 20, 22, 23, 27, 28, 29);
    if ((c & base) != base) return;
    std::uint32_t saved, high;  // registers that the system saves: xmm and ymm; masks and zmm
    asm volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    constexpr unsigned ymm = bits(1, 2), zmm = ymm | bits(5, 6, 7);
    if (__get_cpuid_count(0x80000001, 0, &a, &unused, &c, &d) == 0) return;
    if (__get_cpuid_count(7, 0, &a, &b, &unused, &d) == 0) return;
    constexpr unsigned lzcnt = bits(5), bmi_avx2 = bits(3, 5, 8);
    v3 = (saved & ymm) == ymm && (c & lzcnt) == lzcnt && (b & bmi_avx2) == bmi_avx2;
    constexpr unsigned avx512 = bits(16, 17, 28, 30, 31);  // f, dq, cd, bw, vl
    v4 = v3 && (saved & zmm) == zmm && (b & avx512) == avx512;
  }
};
#endif

struct Chosen {
  const KernelTable* tables[3];
  int count = 0;
  const KernelTable* current;
  Chosen() {
    tables[count++] = &hermiteflow_kernels_generic;
#if defined(HERMITEFLOW_X86_VARIANTS)
    const Processor processor;
    if (processor.v3) tables[count++] = &hermiteflow_kernels_v3;
    if (processor.v4) tables[count++] = &hermiteflow_kernels_v4;
#endif
    current = tables[count - 1];
  }
};

Chosen& chosen() {
  static Chosen instance;
  return instance;
}

}  // namespace

Variants available_kernels() { return {chosen().tables, chosen().count}; }

const KernelTable& kernels() { return *chosen().current; }

bool select_kernels(const char* name) {
  for (int i = 0; i < chosen().count; ++i)
    if (std::strcmp(chosen().tables[i]->name, name) == 0) {
      chosen().current = chosen().tables[i];
      return true;
    }
  return false;
}

}  // namespace hermiteflow
