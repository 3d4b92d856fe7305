// Online gradient descent in law: W in coordinates of R^r, whose first `rank` axes span V. A sample
// has r normal coordinates, and outside of R^r a part of which only inner products matter: one
// new axis for each independent combination of a batch. When there is no more room, rows are
// turned so that they need as few axes as there are neurons.
#include <Eigen/Dense>

#include "hermiteflow/online_step.hpp"

namespace hermiteflow {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Rows = Eigen::Map<Matrix, 0, Eigen::OuterStride<>>;

// L (rows, min(rows, columns)), lower trapezoidal, with L L^T = A A^T
Matrix lower_factor(const Eigen::Ref<const Matrix>& a) {
  const Eigen::Index small = std::min(a.rows(), a.cols());
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(a.transpose());
  Eigen::MatrixXd upper = qr.matrixQR().topRows(small);
  upper.triangularView<Eigen::StrictlyLower>().setZero();
  return upper.transpose();
}

class InLaw {
 public:
  InLaw(const OnlineModel& model, const OnlineOptions& options, OnlineState& state,
        OnlineResult& result)
      : model_(model), o_(options), state_(state), key_(sample_key(options.key)),
        n_(model.sample.n), step_(model, options, state, result),
        x_(make_scratch(options.batch * state.stride)), draws_(make_scratch(32)),
        squares_(static_cast<std::size_t>(n_)) {}

  void run(OnlineResult& out, Watch& watch) {
    const bool heavy = n_ * o_.batch * state_.stride > 1 << 14;  // a look costs a clock's reading
    for (Index step = o_.first + 1; step <= o_.last; ++step) {
      if ((heavy || (step & 63) == 0) && watch.look(step)) {
        out.status = Status::interrupted;
        return;
      }
      compress();
      if (!take(step)) return step_.blow_up(step);
      if (step_.close(step, squares_.data())) return;
    }
  }

 private:
  const OnlineModel& model_;
  const OnlineOptions& o_;
  OnlineState& state_;
  SampleKey key_;
  Index n_;
  OnlineStep step_;
  Scratch x_, draws_;
  std::vector<double> squares_;
  Index drawn_ = -1;  // the block of 16 steps whose norms are known

  double rest() const { return model_.d - static_cast<double>(state_.columns); }
  Index fresh() const {  // new axes of a step
    const Index most = std::min(n_, o_.batch);
    return rest() < static_cast<double>(most) ? static_cast<Index>(rest()) : most;
  }

  void compress() {
    if (state_.columns + fresh() <= state_.stride) return;
    const Index outside = state_.columns - model_.rank;
    Rows rows(state_.rows + model_.rank, n_, outside, Eigen::OuterStride<>(state_.stride));
    const Matrix turned = lower_factor(rows);
    rows.setZero();
    rows.leftCols(turned.cols()) = turned;
    state_.columns = model_.rank + turned.cols();
  }

  bool take(Index step) {
    const Index batch = o_.batch, columns = state_.columns, length = padded_to(columns, 16);
    const KernelTable& kernel = kernels();
    double* const x = x_.get();
    for (Index b = 0; b < batch; ++b) {
      const auto sample = static_cast<std::uint64_t>((step - 1) * batch + b);
      double* const at = x + b * length;
      kernel.sample_normals(&key_, SampleTag::inputs, sample, 0, length / 16, at);
      std::fill(at + columns, at + length, 0.0);
      step_.follow(b, at);
    }
    kernel.sample_fields(&model_.sample, length, state_.rows, state_.stride, batch, x,
                         step_.fields(), step_.scratch());
    if (!step_.pull_rows()) return false;
    kernel.sample_advance(&model_.sample, length, step_.keep(), state_.rows, state_.stride, batch,
                          step_.pull(), x, squares_.data(), step_.scratch());
    if (batch == 1)
      add_axis(step);
    else
      add_axes(step);
    return true;
  }

  // C Z of one sample: c_i chi
  void add_axis(Index step) {
    if (rest() <= 0.0) return;
    const double length = std::sqrt(chi_squared(step));
    for (Index i = 0; i < n_; ++i) {
      const double value = step_.pull()[i] * length;
      state_.rows[i * state_.stride + state_.columns] = value;
      squares_[static_cast<std::size_t>(i)] += value * value;
    }
    ++state_.columns;
  }

  double chi_squared(Index step) {
    const Index block = (step - 1) / 16, at = (step - 1) % 16;
    if (block != drawn_) {
      const auto sample = static_cast<std::uint64_t>(block);
      kernels().sample_normals(&key_, SampleTag::norms, sample, 0, 1, draws_.get());
      kernels().sample_uniforms(&key_, SampleTag::trials, sample, draws_.get() + 16);
      drawn_ = block;
    }
    Stream more(o_.key, static_cast<std::uint64_t>(step), StreamTag::samples);
    return chi_squared_from(rest(), draws_[at], draws_[16 + at], more);
  }

  // C Z of a batch, Z (batch, rest) normal: C = L O, and O Z is normal too, so that a triangular
  // (Bartlett) factor of its Wishart matrix will do.
  void add_axes(Index step) {
    const Index count = fresh();
    if (count <= 0) return;
    const Eigen::Map<const Matrix> pull(step_.pull(), n_, o_.batch);
    const Matrix lower = lower_factor(pull);
    Stream stream(o_.key, static_cast<std::uint64_t>(step), StreamTag::samples);
    Matrix triangle = Matrix::Zero(lower.cols(), count);
    for (Index i = 0; i < triangle.rows(); ++i) {
      for (Index j = 0; j < std::min(i, count); ++j) triangle(i, j) = stream.normal();
      if (i < count)
        triangle(i, i) = std::sqrt(stream.chi_squared(rest() - static_cast<double>(i)));
    }
    Rows fresh_columns(state_.rows + state_.columns, n_, count,
                       Eigen::OuterStride<>(state_.stride));
    fresh_columns.noalias() = lower * triangle;
    for (Index i = 0; i < n_; ++i)
      squares_[static_cast<std::size_t>(i)] += fresh_columns.row(i).squaredNorm();
    state_.columns += count;
  }
};

}  // namespace

Index online_columns(const OnlineModel& model, Index batch) {
  const Index fresh = std::min(model.sample.n, batch);
  const double most = std::min(
      model.d, static_cast<double>(model.rank + model.sample.n + std::max<Index>(fresh, 8)));
  return padded_to(static_cast<Index>(most), 16);
}

void online_in_law(const OnlineModel& model, const OnlineOptions& options, OnlineState& state,
                   OnlineResult& result, const Poll& poll) {
  Watch watch(poll);
  InLaw(model, options, state, result).run(result, watch);
}

}  // namespace hermiteflow
