// The pace of each lane: step sizes, tolerances and counts, from the scalars of its steps. Knows
// the controller; sees a tile through its error ratio, speed and time only.
#pragma once

#include "hermiteflow/controller.hpp"
#include "hermiteflow/kernel_api.hpp"

namespace hermiteflow::HF_ISA {

template <class Tile, int L>
class Pace {
 public:
  using Row = Lane<L>;
  static constexpr double least_step = 1e-13;

  Row rtol, atol, wanted, steps, rejected;
  bool accepted[L], all_accepted = true;

  explicit Pace(const Problem& problem)
      : p_(problem), controller_{Tile::adaptive ? 1.0 / (Tile::error_order + 1.0) : 1.0} {
    atol = atol_start_ = first_ = wanted = previous_ = 1.0;
    rtol = p_.rtol;
    steps = rejected = 0.0;
    for (int l = 0; l < L; ++l) accepted[l] = true;
  }

  void enter(int l, Index neuron) {
    steps[l] = rejected[l] = 0.0;
    previous_[l] = first_[l] = 1.0;
    wanted[l] = Tile::adaptive ? controller_.first_step(p_.rtol) : p_.step;
    rtol[l] = p_.rtol;
    atol[l] = atol_start_[l] = Tile::adaptive ? p_.atol[neuron] : 1.0;
  }

  // NaN in lanes whose new state is not finite, else 0.
  static Row sound(const Tile& tile) { return tile.health() * 0.0 + tile.t_new * 0.0; }

  // Which steps are accepted, and the next step sizes.
  void judge(const Tile& tile) {
    if constexpr (Tile::adaptive)
      weigh(tile);
    else
      steps += 1.0;
  }

  // Near a fixed point errors of size rtol are all that still moves: there less is asked for, and
  // less and less, for a step at the limit of stability may keep a ripple of that size alive.
  double calm_rtol() const { return rest() < p_.rtol ? rest() : p_.rtol; }

  // Steps left before the limit.
  Row left() const { return static_cast<double>(p_.max_steps) - steps - rejected; }

 private:
  void weigh(const Tile& tile) {
    const Real<L> whole = real<L>(sound(tile)), ratio = real<L>(tile.ratio) + whole;
    // calm: errors are all that still moves; they weigh more beside a force that nearly vanishes
    const Row share = tile.vanishing_share, coarse = atol_start_.max(p_.rtol),
              near = 100.0 * coarse / share;
    const Whole<L> calm = real<L>(near * near * tile.pull2 - tile.speed2) >= 0.0;
    const Real<L> tolerance = real<L>(rtol), floor = real<L>(atol), first = real<L>(first_);
    const Real<L> before = real<L>(previous_), none{}, one = none + 1.0;
    const double at_rest = calm_rtol(), least = 1e-2 * rest() < p_.rtol ? 1e-2 * rest() : p_.rtol;
    const Whole<L> good = ratio <= 1.0;
    Real<L> factor = controller_.template factor<L>(ratio, before, good);
    factor = good & (first == 0.0) & (factor > 1.0) & (factor < 1.1) ? one : factor;
    factor = whole == 0.0 ? factor : none + 0.1;
    Real<L> next = 0.98 * (tolerance < at_rest ? tolerance : none + at_rest);
    const Real<L> lowest = least * real<L>(share);
    next = next > lowest ? next : lowest;
    next = calm ? next : none + p_.rtol;
    const Real<L> start = real<L>(atol_start_), top = real<L>(tile.top);
    Real<L> follow = p_.atol_follows ? 1e-3 * p_.rtol * top : start;
    follow = calm & (next * top < follow) ? next * top : follow;
    wanted *= lane<L>(factor);
    first_ = lane<L>(good ? none : first);
    previous_ = lane<L>(good ? ratio : before);
    const Row taken = lane<L>(good ? one : none);
    steps += taken;
    rejected += 1.0 - taken;
    rtol = lane<L>(good ? next : tolerance);
    atol = lane<L>(good ? (follow < start ? follow : start) : floor);
    all_accepted = taken.least() > 0.0;
    for (int l = 0; l < L; ++l) accepted[l] = good[l] != 0;
  }

  double rest() const { return p_.watch_convergence ? p_.convergence_tol : 1e-6; }

  const Problem& p_;
  Controller controller_;
  Row atol_start_, first_, previous_;
};

}  // namespace hermiteflow::HF_ISA
