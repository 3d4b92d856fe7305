// Random starts, exactly in law and at a cost that does not depend on d: MATH (6). False: stopped
// by the poll.
#pragma once

#include "hermiteflow/parallel.hpp"
#include "hermiteflow/random.hpp"
#include "hermiteflow/types.hpp"

namespace hermiteflow {

// Overlaps of w uniform on the sphere of R^d for rows first .. first + n: out (n, k). The factor
// L (k, rank) is null for G = I.
bool draw_overlaps(RandomKey key, Index first, Index n, Index k, const double* factor, Index rank,
                   double d, double* out, int threads, const Poll& poll);

// Uniform unit vectors: out (n, d).
bool draw_weights(RandomKey key, Index n, Index d, double* out, int threads, const Poll& poll);

// Gram matrix (k, k) of k uniform unit vectors of R^d, by the Bartlett decomposition.
void draw_gram(RandomKey key, Index k, double d, double* gram);

}  // namespace hermiteflow
