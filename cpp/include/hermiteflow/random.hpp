// Counter-based random numbers: Philox-4x64-10 (Salmon, Moraes, Dror, Shaw, SC'11). A stream is
// named by (key, row, tag), so row i of a draw depends on the seed and on i alone. Normal and
// chi-squared variates use only IEEE + - * / sqrt: the same bits on every machine.
#pragma once

#include <cstdint>

namespace hermiteflow {

struct RandomKey {
  std::uint64_t word[2];
};

// What a stream is for; keeps draws of different functions apart at the same seed.
enum class StreamTag : std::uint64_t { overlaps = 1, weights = 2, index_vectors = 3, samples = 4 };

void philox4x64(const std::uint64_t counter[4], const std::uint64_t key[2], std::uint64_t out[4]);

class Stream {
 public:
  Stream(RandomKey key, std::uint64_t row, StreamTag tag);
  std::uint64_t bits();
  double uniform();                    // in (0, 1), 53 bits
  double normal();                     // by inversion
  double chi_squared(double freedom);  // freedom >= 0; 0 gives 0
  void normals(double* out, std::int64_t count);

 private:
  RandomKey key_;
  std::uint64_t counter_[4];
  std::uint64_t block_[4];
  int used_ = 4;
};

// Chi-squared from a first proposal, normal and uniform, and from `more` where it is rejected.
double chi_squared_from(double freedom, double normal, double uniform, Stream& more);

double log_positive(double x);        // natural logarithm of a normal positive number
double normal_quantile(double tail);  // x > 0 with P(X > x) = tail, 0 < tail <= 1/2

}  // namespace hermiteflow
