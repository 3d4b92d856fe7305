// Samples: random inputs, links at points, and the parts of a step of gradient descent on them.
#include "kernels.hpp"

#include "hermiteflow/normals.hpp"
#include "hermiteflow/point_link.hpp"
#include "hermiteflow/product.hpp"

namespace hermiteflow::HF_ISA {

namespace {

constexpr int wide = 2 * packet_lanes;  // a register's latency is hidden by another one
constexpr Index few = 8;                // samples: fewer are not worth packing
using Row = Lane<wide>;

Row part(const double* row) { return Row::load<false>(row); }

// w_i . x for R rows, over `length` coordinates
template <int R>
void dots(Index length, const double* w, Index stride, const double* x, double* out) {
  Row sums[R];
  for (auto& sum : sums) sum = 0.0;
  for (Index j = 0; j < length; j += wide) {
    const Row here = part(x + j);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) sums[r] = madd(part(w + r * stride + j), here, sums[r]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) out[r] = sums[r].sum();
}

// w_i <- keep_i w_i + sum_b c_ib x_b for R rows, and their squared norms
template <int R>
void advance_rows(Index length, const double* keep, double* w, Index stride, Index samples,
                  const double* c, const double* x, double* squares) {
  Row factor[R], first[R], square[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    factor[r] = keep[r];
    first[r] = c[r * samples];
    square[r] = 0.0;
  }
  for (Index j = 0; j < length; j += wide) {
    const Row here = part(x + j);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      double* const to = w + r * stride + j;
      Row value = madd(first[r], here, factor[r] * part(to));
      for (Index b = 1; b < samples; ++b)
        value = madd(Row(c[r * samples + b]), part(x + b * length + j), value);
      value.store<false>(to);
      square[r] = madd(value, value, square[r]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) squares[r] = square[r].sum();
}

}  // namespace

void sample_normals(const SampleKey* key, SampleTag tag, std::uint64_t sample, Index first,
                    Index groups, double* out) {
  draw_normals(RoundKeys(key->word), static_cast<std::uint32_t>(tag), sample, first, groups, out);
}

void sample_uniforms(const SampleKey* key, SampleTag tag, std::uint64_t sample, double* out) {
  draw_uniforms(RoundKeys(key->word), static_cast<std::uint32_t>(tag), sample, out);
}

void point_values(const PointLink* link, Index count, const double* x, double* value,
                  double* slope) {
  if (slope != nullptr)
    link_values<true>(*link, count, x, value, slope);
  else
    link_values<false>(*link, count, x, value, nullptr);
}

Index sample_scratch(const SampleModel* model, Index samples) {
  return samples * (2 * model->own + model->others + 8) + Product::memory();
}

void sample_fields(const SampleModel* model, Index length, const double* w, Index stride,
                   Index samples, const double* x, double* out, double* scratch) {
  const Index n = model->n, own = model->own;
  if (samples >= few) {
    Product product{samples, n, length, x, w, nullptr, nullptr, out};
    product.b_stride = stride;
    product.c_stride = own;
    product.run<Layout::transposed>(scratch);
    return;
  }
  for (Index b = 0; b < samples; ++b, x += length, out += own) {
    Index i = 0;
    for (; i + 4 <= n; i += 4) dots<4>(length, w + i * stride, stride, x, out + i);
    for (; i < n; ++i) dots<1>(length, w + i * stride, stride, x, out + i);
  }
}

void sample_pull(const SampleModel* model, Index samples, double rate, const double* a,
                 const double* fields, const double* others, double* c, double* shrink,
                 double* layer, double* scratch) {
  const Index n = model->n, own = model->own, count = samples * own;
  double *const value = scratch, *const slope = value + count, *const truth = slope + count,
                *const error = truth + samples * model->others;
  link_values<true>(model->student, count, fields, value, slope);
  link_values<false>(model->teacher, samples * model->others, others, truth, nullptr);
  for (Index b = 0; b < samples; ++b) {
    double sum = 0.0;
    for (Index j = 0; j < model->k; ++j)
      sum += model->target_weights[j] * truth[b * model->others + j];
    for (Index i = 0; model->squared && i < n; ++i) sum -= a[i] * value[b * own + i];
    error[b] = rate * sum;
  }
  for (Index i = 0; i < n; ++i) {
    double along = 0.0, trained = 0.0;
    for (Index b = 0; b < samples; ++b) {
      const Index at = b * own + i;
      const double pull = error[b] * a[i] * slope[at];
      c[i * samples + b] = pull;
      along += pull * fields[at];
      trained += error[b] * value[at];
    }
    shrink[i] = model->sphere ? along : 0.0;
    if (layer != nullptr) layer[i] = trained;
  }
}

void sample_advance(const SampleModel* model, Index length, const double* keep, double* w,
                    Index stride, Index samples, const double* c, const double* x, double* squares,
                    double* scratch) {
  const Index n = model->n;
  if (samples >= few) {
    Product product{n, length, samples, c, x, keep, w, w};
    product.b_stride = length;
    product.c_stride = stride;
    product.run<Layout::plain>(scratch);
    for (Index i = 0; i < n; ++i)
      dots<1>(length, w + i * stride, stride, w + i * stride, squares + i);
    return;
  }
  Index i = 0;
  for (; i + 4 <= n; i += 4)
    advance_rows<4>(length, keep + i, w + i * stride, stride, samples, c + i * samples, x,
                    squares + i);
  for (; i < n; ++i)
    advance_rows<1>(length, keep + i, w + i * stride, stride, samples, c + i * samples, x,
                    squares + i);
}

}  // namespace hermiteflow::HF_ISA
