// A libFuzzer target: the first bytes pick an entry of the core, the others are its arguments.
// With HF_PLANT one of many inputs writes behind an array, which must be found.
#include <cstdlib>

#include "runs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  native::Bytes from(data, length);
  const std::uint8_t which = from.byte() % std::size(native::runs), stop = from.byte();
  native::Limits may;
  may.threads = from.byte() % 8 == 0 ? 2 : 1;
  int polls = 0;
  may.poll = [&](native::Index) { return stop % 4 != 0 || ++polls < stop / 4; };
#if defined(HF_PLANT)
  if (which == 3 && stop % 2 == 1) {
    volatile double* const two = new double[2];  // else the compiler leaves it out
    two[2] = 1.0;
    delete[] two;
  }
#endif
  native::runs[which].run(from, may);
  return 0;
}
