// Scratch memory of one thread, aligned for every instruction set. Knows nothing but the allocator.
#pragma once

#include <memory>
#include <new>

#include "hermiteflow/types.hpp"

namespace hermiteflow {

struct AlignedDelete {
  void operator()(double* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using Scratch = std::unique_ptr<double[], AlignedDelete>;

inline Scratch make_scratch(Index doubles) {
  const auto bytes = static_cast<std::size_t>(doubles) * sizeof(double);
  return Scratch(static_cast<double*>(::operator new[](bytes, std::align_val_t{64})));
}

}  // namespace hermiteflow
