// How the threads of one run share its neurons. Knows a counter only.
#pragma once

#include "hermiteflow/lanes.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow::HF_ISA {

// Neurons come off one counter that the threads share, a few at a time.
struct Tickets {
  Index* counter;
  Index n;
  bool empty = false;
  Index next = 0, end = 0;
  Index take() {
    constexpr Index chunk = 8;
    if (next == end) {
      next = __atomic_fetch_add(counter, chunk, __ATOMIC_RELAXED);
      end = next + chunk < n ? next + chunk : n;
      empty = next >= n;
      if (empty) return -1;
    }
    return next++;
  }
};

}  // namespace hermiteflow::HF_ISA
