// The loop of flows whose neurons share one step size: steps, events, results. The evaluator knows
// field, loss and states; this knows tableaux, the controller and events.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "hermiteflow/controller.hpp"
#include "hermiteflow/event.hpp"
#include "hermiteflow/parallel.hpp"
#include "hermiteflow/squared_ratio.hpp"
#include "hermiteflow/squared_segment.hpp"
#include "hermiteflow/tableau.hpp"

namespace hermiteflow {

template <class T, class Evaluator>
class CoupledRun {
 public:
  CoupledRun(Evaluator& evaluator, const SquaredOptions& options, SquaredResult& result,
             Watch& watch)
      : e_(evaluator), o_(options), out_(result), watch_(watch), n_(e_.field.n), k_(e_.field.k),
        reached_(static_cast<std::size_t>(n_), 0), speed2_(static_cast<std::size_t>(2 * n_)),
        forces_(n_), controller_{T::adaptive ? 1.0 / (T::error_order + 1.0) : 1.0} {
    y_ = e_.state();
    z_ = e_.state();
    point_ = e_.state();
    for (Scratch& rate : k_of_) rate = e_.state();
    for (int i = 0; i < T::dense_stages; ++i) k_at_[i] = k_of_[i].get();
  }

  void run(const SquaredState& start) {
    e_.layout.pack(start, y_.get());
    out_.status = loop();
    e_.layout.unpack(y_.get(), out_.end);
    e_.rates(y_.get(), z_.get(), speed2_.data());
    out_.loss = e_.loss(y_.get());
    for (Index i = 0; i < n_; ++i) out_.gradient_norms[i] = std::sqrt(at(speed2_, i));
    out_.evaluations = e_.evaluations;
  }

 private:
  Evaluator& e_;
  const SquaredOptions& o_;
  SquaredResult& out_;
  Watch& watch_;
  Index n_, k_;
  std::vector<Index> reached_;  // how many levels each neuron has met
  std::vector<double> speed2_;
  SquaredForces forces_;
  squared::Controller controller_;
  Scratch y_, z_, point_, k_of_[T::dense_stages];
  double* k_at_[T::dense_stages];
  Index saved_ = 0, fallen_ = 0, done_ = 0;  // saves, losses, neurons at the last level
  double h_ = 0.0, loss_before_ = 0.0, loss_ = 0.0, speed_before_ = 0.0, speed_ = 0.0;
  bool dense_ready_ = false, converged_ = false;

  template <class Vector>
  static auto& at(Vector& of, Index i) {
    return of[static_cast<std::size_t>(i)];
  }
  bool watches_speed() const { return o_.tol > 0.0 && !converged_; }
  bool watches_loss() const { return fallen_ < o_.losses.count; }
  bool watches_levels() const { return o_.levels.count > 0 && done_ < n_; }
  bool watches() const { return watches_speed() || watches_loss() || watches_levels(); }
  // the largest |grad_i|^2 / |F_i|^2, F_i the force before it is projected
  double fastest2() const {
    double most = 0.0;
    for (Index i = 0; i < n_; ++i) {
      const double moved = at(speed2_, i), share = moved / at(speed2_, n_ + i);
      if (moved != 0.0) most = share <= most ? most : share;  // a NaN stays
    }
    return most;
  }

  void feel() { forces_.follow(speed2_.data() + n_); }

  // ---- a step ------------------------------------------------------------------------------
  bool stage(const double* weights, int count, double* to) {
    double scaled[T::dense_stages];
    const double* rates[T::dense_stages];
    Index used = 0;
    for (int j = 0; j < count; ++j)
      if (weights[j] != 0.0) {
        scaled[used] = h_ * weights[j];
        rates[used++] = k_at_[j];
      }
    e_.advance(used, scaled, rates, y_.get(), to);
    return !watch_.stopped();
  }

