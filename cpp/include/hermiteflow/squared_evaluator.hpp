// The field and the loss of the squared loss at whole states, over threads. Rows and entries are
// independent within a call of a kernel, so blocks and threads cannot matter.
#pragma once

#include <algorithm>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/squared.hpp"

namespace hermiteflow {

class SquaredEvaluator {
 public:
  Index evaluations = 0;
  const SquaredLayout layout;
  const SquaredField& field;

  SquaredEvaluator(const SquaredFlow& flow, int threads, Watch& watch)
      : layout(flow), field(layout.field()), kernel_(kernels()), potential_(flow),
        at_zero_(flow.loss_at_zero), watch_(watch),
        threads_(field.small ? 1 : thread_count(threads)) {
    const Index share = (field.n + 2 * threads_ - 1) / (2 * threads_);
    block_ = field.small ? field.n : std::clamp<Index>((share + 7) / 8 * 8, 8, 256);
    const Index states = field.small ? 3 * layout.size() + 512 : 0;  // for RK4
    for (int i = 0; i < threads_; ++i)
      scratch_.push_back(make_scratch(kernel_.squared_scratch(&field, block_) + states));
    losses_.resize(static_cast<std::size_t>(field.n));
  }

  Scratch state() const {
    Scratch out = make_scratch(layout.size());
    std::fill_n(out.get(), layout.size(), 0.0);
    return out;
  }

  // d(state)/dt into `out`; speed2 (2 n,) or null. False: stopped.
  bool rates(const double* y, double* out, double* speed2) {
    ++evaluations;
    const bool going = by_rows([&](Index begin, Index end, int thread) {
      kernel_.squared_rates(&field, y, out, speed2, begin, end, scratch(thread));
    });
    if (!going || field.form == SquaredForm::coordinates) return going;
    return by_rows(
        [&](Index begin, Index end, int) { kernel_.squared_close(&field, out, begin, end); });
  }

  double loss(const double* y) {
    if (order_ == nullptr) order_ = make_scratch(field.n * field.across);
    double* const x = order_.get();
    by_rows([&](Index begin, Index end, int thread) {
      kernel_.squared_overlaps(&field, y, x, begin, end, scratch(thread));
      for (Index i = begin; i < end; ++i)
        losses_[static_cast<std::size_t>(i)] = potential_.row(field, i, x + i * field.across);
    });
    double sum = 0.0;
    for (const double part : losses_) sum += part;
    return at_zero_ + sum;
  }

  void normalise(double* y) {
    by_rows([&](Index begin, Index end, int) { kernel_.squared_normalise(&field, y, begin, end); });
  }

  void advance(Index count, const double* weights, const double* const* rates, const double* base,
               double* out) {
    by_entries([&](Index begin, Index end) {
      kernel_.squared_advance(begin, end, count, weights, rates, base, out);
    });
  }

  SquaredError error(Index count, const double* e, const double* e3, const double* const* rates,
                     const double* y, const double* z, double rtol, double atol) {
    return kernel_.squared_error(0, layout.size(), count, e, e3, rates, y, z, rtol, atol);
  }

  void rk4(double* y, double step, Index steps, bool renormalize) {
    kernel_.squared_rk4(&field, y, step, steps, renormalize, scratch(0));
    evaluations += 4 * steps;
  }

 private:
  static constexpr Index chunk = 1 << 14;
  const KernelTable& kernel_;
  SquaredPotential potential_;
  double at_zero_;
  Watch& watch_;
  int threads_;
  Index block_;
  std::vector<Scratch> scratch_;
  std::vector<double> losses_;
  Scratch order_;

  double* scratch(int thread) const { return scratch_[static_cast<std::size_t>(thread)].get(); }

  template <class Work>
  bool by_rows(const Work& work) {
    if (threads_ > 1) return for_blocks(field.n, block_, threads_, watch_, work);
    for (Index i = 0; i < field.n; i += block_) {
      if (!field.small && watch_.look(0)) return false;
      work(i, std::min(i + block_, field.n), 0);
    }
    return true;
  }
  template <class Work>
  void by_entries(const Work& work) {
    if (threads_ == 1) return work(0, layout.size());
    for_blocks(layout.size(), chunk, threads_, watch_,
               [&](Index begin, Index end, int) { work(begin, end); });
  }
};

}  // namespace hermiteflow
