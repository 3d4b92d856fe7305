// One Runge-Kutta step of a tile: L neurons side by side, each with a step size of its own; the
// error estimate and the dense output. It never picks a step size.
//
// Adaptive methods integrate in the time s with dt = ds / rho, rho = |g| / |m|: the near blow-up of
// the search phase becomes exponential growth, and t one more coordinate. On the sphere their
// field equals MATH (4); off it, it draws |w| back to 1 whatever the sign of m . g. RK4 takes
// MATH (4) to the letter, with dt = ds.
#pragma once

#include "hermiteflow/flow.hpp"
#include "hermiteflow/tableau.hpp"

namespace hermiteflow::HF_ISA {

template <class T, GramKind Kind, class SlopeLaw, int L>
class Stepper {
 public:
  static constexpr bool general = Kind == GramKind::general;
  static constexpr int stages = T::stages, dense_stages = T::dense_stages;
  using Row = Lane<L>;

  Row h, t, s;                           // step, time, w = s w(0) + V^T alpha
  Row a, outside;                        // second layer; |w(0) outside span V|^2
  Row ratio, top, speed2, pull2, norm2;  // after step(): error, max |m|, |dm/dt|^2, |G g|^2, |w|^2
  Row t_new, s_new;
  double *y, *z;            // state at the start of the step, and at its newest stage
  double* k[dense_stages];  // derivatives in s
  double *alpha, *alpha_new, *ka[dense_stages], *start;  // general G with a frame; else null

  static Index rows(Index size, bool frame) {
    return size * (2 + dense_stages + (T::dense_stages > T::stages ? 1 : 0) + (general ? 2 : 0) +
                   (general && frame ? 4 + dense_stages : 0));
  }

  Stepper(const Flow& flow, bool frame, double* scratch)
      : size_(flow.gram.k), gram_(flow.gram), law_(flow.slope), b_(flow.target_weights) {
    const auto take = [&] {
      double* rows_here = scratch;
      scratch += size_ * L;
      return rows_here;
    };
    for (Index i = 0; i < rows(size_, frame) * L; ++i) scratch[i] = 0.0;
    for (Index r = 0; r < size_; ++r) {
      const double size = b_[r] < 0 ? -b_[r] : b_[r];
      b_max_ = size > b_max_ ? size : b_max_;
    }
    y = take();
    z = take();
    for (auto& rows_here : k) rows_here = take();
    extra_ = T::dense_stages > T::stages ? take() : nullptr;
    g_ = general ? take() : nullptr;
    f_ = general ? take() : nullptr;
    const bool with_alpha = general && frame;
    alpha = with_alpha ? take() : nullptr;
    alpha_new = with_alpha ? take() : nullptr;
    start = with_alpha ? take() : nullptr;
    alpha_extra_ = with_alpha ? take() : nullptr;
    for (auto& rows_here : ka) rows_here = with_alpha ? take() : nullptr;
    h = t = s = outside = ratio = top = speed2 = pull2 = t_new = s_new = Row::Zero();
    a = norm2 = Row::Ones();
    for (int i = 0; i < dense_stages; ++i) kt_[i] = ks_[i] = Row::Zero();
    lambda_ = Row::Zero();
    weight_ = Row::Zero();
    sums_.clear();
  }

  // Derivative at the start of the step for the chosen lanes; the others keep theirs.
  void refresh(const bool* chosen) {
    reduce(y, alpha, s);
    for (Index r = 0; r < size_; ++r) {
      const Row old = load<L>(k[0] + r * L);
      store<L>(k[0] + r * L, derivative(r, load<L>(y + r * L)));
      keep(k[0] + r * L, old, chosen);
      if (general && alpha != nullptr) {
        const Row old_a = load<L>(ka[0] + r * L);
        store<L>(ka[0] + r * L, alpha_derivative(r, load<L>(alpha + r * L)));
        keep(ka[0] + r * L, old_a, chosen);
      }
    }
    for (int l = 0; l < L; ++l)
      if (chosen[l]) {
        kt_[0][l] = weight_[l];
        ks_[0][l] = -lambda_[l] * weight_[l] * s[l];
      }
  }

  double start_pull(int lane) const { return sums_.mg[lane] * a[lane]; }  // m . g after refresh()

  // The new state in z, t_new, s_new; the derivative there in k[stages - 1].
  void step(double rtol, const Row& atol) {
    stages_from<1>();
    finish(rtol, atol);
  }

