// What both ways of online gradient descent share: links of a batch, checks, scales, events.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "hermiteflow/dispatch.hpp"
#include "hermiteflow/online.hpp"
#include "hermiteflow/scratch.hpp"

namespace hermiteflow {

inline Index padded_to(Index count, Index unit) { return (count + unit - 1) / unit * unit; }

inline SampleKey sample_key(const RandomKey& key) {
  return {{static_cast<std::uint32_t>(key.word[0]), static_cast<std::uint32_t>(key.word[0] >> 32)}};
}

class OnlineStep {
 public:
  OnlineStep(const OnlineModel& model, const OnlineOptions& options, OnlineState& state,
             OnlineResult& result)
      : model_(model), s_(model.sample), o_(options), state_(state), out_(result),
        scratch_(make_scratch(kernels().sample_scratch(&s_, options.batch))),
        fields_(make_scratch(options.batch * s_.own)),
        others_(make_scratch(options.batch * s_.others)),
        overlaps_(static_cast<std::size_t>(s_.k)) {
    for (std::vector<double>* of : {&shrink_, &layer_, &keep_}) of->resize(size(s_.n));
    pull_.resize(size(s_.n * options.batch));
    std::fill_n(fields_.get(), options.batch * s_.own, 0.0);
    std::fill_n(others_.get(), options.batch * s_.others, 0.0);
  }

  double* fields() { return fields_.get(); }  // (batch, own), of the rows before they are scaled
  double* scratch() { return scratch_.get(); }
  const double* pull() const { return pull_.data(); }
  const double* keep() const { return keep_.data(); }

  // Fields of the index vectors of sample b, from its first `rank` coordinates.
  void follow(Index b, const double* x) {
    double* const to = others_.get() + b * s_.others;
    if (model_.factor == nullptr) {
      std::copy_n(x, s_.k, to);
      return;
    }
    for (Index j = 0; j < s_.k; ++j) to[j] = along(j, x);
  }

  // Coefficients of the samples, and what is kept of the rows. False: they overflow.
  bool pull_rows() {
    const Index n = s_.n;
    double* const fields = fields_.get();
    for (Index b = 0; b < o_.batch; ++b)
      for (Index i = 0; i < n; ++i) fields[b * s_.own + i] *= state_.scale[i];
    kernels().sample_pull(&s_, o_.batch, o_.rate / static_cast<double>(o_.batch), state_.layer,
                          fields, others_.get(), pull_.data(), shrink_.data(),
                          model_.trained ? layer_.data() : nullptr, scratch_.get());
    double largest = 0.0;
    for (const double c : pull_) largest = larger(largest, c);
    for (Index i = 0; i < n; ++i) {
      largest = larger(largest, shrink_[size(i)]);
      if (model_.trained) largest = larger(largest, layer_[size(i)] + state_.layer[i]);
    }
    if (!(largest <= 1e100)) return false;
    for (Index i = 0; i < n; ++i) {
      keep_[size(i)] = (1.0 - shrink_[size(i)]) * state_.scale[i];
      if (model_.trained) state_.layer[i] += layer_[size(i)];
    }
    return true;
  }

  // Scales from the squared norms of the new rows; events and saves of a step. True: it is the end.
  bool close(Index step, const double* squares) {
    for (Index i = 0; i < s_.n; ++i)
      state_.scale[i] = s_.sphere ? 1.0 / std::sqrt(squares[i]) : 1.0;
    out_.step = step;
    if (state_.saved < o_.n_saves && o_.saves[state_.saved] == step) save();
    return o_.n_levels > 0 && look(step);
  }

  void blow_up(Index step) {
    out_.step = step - 1;
    out_.status = Status::non_finite;
  }

 private:
  const OnlineModel& model_;
  const SampleModel& s_;
  const OnlineOptions& o_;
  OnlineState& state_;
  OnlineResult& out_;
  Scratch scratch_, fields_, others_;
  std::vector<double> overlaps_, shrink_, layer_, keep_, pull_;

  static std::size_t size(Index i) { return static_cast<std::size_t>(i); }
  static double larger(double most, double x) { return std::fabs(x) <= most ? most : std::fabs(x); }

  double along(Index j, const double* x) const {
    double sum = 0.0;
    for (Index r = 0; r < model_.rank; ++r) sum += model_.factor[j * model_.rank + r] * x[r];
    return sum;
  }
  double overlap(Index i, Index j) const {
    const double* const row = state_.rows + i * state_.stride;
    return state_.scale[i] * (model_.factor == nullptr ? row[j] : along(j, row));
  }

  void save() {
    const Index n = s_.n, k = s_.k, at = state_.saved++;
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < k; ++j) out_.overlaps[(at * n + i) * k + j] = overlap(i, j);
    double* const q = out_.students + at * n * n;
    for (Index i = 0; i < n; ++i) {
      const double* const w = state_.rows + i * state_.stride;
      for (Index l = 0; l <= i; ++l) {
        const double* const v = state_.rows + l * state_.stride;
        double sum = 0.0;
        for (Index c = 0; c < state_.columns; ++c) sum += w[c] * v[c];
        q[i * n + l] = q[l * n + i] = sum * state_.scale[i] * state_.scale[l];
      }
      if (s_.sphere) q[i * n + i] = 1.0;
    }
    if (model_.trained) std::copy_n(state_.layer, n, out_.layers + at * n);
  }

  // True: each neuron has met enough levels, and that ends the run.
  bool look(Index step) {
    bool all = o_.enough > 0;
    for (Index i = 0; i < s_.n; ++i) {
      Index& met = state_.reached[i];
      if (met < o_.n_levels) {
        double most = 0.0;
        for (Index j = 0; j < s_.k; ++j) most = std::max(most, std::fabs(overlap(i, j)));
        for (; met < o_.n_levels && most >= o_.levels[met]; ++met)
          out_.hits[i * o_.n_levels + met] = static_cast<double>(step);
      }
      all = all && met >= o_.enough;
    }
    if (all) out_.status = Status::event;
    return all;
  }
};

}  // namespace hermiteflow
