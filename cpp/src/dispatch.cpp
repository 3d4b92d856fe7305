#include "hermiteflow/dispatch.hpp"

#include <cstring>

extern "C" const hermiteflow::KernelTable hermiteflow_kernels_generic;
#if defined(HERMITEFLOW_X86_VARIANTS)
extern "C" const hermiteflow::KernelTable hermiteflow_kernels_v3;
extern "C" const hermiteflow::KernelTable hermiteflow_kernels_v4;
#endif

namespace hermiteflow {

namespace {

struct Chosen {
  const KernelTable* tables[3];
  int count = 0;
  const KernelTable* current;
  Chosen() {
    tables[count++] = &hermiteflow_kernels_generic;
#if defined(HERMITEFLOW_X86_VARIANTS)
    // one feature a call: the names of whole levels are newer than some compilers
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
      tables[count++] = &hermiteflow_kernels_v3;
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl"))
        tables[count++] = &hermiteflow_kernels_v4;
    }
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