  bool attempt() {
    for (int i = 1; i < T::stages; ++i) {
      if (!stage(T::a[i], i, z_.get())) return false;
      const bool last = i + 1 == T::stages;
      if (last && on_sphere()) e_.normalise(z_.get());
      if (!e_.rates(z_.get(), k_at_[i], last ? speed2_.data() : nullptr)) return false;
    }
    return true;
  }
  bool on_sphere() const {
    return e_.field.form == SquaredForm::coordinates && !e_.free() &&
           (T::adaptive || o_.renormalize);
  }

  // The state within the last step.
  const double* dense(double theta) {
    if (theta <= 0.0) return y_.get();
    if (theta >= 1.0) return z_.get();
    if (!dense_ready_) {
      for (int i = T::stages; i < T::dense_stages; ++i) {
        stage(T::a[i], i, point_.get());
        e_.rates(point_.get(), k_at_[i], nullptr);
      }
      dense_ready_ = true;
    }
    double weights[T::dense_stages];
    aim<T>(theta, weights);
    stage(weights, T::dense_stages, point_.get());
    if (on_sphere()) e_.normalise(point_.get());
    return point_.get();
  }

  // ---- the loop ----------------------------------------------------------------------------
  Status loop() {
    double& t = out_.t;
    double previous = 1.0;
    bool first = true, fresh = true;  // is the rate at the start of the step there?
    if (!e_.rates(y_.get(), k_at_[0], speed2_.data())) return Status::interrupted;
    speed_before_ = fastest2();
    feel();
    if (!(speed_before_ - speed_before_ == 0.0)) return Status::non_finite;
    if (watches_loss()) loss_before_ = e_.loss(y_.get());
    if (greet()) return converged_ && o_.tol_terminal ? Status::converged : Status::event;
    double wanted = T::adaptive ? first_step() : o_.times.step;
    while (t < o_.times.t_end) {
      if (watch_.look(out_.steps)) return Status::interrupted;
      const Index left = o_.max_steps - out_.steps - out_.rejected;
      if (left <= 0) return Status::max_steps;
      if constexpr (!T::adaptive && Evaluator::has_rk4) {
        if (const Index count = free_steps(left); count > 0) {
          e_.rk4(y_.get(), o_.times.step, count, on_sphere());
          out_.steps += count;
          t = static_cast<double>(out_.steps) * o_.times.step;
          fresh = false;
          continue;
        }
      }
      if (!fresh && !e_.rates(y_.get(), k_at_[0], nullptr)) return Status::interrupted;
      fresh = true;
      const double slack = T::adaptive ? 1e-12 : 1e-9;
      const bool last = o_.times.t_end - t < wanted * (1.0 + slack);
      h_ = last ? o_.times.t_end - t : wanted;
      dense_ready_ = false;
      if (!attempt()) return Status::interrupted;
      const double error = error_ratio<T>(e_, o_.times, h_, k_at_, y_.get(), z_.get(), forces_);
      const bool finite = error - error == 0.0;
      if constexpr (!T::adaptive) {
        if (!finite) return Status::non_finite;
      } else {
        if (!finite || error > 1.0) {
          ++out_.rejected;
          wanted = h_ * (finite ? controller_.factor(error, previous, false) : 0.1);
          if (!(t + 1e-3 * wanted > t)) return finite ? Status::step_too_small : Status::non_finite;
          continue;
        }
        double factor = controller_.factor(error, previous, true);
        if (!first && factor > 1.0 && factor < 1.1) factor = 1.0;
        if (!last || factor < 1.0) wanted = h_ * factor;
        first = false;
        previous = error;
      }
      ++out_.steps;
      double t_new = t + h_;
      if (last)
        t_new = o_.times.t_end;
      else if (!T::adaptive)
        t_new = static_cast<double>(out_.steps) * o_.times.step;
      if (const double theta = meet(t, t_new); theta <= 1.0) {
        const double* const end = dense(theta);
        if (end != y_.get()) std::copy_n(end, e_.layout.size(), y_.get());
        t = theta >= 1.0 ? t_new : t + theta * (t_new - t);
        return converged_ && o_.tol_terminal ? Status::converged : Status::event;
      }
      if (watch_.stopped()) return Status::interrupted;
      t = t_new;
      std::swap(y_, z_);
      std::swap(k_at_[0], k_at_[T::stages - 1]);
      loss_before_ = loss_;
      speed_before_ = speed_;
      feel();
    }
    return Status::t_end;
  }

