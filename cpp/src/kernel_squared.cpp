// The squared loss: its field by rows, and what an integrator does with whole states.
#include "kernels.hpp"

#include "hermiteflow/squared_eight.hpp"
#include "hermiteflow/squared_field.hpp"
#include "hermiteflow/squared_free.hpp"

namespace hermiteflow::HF_ISA {

Index squared_scratch(const SquaredField* field, Index rows) {
  return SquaredRates::memory(*field, rows);
}

void squared_rates(const SquaredField* field, const double* y, double* out, double* speed2,
                   Index begin, Index end, double* scratch) {
  SquaredRates(*field, scratch)(y, out, speed2, begin, end);
}

void squared_overlaps(const SquaredField* field, const double* y, double* out, Index begin,
                      Index end, double* scratch) {
  SquaredRates(*field, scratch).order_parameters(y, out, begin, end);
}

Index squared_free_scratch(const SquaredField* field, Index rows) {
  return FreeRates::memory(*field, rows);
}

void squared_free(const SquaredField* field, const FreeField* free, const double* y, double* out,
                  double* sums, double* speed2, Index begin, Index end, double* scratch) {
  FreeRates(*field, *free, scratch)(y, out, sums, speed2, begin, end);
}

void squared_close(const SquaredField* field, double* out, Index begin, Index end) {
  SquaredRates(*field, nullptr).close(out, begin, end);
}

void squared_normalise(const SquaredField* field, double* y, Index begin, Index end) {
  SquaredRates(*field, nullptr).normalise(y, begin, end);
}

void squared_advance(Index begin, Index end, Index count, const double* weights,
                     const double* const* rates, const double* base, double* out) {
  for (Index c = begin; c < end; c += SL) {
    Block sum = load<SL>(base + c);
    for (Index j = 0; j < count; ++j) sum = madd(weights[j], load<SL>(rates[j] + c), sum);
    store<SL>(out + c, sum);
  }
}

SquaredError squared_error(Index begin, Index end, Index count, const double* e, const double* e3,
                           const double* const* rates, const double* y, const double* z,
                           double rtol, double atol) {
  Block first = 0.0, second = 0.0, sound = 0.0;
  for (Index c = begin; c < end; c += SL) {
    const Block here = load<SL>(z + c), size = here.abs().max(load<SL>(y + c).abs());
    const Block scale = madd(rtol, size, atol).inverse();
    Block estimate = 0.0, other = 0.0;
    for (Index j = 0; j < count; ++j) {
      const Block rate = load<SL>(rates[j] + c);
      estimate = madd(e[j], rate, estimate);
      if (e3 != nullptr) other = madd(e3[j], rate, other);
    }
    sound += 0.0 * (here + estimate);
    first = first.max((scale * estimate).abs());
    second = second.max((scale * other).abs());
  }
  const auto largest = [](const Block& x) { return -(Block(0.0) - x).least(); };
  return {largest(first), largest(second), sound.sum()};
}

void squared_rk4(const SquaredField* field, double* y, double step, Index steps, bool renormalize,
                 double* scratch) {
  if (SquaredFour::takes(*field)) return SquaredFour(*field).rk4(y, step, steps);
#if defined(__AVX512F__)
  if (SquaredEight::takes(*field)) return SquaredEight(*field).rk4(y, step, steps, scratch);
#endif
  const SquaredRates rates(*field, scratch);
  const Index n = field->n, size = n * field->width;
  // apart by odd numbers of cache lines: at multiples of a page they would push each other out
  double *const z = scratch + SquaredRates::memory(*field, n) + 13 * SL,
                *const f = z + size + 17 * SL, *const total = f + size + 21 * SL;
  const bool whole = field->form == SquaredForm::order_parameters;
  const auto evaluate = [&](const double* at, double* to) {
    rates(at, to, nullptr, 0, n);
    if (whole) rates.close(to, 0, n);
  };
  const Block half = 0.5 * step, full = step, two = 2.0, sixth = step / 6.0;
  for (Index s = 0; s < steps; ++s) {
    evaluate(y, total);
    for (Index c = 0; c < size; c += SL)
      store<SL>(z + c, madd(half, load<SL>(total + c), load<SL>(y + c)));
    evaluate(z, f);
    for (Index c = 0; c < size; c += SL) {
      const Block rate = load<SL>(f + c);
      store<SL>(total + c, madd(two, rate, load<SL>(total + c)));
      store<SL>(z + c, madd(half, rate, load<SL>(y + c)));
    }
    evaluate(z, f);
    for (Index c = 0; c < size; c += SL) {
      const Block rate = load<SL>(f + c);
      store<SL>(total + c, madd(two, rate, load<SL>(total + c)));
      store<SL>(z + c, madd(full, rate, load<SL>(y + c)));
    }
    evaluate(z, f);
    for (Index c = 0; c < size; c += SL)
      store<SL>(y + c, madd(sixth, load<SL>(total + c) + load<SL>(f + c), load<SL>(y + c)));
    if (renormalize) rates.normalise(y, 0, n);
  }
}

}  // namespace hermiteflow::HF_ISA
