// Instantiates the integrator for the methods, the structures of G and the laws of psi'.
#include "kernels.hpp"

#include "hermiteflow/integrate.hpp"

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

template <class T, GramKind Kind, class Law, int L>
Index perform(const Ask& ask) {
  using Tile = Stepper<T, Kind, Law, L>;
  if (ask.result == nullptr)
    return Tile::rows(ask.problem->flow.gram.k, ask.problem->frame) * L * Index{8};
  const FlushDenormals flush;
  Integrator<T, Tile, L>(*ask.problem, *ask.result, *ask.control, ask.scratch).run(ask.may_poll);
  return 0;
}

template <class T>
Index choose_law(const Ask& ask) {
  const Flow& flow = ask.problem->flow;
  const Slope& slope = flow.slope;
  switch (flow.gram.kind) {
  case GramKind::identity:
    if (slope.terms == 1 && slope.power == 2)
      return perform<T, GramKind::identity, PureSlope<8, 2>, 8>(ask);
    if (slope.terms == 1 && slope.power == 3)
      return perform<T, GramKind::identity, PureSlope<8, 3>, 8>(ask);
    return perform<T, GramKind::identity, SeriesSlope<8>, 8>(ask);
  case GramKind::equiangular:
    return perform<T, GramKind::equiangular, SeriesSlope<8>, 8>(ask);
  default:
    return perform<T, GramKind::general, SeriesSlope<16>, 16>(ask);
  }
}

Index choose_method(const Ask& ask) {
  switch (ask.problem->method) {
  case Method::rk4:
    return choose_law<RK4>(ask);
  case Method::dopri5:
    return choose_law<DormandPrince5>(ask);
  case Method::dop853:
    return choose_law<DormandPrince853>(ask);
  default:
    return choose_law<Tsitouras5>(ask);
  }
}

}  // namespace

Index solve_scratch(const Problem* problem) {
  return choose_method({problem, nullptr, nullptr, nullptr, false});
}

void solve_tiles(const Problem* problem, const Result* result, const Control* control,
                 double* scratch, bool may_poll) {
  choose_method({problem, result, control, scratch, may_poll});
}

}  // namespace hermiteflow::HF_ISA
