// Sums over a stored sample: fields, links, and the forces on the neurons, block by block, so that
// the sample is read once.
#include "kernels.hpp"

#include <cstring>

#include "hermiteflow/point_link.hpp"
#include "hermiteflow/sample_products.hpp"

namespace hermiteflow::HF_ISA {

namespace {

// From so many neurons on, W is taken in panels: sums across lanes would cost more.
constexpr Index many = 24;

class EmpiricalBlock {
 public:
  static Index memory(const EmpiricalField& f) {
    return f.block * pitch_of(f.width) + 3 * f.n * f.block + 3 * f.block;
  }

  EmpiricalBlock(const EmpiricalField& field, const double* w, double* scratch)
      : f_(field), w_(w), x_(scratch), fields_(x_ + f_.block * pitch_of(f_.width)),
        values_(fields_ + f_.n * f_.block), slopes_(values_ + f_.n * f_.block),
        y_(slopes_ + f_.n * f_.block), f_of_(y_ + f_.block), e_(f_of_ + f_.block) {}

  // f of the samples [begin, end), at most a block of them
  const double* outputs(Index begin, Index end) {
    look(begin, end);
    link_values<false>(f_.link, f_.n * f_.block, fields_, values_, nullptr);
    sum_outputs();
    // NaN where a field is not finite, whatever the link makes of it
    for (Index i = 0; i < f_.n; ++i)
      for (Index s = 0; s < f_.block; s += 8)
        store<8>(f_of_ + s,
                 madd(Lane<8>(0.0), load<8>(fields_ + i * f_.block + s), load<8>(f_of_ + s)));
    return f_of_;
  }

  void add(Index begin, Index end, const EmpiricalSums& to) {
    look(begin, end);
    const Index entries = f_.n * f_.block;
    if (to.force != nullptr)
      link_values<true>(f_.link, entries, fields_, values_, slopes_);
    else
      link_values<false>(f_.link, entries, fields_, values_, nullptr);
    sum_outputs();
    const Index count = end - begin;
    for (Index s = 0; s < f_.block; ++s) y_[s] = s < count ? f_.y[begin + s] : 0.0;
    // nothing of the samples that fill the block
    for (Index s = 0; s < f_.block; ++s)
      e_[s] = s < count ? (f_.squared ? y_[s] - f_of_[s] : y_[s]) : 0.0;
    const double* const other = f_.squared ? e_ : f_of_;
    Lane<8> loss = 0.0;
    for (Index s = 0; s < f_.block; s += 8) loss = madd(load<8>(e_ + s), load<8>(other + s), loss);
    *to.loss += f_.squared ? 0.5 * loss.sum() : -loss.sum();
    if (to.force == nullptr) return;
    for (Index i = 0; i < f_.n; ++i) weigh(i, to);
    // fields are not wanted any more
    products().add(slopes_, fields_, to.force, ahead(end));
    if (to.pull != nullptr) products().add(values_, fields_, to.pull, ahead(f_.sample.count));
  }

 private:
  const EmpiricalField& f_;
  const double* w_;
  // X (block, pitch); then (n, block) each; then (block,) each
  double *x_, *fields_, *values_, *slopes_, *y_, *f_of_, *e_;

  SampleProducts products() const { return {f_.n, f_.block, f_.width, pitch_of(f_.width), x_}; }

  void look(Index begin, Index end) {
    const Sample& from = f_.sample;
    if (from.single)
      fetch(static_cast<const float*>(from.x) + begin * from.stride, from.stride, end - begin,
            from.d, f_.block, pitch_of(f_.width), x_);
    else
      fetch(static_cast<const double*>(from.x) + begin * from.stride, from.stride, end - begin,
            from.d, f_.block, pitch_of(f_.width), x_);
    if (f_.n < many)
      products().fields(w_, fields_);
    else
      products().fields_of_panels(w_, fields_, values_);
  }

  // The block that begins at `end`.
  Ahead ahead(Index end) const {
    const Sample& from = f_.sample;
    const Index left = from.count - end, item = from.single ? 4 : 8;
    if (left <= 0) return {nullptr, 0, 0, item};
    return {static_cast<const char*>(from.x) + end * from.stride * item, from.stride * item,
            left < f_.block ? left : f_.block, item};
  }

  void sum_outputs() {
    for (Index s = 0; s < f_.block; s += 8) {
      Lane<8> sum = 0.0;
      for (Index i = 0; i < f_.n; ++i)
        sum = madd(Lane<8>(f_.a[i]), load<8>(values_ + i * f_.block + s), sum);
      store<8>(f_of_ + s, sum);
    }
  }

  // Turns sigma' of a neuron into a e sigma', and sigma into a y sigma', whose sums are wanted.
  HF_INLINE void weigh(Index i, const EmpiricalSums& to) {
    const Index row = i * f_.block;
    if (to.left != nullptr) train(i, to);
    const Lane<8> a = f_.a[i];
    Lane<8> along = 0.0, own = 0.0;
    for (Index s = 0; s < f_.block; s += 8) {
      const Lane<8> field = load<8>(fields_ + row + s);
      const Lane<8> slope = a * load<8>(slopes_ + row + s);
      const Lane<8> weight = load<8>(e_ + s) * slope;
      along = madd(weight, field, along);
      own = madd(a * load<8>(values_ + row + s), slope * field, own);
      store<8>(slopes_ + row + s, weight);
      store<8>(values_ + row + s, load<8>(y_ + s) * slope);
    }
    to.along[i] += along.sum();
    to.own[i] += own.sum();
  }

  // What moves a_i, from sigma.
  HF_INLINE void train(Index i, const EmpiricalSums& to) {
    Lane<8> left = 0.0, given = 0.0;
    for (Index s = 0; s < f_.block; s += 8) {
      const Lane<8> value = load<8>(values_ + i * f_.block + s);
      left = madd(load<8>(e_ + s), value, left);
      given = madd(load<8>(y_ + s), value, given);
    }
    to.left[i] += left.sum();
    to.given[i] += given.sum();
  }
};

template <class Work>
void by_blocks(const EmpiricalField& field, Index begin, Index end, const Work& work) {
  for (; begin < end; begin += field.block)
    work(begin, begin + field.block < end ? begin + field.block : end);
}

}  // namespace

Index empirical_scratch(const EmpiricalField* field) { return EmpiricalBlock::memory(*field); }

void empirical_weights(const EmpiricalField* field, const double* w, double* out) {
  if (field->n < many)
    std::memcpy(out, w, static_cast<std::size_t>(field->n * field->width) * sizeof *w);
  else
    panels_of(w, field->n, field->width, out);
}

void empirical_sums(const EmpiricalField* field, const double* w, Index begin, Index end,
                    const EmpiricalSums* sums, double* scratch) {
  EmpiricalBlock block(*field, w, scratch);
  by_blocks(*field, begin, end, [&](Index from, Index to) { block.add(from, to, *sums); });
}

void empirical_outputs(const EmpiricalField* field, const double* w, Index begin, Index end,
                       double* out, double* scratch) {
  EmpiricalBlock block(*field, w, scratch);
  by_blocks(*field, begin, end, [&](Index from, Index to) {
    const double* const found = block.outputs(from, to);
    for (Index s = from; s < to; ++s) out[s] = found[s - from];
  });
}

}  // namespace hermiteflow::HF_ISA
