#include "hermiteflow/ends.hpp"

#include <algorithm>
#include <cmath>

namespace hermiteflow {

namespace {

// Overlaps of sum_j v_j / |sum_j v_j|; infinite where the sum vanishes.
std::vector<double> average_point(const Gram& gram) {
  const Index k = gram.k;
  std::vector<double> row(static_cast<std::size_t>(k), 1.0);
  double total = 0.0;
  for (Index j = 0; j < k; ++j) {
    double& sum = row[static_cast<std::size_t>(j)];
    if (gram.kind == GramKind::equiangular) sum += static_cast<double>(k - 1) * gram.beta;
    if (gram.kind == GramKind::general) {
      sum = 0.0;
      for (Index l = 0; l < k; ++l) sum += gram.matrix[j * k + l];
    }
    total += sum;
  }
  for (double& x : row) x /= std::sqrt(std::max(total, 1e-300));
  return row;
}

double distance(const double* x, const double* y, double sign, Index k) {
  double largest = 0.0;
  for (Index j = 0; j < k; ++j) largest = std::max(largest, std::fabs(x[j] - sign * y[j]));
  return largest;
}

// Distance of a point whose largest overlap is that of v_best from its reference.
double from_reference(const double* point, const double* reference, Index best, bool exchangeable,
                      Index k) {
  double largest = 0.0;
  for (Index j = 0; j < k; ++j) {
    const Index other = !exchangeable ? j : (j == best ? 0 : (j == 0 ? best : j));
    largest = std::max(largest, std::fabs(point[j] - reference[other]));
  }
  return largest;
}

}  // namespace

void largest_overlaps(Index n, Index k, const double* overlaps, Index* best, Index* up, int threads,
                      const Poll& poll) {
  Watch watch(poll);
  for_blocks(n, 256, thread_count(threads), watch, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      const double* m = overlaps + i * k;
      best[i] = std::max_element(m, m + k,
                                 [](double x, double y) { return std::fabs(x) < std::fabs(y); }) -
                m;
      up[i] = m[best[i]] >= 0.0 ? 1 : 0;
    }
  });
}

void name_ends(const Flow& flow, Index n, const double* overlaps, const References& references,
               Index* index, std::int32_t* kind, int threads, const Poll& poll) {
  Watch watch(poll);
  const std::vector<double> outside(static_cast<std::size_t>(n), 0.0);
  const Landscape landscape(flow, outside.data());
  const Index k = flow.gram.k;
  const std::vector<double> average = average_point(flow.gram);
  constexpr Index block = 64;
  threads = threads_for(n, block, thread_count(threads));
  // taken here, so that a failure is not in a parallel region; those of two threads lie apart
  const Index room = (k + 15) / 8 * 8;
  std::vector<double> points(static_cast<std::size_t>(threads * room));
  for_blocks(n, block, threads, watch, [&](Index begin, Index end, int thread) {
    double* const point = points.data() + thread * room;
    for (Index i = begin; i < end; ++i) {
      std::copy_n(overlaps + i * k, k, point);
      const Place place = landscape.locate(i, point);
      index[i] = -1;
      End what = End::other;
      double top = 0.0, second = 0.0;
      Index best = 0;
      for (Index j = 0; j < k; ++j) {
        const double size = std::fabs(point[j]);
        if (size > top) {
          second = top;
          top = size;
          best = j;
        } else {
          second = std::max(second, size);
        }
      }
      if (place.degenerate) {
        what = End::degenerate;
      } else if (k > 1 && std::min(distance(point, average.data(), 1.0, k),
                                   distance(point, average.data(), -1.0, k)) < place.same) {
        what = End::average;
      } else if (top - second > place.same && references.reached[references.key[i]] &&
                 from_reference(point, references.points + references.key[i] * k, best,
                                references.exchangeable, k) < place.same) {
        what = End::index;
        index[i] = best;
      }
      kind[i] = static_cast<std::int32_t>(what);
    }
  });
}

}  // namespace hermiteflow
