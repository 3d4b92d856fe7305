// Entry points of the kernels of one instruction set; gathered by kernel_table.cpp.
#pragma once

#include "hermiteflow/kernel_api.hpp"

#ifndef HF_ISA
#define HF_ISA generic
#endif

namespace hermiteflow::HF_ISA {

constexpr Index full_grain = 8;  // a multiple of the rows of a tile under every instruction set

Index solve_scratch(const Problem* problem);
void solve_tiles(const Problem* problem, const Result* result, const Control* control,
                 double* scratch, bool may_poll);

Index product_scratch();
Index gradient_scratch(Index rows, Index k);
Index rk4_scratch(Index rows, Index k, Index d);
void full_gradient(const FullProblem* full, Index begin, Index end, double* gradient,
                   double* scratch);
bool full_rk4(const FullProblem* full, double step, double t_end, bool renormalize, Index begin,
              Index end, double* weights, double* scratch, const Pause* pause);
void combine(Index rows, Index k, Index d, const double* s, const double* x, const double* c,
             const double* v, double* out, double* scratch);
void project(Index rows, Index k, Index d, const double* x, const double* v, double* out,
             double* scratch);

Index squared_scratch(const SquaredField* field, Index rows);
void squared_rates(const SquaredField* field, const double* y, double* out, double* speed2,
                   Index begin, Index end, double* scratch);
void squared_overlaps(const SquaredField* field, const double* y, double* out, Index begin,
                      Index end, double* scratch);
Index squared_free_scratch(const SquaredField* field, Index rows);
void squared_free(const SquaredField* field, const FreeField* free, const double* y, double* out,
                  double* sums, double* speed2, Index begin, Index end, double* scratch);
void squared_close(const SquaredField* field, double* out, Index begin, Index end);
void squared_normalise(const SquaredField* field, double* y, Index begin, Index end);
void squared_advance(Index begin, Index end, Index count, const double* weights,
                     const double* const* rates, const double* base, double* out);
SquaredError squared_error(Index begin, Index end, Index count, const double* e, const double* e3,
                           const double* const* rates, const double* y, const double* z,
                           double rtol, double atol);
void squared_rk4(const SquaredField* field, double* y, double step, Index steps, bool renormalize,
                 double* scratch);

void sample_normals(const SampleKey* key, SampleTag tag, std::uint64_t sample, Index first,
                    Index groups, double* out);
void sample_uniforms(const SampleKey* key, SampleTag tag, std::uint64_t sample, double* out);
Index sample_scratch(const SampleModel* model, Index samples);
void sample_fields(const SampleModel* model, Index length, const double* w, Index stride,
                   Index samples, const double* x, double* out, double* scratch);
void sample_pull(const SampleModel* model, Index samples, double rate, const double* a,
                 const double* fields, const double* others, double* c, double* shrink,
                 double* layer, double* scratch);
void sample_advance(const SampleModel* model, Index length, const double* keep, double* w,
                    Index stride, Index samples, const double* c, const double* x, double* squares,
                    double* scratch);
void point_values(const PointLink* link, Index count, const double* x, double* value,
                  double* slope);

Index marginal_scratch(const MarginalProblem* problem);
void marginal_neurons(const MarginalProblem* problem, const MarginalResult* result,
                      const Control* control, double* scratch, bool may_poll);

Index empirical_scratch(const EmpiricalField* field);
void empirical_weights(const EmpiricalField* field, const double* w, double* out);
void empirical_sums(const EmpiricalField* field, const double* w, Index begin, Index end,
                    const EmpiricalSums* sums, double* scratch);
void empirical_outputs(const EmpiricalField* field, const double* w, Index begin, Index end,
                       double* out, double* scratch);

double fma_peak(double seconds);

}  // namespace hermiteflow::HF_ISA
