// One step of the classical RK4 (tableau.hpp) of a tile, on MATH (4) to the letter, with dt = ds
// and a step size for each lane. Low storage: a stage needs the state, the newest stage and a sum
// of stages, and each pass over the rows ends with the sums that the next one needs.
#pragma once

#include "hermiteflow/flow.hpp"
#include "hermiteflow/tableau.hpp"

namespace hermiteflow::HF_ISA {

template <GramKind Kind, class Law, int L>
class FixedStepper {
 public:
  using Row = Lane<L>;
  static constexpr int lanes = L;
  using T = RK4;
  static constexpr bool adaptive = false, general = Kind == GramKind::general;
  static constexpr bool dense_is_free = false;
  static constexpr int error_order = T::error_order;

  Row h, t, s;                        // step, time, w = s w(0) + V^T alpha
  Row a, outside;                     // second layer; |w(0) outside span V|^2
  Row top, speed2, pull2, norm2;      // after step(): max |m|, |dm/dt|^2, |G g|^2, |w|^2
  Row t_new, s_new, ratio;            // no error estimate: ratio stays 0
  Row start_speed2;                   // |dm/dt|^2 / |G g|^2 after refresh()
  double *y, *z;                      // state at the start of the step, and its newest stage
  double *alpha, *alpha_new, *start;  // general G with a frame; else null

  // Doubles of scratch memory.
  static Index memory(Index size, bool frame) {
    return room<L, Kind>(size) * (5 + (general ? 4 : 2 * Law::stored) + (general && frame ? 6 : 0));
  }

  FixedStepper(const Flow& flow, bool frame, bool watch, bool renormalize, double* scratch)
      : size_(flow.gram.k), watch_(watch), squares_(watch || renormalize), field_(flow) {
    Rows<L, Kind> memory{scratch, size_};
    for (double** row : {&y, &z, &sum_, &slope_[0], &slope_[1]}) *row = memory.take();
    for (double** row : {&field_.g, &spare_g_})
      *row = Field<Kind, Law, L>::keeps_forces ? memory.take() : nullptr;
    for (double** row : {&field_.f, &spare_f_}) *row = general ? memory.take() : nullptr;
    for (double** row :
         {&alpha, &alpha_new, &start, &alpha_sum_, &alpha_slope_[0], &alpha_slope_[1]})
      *row = general && frame ? memory.take() : nullptr;
    h = t = s = outside = ratio = top = pull2 = t_new = s_new = start_speed2 = 0.0;
    a = norm2 = speed2 = 1.0;
    s_slope_[0] = s_slope_[1] = s_sum_ = 0.0;
    sums_.clear();
  }

  // Sums at the start of the step for the chosen lanes; the others keep theirs.
  void refresh(const bool* chosen) {
    const Field<Kind, Law, L> spare = elsewhere();
    const Sums<L> fresh = spare.reduce(y);
    if (watch_) {
      survey(spare, fresh, y);
      start_speed2 = speed2 / pull2;
    }
    for (int l = 0; l < L; ++l) {
      if (!chosen[l]) continue;
      sums_.mg[l] = fresh.mg[l];
      sums_.gg[l] = fresh.gg[l];
      sums_.mm[l] = fresh.mm[l];
      sums_.g[l] = fresh.g[l];
      sums_.m[l] = fresh.m[l];
      if constexpr (Field<Kind, Law, L>::keeps_forces)
        for (Index r = 0; r < size_; ++r) field_.g[r * L + l] = spare.g[r * L + l];
      if constexpr (general)
        for (Index r = 0; r < size_; ++r) field_.f[r * L + l] = spare.f[r * L + l];
    }
  }

  double start_pull(int lane) const { return sums_.mg[lane] * a[lane]; }  // m . g after refresh()
  const Row& health() const { return sums_.mg; }  // finite where the new state is

  void step(const Row&, const Row&) {
    const Sums<L> before_last = pass<2>(pass<1>(pass<0>(sums_)));
    sums_ = squares_ ? pass<3, true>(before_last) : pass<3>(before_last);
    if (squares_) norm2 = field_.norm2(sums_, z, s_new, outside, start, alpha_new);
    if (watch_) survey(field_, sums_, z);
  }

