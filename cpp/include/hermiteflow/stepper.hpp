// One adaptive Runge-Kutta step of a tile: L neurons side by side, each with a step size of its
// own; the error estimate and the dense output. It never picks a step size.
//
// It integrates in the time s with dt = ds / rho, rho = |g| / |m|: the near blow-up of the search
// phase becomes exponential growth, and t one more coordinate. On the sphere the field equals
// MATH (4); off it, it draws |w| back to 1 whatever the sign of m . g.
#pragma once

#include "hermiteflow/flow.hpp"
#include "hermiteflow/tableau.hpp"

namespace hermiteflow::HF_ISA {

template <class T, GramKind Kind, class Law, int L>
class Stepper {
 public:
  static constexpr bool adaptive = true, general = Kind == GramKind::general;
  static constexpr int stages = T::stages, dense_stages = T::dense_stages;
  static constexpr int error_order = T::error_order;
  static constexpr bool dense_is_free = dense_stages == stages;
  using Row = Lane<L>;
  static constexpr int lanes = L;

  Row h, t, s;     // step, time, w = s w(0) + V^T alpha
  Row a, outside;  // second layer; |w(0) outside span V|^2
  Row ratio, top, speed2, pull2,
      norm2;                       // after step(): error, max |m|, |dm/ds|^2, |G g / rho|^2, |w|^2
  Row vanishing_share = 1.0;       // `vanishing` where psi' nearly vanishes, else 1
  Row t_new, s_new, start_speed2;  // |dm/dt|^2 / |G g|^2 after refresh()
  double *y, *z;                   // state at the start of the step, and at its newest stage
  double* k[dense_stages];         // derivatives in s
  double *alpha, *alpha_new, *ka[dense_stages], *start;  // general G with a frame; else null

  // Doubles of scratch memory.
  static Index memory(Index size, bool frame) {
    return room<L, Kind>(size) *
           (2 + dense_stages + (dense_is_free ? 0 : 1) + (general ? 2 : Law::stored) +
            (general && frame ? 4 + dense_stages : 0));
  }

  Stepper(const Flow& flow, bool frame, bool, bool, double* scratch)
      : size_(flow.gram.k), field_(flow) {
    Rows<L, Kind> memory{scratch, size_};
    y = memory.take();
    z = memory.take();
    for (auto& rows_here : k) rows_here = memory.take();
    extra_ = dense_is_free ? nullptr : memory.take();
    field_.g = Field<Kind, Law, L>::keeps_forces ? memory.take() : nullptr;
    field_.f = general ? memory.take() : nullptr;
    const bool with_alpha = general && frame;
    for (double** row : {&alpha, &alpha_new, &start, &alpha_extra_})
      *row = with_alpha ? memory.take() : nullptr;
    for (auto& rows_here : ka) rows_here = with_alpha ? memory.take() : nullptr;
    h = t = s = outside = ratio = top = speed2 = pull2 = t_new = s_new = start_speed2 = 0.0;
    a = norm2 = 1.0;
    for (int i = 0; i < dense_stages; ++i) kt_[i] = ks_[i] = 0.0;
    own_ = weight_ = scaled2_ = inverse_a_ = 0.0;
    sums_.clear();
  }

  // Derivative at the start of the step for the chosen lanes; the others keep theirs.
  void refresh(const bool* chosen) {
    inverse_a_ = a.abs().max(1e-290).inverse();
    sums_ = field_.reduce(y);
    settle(y, alpha, s);
    const auto direction = field_.direction(sums_, a * weight_, own_ * weight_);
    Row moved = 0.0;
    for (Index r = 0; r < size_; ++r) {
      const Row slope = direction.at(r, load<L>(y + r * L));
      moved = madd(slope, slope, moved);
      keep(k[0] + r * L, slope, chosen);
      if (general && alpha != nullptr)
        keep(ka[0] + r * L, alpha_derivative(r, load<L>(alpha + r * L)), chosen);
    }
    start_speed2 = moved / pull_squared();
    for (int l = 0; l < L; ++l)
      if (chosen[l]) {
        kt_[0][l] = weight_[l];
        ks_[0][l] = own_[l] * weight_[l] * s[l];
      }
  }