  // Fixed steps in which nothing is to be seen.
  Index free_steps(Index left) const {
    if (!e_.field.small || e_.free() || e_.layout.trained() || watches()) return 0;
    double until = o_.times.t_end;
    if (saved_ < o_.saves.count) until = std::min(until, o_.saves[saved_]);
    const Index work = n_ * (n_ + k_) * (n_ + k_), most = std::max<Index>(1, (1 << 26) / work);
    const double steps = (until - out_.t) / o_.times.step - 2.0;
    return std::min(
        {left, most, steps < 1.0 ? Index{0} : static_cast<Index>(std::min(steps, 1e9))});
  }

  double first_step() const { return controller_.first_step(o_.times.rtol) * unit(); }
  // The time in which the state moves by about its own size, or leaves the origin.
  double unit() const {
    double size = 0.0, pace = 0.0;
    for (Index i = 0; i < e_.layout.size(); ++i) {
      size = std::max(size, std::fabs(y_[static_cast<std::size_t>(i)]));
      pace = std::max(pace, std::fabs(k_at_[0][i]));
    }
    return pace > 0.0 ? (size > 0.0 ? size : 1.0) / pace : 1.0;
  }

  // ---- events ------------------------------------------------------------------------------
  // What already holds at t = 0. True: the run ends there.
  bool greet() {
    std::copy_n(y_.get(), e_.layout.size(), z_.get());
    std::vector<double> m(static_cast<std::size_t>(k_));
    for (Index i = 0; i < n_ && o_.levels.count > 0; ++i) {
      const double top = largest(i, z_.get(), m.data());
      while (pending(i) && o_.levels[at(reached_, i)] <= top) note_hit(i, 0.0);
    }
    while (watches_loss() && loss_before_ <= o_.losses[fallen_]) out_.loss_times[fallen_++] = 0.0;
    if (watches_speed() && speed_before_ <= o_.tol * o_.tol) {
      converged_ = true;
      out_.converged_time = 0.0;
    }
    while (saved_ < o_.saves.count && o_.saves[saved_] <= 0.0) save(y_.get());
    return finished();
  }
  bool finished() const {
    return (o_.levels.count > 0 && o_.levels_terminal && done_ == n_) ||
           (o_.losses.count > 0 && o_.losses_terminal && fallen_ == o_.losses.count) ||
           (converged_ && o_.tol_terminal);
  }

  // Events of the step from t to t_new. At most 1: the run ends there.
  double meet(double t, double t_new) {
    const auto time = [&](double theta) { return theta >= 1.0 ? t_new : t + theta * (t_new - t); };
    double stop = 2.0, still = 2.0;
    speed_ = fastest2();
    if (watches_speed() && speed_ <= o_.tol * o_.tol) {
      still = first_still();
      if (o_.tol_terminal) stop = still;
    }
    std::vector<double> falls;
    if (watches_loss()) {
      loss_ = e_.loss(z_.get());
      for (Index j = fallen_; j < o_.losses.count && loss_ <= o_.losses[j]; ++j)
        falls.push_back(fall(o_.losses[j]));
      if (o_.losses_terminal && !falls.empty() &&
          fallen_ + static_cast<Index>(falls.size()) == o_.losses.count)
        stop = std::min(stop, falls.back());
    }
    if (watches_levels()) stop = std::min(stop, climb(stop, time));
    if (still <= 1.0 && still <= stop) {
      converged_ = true;
      out_.converged_time = time(still);
    }
    for (const double theta : falls)
      if (theta <= stop) out_.loss_times[fallen_++] = time(theta);
    while (saved_ < o_.saves.count && o_.saves[saved_] <= time(std::min(stop, 1.0))) {
      const double when = o_.saves[saved_];
      save(dense(when >= t_new ? 1.0 : (when - t) / (t_new - t)));
    }
    return stop;
  }

