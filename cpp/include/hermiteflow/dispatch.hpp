// Chooses the kernels of one instruction set when the library is loaded.
#pragma once

#include "hermiteflow/kernel_api.hpp"

namespace hermiteflow {

struct Variants {
  const KernelTable* const* tables;  // best last; all of them run on this machine
  int count;
};

Variants available_kernels();
const KernelTable& kernels();           // those in use
bool select_kernels(const char* name);  // false: unknown, or not for this machine

}  // namespace hermiteflow
