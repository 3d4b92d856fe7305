// The field and the loss of the squared loss at whole states, over threads. Rows and entries are
// independent within a call of a kernel, so blocks and threads cannot matter.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/squared.hpp"
#include "hermiteflow/squared_moments.hpp"

namespace hermiteflow {

class SquaredEvaluator {
 public:
  static constexpr bool has_rk4 =
      true;  // many steps in one call of a kernel, where fields are small
  Index evaluations = 0;
  SquaredLayout layout;
  const SquaredField& field;

  SquaredEvaluator(const SquaredFlow& flow, int threads, Watch& watch)
      : layout(flow), field(layout.field()), kernel_(kernels()), potential_(flow),
        at_zero_(flow.loss_at_zero), watch_(watch),
        threads_(field.small ? 1 : thread_count(threads)) {
    const Index share = (field.n + 2 * threads_ - 1) / (2 * threads_);
    block_ = field.small ? field.n : std::clamp<Index>((share + 7) / 8 * 8, 8, 256);
    const Index states = field.small ? 3 * layout.size() + 512 : 0;  // for RK4
    if (flow.links != nullptr) moments_.emplace(flow, field);
    const auto need = moments_ ? kernel_.squared_free_scratch : kernel_.squared_scratch;
    for (int i = 0; i < threads_; ++i)
      scratch_.push_back(make_scratch(need(&field, block_) + states));
    sums_.resize(static_cast<std::size_t>(2 * field.n));
  }
  bool free() const { return moments_.has_value(); }

  Scratch state() const {
    Scratch out = make_scratch(layout.size());
    std::fill_n(out.get(), layout.size(), 0.0);
    return out;
  }

  // a state as entry i of the saved ones
  void keep(const double* y, const SquaredState& path, Index i) const {
    const bool moves = field.form == SquaredForm::coordinates;
    const Index n = field.n;
    layout.unpack(y,
                  {moves ? nullptr : path.m + i * n * field.k, moves ? nullptr : path.q + i * n * n,
                   moves ? path.w + i * n * layout.columns() : nullptr,
                   layout.trained() ? path.a + i * n : nullptr});
  }

  // d(state)/dt into `out`; speed2 (2 n,) or null. False: stopped.
  bool rates(const double* y, double* out, double* speed2) {
    ++evaluations;
    layout.follow(y);
    const FreeField* const at = moments_ ? &moments_->follow(y) : nullptr;
    double* const sums = layout.trained() ? sums_.data() : nullptr;
    const bool going = by_rows([&](Index begin, Index end, int thread) {
      if (at != nullptr)
        kernel_.squared_free(&field, at, y, out, sums, speed2, begin, end, scratch(thread));
      else
        kernel_.squared_rates(&field, y, out, speed2, begin, end, scratch(thread));
    });
    if (going && sums != nullptr) return (at != nullptr || values(y)) && train(out, speed2);
    if (!going || field.form == SquaredForm::coordinates) return going;
    return by_rows(
        [&](Index begin, Index end, int) { kernel_.squared_close(&field, out, begin, end); });
  }

  double loss(const double* y) {
    layout.follow(y);
    values(y);
    double sum = 0.0;
    for (Index i = 0; i < field.n; ++i) sum += field.a[i] * (0.5 * sum_of(field.n + i) - sum_of(i));
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

  // As `error`, but each row may also be off by `noise`, a step times roundings, times its force,
  // |F| (n,): smaller estimates say nothing, and at rest nothing else is left.
  SquaredError error_beside_rounding(Index count, const double* e, const double* e3,
                                     const double* const* rates, const double* y, const double* z,
                                     double rtol, double atol, double noise, const double* force) {
    const Index n = field.n, width = field.width;
    const double most = *std::max_element(force, force + n);
    SquaredError out{0.0, 0.0, 0.0};
    const auto add = [&](Index begin, Index end, double size) {
      const SquaredError part =
          kernel_.squared_error(begin, end, count, e, e3, rates, y, z, rtol, atol + noise * size);
      out = {std::max(out.first, part.first), std::max(out.second, part.second),
             out.sound + part.sound};
    };
    // dQ_il has the forces of both; M may share a register with Q
    const bool whole = field.form == SquaredForm::order_parameters;
    const Index own = !whole ? width : field.first % squared_lanes == 0 ? field.first : 0;
    for (Index i = 0; i < n; ++i) {
      add(i * width, i * width + own, force[i]);
      add(i * width + own, (i + 1) * width, most);
    }
    if (layout.trained()) add(n * width, layout.size(), most);
    return out;
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
  std::optional<SquaredMoments> moments_;
  std::vector<double> sums_;  // sum_j b_j psi of each neuron, then sum_l a_l psi_ss
  Scratch order_;

  double* scratch(int thread) const { return scratch_[static_cast<std::size_t>(thread)].get(); }

  double sum_of(Index i) const { return sums_[static_cast<std::size_t>(i)]; }

  bool values(const double* y) {
    if (moments_) {
      const FreeField* const at = &moments_->follow(y);
      return by_rows([&](Index begin, Index end, int thread) {
        kernel_.squared_free(&field, at, y, nullptr, sums_.data(), nullptr, begin, end,
                             scratch(thread));
      });
    }
    if (order_ == nullptr) order_ = make_scratch(field.n * field.across);
    double *const x = order_.get(), *const sums = sums_.data();
    return by_rows([&](Index begin, Index end, int thread) {
      kernel_.squared_overlaps(&field, y, x, begin, end, scratch(thread));
      for (Index i = begin; i < end; ++i)
        potential_.row(field, i, x + i * field.across, sums[i], sums[field.n + i]);
    });
  }

  // da/dt, and its part of the speeds
  bool train(double* out, double* speed2) const {
    double* const rate = layout.layer(out);
    for (Index i = 0; i < field.n; ++i) {
      const double pull = sum_of(i), push = sum_of(field.n + i);
      rate[i] = pull - push;
      if (speed2 == nullptr) continue;
      const double force = std::fabs(pull) + std::fabs(push);
      speed2[i] += rate[i] * rate[i];
      speed2[field.n + i] += force * force;
    }
    return true;
  }

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
