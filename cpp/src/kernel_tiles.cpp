// Instantiates the integrator for the methods, the structures of G and the laws of psi'.
#include "kernels.hpp"

#include "hermiteflow/fixed_stepper.hpp"
#include "hermiteflow/integrate.hpp"
#include "hermiteflow/stepper.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hermiteflow::HF_ISA {

namespace {

// Overlaps that decay would become denormal and slow; flushed in this thread and region only.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#endif
};

// What to do with the chosen stepper: its memory, or the run.
struct Ask {
  const Problem* problem;
  const Result* result;
  const Control* control;
  double* scratch;
  bool may_poll;
};

template <class Tile, int L>
Index perform(const Ask& ask) {
  if (ask.result == nullptr) return Tile::memory(ask.problem->flow.gram.k, ask.problem->frame);
  const FlushDenormals flush;
  Integrator<Tile, L>(*ask.problem, *ask.result, *ask.control, ask.scratch).run(ask.may_poll);
  return 0;
}

template <class T, GramKind Kind, class Law, int L>
Index adaptive(const Ask& ask) {
  return perform<Stepper<T, Kind, Law, L>, L>(ask);
}
template <GramKind Kind, class Law, int L>
Index fixed(const Ask& ask) {
  return perform<FixedStepper<Kind, Law, L>, L>(ask);
}

// The power of a pure degree with equal target weights, or 0.
Index pure_power(const Flow& flow) {
  for (Index j = 1; j < flow.gram.k; ++j)
    if (flow.target_weights[j] != flow.target_weights[0]) return 0;
  return flow.slope.pure() ? flow.slope.power : 0;
}

template <class T>
Index choose_adaptive(const Ask& ask) {
  const Flow& flow = ask.problem->flow;
  constexpr GramKind identity = GramKind::identity;
  switch (flow.gram.kind) {
  case GramKind::identity:
    if (pure_power(flow) == 2) return adaptive<T, identity, PureSlope<8, 2>, 8>(ask);
    if (pure_power(flow) == 3) return adaptive<T, identity, PureSlope<8, 3>, 8>(ask);
    return adaptive<T, identity, SeriesSlope<8>, 8>(ask);
  case GramKind::equiangular:
    return adaptive<T, GramKind::equiangular, SeriesSlope<8>, 8>(ask);
  default:
    return adaptive<T, GramKind::general, SeriesSlope<16>, 16>(ask);
  }
}

// Lanes side by side: as many as leave the state of a tile in L1 cache.
template <int L>
Index choose_fixed(const Ask& ask) {
  const Flow& flow = ask.problem->flow;
  constexpr GramKind identity = GramKind::identity;
  switch (flow.gram.kind) {
  case GramKind::identity:
    if (pure_power(flow) == 2) return fixed<identity, PureSlope<L, 2>, L>(ask);
    if (pure_power(flow) == 3) return fixed<identity, PureSlope<L, 3>, L>(ask);
    return fixed<identity, SeriesSlope<L>, L>(ask);
  case GramKind::equiangular:
    return fixed<GramKind::equiangular, SeriesSlope<L>, L>(ask);
  default:
    return fixed<GramKind::general, SeriesSlope<16>, 16>(ask);
  }
}

Index choose(const Ask& ask) {
  switch (ask.problem->method) {
  case Method::rk4:
    return ask.problem->flow.gram.k <= 100 ? choose_fixed<16>(ask) : choose_fixed<8>(ask);
  case Method::dopri5:
    return choose_adaptive<DormandPrince5>(ask);
  case Method::dop853:
    return choose_adaptive<DormandPrince853>(ask);
  default:
    return choose_adaptive<Tsitouras5>(ask);
  }
}

}  // namespace

Index solve_scratch(const Problem* problem) {
  return choose({problem, nullptr, nullptr, nullptr, false});
}

void solve_tiles(const Problem* problem, const Result* result, const Control* control,
                 double* scratch, bool may_poll) {
  choose({problem, result, control, scratch, may_poll});
}

}  // namespace hermiteflow::HF_ISA
