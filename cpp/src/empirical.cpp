// Gradient flow on a stored sample: shares, sums, and the loop.
#define HF_ISA squared  // the controller's own copy, apart from those of the kernels

#include "hermiteflow/empirical.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hermiteflow/coupled_run.hpp"
#include "hermiteflow/dispatch.hpp"

namespace hermiteflow {

namespace {

constexpr Index grain = 24;  // of the samples in a block: what kernels take side by side
constexpr Index chunk = 1 << 12;
constexpr Index most_shares = 64, share_doubles = Index{1} << 25;

constexpr Index rounded(Index n, Index to) { return (n + to - 1) / to * to; }

// Samples at once: they stay in the L2 cache, between the two products that need them. Of many
// neurons the sums would be read and written too often by short blocks.
Index block_of(const EmpiricalFlow& flow, Index width) {
  constexpr Index most = 16 * grain;
  const Index cached = flow.n < 64 ? 1 << 16 : 1 << 17;
  const Index fit = std::clamp<Index>(cached / width / grain * grain, grain, most);
  return std::min(fit, rounded(std::max<Index>(flow.sample.count, 1), grain));
}

}  // namespace

Index EmpiricalLayout::size() const {
  return weights() + (trained() ? rounded(flow_.n, squared_lanes) : 0);
}

void EmpiricalLayout::pack(const SquaredState& from, double* y) const {
  const Index d = flow_.sample.d;
  std::fill_n(y, size(), 0.0);
  if (trained()) std::copy_n(from.a, flow_.n, y + weights());
  for (Index i = 0; i < flow_.n; ++i) std::copy_n(from.w + i * d, d, y + i * width_);
}

void EmpiricalLayout::unpack(const double* y, const SquaredState& to) const {
  const Index d = flow_.sample.d;
  for (Index i = 0; i < flow_.n; ++i) std::copy_n(y + i * width_, d, to.w + i * d);
  if (trained()) std::copy_n(y + weights(), flow_.n, to.a);
}

void EmpiricalLayout::overlaps(const double* row, double* m) const {
  const Index d = flow_.sample.d;
  const double* v = flow_.vectors;
  for (Index j = 0; j < flow_.k; ++j, v += d) {
    m[j] = 0.0;
    for (Index c = 0; c < d; ++c) m[j] += v[c] * row[c];
  }
}

EmpiricalEvaluator::EmpiricalEvaluator(const EmpiricalFlow& flow, int threads, Watch& watch)
    : layout(flow, rounded(flow.sample.d, squared_lanes)), field(sizes_), flow_(flow),
      kernel_(kernels()), watch_(watch), threads_(thread_count(threads)), sizes_{},
      rows_(rounded(flow.n, squared_lanes)), a_(flow.a, flow.a + flow.n) {
  const Index width = rounded(flow.sample.d, squared_lanes), block = block_of(flow, width);
  samples_ = {flow.sample, flow.y, flow.n, width, a_.data(), flow.link, flow.squared, block};
  sizes_.form = SquaredForm::coordinates;
  sizes_.n = flow.n;
  sizes_.k = flow.k;
  sizes_.width = width;
  // as many shares as there is work and memory for; neither knows of threads
  const Index blocks = (flow.sample.count + block - 1) / block, size = layout.weights();
  shares_ = std::clamp<Index>(std::min(blocks / 4, std::max<Index>(share_doubles / size, 8)), 1,
                              most_shares);
  threads_ = static_cast<int>(std::min<Index>(threads_, shares_));
  const bool pulls = flow.squared && !flow.constrained;
  sums_size_ = (pulls ? 2 : 1) * size + (flow.trained ? 4 : 2) * rows_ + squared_lanes;
  weights_ = make_scratch(rows_ * width);
  for (int i = 0; i < threads_; ++i)
    scratch_.push_back(make_scratch(kernel_.empirical_scratch(&samples_)));
}

Scratch EmpiricalEvaluator::state() const {
  Scratch out = make_scratch(layout.size());
  std::fill_n(out.get(), layout.size(), 0.0);
  return out;
}

void EmpiricalEvaluator::keep(const double* y, const SquaredState& path, Index i) const {
  const Index n = sizes_.n, k = sizes_.k, width = sizes_.width;
  double *const m = path.m + i * n * k, *const q = path.q + i * n * n;
  for (Index r = 0; r < n; ++r) {
    const double* const row = y + r * width;
    layout.overlaps(row, m + r * k);
    for (Index c = 0; c <= r; ++c) {
      double product = 0.0;
      for (Index l = 0; l < width; ++l) product += row[l] * y[c * width + l];
      q[r * n + c] = q[c * n + r] = product;
    }
    if (flow_.constrained) q[r * n + r] = 1.0;
  }
  if (layout.trained()) std::copy_n(y + layout.weights(), n, path.a + i * n);
}

// ---- sums over samples ---------------------------------------------------------------------

// begin(share), then work(begin, end, share, thread) for its blocks, in order.
template <class Begin, class Work>
bool EmpiricalEvaluator::by_shares(const Begin& begin, const Work& work) {
  const Index block = samples_.block, count = samples_.sample.count;
  const Index blocks = (count + block - 1) / block;
  const auto share_of = [&](Index share, Index, int thread) {
    const Index last = (share + 1) * blocks / shares_;
    begin(share);
    for (Index b = share * blocks / shares_; b < last; ++b) {
      // a block may take long where the sample is on disk
      if (thread == 0 ? watch_.look(0) : watch_.stopped()) return;
      work(b * block, std::min((b + 1) * block, count), share, thread);
    }
  };
  return for_blocks(shares_, 1, threads_, watch_, share_of);
}

template <class Work>
bool EmpiricalEvaluator::by_entries(Index size, const Work& work) {
  if (threads_ == 1 || size <= chunk) {
    work(0, size);
    return !watch_.stopped();
  }
  return for_blocks(size, chunk, threads_, watch_,
                    [&](Index begin, Index end, int) { work(begin, end); });
}

EmpiricalSums EmpiricalEvaluator::sums(Index share, bool pull) const {
  double* const force = sums_.get() + share * sums_size_;
  double* const scalars = force + sums_size_ - squared_lanes;
  return {force,
          pull ? force + layout.weights() : nullptr,
          scalars - 2 * rows_,
          scalars - rows_,
          layout.trained() ? scalars - 4 * rows_ : nullptr,
          layout.trained() ? scalars - 3 * rows_ : nullptr,
          scalars};
}

bool EmpiricalEvaluator::sum(const double* y, bool force, bool pull) {
  if (sums_ == nullptr) sums_ = make_scratch(shares_ * sums_size_);
  if (last_ == nullptr) last_ = state();
  known_ = false;
  kernel_.empirical_weights(&samples_, y, weights_.get());
  if (layout.trained()) std::copy_n(y + layout.weights(), flow_.n, a_.data());
  // of a share: the vectors, then the scalars
  const Index clear = force ? 0 : sums_size_ - squared_lanes;
  const auto begin = [&](Index share) {
    double* const at = sums_.get() + share * sums_size_;
    std::fill(at + clear, at + sums_size_, 0.0);
  };
  const bool going = by_shares(begin, [&](Index from, Index end, Index share, int thread) {
    EmpiricalSums to = sums(share, pull);
    if (!force) to.force = nullptr;
    kernel_.empirical_sums(&samples_, weights_.get(), from, end, &to,
                           scratch_[static_cast<std::size_t>(thread)].get());
  });
  if (!going) return false;
  last_loss_ = total_of(sums_size_ - squared_lanes);
  std::copy_n(y, layout.size(), last_.get());
  return known_ = true;
}

double EmpiricalEvaluator::total_of(Index offset) const {
  double sum = 0.0;
  for (Index share = 0; share < shares_; ++share) sum += sums_[share * sums_size_ + offset];
  return sum / static_cast<double>(samples_.sample.count);
}

// out (n, width): the mean of what lies at `offset` of the shares
bool EmpiricalEvaluator::total(Index offset, double* out) {
  const double scale = 1.0 / static_cast<double>(samples_.sample.count);
  return by_entries(layout.weights(), [&](Index begin, Index end) {
    const double* from = sums_.get() + offset;
    std::copy(from + begin, from + end, out + begin);
    for (Index share = 1; share < shares_; ++share) {
      from += sums_size_;
      for (Index c = begin; c < end; ++c) out[c] += from[c];
    }
    for (Index c = begin; c < end; ++c) out[c] *= scale;
  });
}

bool EmpiricalEvaluator::rates(const double* y, double* out, double* speed2) {
  ++evaluations;
  const bool pull = speed2 != nullptr && flow_.squared && !flow_.constrained;
  if (!sum(y, true, pull) || !total(0, out)) return false;
  const Index n = sizes_.n, width = sizes_.width;
  const Index scalars = sums_size_ - squared_lanes;
  const auto norm2 = [&](const double* x) {
    double found = 0.0;
    for (Index c = 0; c < width; ++c) found += x[c] * x[c];
    return found;
  };
  Scratch pulls;
  if (pull) {
    pulls = state();
    if (!total(layout.weights(), pulls.get())) return false;
  }
  for (Index i = 0; i < n; ++i) {
    double* const rate = out + i * width;
    const double* const w = y + i * width;
    const double along = total_of(scalars - 2 * rows_ + i);
    if (speed2 != nullptr) {
      double& scale = speed2[n + i];
      if (pull) {  // |pull| + |push|, as where averages are known
        double* const teacher = pulls.get() + i * width;
        const double pulled = std::sqrt(norm2(teacher));
        for (Index c = 0; c < width; ++c) teacher[c] -= rate[c];
        scale = pulled + std::sqrt(norm2(teacher));
        scale *= scale;
      } else {  // without the neuron's push on itself, which is along w
        const double own = flow_.squared ? total_of(scalars - rows_ + i) : 0.0;
        scale = norm2(rate) + own * (2.0 * along + own * norm2(w));
      }
    }
    if (flow_.constrained)
      for (Index c = 0; c < width; ++c) rate[c] -= along * w[c];
    if (speed2 != nullptr) speed2[i] = norm2(rate);
  }
  if (layout.trained()) train(out + layout.weights(), speed2);
  return true;
}

// da/dt, and its part of the speeds, |pull| + |push| as where averages are known
void EmpiricalEvaluator::train(double* out, double* speed2) const {
  const Index n = sizes_.n, first = sums_size_ - squared_lanes - 4 * rows_;
  std::fill_n(out, rows_, 0.0);
  for (Index i = 0; i < n; ++i) {
    out[i] = total_of(first + i);
    if (speed2 == nullptr) continue;
    const double pull = total_of(first + rows_ + i);
    const double force = std::fabs(pull) + std::fabs(pull - out[i]);
    speed2[i] += out[i] * out[i];
    speed2[n + i] += force * force;
  }
}

double EmpiricalEvaluator::loss(const double* y) {
  const auto bytes = static_cast<std::size_t>(layout.size()) * sizeof(double);
  if (!known_ || std::memcmp(y, last_.get(), bytes) != 0) sum(y, false, false);
  return last_loss_;
}

bool EmpiricalEvaluator::outputs(const double* y, double* out) {
  kernel_.empirical_weights(&samples_, y, weights_.get());
  return by_shares([](Index) {},
                   [&](Index begin, Index end, Index, int thread) {
                     kernel_.empirical_outputs(&samples_, weights_.get(), begin, end, out,
                                               scratch_[static_cast<std::size_t>(thread)].get());
                   });
}

// ---- states --------------------------------------------------------------------------------

void EmpiricalEvaluator::normalise(double* y) {
  kernel_.squared_normalise(&sizes_, y, 0, sizes_.n);
}

void EmpiricalEvaluator::advance(Index count, const double* weights, const double* const* rates,
                                 const double* base, double* out) {
  by_entries(layout.size(), [&](Index begin, Index end) {
    kernel_.squared_advance(begin, end, count, weights, rates, base, out);
  });
}

SquaredError EmpiricalEvaluator::error(Index count, const double* e, const double* e3,
                                       const double* const* rates, const double* y, const double* z,
                                       double rtol, double atol) {
  return kernel_.squared_error(0, layout.size(), count, e, e3, rates, y, z, rtol, atol);
}

SquaredError EmpiricalEvaluator::error_beside_rounding(Index count, const double* e,
                                                       const double* e3, const double* const* rates,
                                                       const double* y, const double* z,
                                                       double rtol, double atol, double noise,
                                                       const double* force) {
  SquaredError out{0.0, 0.0, 0.0};
  const auto add = [&](Index begin, Index end, double size) {
    const SquaredError row =
        kernel_.squared_error(begin, end, count, e, e3, rates, y, z, rtol, atol + noise * size);
    out = {std::max(out.first, row.first), std::max(out.second, row.second), out.sound + row.sound};
  };
  for (Index i = 0; i < field.n; ++i) add(i * field.width, (i + 1) * field.width, force[i]);
  if (layout.trained())
    add(layout.weights(), layout.size(), *std::max_element(force, force + field.n));
  return out;
}

// ---- what is asked for ---------------------------------------------------------------------

namespace {

Scratch packed(const EmpiricalFlow& flow, const EmpiricalEvaluator& evaluator, const double* w) {
  Scratch y = evaluator.state();
  evaluator.layout.pack({nullptr, nullptr, const_cast<double*>(w), const_cast<double*>(flow.a)},
                        y.get());
  return y;
}

}  // namespace

bool empirical_outputs(const EmpiricalFlow& flow, const double* w, double* out, int threads,
                       const Poll& poll) {
  Watch watch(poll);
  EmpiricalEvaluator evaluator(flow, threads, watch);
  return evaluator.outputs(packed(flow, evaluator, w).get(), out);
}

double empirical_loss(const EmpiricalFlow& flow, const double* w, int threads, const Poll& poll) {
  Watch watch(poll);
  EmpiricalEvaluator evaluator(flow, threads, watch);
  return evaluator.loss(packed(flow, evaluator, w).get());
}

double empirical_rates(const EmpiricalFlow& flow, const double* w, double* rates,
                       double* layer_rates, int threads, const Poll& poll) {
  Watch watch(poll);
  EmpiricalEvaluator evaluator(flow, threads, watch);
  const Scratch y = packed(flow, evaluator, w), out = evaluator.state();
  evaluator.rates(y.get(), out.get(), nullptr);
  evaluator.layout.unpack(out.get(), {nullptr, nullptr, rates, layer_rates});
  return evaluator.loss(y.get());
}

void solve_empirical(const EmpiricalFlow& flow, const SquaredOptions& options,
                     const SquaredState& start, SquaredResult& result, int threads,
                     const Poll& poll) {
  const Poll with_steps = [&](Index) { return poll(result.steps); };
  Watch watch(with_steps);
  EmpiricalEvaluator evaluator(flow, threads, watch);
  run_method(evaluator, options, start, result, watch);
}

}  // namespace hermiteflow