  // RK4: put the accepted state back on the sphere.
  void normalise() {
    const Row scale = norm2.sqrt().inverse();
    for (Index r = 0; r < size_; ++r) {
      store<L>(z + r * L, scale * load<L>(z + r * L));
      if (general && alpha_new != nullptr)
        store<L>(alpha_new + r * L, scale * load<L>(alpha_new + r * L));
    }
    s_new *= scale;
    top *= scale;
  }

  // Stages that only the dense output needs.
  void extra_stages() {
    if constexpr (T::dense_stages > T::stages) extra_from<T::stages>();
  }

  // Start the next step where the lane was accepted.
  void advance(const bool* accepted) {
    bool all = true;
    for (int l = 0; l < L; ++l) all = all && accepted[l];
    double* const last = k[stages - 1];
    if (!all)
      for (Index r = 0; r < size_; ++r) {
        revert(z + r * L, y + r * L, accepted);
        revert(last + r * L, k[0] + r * L, accepted);
        if (general && alpha != nullptr) {
          revert(alpha_new + r * L, alpha + r * L, accepted);
          revert(ka[stages - 1] + r * L, ka[0] + r * L, accepted);
        }
      }
    swap(y, z);
    k[stages - 1] = k[0];
    k[0] = last;
    if (general && alpha != nullptr) {
      swap(alpha, alpha_new);
      swap(ka[0], ka[stages - 1]);
    }
    for (int l = 0; l < L; ++l)
      if (accepted[l]) {
        t[l] = t_new[l];
        s[l] = s_new[l];
        kt_[0][l] = kt_[stages - 1][l];
        ks_[0][l] = ks_[stages - 1][l];
      }
  }

  // The last step of one lane as a function of theta in [0, 1].
  struct Segment {
    Segment(const Stepper& owner, int which) : tile(owner), lane(which) {}
    const Stepper& tile;
    int lane;
    mutable double at = -1.0;
    mutable double weights[dense_stages];
    void aim(double theta) const {
      if (theta == at) return;
      at = theta;
      for (int i = 0; i < dense_stages; ++i) {
        double sum = 0.0;
        for (int q = T::dense_degree - 1; q >= 0; --q) sum = (sum + T::dense[i][q]) * theta;
        weights[i] = sum * tile.h[lane];
      }
    }
    double row(const double* base, double* const* derivatives, Index r) const {
      double sum = base[r * L + lane];
      for (int i = 0; i < dense_stages; ++i) sum += weights[i] * derivatives[i][r * L + lane];
      return sum;
    }
    double value(Index r, double theta) const {
      if (theta >= 1.0) return tile.z[r * L + lane];
      aim(theta);
      return row(tile.y, tile.k, r);
    }
    double alpha_value(Index r, double theta) const {
      if (theta >= 1.0) return tile.alpha_new[r * L + lane];
      aim(theta);
      return row(tile.alpha, tile.ka, r);
    }
    double time(double theta) const {
      if (theta >= 1.0) return tile.t_new[lane];
      aim(theta);
      double sum = tile.t[lane];
      for (int i = 0; i < dense_stages; ++i) sum += weights[i] * tile.kt_[i][lane];
      return sum;
    }
    double scale(double theta) const {
      if (theta >= 1.0) return tile.s_new[lane];
      aim(theta);
      double sum = tile.s[lane];
      for (int i = 0; i < dense_stages; ++i) sum += weights[i] * tile.ks_[i][lane];
      return sum;
    }
    double edge(Index r, int end) const { return (end != 0 ? tile.z : tile.y)[r * L + lane]; }
    double slope(Index r, int end) const {
      return tile.h[lane] * tile.k[end != 0 ? stages - 1 : 0][r * L + lane];
    }
  };
  Segment segment(int lane) const { return Segment(*this, lane); }

 private:
  Index size_;
  Gram gram_;
  SlopeLaw law_;
  const double* b_;
  double b_max_ = 0.0;
  double *g_, *f_, *extra_, *alpha_extra_;
  Row kt_[dense_stages], ks_[dense_stages];
  Row lambda_, weight_;
  Sums<L> sums_;

