// The one loop: lanes take neurons from a queue, step, are judged by the controller, meet their
// events, and write their results. Each lane depends on its own neuron alone, so the results are
// the same bits for any number of threads and any company in the tile.
#pragma once

#include "hermiteflow/controller.hpp"
#include "hermiteflow/event.hpp"
#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/stepper.hpp"

namespace hermiteflow::HF_ISA {

template <class T, class Tile, int L>
class Integrator {
 public:
  Integrator(const Problem& problem, const Result& result, const Control& control, double* scratch)
      : p_(problem), out_(result), control_(control), tile_(problem.flow, problem.frame, scratch),
        controller_{T::adaptive ? 1.0 / (T::error_order + 1.0) : 1.0}, size_(problem.flow.gram.k) {
    atol_ = Lane<L>::Ones();
    for (int l = 0; l < L; ++l) neuron_[l] = -1;
    unbounded_ = !(p_.t_end < 1e308);
  }

  void run(bool may_poll) {
    for (Index round = 0;; ++round) {
      refill();
      bool any = false;
      for (int l = 0; l < L; ++l) any = any || neuron_[l] >= 0;
      if (!any) return;
      if (may_poll && round % 64 == 0 &&
          !control_.poll(control_.poll_context, __atomic_load_n(control_.done, __ATOMIC_RELAXED)))
        __atomic_store_n(control_.stop, 1, __ATOMIC_RELAXED);
      if (__atomic_load_n(control_.stop, __ATOMIC_RELAXED) != 0) return abandon();
      attempt();
    }
  }

 private:
  static constexpr Index chunk = 8;
  const Problem& p_;
  const Result& out_;
  const Control& control_;
  Tile tile_;
  Controller controller_;
  Index size_;
  bool unbounded_;
  Lane<L> atol_;
  Index neuron_[L], steps_[L], rejected_[L], level_[L], save_[L];
  double previous_[L], wanted_[L], start_scale_[L];
  bool first_[L], fresh_[L], converged_[L];
  Index queue_ = 0, queue_end_ = 0;

  Index take() {
    if (queue_ == queue_end_) {
      const Index ticket = __atomic_fetch_add(control_.ticket, chunk, __ATOMIC_RELAXED);
      if (ticket >= p_.n) return -1;
      queue_ = ticket;
      queue_end_ = ticket + chunk < p_.n ? ticket + chunk : p_.n;
    }
    return queue_++;
  }

