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
  bool accepted[L];

  explicit Pace(const Problem& problem)
      : p_(problem), controller_{Tile::adaptive ? 1.0 / (Tile::error_order + 1.0) : 1.0} {
    atol = atol_start_ = first_ = wanted = previous_ = Row::Ones();
    rtol = Row::Constant(p_.rtol);
    steps = rejected = Row::Zero();
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
    if constexpr (!Tile::adaptive) {
      steps += 1.0;
      return;
    }
    const Row whole = sound(tile);
    const Row calm = 1e4 * p_.rtol * p_.rtol * tile.pull2 - tile.speed2;
    const Row follow = p_.atol_follows ? Row(1e-3 * p_.rtol * tile.top) : atol_start_;
    const double at_rest = calm_rtol(), least = 1e-2 * rest() < p_.rtol ? 1e-2 * rest() : p_.rtol;
    for (int l = 0; l < L; ++l) {  // no branches: lanes side by side
      const double ratio = tile.ratio[l] + whole[l];
      const bool good = ratio <= 1.0;
      double factor = controller_.factor(ratio, previous_[l], good);
      factor = good && first_[l] == 0.0 && factor > 1.0 && factor < 1.1 ? 1.0 : factor;
      factor = whole[l] == 0.0 ? factor : 0.1;
      wanted[l] *= factor;
      first_[l] = good ? 0.0 : first_[l];
      previous_[l] = good ? ratio : previous_[l];
      steps[l] += good ? 1.0 : 0.0;
      rejected[l] += good ? 0.0 : 1.0;
      double next = 0.98 * (rtol[l] < at_rest ? rtol[l] : at_rest);
      next = next > least ? next : least;
      next = calm[l] >= 0.0 ? next : p_.rtol;
      rtol[l] = good ? next : rtol[l];
      atol[l] = good && follow[l] < atol_start_[l] ? follow[l] : atol[l];
      accepted[l] = good;
    }
  }

  // Near a fixed point errors of size rtol are all that still moves: there less is asked for, and
  // less and less, for a step at the limit of stability may keep a ripple of that size alive.
  double calm_rtol() const { return rest() < p_.rtol ? rest() : p_.rtol; }

  // Steps left before the limit.
  Row left() const { return static_cast<double>(p_.max_steps) - steps - rejected; }

 private:
  double rest() const { return p_.watch_convergence ? p_.convergence_tol : 1e-6; }

  const Problem& p_;
  Controller controller_;
  Row atol_start_, first_, previous_;
};

}  // namespace hermiteflow::HF_ISA