  static void swap(double*& x, double*& w) {
    double* const other = x;
    x = w;
    w = other;
  }
  static void keep(double* row, const Row& old, const bool* chosen) {
    for (int l = 0; l < L; ++l)
      if (!chosen[l]) row[l] = old[l];
  }
  static void revert(double* row, const double* old, const bool* accepted) {
    for (int l = 0; l < L; ++l)
      if (!accepted[l]) row[l] = old[l];
  }

  Row pull(Index r, const Row& m) const {  // (G g)_r / a
    if constexpr (Kind == GramKind::identity) return b_[r] * law_(m);
    if constexpr (Kind == GramKind::equiangular)
      return ((1.0 - gram_.beta) * b_[r]) * law_(m) + gram_.beta * sums_.g;
    if constexpr (general) return load<L>(f_ + r * L);
  }
  Row derivative(Index r, const Row& m) const {
    return (a * weight_) * pull(r, m) - (lambda_ * weight_) * m;
  }
  Row alpha_derivative(Index r, const Row& value) const {
    return (a * weight_) * load<L>(g_ + r * L) - (lambda_ * weight_) * value;
  }

  void add(Index r, const Row& m, Sums<L>& sums) {
    const Row g = b_[r] * law_(m);
    sums.mg += m * g;
    sums.gg += g * g;
    sums.mm += m * m;
    if constexpr (Kind == GramKind::equiangular) {
      sums.g += g;
      sums.m += m;
    }
    if constexpr (general) store<L>(g_ + r * L, g);
  }

  // From the sums over the rows at (m, s): lambda, the weight dt/ds, |w|^2, and G g.
  void settle(const double* m, const double* alpha_here, const Row& s_here) {
    const Row mg = a * sums_.mg;
    if constexpr (Kind == GramKind::identity) norm2 = sums_.mm + s_here * s_here * outside;
    if constexpr (Kind == GramKind::equiangular) {
      const double gamma = gram_.beta / (1.0 + static_cast<double>(size_ - 1) * gram_.beta);
      norm2 =
          (sums_.mm - gamma * sums_.m * sums_.m) / (1.0 - gram_.beta) + s_here * s_here * outside;
    }
    if constexpr (general) {
      gram_product<L>(gram_.matrix, size_, g_, f_);
      norm2 = Row::Ones();
      if (alpha_here != nullptr) {
        norm2 = s_here * s_here;
        for (Index r = 0; r < size_; ++r)
          norm2 +=
              load<L>(alpha_here + r * L) * (s_here * load<L>(start + r * L) + load<L>(m + r * L));
      }
    }
    if constexpr (T::adaptive) {
      lambda_ = mg / norm2 + mg.abs() * (norm2 - 1.0);
      Row size2 = a * a * sums_.gg;
      if constexpr (SlopeLaw::may_vanish) size2 += floor2();
      // m = 0 is left as well where psi'(0) != 0
      weight_ = (size2 > 0.0).select(((sums_.mm + 1e-40) / size2).sqrt(), Row::Ones());
    } else {
      lambda_ = mg;
      weight_ = Row::Ones();
    }
  }

  // Keeps rho = |g| / |m| away from zero where psi' vanishes.
  Row floor2() const {
    const Row force = (vanishing * b_max_) * a * law_.reach(sums_.mm);
    return force * force;
  }

  void reduce(const double* m, const double* alpha_here, const Row& s_here) {
    Sums<L> sums;
    sums.clear();
    for (Index r = 0; r < size_; ++r) add(r, load<L>(m + r * L), sums);
    sums_ = sums;
    settle(m, alpha_here, s_here);
  }

