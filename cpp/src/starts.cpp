#include "hermiteflow/starts.hpp"

#include <cmath>
#include <vector>

namespace hermiteflow {

namespace {
constexpr Index rows_per_block = 256;
}

bool draw_overlaps(RandomKey key, Index first, Index n, Index k, const double* factor, Index rank,
                   double d, double* out, int threads, const Poll& poll) {
  Watch watch(poll);
  const double freedom = d - static_cast<double>(rank);
  threads = threads_for(n, rows_per_block, thread_count(threads));
  // taken here, so that a failure is not in a parallel region; those of two threads lie apart
  const Index room = (rank + 15) / 8 * 8;
  std::vector<double> normals(static_cast<std::size_t>(threads * room));
  return for_blocks(n, rows_per_block, threads, watch, [&](Index begin, Index end, int thread) {
    double* const z = normals.data() + thread * room;
    for (Index i = begin; i < end; ++i) {
      Stream stream(key, static_cast<std::uint64_t>(first + i), StreamTag::overlaps);
      stream.normals(z, rank);
      double norm2 = 0.0;
      for (Index l = 0; l < rank; ++l) norm2 += z[l] * z[l];
      const double scale = 1.0 / std::sqrt(norm2 + stream.chi_squared(freedom));
      double* row = out + i * k;
      for (Index j = 0; j < k; ++j) {
        double sum = 0.0;
        if (factor == nullptr)
          sum = z[j];
        else
          for (Index l = 0; l < rank; ++l) sum += factor[j * rank + l] * z[l];
        row[j] = sum * scale;
      }
    }
  });
}

bool draw_weights(RandomKey key, Index n, Index d, double* out, int threads, const Poll& poll) {
  Watch watch(poll);
  return for_blocks(n, 1, thread_count(threads), watch, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      Stream stream(key, static_cast<std::uint64_t>(i), StreamTag::weights);
      double* row = out + i * d;
      stream.normals(row, d);
      double norm2 = 0.0;
      for (Index j = 0; j < d; ++j) norm2 += row[j] * row[j];
      const double scale = 1.0 / std::sqrt(norm2);
      for (Index j = 0; j < d; ++j) row[j] *= scale;
    }
  });
}

void draw_gram(RandomKey key, Index k, double d, double* gram) {
  const Index rank = static_cast<double>(k) <= d ? k : static_cast<Index>(d);
  std::vector<double> factor(static_cast<std::size_t>(k * rank), 0.0);
  for (Index i = 0; i < k; ++i) {
    Stream stream(key, static_cast<std::uint64_t>(i), StreamTag::index_vectors);
    double* row = factor.data() + i * rank;
    const Index full = i < rank ? i : rank;
    stream.normals(row, full);
    if (i < rank) row[i] = std::sqrt(stream.chi_squared(d - static_cast<double>(i)));
    double norm2 = 0.0;
    for (Index l = 0; l < rank; ++l) norm2 += row[l] * row[l];
    const double scale = 1.0 / std::sqrt(norm2);
    for (Index l = 0; l < rank; ++l) row[l] *= scale;
  }
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j <= i; ++j) {
      double sum = 0.0;
      for (Index l = 0; l < rank; ++l)
        sum += factor[static_cast<std::size_t>(i * rank + l)] *
               factor[static_cast<std::size_t>(j * rank + l)];
      gram[i * k + j] = gram[j * k + i] = i == j ? 1.0 : sum;
    }
}

}  // namespace hermiteflow
