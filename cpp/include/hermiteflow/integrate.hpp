// The one loop: lanes take neurons from a queue, step, are judged by the controller, meet their
// events, and write their results. Each lane depends on its own neuron alone, so the results are
// the same bits for any number of threads and any company in the tile.
#pragma once

#include "hermiteflow/event.hpp"
#include "hermiteflow/frame.hpp"
#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/pace.hpp"
#include "hermiteflow/tickets.hpp"

namespace hermiteflow::HF_ISA {

template <class Tile, int L>
class Integrator {
 public:
  Integrator(const Problem& problem, const Result& result, const Control& control, double* scratch)
      : p_(problem), out_(result), control_(control),
        tile_(problem.flow, problem.frame, watches(problem), problem.renormalize, scratch),
        pace_(problem), size_(problem.flow.gram.k), tickets_{control.ticket, problem.n} {
    for (int l = 0; l < L; ++l) neuron_[l] = -1;
    live_ = still_at_ = 0.0;
    before_ = 1.0;
    next_time_ = next_level_ = next_check_ = never;
    unbounded_ = !(p_.t_end < never);
    strength_ = strongest_force(p_.flow);
    for (Index j = 0; j < p_.n_levels; ++j) waits_ = waits_ || p_.level_terminal[j];
  }

  void run(bool may_poll) {
    for (Index round = 0;; ++round) {
      if (idle_ > 0 && !tickets_.empty) refill();
      if (idle_ == L) return;
      if (may_poll && round % 64 == 0 &&
          !control_.poll(control_.poll_context, __atomic_load_n(control_.done, __ATOMIC_RELAXED)))
        __atomic_store_n(control_.stop, 1, __ATOMIC_RELAXED);
      if (__atomic_load_n(control_.stop, __ATOMIC_RELAXED) != 0) return abandon();
      if constexpr (!Tile::adaptive) glide();
      attempt();
    }
  }

  static bool watches(const Problem& p) { return p.n_levels > 0 || p.watch_convergence; }

 private:
  using Row = Lane<L>;
  static constexpr Index max_gather = 4096;
  static constexpr double strongest = 1e100;  // forces whose squares and products stay finite
  static constexpr double most_glide = 64.0, never = 1e308, least_step = Pace<Tile, L>::least_step;
  const Problem& p_;
  const Result& out_;
  const Control& control_;
  Tile tile_;
  Pace<Tile, L> pace_;
  Index size_;
  bool unbounded_, waits_ = false;  // no t_end; is a level terminal?
  double strength_;
  Row before_;  // |dm/dt|^2 / |G g|^2 at the start of the step
  // When a lane is to be looked at: time, level, count of steps, and |dm/dt|^2 / |G g|^2.
  Row live_, next_time_, next_level_, next_check_, still_at_;
  Index neuron_[L], level_[L], save_[L];
  double start_scale_[L];
  double point_[max_gather], point_theta_ = -1.0;  // the newest of gather()
  int point_lane_ = -1;
  bool fresh_[L], converged_[L], busy_[L];
  int idle_ = L;
  Tickets tickets_;

  // ---- a neuron enters a lane -------------------------------------------------------------
  void refill() {
    point_lane_ = -1;
    for (;;) {
      bool loaded = false;
      for (int l = 0; l < L; ++l) {
        fresh_[l] = false;
        if (neuron_[l] >= 0 || tickets_.empty) continue;
        const Index i = tickets_.take();
        if (i < 0) continue;
        enter(l, i);
        loaded = fresh_[l] = true;
      }
      if (!loaded) return;
      tile_.refresh(fresh_);
      for (int l = 0; l < L; ++l)
        if (fresh_[l]) greet(l);
    }
  }

  void enter(int l, Index i) {
    neuron_[l] = i;
    --idle_;
    level_[l] = save_[l] = 0;
    live_[l] = 1.0;
    pace_.enter(l, i);
    converged_[l] = false;
    tile_.t[l] = 0.0;
    // within span(V) the coefficient of w(0) is not needed, and would blow up where m . g < 0
    start_scale_[l] = p_.outside[i] == 0.0 && tile_.alpha == nullptr ? 0.0 : 1.0;
    tile_.s[l] = start_scale_[l];
    tile_.h[l] = pace_.wanted[l];
    tile_.a[l] = p_.flow.second_layer != nullptr ? p_.flow.second_layer[i] : 1.0;
    tile_.outside[l] = p_.outside[i];
    const double* m = p_.overlaps + i * size_;
    for (Index r = 0; r < size_; ++r) tile_.y[r * L + l] = m[r];
    if (tile_.alpha != nullptr)
      for (Index r = 0; r < size_; ++r) {
        tile_.start[r * L + l] = m[r];
        tile_.alpha[r * L + l] = 0.0;
      }
  }