  // Puts the new state back on the sphere.
  void normalise() {
    const Row scale = norm2.sqrt().inverse();
    const Field<Kind, Law, L> field = field_;
    Sums<L> sums;
    sums.clear();
    for (Index r = 0; r < size_; ++r) {
      const Row m = scale * load<L>(z + r * L);
      store<L>(z + r * L, m);
      field.template add<true>(r, m, sums);
      if (general && alpha != nullptr)
        store<L>(alpha_new + r * L, scale * load<L>(alpha_new + r * L));
    }
    field.close(sums);
    sums_ = sums;
    s_new *= scale;
    top *= scale;
  }

  // Slopes at both ends of the step, for the cubic Hermite interpolant (HNW II.6).
  void extra_stages() {
    const Field<Kind, Law, L> before = elsewhere();
    const Sums<L> at_start = before.reduce(y);
    slopes(before, at_start, y, alpha, slope_[0], alpha_slope_[0]);
    slopes(field_, sums_, z, alpha_new, slope_[1], alpha_slope_[1]);
    s_slope_[0] = -1.0 * a * at_start.mg * s;
    s_slope_[1] = -1.0 * a * sums_.mg * s_new;
  }

  // Starts the next step; lanes that were not accepted have left the tile.
  void advance(const bool*, bool) {
    swap(y, z);
    if (general && alpha != nullptr) swap(alpha, alpha_new);
    t = t_new;
    s = s_new;
  }

  // Remembers the start of this step, or returns to the one remembered; G = I and equiangular.
  void keep() {
    kept_ = sums_;
    kept_s_ = s;
    kept_t_ = t;
    for (Index i = 0; i < size_ * L; ++i) slope_[0][i] = y[i];
  }
  void restore() {
    sums_ = kept_;
    s = kept_s_;
    t = kept_t_;
    for (Index i = 0; i < size_ * L; ++i) y[i] = slope_[0][i];
    if constexpr (Law::stored) field_.reduce(y);
  }

  // The last step of one lane as a function of theta in [0, 1].
  struct Segment {
    const FixedStepper& tile;
    int lane;
    double hermite(double from, double to, double slope_from, double slope_to, double x) const {
      const double w = 1.0 - x, step = tile.h[lane];
      return from + (to - from) * (x * x * (3.0 - 2.0 * x)) +
             step * x * w * (w * slope_from - x * slope_to);
    }
    double row(const double* from, const double* to, double* const* slopes, Index r,
               double theta) const {
      const Index i = r * L + lane;
      return theta >= 1.0 ? to[i] : hermite(from[i], to[i], slopes[0][i], slopes[1][i], theta);
    }
    double value(Index r, double theta) const { return row(tile.y, tile.z, tile.slope_, r, theta); }
    double alpha_value(Index r, double theta) const {
      return row(tile.alpha, tile.alpha_new, tile.alpha_slope_, r, theta);
    }
    double time(double theta) const {
      const double from = tile.t[lane], to = tile.t_new[lane];
      return theta >= 1.0 ? to : from + theta * (to - from);
    }
    double scale(double theta) const {
      return theta >= 1.0 ? tile.s_new[lane]
                          : hermite(tile.s[lane], tile.s_new[lane], tile.s_slope_[0][lane],
                                    tile.s_slope_[1][lane], theta);
    }
    double edge(Index r, int end) const { return (end != 0 ? tile.z : tile.y)[r * L + lane]; }
    double slope(Index r, int end) const {
      return tile.h[lane] * tile.slope_[end != 0 ? 1 : 0][r * L + lane];
    }
  };
  Segment segment(int lane) const { return {*this, lane}; }

 private:
  Index size_;
  bool watch_;    // are top, speed2 and pull2 wanted?
  bool squares_;  // are |g|^2 and |m|^2 at the new state?
  Field<Kind, Law, L> field_;
  Sums<L> sums_, kept_;
  Row kept_s_, kept_t_;
  double *sum_, *slope_[2], *alpha_sum_, *alpha_slope_[2], *spare_g_, *spare_f_;
  Row s_sum_, s_slope_[2];

  static void swap(double*& x, double*& w) {
    double* const other = x;
    x = w;
    w = other;
  }

  // The field with memory of its own for g and G g, where they are kept.
  Field<Kind, Law, L> elsewhere() const {
    Field<Kind, Law, L> other = field_;
    other.g = spare_g_;
    other.f = spare_f_;
    return other;
  }