  double fall(double level) {
    const auto below = [&](double theta) { return level - e_.loss(dense(theta)); };
    return squared::locate(below, 0.0, 1.0, level - loss_before_, level - loss_);
  }

  double first_still() {
    std::vector<double> kept = speed2_;
    Scratch rate = e_.state();
    const double theta = squared::first_calm(
        [&](double x) {
          e_.rates(dense(x), rate.get(), speed2_.data());
          return std::sqrt(fastest2());
        },
        o_.tol, speed_before_, speed_);
    speed2_ = kept;
    return theta;
  }

  // ---- levels of overlaps ------------------------------------------------------------------
  bool pending(Index i) const { return at(reached_, i) < o_.levels.count; }
  double largest(Index i, const double* state, double* m) const {
    e_.layout.overlaps(state + i * e_.field.width, m);
    double top = 0.0;
    for (Index j = 0; j < k_; ++j) top = std::max(top, std::fabs(m[j]));
    return top;
  }
  void note_hit(Index i, double t) {
    out_.hits[i * o_.levels.count + at(reached_, i)] = t;
    if (++at(reached_, i) == o_.levels.count) ++done_;
  }

  // Notes the levels met up to `stop`; returns where the last neuron meets the last level.
  template <class Time>
  double climb(double stop, const Time& time) {
    struct Hit {
      Index neuron;
      double theta;
    };
    std::vector<Hit> hits;
    std::vector<double> start(static_cast<std::size_t>(k_)), end(start), rates;
    double latest = 0.0;
    Index complete = done_;
    for (Index i = 0; i < n_; ++i) {
      if (!pending(i)) continue;
      const double top = largest(i, z_.get(), end.data());
      Index next = at(reached_, i);
      if (1.5 * top < o_.levels[next]) continue;
      dense(0.5);  // makes the extra stages
      largest(i, y_.get(), start.data());
      rates.resize(static_cast<std::size_t>(T::dense_stages * k_));
      for (int s = 0; s < T::dense_stages; ++s)
        e_.layout.overlaps(k_at_[s] + i * e_.field.width, rates.data() + s * k_);
      const Segment<T> segment{k_, start.data(), end.data(), rates.data(), h_};
      for (; next < o_.levels.count; ++next) {
        const double theta = squared::first_hit(segment, k_, o_.levels[next]);
        if (theta > 1.0) break;
        hits.push_back({i, theta});
        if (next + 1 == o_.levels.count) {
          ++complete;
          latest = std::max(latest, theta);
        }
      }
    }
    if (o_.levels_terminal && complete == n_) stop = std::min(stop, latest);
    for (const Hit& hit : hits)
      if (hit.theta <= stop) note_hit(hit.neuron, time(hit.theta));
    return stop;
  }

  void save(const double* state) {
    const Index i = saved_++;
    e_.keep(state, out_.path, i);
    out_.path_loss[i] = e_.loss(state);
  }
};

template <class Evaluator>
void run_method(Evaluator& evaluator, const SquaredOptions& options, const SquaredState& start,
                SquaredResult& result, Watch& watch) {
  const auto run = [&]<class T>() {
    CoupledRun<T, Evaluator>(evaluator, options, result, watch).run(start);
  };
  switch (options.method) {
  case Method::rk4:
    return run.template operator()<RK4>();
  case Method::dopri5:
    return run.template operator()<DormandPrince5>();
  case Method::dop853:
    return run.template operator()<DormandPrince853>();
  default:
    return run.template operator()<Tsitouras5>();
  }
}

}  // namespace hermiteflow