  // What already holds at t = 0.
  void greet(int l) {
    const Index i = neuron_[l];
    const double* m = p_.overlaps + i * size_;
    double top = 0.0;
    for (Index r = 0; r < size_; ++r) {
      tile_.z[r * L + l] = m[r];
      if (tile_.alpha != nullptr) tile_.alpha_new[r * L + l] = 0.0;
      if (magnitude(m[r]) > top) top = magnitude(m[r]);
    }
    tile_.t_new[l] = 0.0;
    tile_.s_new[l] = start_scale_[l];
    while (save_[l] < p_.n_save && p_.save_at[save_[l]] <= 0.0) save(l, 1.0);
    while (level_[l] < p_.n_levels && p_.levels[level_[l]] <= top) {
      out_.hits[i * p_.n_levels + level_[l]] = 0.0;
      if (p_.level_terminal[level_[l]++]) return leave(l, Status::event, 1.0);
    }
    if (p_.t_end <= 0.0) return leave(l, Status::t_end, 1.0);
    if (!(tile_.start_pull(l) - tile_.start_pull(l) == 0.0) ||
        !(magnitude(tile_.a[l]) * strength_ < strongest))
      return leave(l, Status::non_finite, 1.0);
    const double tol2 = p_.convergence_tol * p_.convergence_tol;
    if (p_.watch_convergence && tile_.start_speed2[l] <= tol2 && settled(l, m) &&
        finish_converged(l, 1.0, 0.0))
      return;
    if (trapped(l, m, p_.outside[i])) return leave(l, Status::no_escape, 1.0);
    next_check_[l] = 8.0;
    before_[l] = tile_.start_speed2[l];
    set_watch(l);
  }

  // Until when nothing can happen to a lane.
  void set_watch(int l) {
    const double saved = save_[l] < p_.n_save ? p_.save_at[save_[l]] : never;
    next_time_[l] = saved < p_.t_end ? saved : p_.t_end;
    next_level_[l] = level_pending(l) ? p_.levels[level_[l]] / 1.5 : never;
    const bool watch = p_.watch_convergence && !converged_[l];
    still_at_[l] = watch ? p_.convergence_tol * p_.convergence_tol : -1.0;
  }

  // ---- one attempt for all lanes -----------------------------------------------------------
  void attempt() {
    Row on_grid = 0.0;
    if constexpr (Tile::adaptive) {
      tile_.h = live_ * pace_.wanted;
    } else {  // the last step is shortened
      const Row left = p_.t_end - tile_.t;
      on_grid = where_less(left, p_.step * (1.0 + 1e-9), 0.0, 1.0);
      tile_.h = live_ * where_less(0.0, on_grid, p_.step, left);
    }
    tile_.step(pace_.rtol, pace_.atol);
    pace_.judge(tile_);
    if constexpr (!Tile::adaptive) {
      if (p_.renormalize) tile_.normalise();
      tile_.t_new =
          where_less(0.0, on_grid, pace_.steps * p_.step, p_.t_end);  // no drift of the grid
    }
    if (look()) {
      bool dense = false;
      for (int l = 0; l < L; ++l)
        dense = dense || (busy_[l] && pace_.accepted[l] && needs_dense(l));
      if (dense) tile_.extra_stages();
      point_lane_ = -1;
      for (int l = 0; l < L; ++l)
        if (busy_[l]) attend(l);
    }
    tile_.advance(pace_.accepted, pace_.all_accepted);
    if (p_.watch_convergence) {
      const Row now = tile_.speed2 / tile_.pull2;
      if (pace_.all_accepted) {
        before_ = now;
      } else {
        for (int l = 0; l < L; ++l) before_[l] = pace_.accepted[l] ? now[l] : before_[l];
      }
    }
  }

  // Fixed steps in which nothing can happen, without a look between. If one breaks, none was taken.
  void glide() {
    if (watches(p_) || p_.renormalize || Tile::general) return;
    Row room = (next_time_ - tile_.t) * (1.0 / p_.step);
    room = where_less(0.0, live_, room.min(pace_.left()) - 2.0, most_glide);
    const Index most = 1 + Index{4096} / size_, count = static_cast<Index>(room.least());
    const Index steps = count < most ? count : most;
    if (steps < 1) return;
    tile_.keep();
    tile_.h = live_ * p_.step;
    for (Index i = 0; i < steps; ++i) {
      tile_.step(pace_.rtol, pace_.atol);
      tile_.advance(pace_.accepted, true);
    }
    if (!(Pace<Tile, L>::sound(tile_).sum() == 0.0)) return tile_.restore();
    pace_.steps += static_cast<double>(steps);
    tile_.t = pace_.steps * p_.step;
  }