  // Finishes the derivative of stage I - 1 at `from` unless it is known, forms stage I in `to`.
  template <int I, bool Finish>
  void form(double* from, double* to, double* alpha_from, double* alpha_to) {
    if constexpr (Finish) kt_[I - 1] = weight_;
    const Row aw = a * weight_, lw = lambda_ * weight_;
    const Row step = h, spread = gram_.beta * sums_.g;
    Sums<L> sums;  // a local one stays in registers
    sums.clear();
    constexpr double last = T::a[I][I - 1];
    for (Index r = 0; r < size_; ++r) {
      Row sum = combine<L, (Finish ? I - 1 : I)>(T::a[I], k, r);
      if constexpr (Finish) {
        const Row m = load<L>(from + r * L);
        Row force;
        if constexpr (Kind == GramKind::identity) force = b_[r] * law_(m);
        if constexpr (Kind == GramKind::equiangular)
          force = ((1.0 - gram_.beta) * b_[r]) * law_(m) + spread;
        if constexpr (general) force = load<L>(f_ + r * L);
        const Row slope = aw * force - lw * m;
        store<L>(k[I - 1] + r * L, slope);
        sum += last * slope;
      }
      if (general && alpha != nullptr) {
        Row sum_a = combine<L, (Finish ? I - 1 : I)>(T::a[I], ka, r);
        if constexpr (Finish) {
          const Row slope = alpha_derivative(r, load<L>(alpha_from + r * L));
          store<L>(ka[I - 1] + r * L, slope);
          sum_a += last * slope;
        }
        store<L>(alpha_to + r * L, load<L>(alpha + r * L) + step * sum_a);
      }
      const Row m = load<L>(y + r * L) + step * sum;
      store<L>(to + r * L, m);
      add(r, m, sums);
    }
    sums_ = sums;
    s_new = s + h * combine<L, I>(T::a[I], ks_);
    settle(to, alpha_to, s_new);
    kt_[I] = weight_;
    ks_[I] = -lambda_ * weight_ * s_new;
  }

  template <int I>
  void stages_from() {
    form<I, (I > 1)>(z, z, alpha_new, alpha_new);
    if constexpr (I + 1 < stages) stages_from<I + 1>();
  }

  template <int I>
  void extra_from() {
    const Row keep_s = s_new, keep_norm = norm2;
    form<I, (I > stages)>(extra_, extra_, alpha_extra_, alpha_extra_);
    s_new = keep_s;
    norm2 = keep_norm;
    if constexpr (I + 1 < dense_stages)
      extra_from<I + 1>();
    else
      for (Index r = 0; r < size_; ++r) {
        store<L>(k[I] + r * L, derivative(r, load<L>(extra_ + r * L)));
        if (general && alpha != nullptr)
          store<L>(ka[I] + r * L, alpha_derivative(r, load<L>(alpha_extra_ + r * L)));
      }
  }

  // The derivative at the new point, the error, and what convergence and events look at.
  void finish(double rtol, const Row& atol) {
    Row error = Row::Zero(), error3 = Row::Zero(), largest = Row::Zero();
    Row moved = Row::Zero(), pulled = Row::Zero();
    for (Index r = 0; r < size_; ++r) {
      const Row m = load<L>(z + r * L), force = pull(r, m);
      const Row slope = (a * weight_) * force - (lambda_ * weight_) * m;
      store<L>(k[stages - 1] + r * L, slope);
      if (general && alpha != nullptr)
        store<L>(ka[stages - 1] + r * L, alpha_derivative(r, load<L>(alpha_new + r * L)));
      moved += slope * slope;
      if constexpr (general) pulled += force * force;
      const Row size = m.abs();
      largest = largest.max(size);
      if constexpr (T::adaptive) {
        const Row scale = (atol + rtol * size.max(load<L>(y + r * L).abs())).inverse();
        error = error.max((scale * combine<L, stages>(T::e, k, r)).abs());
        if constexpr (T::has_second_error)
          error3 = error3.max((scale * combine<L, stages>(T::e3, k, r)).abs());
      }
    }
    t_new = t + h * combine<L, stages - 1>(T::b, kt_);
    top = largest;
    speed2 = moved / (weight_ * weight_);
    if constexpr (Kind == GramKind::identity) pulled = sums_.gg;
    if constexpr (Kind == GramKind::equiangular) {
      const double beta = gram_.beta, n = static_cast<double>(size_);
      pulled = (1.0 - beta) * (1.0 - beta) * sums_.gg +
               beta * (2.0 * (1.0 - beta) + n * beta) * sums_.g * sums_.g;
    }
    pull2 = a * a * pulled;
    if constexpr (SlopeLaw::may_vanish) pull2 = pull2.max(floor2());
    if constexpr (T::adaptive) {
      const Row scale = (rtol * t_new).inverse();
      const Row sum = combine<L, stages>(T::e, kt_);
      error = h * error.max((scale * sum).abs());
      if constexpr (T::has_second_error) {
        const Row sum3 = combine<L, stages>(T::e3, kt_);
        error3 = h * error3.max((scale * sum3).abs());
        const Row both = (error * error + 0.01 * error3 * error3).sqrt();
        error = (both > 0.0).select(error * error / both, both);
      }
    }
    ratio = error;
  }
};

}  // namespace hermiteflow::HF_ISA
