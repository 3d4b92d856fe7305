// Random starts, exactly in law and at a cost that does not depend on d: MATH (6).
#pragma once

#include "hermiteflow/random.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow {

// Overlaps of w uniform on the sphere of R^d for rows first .. first + n: out (n, k). The factor
// L (k, rank) is null for G = I.
void draw_overlaps(RandomKey key, Index first, Index n, Index k, const double* factor, Index rank,
                   double d, double* out, int threads);

// Uniform unit vectors: out (n, d).
void draw_weights(RandomKey key, Index n, Index d, double* out, int threads);

// Gram matrix (k, k) of k uniform unit vectors of R^d, by the Bartlett decomposition.
void draw_gram(RandomKey key, Index k, double d, double* gram);

}  // namespace hermiteflow