  bool is_finite(int l) const {
    return tile_.health()[l] - tile_.health()[l] == 0.0 && tile_.t_new[l] - tile_.t_new[l] == 0.0;
  }

  // Marks the lanes to which something may have happened.
  bool look() {
    const Row left = pace_.left();
    Row slack = (next_time_ - tile_.t_new).min(next_level_ - tile_.top);
    slack = slack.min(next_check_ - pace_.steps).min(left);
    slack = slack.min(tile_.speed2 - still_at_ * tile_.pull2);
    if constexpr (Tile::adaptive) slack = slack.min(pace_.wanted - least_step);
    const double broken = Pace<Tile, L>::sound(tile_).sum();  // NaN if any is
    if (slack.least() + broken > 0.0) return false;
    bool any = false;
    for (int l = 0; l < L; ++l) {
      const bool failing =
          !is_finite(l) || left[l] <= 0.0 || (Tile::adaptive && pace_.wanted[l] < least_step);
      busy_[l] = live_[l] > 0.0 && (failing || (pace_.accepted[l] && slack[l] <= 0.0));
      any = any || busy_[l];
    }
    return any;
  }

  void attend(int l) {
    const bool finite = is_finite(l);
    if (!Tile::adaptive && !finite) return leave(l, Status::non_finite, 0.0);
    if (pace_.accepted[l]) {
      meet_events(l);
      if (neuron_[l] >= 0) set_watch(l);
    } else if (pace_.wanted[l] < least_step) {
      leave(l, finite ? Status::step_too_small : Status::non_finite, 0.0);
    } else if (pace_.left()[l] <= 0.0) {
      leave(l, Status::max_steps, 0.0);
    }
  }

  bool level_pending(int l) const { return level_[l] < p_.n_levels; }

  bool needs_dense(int l) const {
    if constexpr (Tile::dense_is_free) return false;
    return tile_.top[l] >= next_level_[l] || tile_.t_new[l] >= next_time_[l] || nearly_still(l);
  }

  bool nearly_still(int l) const { return tile_.speed2[l] <= still_at_[l] * tile_.pull2[l]; }

  // ---- events of an accepted step ----------------------------------------------------------
  void meet_events(int l) {
    const Index i = neuron_[l];
    const auto segment = tile_.segment(l);
    double last = 1.0, t_last = tile_.t_new[l];
    bool ended = t_last >= p_.t_end;
    Status why = Status::t_end;
    if (ended) {
      last = theta_of_time(segment, p_.t_end);
      t_last = p_.t_end;
    }
    while (level_pending(l) && tile_.top[l] * 1.5 >= p_.levels[level_[l]]) {
      const double theta = first_hit(segment, size_, p_.levels[level_[l]]);
      if (theta > 1.0) break;
      double t = hit_time(l, segment.time(theta));
      if (t > t_last) {  // by rounding only, unless it lies behind t_end
        if (theta > last) break;
        t = t_last;
      }
      out_.hits[i * p_.n_levels + level_[l]] = t;
      if (p_.level_terminal[level_[l]++]) {
        last = theta;
        t_last = t;
        ended = true;
        why = Status::event;
        break;
      }
    }
    const double still = nearly_still(l) ? first_still(segment, l) : 2.0;
    const bool stop_here = still <= last && settled(l, gather(l, segment, still));
    if (stop_here && p_.convergence_terminal) {
      last = still;
      t_last = segment.time(still);
    }
    while (save_[l] < p_.n_save && p_.save_at[save_[l]] <= t_last)
      save(l, theta_of_time(segment, p_.save_at[save_[l]]));
    if (stop_here && finish_converged(l, still, segment.time(still))) return;
    if (ended) return finish(l, why, last, t_last);
    if (pace_.left()[l] <= 0.0) return finish(l, Status::max_steps, 1.0, t_last);
    if (pace_.steps[l] < next_check_[l]) return;
    next_check_[l] = pace_.steps[l] < 32.0 ? 2.0 * pace_.steps[l] : pace_.steps[l] + 32.0;
    if (!unbounded_) return rest_at_minimum(l, segment);
    if (trapped(l, gather(l, segment, 1.0), tile_.s_new[l] * tile_.s_new[l] * tile_.outside[l]))
      finish(l, Status::no_escape, 1.0, t_last);
  }