  // Stage I gives the next stage, or after the last one the new state, in z. With
  // z_1 = y + h k_1 / 2, z_2 = y + h k_2 / 2 and z_3 = y + h k_3, the new state is
  // (z_1 + 2 z_2 - y + z_3 + h k_4 / 2) / 3: no slope needs to be kept. Even and odd rows have sums
  // of their own, so that no sum waits for the one before.
  template <int I, bool Squares = false>
  HF_INLINE Sums<L> pass(const Sums<L>& sums_here) {
    constexpr bool last = I == 3;
    static_assert(T::a[1][0] == 0.5 && T::a[2][1] == 0.5 && T::a[3][2] == 1.0 &&
                  T::b[0] == T::b[3] && T::b[1] == T::b[2]);
    const Field<Kind, Law, L> field = field_;
    const Row forward = h * a * (last ? 3.0 * T::b[3] : T::a[I + 1][I]),
              lambda = forward * sums_here.mg,
              own = (I == 1 || I == 2) ? -1.0 * lambda : 1.0 - lambda;
    if (general && alpha != nullptr)
      for (Index r = 0; r < size_; ++r) {
        const Row force = forward * load<L>(field.g + r * L);
        store<L>(alpha_new + r * L,
                 advance<I>(
                     alpha + r * L, (I == 0 ? alpha : alpha_new) + r * L, alpha_sum_ + r * L,
                     [&](const Row& here) HF_SURE { return madd(own, here, force); },
                     [&](const Row& base, const Row& here)
                         HF_SURE { return madd(own, here, force + base); }));
      }
    const auto direction = field.direction(sums_here, forward, own);
    double *const state = y, *const to = z, *const total = sum_;
    const Index size = size_;
    Sums<L> even, odd;  // local ones stay in registers
    even.clear();
    odd.clear();
    const auto row = [&](Index r, Sums<L>& sums) HF_SURE {
      const Row m = advance<I>(
          state + r * L, (I == 0 ? state : to) + r * L, total + r * L,
          [&](const Row& here) HF_SURE { return direction.at(r, here); },
          [&](const Row& base, const Row& here) HF_SURE { return direction.from(base, r, here); });
      store<L>(to + r * L, m);
      field.template add<Squares>(r, m, sums);
    };
    for (Index r = 0; r + 1 < size; r += 2) {
      row(r, even);
      row(r + 1, odd);
    }
    if (size % 2 != 0) row(size - 1, even);
    even += odd;
    s_new = advance<I>(
        s.data(), (I == 0 ? s : s_new).data(), s_sum_.data(),
        [&](const Row& here) HF_SURE { return own * here; },
        [&](const Row& base, const Row& here) HF_SURE { return madd(own, here, base); });
    field.close(even);
    return even;
  }

  // The next stage of one row from the start of the step and this stage: at(x) is the way forward
  // for `own` = -lambda, x and the way forward for 1 - lambda; from(b, x) is b + at(x).
  template <int I, class At, class From>
  static HF_INLINE Row advance(const double* base, const double* from_row, double* total,
                               const At& at, const From& from) {
    const Row here = load<L>(from_row);
    if constexpr (I == 0) return at(here);
    if constexpr (I == 1) {
      const Row start = load<L>(base), next = from(start, here);
      store<L>(total, madd(2.0, next, here - start));
      return next;
    }
    if constexpr (I == 2) return from(load<L>(base), here);
    if constexpr (I == 3) return (1.0 / 3.0) * from(load<L>(total), here);
  }

  // dm/dt and dalpha/dt of all rows.
  void slopes(const Field<Kind, Law, L>& field, const Sums<L>& sums, const double* m,
              const double* alpha_here, double* out, double* alpha_out) const {
    const auto direction = field.direction(sums, a, -1.0 * a * sums.mg);
    for (Index r = 0; r < size_; ++r) {
      store<L>(out + r * L, direction.at(r, load<L>(m + r * L)));
      if (general && alpha_here != nullptr)
        store<L>(alpha_out + r * L,
                 a * (load<L>(field.g + r * L) - sums.mg * load<L>(alpha_here + r * L)));
    }
  }

  // What events and convergence look at, at the state m.
  void survey(const Field<Kind, Law, L>& field, const Sums<L>& sums, const double* m) {
    const auto direction = field.direction(sums, 1.0, -1.0 * sums.mg);
    Row largest = 0.0, moved = 0.0;
    for (Index r = 0; r < size_; ++r) {
      const Row here = load<L>(m + r * L), slope = direction.at(r, here);
      moved = madd(slope, slope, moved);
      largest = largest.max(here.abs());
    }
    top = largest;
    speed2 = a * a * moved;
    pull2 = a * a * field.pulled2(sums).max(field.floor2(sums));
  }
};

}  // namespace hermiteflow::HF_ISA
