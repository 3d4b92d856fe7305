// Samples: random inputs, links at points, and one step of gradient descent on them.
#include "kernels.hpp"

#include "hermiteflow/normals.hpp"
#include "hermiteflow/point_link.hpp"

namespace hermiteflow::HF_ISA {

void sample_normals(const SampleKey* key, SampleTag tag, std::uint64_t sample, Index groups,
                    double* out) {
  draw_normals(key->word, static_cast<std::uint32_t>(tag), sample, 0, groups, out);
}

void point_values(const PointLink* link, Index count, const double* x, double* value,
                  double* slope) {
  if (slope != nullptr)
    link_values<true>(*link, count, x, value, slope);
  else
    link_values<false>(*link, count, x, value, nullptr);
}

}  // namespace hermiteflow::HF_ISA