  // The dense output of t may step back by an ulp; the times of a ladder may not.
  double hit_time(int l, double t) const {
    if (level_[l] == 0) return t;
    const double before = out_.hits[neuron_[l] * p_.n_levels + level_[l] - 1];
    return t > before ? t : before;
  }

  // At a minimum to within rtol nothing is left to happen before t_end, but for levels that the
  // flow still reaches.
  template <class Segment>
  void rest_at_minimum(int l, const Segment& segment) {
    if (!Tile::adaptive || tile_.speed2[l] > p_.rtol * p_.rtol * tile_.pull2[l]) return;
    const Verdict verdict = p_.oracle.judge(p_.oracle.context, neuron_[l], gather(l, segment, 1.0));
    if (!verdict.minimum) return;
    if (level_pending(l) && verdict.max_overlap - p_.levels[level_[l]] > pace_.calm_rtol()) return;
    while (save_[l] < p_.n_save) save(l, 1.0);
    finish(l, Status::t_end, 1.0, p_.t_end);
  }

  // The state within the last step of a lane as a vector; the newest one is remembered.
  template <class Segment>
  const double* gather(int l, const Segment& segment, double theta) {
    double* const target = size_ <= max_gather ? point_ : out_.overlaps + neuron_[l] * size_;
    if (l == point_lane_ && theta == point_theta_) return target;
    for (Index r = 0; r < size_; ++r) target[r] = segment.value(r, theta);
    point_lane_ = l;
    point_theta_ = theta;
    return target;
  }

  bool trapped(int l, const double* m, double outside) const {
    if (!p_.stop_if_trapped || save_[l] < p_.n_save) return false;
    const double level = level_pending(l) ? p_.levels[level_[l]] : 0.0;
    return p_.oracle.trapped(p_.oracle.context, neuron_[l], m, outside, level);
  }

  template <class Segment>
  double first_still(const Segment& segment, int l) {
    return first_calm(
        [&](double theta) {
          return p_.oracle.speed(p_.oracle.context, neuron_[l], gather(l, segment, theta));
        },
        p_.convergence_tol, before_[l], tile_.speed2[l] / tile_.pull2[l]);
  }

  // Is the fixed point nearby one to stop at, with no level left that the flow would still reach?
  bool settled(int l, const double* m) const {
    const Verdict verdict = p_.oracle.judge(p_.oracle.context, neuron_[l], m);
    return verdict.minimum &&
           !(level_pending(l) && waits_ && verdict.max_overlap > p_.levels[level_[l]]);
  }

  // Notes the time; true if the neuron has left.
  bool finish_converged(int l, double theta, double t) {
    converged_[l] = true;
    out_.converged_time[neuron_[l]] = t;
    if (!p_.convergence_terminal) return false;
    finish(l, Status::converged, theta, t);
    return true;
  }

  void save(int l, double theta) {
    const auto segment = tile_.segment(l);
    double* row = out_.trajectory + (neuron_[l] * p_.n_save + save_[l]++) * size_;
    for (Index r = 0; r < size_; ++r) row[r] = segment.value(r, theta);
  }

  // ---- a neuron leaves its lane ------------------------------------------------------------
  void leave(int l, Status status, double theta) {
    const bool failed = theta == 0.0;
    finish(l, status, theta, failed ? tile_.t[l] : tile_.t_new[l]);
  }

  void finish(int l, Status status, double theta, double t) {
    const Index i = neuron_[l];
    const auto segment = tile_.segment(l);
    double* const end = out_.overlaps + i * size_;
    if (l == point_lane_ && theta == point_theta_ && size_ <= max_gather)
      for (Index r = 0; r < size_; ++r) end[r] = point_[r];
    else
      for (Index r = 0; r < size_; ++r)
        end[r] = theta == 0.0 ? segment.edge(r, 0) : segment.value(r, theta);
    out_.t_final[i] = t;
    out_.status[i] = static_cast<std::int32_t>(status);
    out_.steps[i] = static_cast<Index>(pace_.steps[l]);
    out_.rejected[i] = static_cast<Index>(pace_.rejected[l]);
    if (out_.frame != nullptr)
      write_frame(p_, tile_, segment, theta, p_.overlaps + i * size_, end,
                  out_.frame + i * (size_ + 1));
    neuron_[l] = -1;
    ++idle_;
    live_[l] = 0.0;
    __atomic_fetch_add(control_.done, 1, __ATOMIC_RELAXED);
  }

  void abandon() {
    for (int l = 0; l < L; ++l)
      if (neuron_[l] >= 0) leave(l, Status::interrupted, 0.0);
  }
};

}  // namespace hermiteflow::HF_ISA
