// What crosses the border between the core and the kernels of an instruction set: plain structs
// and function pointers only, so that no type with weak symbols is shared between the variants.
#pragma once

#include "hermiteflow/types.hpp"

namespace hermiteflow {

// What the core says about a point where the field is nearly zero.
struct Verdict {
  bool minimum;        // no negative eigenvalue of the Hessian MATH (11) beyond rounding
  double max_overlap;  // max_j |m_j| of the fixed point nearby
};

// Rare questions of a kernel about one neuron; answered by the core, in ordinary C++.
struct Oracle {
  const void* context;
  Verdict (*judge)(const void* context, Index neuron, const double* m);
  // will it stay near m = 0, and every |m_j| below `level` (0: no matter)?
  bool (*trapped)(const void* context, Index neuron, const double* m, double outside, double level);
  double (*speed)(const void* context, Index neuron, const double* m);  // |dm/dt| / |G g|
};

struct Problem {
  Flow flow;
  Index n;
  const double* overlaps;  // (n, k) starts
  const double* outside;   // (n,) squared norm of w(0) outside span(V), 0 where d = rank
  Method method;
  double t_end;
  double step;         // rk4
  double rtol;         // adaptive
  const double* atol;  // (n,)
  bool atol_follows;   // at most 1e-3 rtol times the largest overlap at any time
  Index max_steps;
  bool renormalize;      // rk4: |w| = 1 after each step
  bool frame;            // integrate w = s w(0) + V^T alpha as well
  bool stop_if_trapped;  // end with no_escape where the oracle proves it
  Index n_levels;        // hitting levels, ascending
  const double* levels;
  const bool* level_terminal;
  bool watch_convergence;
  bool convergence_terminal;
  double convergence_tol;
  Index n_save;
  const double* save_at;  // ascending
  Oracle oracle;
};

struct Result {
  double* t_final;         // (n,)
  double* overlaps;        // (n, k)
  std::int32_t* status;    // (n,)
  Index* steps;            // (n,)
  Index* rejected;         // (n,)
  double* hits;            // (n, n_levels)
  double* converged_time;  // (n,)
  double* trajectory;      // (n, n_save, k) or null
  double* frame;           // (n, 1 + k): s, alpha; or null
};

// Shared by the threads of one run: a ticket counter, a stop flag, and a poll of the caller.
struct Control {
  Index* ticket;
  int* stop;
  Index* done;
  bool (*poll)(void* context, Index done);  // false: stop; called by one thread only
  void* poll_context;
};

// Asked between the steps of a long run: is it to stop?
struct Pause {
  void* context;
  bool (*wanted)(void* context);
};

// The flow in all d coordinates.
struct FullProblem {
  Flow flow;
  Index d;
  const double* index_vectors;  // V (k, d)
  const double* weights;        // W (n, d)
};

// State of the squared loss: order parameters X = [M | Q], or coordinates W in a basis of
// span(W(0), V) whose first vectors span V.
enum class SquaredForm : std::int32_t { order_parameters = 0, coordinates = 1 };

// Rows of a state, and everything beside it, are padded with zeros to so many doubles.
inline constexpr Index squared_lanes = 8;

// Gradient flow of the squared loss, MATH (10), laid out for the kernels.
struct SquaredField {
  SquaredForm form;
  Index n, k;
  Index first;                  // the column of [M | Q] where Q begins
  Index across;                 // width of [M | Q]
  Index width;                  // of a row of the state; coordinates: r padded
  Slope cross, own;             // psi', psi_ss', each with an even number of terms
  double cross_root, own_root;  // not 0: the slope is this over sqrt(4 - u^2)
  const double* a;              // (n,) second layer
  const double* row;            // (across,): b, then -a
  GramKind kind;
  double beta, alpha, gamma;   // equiangular: G, and V = alpha I + gamma 1 1^T
  Index rank;                  // general, coordinates: columns of V
  const double* gram;          // general, order parameters: G (k, first)
  const double *v, *v_across;  // general, coordinates: V (k, padded rank), V^T (rank, first)
  bool small;                  // one block, and products without packing
};

// Averages E[s(x1) t(x2)] of two links at the norms of one state: S_n(q11) T_n(q22) q12^n summed
// over powers and channels, and closed forms between functions by name.
struct FreeLaw {
  Index channels, powers;
  const double* first;   // (n, 3, channels, powers): S_n, n S_n, dS_n/dq11 of each neuron
  const double* second;  // (channels, powers, width): T_n, zero behind the last
  const double* norms;   // (width,): q22, 1 behind the last
  double erf_erf, erf_sign, relu_relu;  // products of the functions' factors
};

// Weights of any norm: coordinates only.
struct FreeField {
  FreeLaw cross, own;   // student and teacher, student and student
  const double* norms;  // (n,)
};

// Streams of the random numbers of samples, Philox-4x32: (key, counter, sample, tag).
struct SampleKey {
  std::uint32_t word[2];
};
enum class SampleTag : std::uint32_t { inputs = 1, norms = 2, trials = 3, neurons = 4 };

// Functions known by name, in the order of Python's names.
enum class Function : std::int32_t {
  relu,
  erf,
  tanh,
  sigmoid,
  softplus,
  gelu,
  silu,
  sign,
  cos,
  sin,
  exp
};
inline constexpr Index functions = 11;
inline constexpr Index table_terms = 16;

// A link as a function of a point: a Hermite series, functions by name with their factors, and a
// table of polynomials for what was given as a callable.
struct PointLink {
  Index terms;                 // at least 1
  const double* series;        // (terms,)
  const double* slope_series;  // (terms - 1,): sqrt(p + 1) c_(p + 1)
  const double *up, *down;     // (terms - 1,): of the recurrence of h_p
  double factors[functions];
  Index panels;  // on [-reach, reach]
  double reach, panels_per_unit;
  const double* table;  // (panels, table_terms), in t on [-1, 1]; or null
};

// Student and teacher as functions of an input, for gradient descent on samples, MATH section 8.
struct SampleModel {
  Index n, k;
  Index own, others;  // n and k, padded to 8
  PointLink student, teacher;
  const double* target_weights;  // (k,)
  bool squared;                  // e = f* - f; otherwise e = f*
  bool sphere;                   // steps are projected, and |w| = 1 after each
};

// Online gradient descent of neurons with samples of their own, correlation loss.
struct MarginalProblem {
  Index n, k, rank;
  const double* factor;  // L (k, rank), or null for G = I
  PointLink student, teacher;
  const double* target_weights;  // (k,)
  const double* second_layer;    // (n,)
  const double* start;           // (n, rank + 1): coordinates in span(V), and the length outside
  const Index* reached;          // (n,): levels met at the start
  double freedom;                // d - rank - 1
  double rate;
  Index steps;
  SampleKey key;
  Index n_levels;
  const double* levels;
  Index enough;  // levels after which a neuron stops; 0: never
  Index n_saves;
  const Index* saves;
  const void* context;
  // chi squared of `freedom` from a proposal that is not surely accepted
  double (*chi_squared)(const MarginalProblem*, Index neuron, Index step, double normal,
                        double uniform);
};

struct MarginalResult {
  double* overlaps;      // (n, k)
  std::int32_t* status;  // (n,)
  Index* steps;          // (n,)
  double* hits;          // (n, n_levels)
  double* trajectory;    // (n_saves, n, k)
};

// A stored sample X (count, d), float32 or float64, its rows `stride` numbers apart.
struct Sample {
  const void* x;
  bool single;  // float32
  Index count, d, stride;
};

// Neurons on a stored sample. Rows of W are padded with zeros to `width`, a multiple of 8.
struct EmpiricalField {
  Sample sample;
  const double* y;  // (count,) labels
  Index n, width;
  const double* a;  // (n,) second layer
  PointLink link;   // of the student
  bool squared;     // e = y - f, else e = y
  Index block;      // samples at once, a multiple of 24
};

// Sums over samples, added to: with s = sigma'(w_i.x) and u = w_i.x,
struct EmpiricalSums {
  double* force;  // (n, width): a_i e s x; null: the loss alone
  double* pull;   // (n, width): a_i y s x; or null
  double* along;  // (n,): a_i e s u
  double* own;    // (n,): a_i^2 sigma(u) s u
  double* left;   // (n,): e sigma(u), where a is trained; or null
  double* given;  // (n,): y sigma(u), with `left`
  double* loss;   // -y f, or (y - f)^2 / 2
};

// What a step looks at beside its error.
struct SquaredError {
  double first, second;  // largest estimates over their tolerances
  double sound;          // NaN where some entry is not finite, else 0
};

struct KernelTable {
  const char* name;
  Index grain;  // the R^d kernels are quickest on multiples of so many rows of W
  // doubles of scratch memory that one thread of solve_tiles needs
  Index (*solve_scratch)(const Problem*);
  void (*solve_tiles)(const Problem*, const Result*, const Control*, double* scratch,
                      bool may_poll);
  // doubles of scratch memory: of a product alone, and for so many rows of W
  Index (*product_scratch)();
  Index (*gradient_scratch)(Index rows, Index k);
  Index (*rk4_scratch)(Index rows, Index k, Index d);
  // gradient of MATH (2) for rows [begin, end) of W
  void (*full_gradient)(const FullProblem*, Index begin, Index end, double* gradient,
                        double* scratch);
  // RK4 in R^d for rows [begin, end), in place in `weights` (n, d); false: stopped
  bool (*full_rk4)(const FullProblem*, double step, double t_end, bool renormalize, Index begin,
                   Index end, double* weights, double* scratch, const Pause* pause);
  // out = diag(s) X + C V for a block of rows: X (rows, d) or null, C (rows, k), V (k, d)
  void (*combine)(Index rows, Index k, Index d, const double* s, const double* x, const double* c,
                  const double* v, double* out, double* scratch);
  // rows of X times V^T: (rows, d) (k, d) -> (rows, k)
  void (*project)(Index rows, Index k, Index d, const double* x, const double* v, double* out,
                  double* scratch);
  // doubles of scratch memory that one thread needs for so many rows
  Index (*squared_scratch)(const SquaredField*, Index rows);
  // rows [begin, end) of the field at y; speed2 (2 n,) or null: |dw_i/dt|^2, then that of the
  // force before it is projected
  void (*squared_rates)(const SquaredField*, const double* y, double* out, double* speed2,
                        Index begin, Index end, double* scratch);
  // rows [begin, end) of [M | Q] at y
  void (*squared_overlaps)(const SquaredField*, const double* y, double* out, Index begin,
                           Index end, double* scratch);
  // The same two for weights of any norm. sums (2 n,) or null: sum_j b_j K_ij, then sum_l a_l K_il;
  // with `out` null nothing else. The second half of speed2 is (|pull| + |push|)^2.
  Index (*squared_free_scratch)(const SquaredField*, Index rows);
  void (*squared_free)(const SquaredField*, const FreeField*, const double* y, double* out,
                       double* sums, double* speed2, Index begin, Index end, double* scratch);
  // order parameters, when all rows are there: adds the transpose to the rows [begin, end) of Q
  void (*squared_close)(const SquaredField*, double* out, Index begin, Index end);
  // coordinates: puts rows [begin, end) back on the sphere
  void (*squared_normalise)(const SquaredField*, double* y, Index begin, Index end);
  // out = base + sum_j weights_j rates_j, entries [begin, end)
  void (*squared_advance)(Index begin, Index end, Index count, const double* weights,
                          const double* const* rates, const double* base, double* out);
  // |sum_j e_j rates_j| over atol + rtol max(|y|, |z|), the largest; e3 may be null
  SquaredError (*squared_error)(Index begin, Index end, Index count, const double* e,
                                const double* e3, const double* const* rates, const double* y,
                                const double* z, double rtol, double atol);
  // so many steps of RK4 of a small field, in place; `scratch`: that of all rows and 3 states
  void (*squared_rk4)(const SquaredField*, double* y, double step, Index steps, bool renormalize,
                      double* scratch);
  // normal numbers [16 first, 16 (first + groups)) of a sample, each of its coordinates; and 16
  // numbers in (0, 1)
  void (*sample_normals)(const SampleKey*, SampleTag, std::uint64_t sample, Index first,
                         Index groups, double* out);
  void (*sample_uniforms)(const SampleKey*, SampleTag, std::uint64_t sample, double* out);
  // sigma and, unless null, sigma' of `count` points, a multiple of 8; all aligned
  void (*point_values)(const PointLink*, Index count, const double* x, double* value,
                       double* slope);
  // One step on `samples` inputs X (samples, length), in parts; `length` is a multiple of 16.
  Index (*sample_scratch)(const SampleModel*, Index samples);
  // w_i . x_b over these coordinates: (samples, own); w by rows that lie `stride` apart
  void (*sample_fields)(const SampleModel*, Index length, const double* w, Index stride,
                        Index samples, const double* x, double* out, double* scratch);
  // c_ib = rate a_i e_b sigma'(w_i . x_b), (n, samples), and sum_b c_ib w_i . x_b, zero without
  // the sphere; layer (n,) or null: rate sum_b e_b sigma(w_i . x_b). Fields: (samples, own), and
  // those of the index vectors, (samples, others).
  void (*sample_pull)(const SampleModel*, Index samples, double rate, const double* a,
                      const double* fields, const double* others, double* c, double* shrink,
                      double* layer, double* scratch);
  // w_i <- keep_i w_i + sum_b c_ib x_b over these coordinates; their squares are added up, (n,)
  void (*sample_advance)(const SampleModel*, Index length, const double* keep, double* w,
                         Index stride, Index samples, const double* c, const double* x,
                         double* squares, double* scratch);
  Index (*marginal_scratch)(const MarginalProblem*);
  void (*marginal_neurons)(const MarginalProblem*, const MarginalResult*, const Control*,
                           double* scratch, bool may_poll);
  // doubles of scratch memory of the two that follow, which look at the samples [begin, end), a
  // block at a time; w (n, width), aligned
  Index (*empirical_scratch)(const EmpiricalField*);
  // W (n, width) as the two below take it, of rounded_up(n, 8) * width numbers
  void (*empirical_weights)(const EmpiricalField*, const double* w, double* out);
  void (*empirical_sums)(const EmpiricalField*, const double* w, Index begin, Index end,
                         const EmpiricalSums*, double* scratch);
  // f of each sample, out (count,)
  void (*empirical_outputs)(const EmpiricalField*, const double* w, Index begin, Index end,
                            double* out, double* scratch);
  double (*fma_peak)(double seconds);  // GF/s of a pure FMA loop on one thread
};

}  // namespace hermiteflow