  double start_pull(int lane) const { return sums_.mg[lane] * a[lane]; }  // m . g after refresh()
  const Row& health() const { return speed2; }  // finite where the new state is

  // The new state in z, t_new, s_new; the derivative there in k[stages - 1].
  void step(const Row& rtol, const Row& atol) {
    stages_from<1>();
    finish(rtol, atol);
  }

  void normalise() {}

  // Stages that only the dense output needs.
  void extra_stages() {
    if constexpr (!dense_is_free) {
      const Row keep_s = s_new, keep_norm = norm2;
      extra_from<stages>();
      s_new = keep_s;
      norm2 = keep_norm;
    }
  }

  // Start the next step where the lane was accepted.
  void advance(const bool* accepted, bool all) {
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
    if (all) {
      t = t_new;
      s = s_new;
      kt_[0] = kt_[stages - 1];
      ks_[0] = ks_[stages - 1];
      return;
    }
    for (int l = 0; l < L; ++l) {
      const bool yes = accepted[l];
      t[l] = yes ? t_new[l] : t[l];
      s[l] = yes ? s_new[l] : s[l];
      kt_[0][l] = yes ? kt_[stages - 1][l] : kt_[0][l];
      ks_[0][l] = yes ? ks_[stages - 1][l] : ks_[0][l];
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
  Field<Kind, Law, L> field_;
  double *extra_, *alpha_extra_;
  Row kt_[dense_stages], ks_[dense_stages];
  Row own_, weight_, scaled2_, inverse_a_;  // own = -lambda, scaled2 = (a weight)^2,
  // inverse_a = 1 / |a|
  Sums<L> sums_;

  static void swap(double*& x, double*& w) {
    double* const other = x;
    x = w;
    w = other;
  }
  static void keep(double* row, const Row& fresh, const bool* chosen) {
    for (int l = 0; l < L; ++l)
      if (chosen[l]) row[l] = fresh[l];
  }
  static void revert(double* row, const double* old, const bool* accepted) {
    for (int l = 0; l < L; ++l) row[l] = accepted[l] ? row[l] : old[l];
  }

  Row pull_squared() {  // |G g / rho|^2
    const Row pulled = field_.pulled2(sums_);
    if constexpr (!Law::may_vanish) return pulled * scaled2_;
    const Row floor = field_.floor2(sums_);
    vanishing_share = where_less(pulled, 1e4 * floor, vanishing, 1.0);
    return pulled.max(floor) * scaled2_;
  }
  Row alpha_derivative(Index r, const Row& value) const {
    return weight_ * madd(a, load<L>(field_.g + r * L), own_ * value);
  }

  // From the sums over the rows at (m, s): |w|^2, lambda, and the weight dt/ds = 1 / rho.
  void settle(const double* m, const double* alpha_here, const Row& s_here) {
    const Row mg = a * sums_.mg;
    norm2 = field_.norm2(sums_, m, s_here, outside, start, alpha_here);
    own_ = madd(mg, norm2 - 2.0, mg.abs() * (1.0 - norm2));
    Row size2 = sums_.gg;
    if constexpr (Law::may_vanish) size2 += field_.floor2(sums_);
    // m = 0 is left as well where psi'(0) != 0, and time goes on where g = 0
    const Row scaled = ((sums_.mm + field_.least_square) / size2.max(1e-290)).sqrt();
    scaled2_ = scaled * scaled;
    weight_ = scaled * inverse_a_;
  }

  // Finishes the derivative of stage I - 1 at `from` unless it is known, forms stage I in `to`.
  template <int I, bool Finish>
  void form(const double* from, double* to, const double* alpha_from, double* alpha_to) {
    if constexpr (Finish) kt_[I - 1] = weight_;
    const Field<Kind, Law, L> field = field_;
    const auto direction = field.direction(sums_, a * weight_, own_ * weight_);
    const Row step = h;
    double* known[I];
    for (int j = 0; j < I; ++j) known[j] = k[j];
    const double* const base = y;
    Sums<L> sums;  // a local one stays in registers
    sums.clear();
    constexpr double last = T::a[I][I - 1];
    for (Index r = 0; r < size_; ++r) {
      Row sum = combine<L, (Finish ? I - 1 : I)>(T::a[I], known, r);
      if constexpr (Finish) {
        const Row slope = direction.at(r, load<L>(from + r * L));
        store<L>(known[I - 1] + r * L, slope);
        sum = madd(last, slope, sum);
      }
      if (general && alpha != nullptr) {
        Row sum_a = combine<L, (Finish ? I - 1 : I)>(T::a[I], ka, r);
        if constexpr (Finish) {
          const Row slope = alpha_derivative(r, load<L>(alpha_from + r * L));
          store<L>(ka[I - 1] + r * L, slope);
          sum_a = madd(last, slope, sum_a);
        }
        store<L>(alpha_to + r * L, madd(step, sum_a, load<L>(alpha + r * L)));
      }
      const Row m = madd(step, sum, load<L>(base + r * L));
      store<L>(to + r * L, m);
      field.template add<true>(r, m, sums);
    }
    s_new = madd(h, combine<L, I>(T::a[I], ks_), s);
    field.close(sums);
    sums_ = sums;
    settle(to, alpha_to, s_new);
    kt_[I] = weight_;
    ks_[I] = own_ * weight_ * s_new;
  }

  template <int I>
  void stages_from() {
    form<I, (I > 1)>(z, z, alpha_new, alpha_new);
    if constexpr (I + 1 < stages) stages_from<I + 1>();
  }

  template <int I>
  void extra_from() {
    form<I, (I > stages)>(extra_, extra_, alpha_extra_, alpha_extra_);
    if constexpr (I + 1 < dense_stages) {
      extra_from<I + 1>();
    } else {
      const auto direction = field_.direction(sums_, a * weight_, own_ * weight_);
      for (Index r = 0; r < size_; ++r) {
        store<L>(k[I] + r * L, direction.at(r, load<L>(extra_ + r * L)));
        if (general && alpha != nullptr)
          store<L>(ka[I] + r * L, alpha_derivative(r, load<L>(alpha_extra_ + r * L)));
      }
    }
  }

  // The derivative at the new point, the error, and what convergence and events look at.
  void finish(const Row& rtol, const Row& atol) {
    Row worst = 0.0, worst3 = worst, largest = worst, moved = worst;
    const Field<Kind, Law, L> field = field_;
    const auto direction = field.direction(sums_, a * weight_, own_ * weight_);
    double* known[stages];
    for (int j = 0; j < stages; ++j) known[j] = k[j];
    const double *const from = y, *const to = z;
    const Row floor = atol, part = rtol;
    for (Index r = 0; r < size_; ++r) {
      const Row m = load<L>(to + r * L), slope = direction.at(r, m);
      store<L>(known[stages - 1] + r * L, slope);
      if (general && alpha != nullptr)
        store<L>(ka[stages - 1] + r * L, alpha_derivative(r, load<L>(alpha_new + r * L)));
      moved = madd(slope, slope, moved);
      const Row size = m.abs();
      largest = largest.max(size);
      const Row scale = rough_inverse<L>(madd(part, size.max(load<L>(from + r * L).abs()), floor));
      const auto estimate = [&](const double (&e)[stages]) HF_SURE {
        return (scale * madd(e[stages - 1], slope, combine<L, stages - 1>(e, known, r))).abs();
      };
      worst = worst.max(estimate(T::e));
      if constexpr (T::has_second_error) worst3 = worst3.max(estimate(T::e3));
    }
    t_new = madd(h, combine<L, stages - 1>(T::b, kt_), t);
    top = largest;
    speed2 = moved;
    pull2 = pull_squared();
    const Row scale = (rtol * t_new).inverse();
    ratio = h * worst.max((scale * combine<L, stages>(T::e, kt_)).abs());
    if constexpr (T::has_second_error) {
      const Row third = h * worst3.max((scale * combine<L, stages>(T::e3, kt_)).abs());
      const Row both = (ratio * ratio + 0.01 * third * third).sqrt();
      ratio = ratio * ratio / both.max(1e-300);
    }
    ratio *= T::share;
  }
};

}  // namespace hermiteflow::HF_ISA