  // ---- a neuron enters a lane -------------------------------------------------------------
  void refill() {
    for (;;) {
      bool loaded = false;
      for (int l = 0; l < L; ++l) {
        fresh_[l] = false;
        if (neuron_[l] >= 0) continue;
        const Index i = take();
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
    steps_[l] = rejected_[l] = level_[l] = save_[l] = 0;
    previous_[l] = 1.0;
    first_[l] = true;
    converged_[l] = false;
    tile_.t[l] = 0.0;
    // within span(V) the coefficient of w(0) is not needed, and would blow up where m . g < 0
    start_scale_[l] = p_.outside[i] == 0.0 && tile_.alpha == nullptr ? 0.0 : 1.0;
    tile_.s[l] = start_scale_[l];
    tile_.h[l] = wanted_[l] = T::adaptive ? controller_.first_step(p_.rtol) : p_.step;
    tile_.a[l] = p_.flow.second_layer != nullptr ? p_.flow.second_layer[i] : 1.0;
    tile_.outside[l] = p_.outside[i];
    atol_[l] = T::adaptive ? p_.atol[i] : 1.0;
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
    while (level_[l] < p_.n_levels && p_.levels[level_[l]] <= top) {
      out_.hits[i * p_.n_levels + level_[l]] = 0.0;
      if (p_.level_terminal[level_[l]++]) return leave(l, Status::event, 1.0);
    }
    while (save_[l] < p_.n_save && p_.save_at[save_[l]] <= 0.0) save(l, 1.0);
    if (p_.t_end <= 0.0) return leave(l, Status::t_end, 1.0);
    if (!(tile_.start_pull(l) - tile_.start_pull(l) == 0.0))
      return leave(l, Status::non_finite, 1.0);
    if (p_.watch_convergence && p_.oracle.speed(p_.oracle.context, i, m) <= p_.convergence_tol &&
        settled(l, m) && finish_converged(l, 1.0, 0.0))
      return;
    if (trapped(l, m, p_.outside[i])) leave(l, Status::no_escape, 1.0);
  }

  // ---- one attempt for all lanes -----------------------------------------------------------
  void attempt() {
    bool final_step[L] = {};
    for (int l = 0; l < L; ++l) {
      if (neuron_[l] < 0) tile_.h[l] = 0.0;
      if (T::adaptive || neuron_[l] < 0) continue;
      final_step[l] = p_.t_end - tile_.t[l] < tile_.h[l] * (1.0 + 1e-9);
      if (final_step[l]) tile_.h[l] = p_.t_end - tile_.t[l];
    }
    tile_.step(p_.rtol, atol_);
    bool accepted[L], dense = false;
    for (int l = 0; l < L; ++l) {
      accepted[l] = neuron_[l] < 0 || judge(l);
      dense = dense || (neuron_[l] >= 0 && accepted[l] && needs_dense(l));
    }
    if constexpr (!T::adaptive) {
      if (p_.renormalize) tile_.normalise();
      for (int l = 0; l < L; ++l)  // no drift of the grid
        if (neuron_[l] >= 0)
          tile_.t_new[l] = final_step[l] ? p_.t_end : static_cast<double>(steps_[l]) * p_.step;
    }
    if (dense) tile_.extra_stages();
    for (int l = 0; l < L; ++l)
      if (neuron_[l] >= 0 && accepted[l]) meet_events(l);
    tile_.advance(accepted);
    for (int l = 0; l < L; ++l)
      if (neuron_[l] >= 0) tile_.h[l] = wanted_[l];
    if (!T::adaptive && p_.renormalize) {
      bool all[L];
      for (int l = 0; l < L; ++l) all[l] = true;
      tile_.refresh(all);
    }
  }

  // Is the step accepted? Chooses the next one; a failed neuron leaves.
  bool judge(int l) {
    const double speed = tile_.speed2[l], ratio = tile_.ratio[l];
    const bool finite = speed - speed == 0.0 && tile_.t_new[l] - tile_.t_new[l] == 0.0;
    if constexpr (!T::adaptive) {
      ++steps_[l];
      if (finite) return true;
      leave(l, Status::non_finite, 0.0);
      return false;
    } else {
      const bool good = finite && ratio <= 1.0;
      if (good) {
        ++steps_[l];
        double factor = controller_.factor(ratio, previous_[l], true);
        if (!first_[l] && factor > 1.0 && factor < 1.1) factor = 1.0;
        first_[l] = false;
        wanted_[l] = tile_.h[l] * factor;
        previous_[l] = ratio;
        return true;
      }
      ++rejected_[l];
      wanted_[l] = tile_.h[l] * (finite ? controller_.factor(ratio, previous_[l], false) : 0.1);
      if (wanted_[l] < 1e-13)
        leave(l, finite ? Status::step_too_small : Status::non_finite, 0.0);
      else if (steps_[l] + rejected_[l] >= p_.max_steps)
        leave(l, Status::max_steps, 0.0);
      return false;
    }
  }

  bool level_pending(int l) const { return level_[l] < p_.n_levels; }

  bool needs_dense(int l) const {
    if constexpr (T::dense_stages == T::stages) return false;
    return (level_pending(l) && tile_.top[l] * 1.5 >= p_.levels[level_[l]]) ||
           (save_[l] < p_.n_save && p_.save_at[save_[l]] <= tile_.t_new[l]) ||
           tile_.t_new[l] >= p_.t_end || nearly_still(l);
  }

  bool nearly_still(int l) const {
    const double tol = p_.convergence_tol;
    return p_.watch_convergence && !converged_[l] && tile_.speed2[l] <= tol * tol * tile_.pull2[l];
  }

  // ---- events of an accepted step ----------------------------------------------------------
  void meet_events(int l) {
    const Index i = neuron_[l];
    const auto segment = tile_.segment(l);
    double last = 1.0, t_last = tile_.t_new[l];
    bool ended = false;
    Status why = Status::t_end;
    if (t_last >= p_.t_end) {
      last = theta_of_time(segment, p_.t_end);
      t_last = p_.t_end;
      ended = true;
    }
    while (level_pending(l) && tile_.top[l] * 1.5 >= p_.levels[level_[l]]) {
      const double theta = first_hit(segment, size_, p_.levels[level_[l]]);
      if (theta > last) break;
      const double t = theta < last ? segment.time(theta) : t_last;
      out_.hits[i * p_.n_levels + level_[l]] = t;
      if (p_.level_terminal[level_[l]++]) {
        last = theta;
        t_last = t;
        ended = true;
        why = Status::event;
        break;
      }
    }
    double still = 2.0;
    if (nearly_still(l)) still = first_still(segment, l);
    const bool stop_here = still <= last && still_is_end(l, segment, still);
    if (stop_here) {
      if (p_.convergence_terminal) {
        last = still;
        t_last = segment.time(still);
      }
    }
    while (save_[l] < p_.n_save && p_.save_at[save_[l]] <= t_last)
      save(l, theta_of_time(segment, p_.save_at[save_[l]]));
    if (stop_here && finish_converged(l, still, segment.time(still))) return;
    if (ended) return finish(l, why, last, t_last);
    const Index n = steps_[l];
    if (n + rejected_[l] >= p_.max_steps) return finish(l, Status::max_steps, 1.0, t_last);
    if (n % 16 != 0 && (n & (n - 1)) != 0) return;
    if (!unbounded_) return rest_at_minimum(l, segment);
    double m[max_gather];
    if (trapped(l, gather(l, m), tile_.s_new[l] * tile_.s_new[l] * tile_.outside[l]))
      finish(l, Status::no_escape, 1.0, t_last);
  }

  // At a minimum to within rtol nothing is left to happen before t_end.
  template <class Segment>
  void rest_at_minimum(int l, const Segment& segment) {
    if (!T::adaptive || tile_.speed2[l] > p_.rtol * p_.rtol * tile_.pull2[l]) return;
    double m[max_gather];
    if (!p_.oracle.judge(p_.oracle.context, neuron_[l], gather(l, m, segment, 1.0)).minimum) return;
    while (save_[l] < p_.n_save) save(l, 1.0);
    finish(l, Status::t_end, 1.0, p_.t_end);
  }

  static constexpr Index max_gather = 4096;
  // The new state of a lane as a vector; k beyond max_gather goes through the result array.
  const double* gather(int l, double* m) const { return gather(l, m, tile_.segment(l), 1.0); }
  template <class Segment>
  const double* gather(int l, double* m, const Segment& segment, double theta) const {
    double* target = size_ <= max_gather ? m : out_.overlaps + neuron_[l] * size_;
    for (Index r = 0; r < size_; ++r) target[r] = segment.value(r, theta);
    return target;
  }

  bool trapped(int l, const double* m, double outside) const {
    if (!p_.stop_if_trapped || save_[l] < p_.n_save) return false;
    if (!p_.oracle.trapped(p_.oracle.context, neuron_[l], m, outside)) return false;
    if (!level_pending(l)) return true;  // overlaps stay below |projection of w on span V|
    const double level = p_.levels[level_[l]];
    return level * level > 1.0 - outside;
  }

  // First theta of the step at which |dm/dt| <= tol |G g|.
  template <class Segment>
  double first_still(const Segment& segment, int l) {
    double m[max_gather];
    const auto excess = [&](double theta) {
      return p_.convergence_tol -
             p_.oracle.speed(p_.oracle.context, neuron_[l], gather(l, m, segment, theta));
    };
    const double start = excess(0.0), end = excess(1.0);
    if (end < 0.0) return 1.0;
    if (start >= 0.0) return 0.0;
    double low = 0.0, high = 1.0;  // by halves: the speed decays exponentially
    for (int j = 0; j < 12; ++j) {
      const double x = 0.5 * (low + high);
      (excess(x) >= 0.0 ? high : low) = x;
    }
    return high;
  }

  template <class Segment>
  bool still_is_end(int l, const Segment& segment, double theta) {
    double m[max_gather];
    return settled(l, gather(l, m, segment, theta));
  }

  // Is the fixed point nearby one to stop at, with no level left that the flow would still reach?
  bool settled(int l, const double* m) const {
    const Verdict verdict = p_.oracle.judge(p_.oracle.context, neuron_[l], m);
    return verdict.minimum &&
           !(level_pending(l) && waits_for_level() && verdict.max_overlap > p_.levels[level_[l]]);
  }
  bool waits_for_level() const {
    for (Index j = 0; j < p_.n_levels; ++j)
      if (p_.level_terminal[j]) return true;
    return false;
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
    const auto at = [&](Index r) {
      return theta == 0.0 ? segment.edge(r, 0) : segment.value(r, theta);
    };
    for (Index r = 0; r < size_; ++r) out_.overlaps[i * size_ + r] = at(r);
    out_.t_final[i] = t;
    out_.status[i] = static_cast<std::int32_t>(status);
    out_.steps[i] = steps_[l];
    out_.rejected[i] = rejected_[l];
    if (out_.frame != nullptr) write_frame(l, theta, segment);
    neuron_[l] = -1;
    __atomic_fetch_add(control_.done, 1, __ATOMIC_RELAXED);
  }

  template <class Segment>
  void write_frame(int l, double theta, const Segment& segment) {
    double* frame = out_.frame + neuron_[l] * (size_ + 1);
    const double scale = theta == 0.0 ? tile_.s[l] : segment.scale(theta);
    const double* m0 = p_.overlaps + neuron_[l] * size_;
    frame[0] = scale;
    double total = 0.0;
    for (Index r = 0; r < size_; ++r) {
      if (tile_.alpha != nullptr)
        frame[1 + r] = theta == 0.0 ? tile_.alpha[r * L + l] : segment.alpha_value(r, theta);
      else
        frame[1 + r] = out_.overlaps[neuron_[l] * size_ + r] - scale * m0[r];
      total += frame[1 + r];
    }
    if (p_.flow.gram.kind != GramKind::equiangular) return;
    const double beta = p_.flow.gram.beta;  // alpha = G^-1 (m - s m(0))
    const double mean = beta * total / (1.0 + static_cast<double>(size_ - 1) * beta);
    for (Index r = 0; r < size_; ++r) frame[1 + r] = (frame[1 + r] - mean) / (1.0 - beta);
  }

  void abandon() {
    for (int l = 0; l < L; ++l)
      if (neuron_[l] >= 0) leave(l, Status::interrupted, 0.0);
  }
};

}  // namespace hermiteflow::HF_ISA
