// Gradient flow of the squared loss, MATH (9), (10): one coupled system of n neurons, and one step
// size for all of them. Knows the kernels of the field, tableaux, the controller and threads.
#pragma once

#include <vector>

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/parallel.hpp"
#include "hermiteflow/scratch.hpp"

namespace hermiteflow {

// A link whose averages are known at any norm: sum_p c_p h_p + erf + sign + ReLU, with factors.
struct FreeLink {
  Index terms;
  const double* series;
  double erf, sign, relu;
};

struct FreeLinks {
  FreeLink student, teacher;
};

struct SquaredFlow {
  SquaredForm form;
  Index n, r;  // coordinates: W is (n, r)
  Gram gram;
  Slope cross, own;              // psi', psi_ss'
  const double* second_layer;    // (n,)
  const double* target_weights;  // (k,)
  double loss_at_zero;           // the part of (9) that M = 0 and Q = 0 leave
  // Coordinates only: a moves too, and `loss_at_zero` is then the teacher's part alone
  bool trained = false;
  double cross_at_zero = 0.0, own_at_zero = 0.0;  // trained, on the sphere: psi(0), psi_ss(0)
  const FreeLinks* links = nullptr;               // weights of any norm, in place of the slopes
};

struct SquaredTimes {
  double t_end, step, rtol, atol;  // step: rk4; tolerances of each entry: the other methods
};

struct SquaredList {
  Index count;
  const double* at;
  double operator[](Index i) const { return at[i]; }
};

struct SquaredOptions {
  Method method;
  SquaredTimes times;
  Index max_steps;
  bool renormalize;      // coordinates, rk4: |w| = 1 after each step
  SquaredList levels;    // of max_j |M_ij|, ascending
  bool levels_terminal;  // stop when each neuron has met the last
  SquaredList losses;    // descending
  bool losses_terminal;
  double tol;  // of each neuron's gradient, beside its force; 0: not watched
  bool tol_terminal;
  SquaredList saves;  // times, ascending
};

// A state by rows: M (n, k) and Q (n, n), or W (n, r) alone; a (n,) where it is trained.
struct SquaredState {
  double *m, *q, *w, *a;
};

struct SquaredResult {
  SquaredState end;
  SquaredState path;       // (n_save, ...)
  double* path_loss;       // (n_save,)
  double* hits;            // (n, n_levels)
  double* loss_times;      // (n_losses,)
  double* gradient_norms;  // (n,), at the end
  double converged_time = -1.0, t = 0.0, loss = 0.0;
  Status status = Status::interrupted;
  Index steps = 0, rejected = 0, evaluations = 0;
};

// What the kernels see of a flow, with the arrays they point to.
class SquaredLayout {
 public:
  explicit SquaredLayout(const SquaredFlow& flow);
  SquaredLayout(const SquaredLayout&) = delete;
  const SquaredField& field() const { return field_; }
  Index size() const;                        // doubles of a state: the rows, then a
  Index columns() const { return flow_.r; }  // of W
  bool trained() const { return flow_.trained; }
  double* layer(double* y) const { return y + field_.n * field_.width; }
  void follow(const double* y);  // the field has the state's a, where it is trained
  void pack(const SquaredState& from, double* y) const;
  void unpack(const double* y, const SquaredState& to) const;
  // the overlaps of one neuron with the index vectors: (k,)
  void overlaps(const double* row, double* m) const;

 private:
  SquaredFlow flow_;
  SquaredField field_;
  std::vector<double> cross_, own_, a_;
  Scratch row_, gram_, v_, v_across_;  // aligned
};

// Integrals of psi' from 0.
struct SquaredPotential {
  explicit SquaredPotential(const SquaredFlow& flow);
  // sum_j b_j psi and sum_l a_l psi_ss of row i of [M | Q], less psi(0) and psi_ss(0) unless given
  void row(const SquaredField& field, Index i, const double* x, double& cross, double& own) const;

 private:
  struct Integral {
    Slope slope;
    std::vector<double> coefficients;
    double at_zero;
    Integral(const Slope& of, double at_zero);
    double operator()(double u) const;
  };
  Integral cross_, own_;
};

// Field, speeds and loss at one state; `rates` like the state, `norms` (n,).
double squared_rates(const SquaredFlow& flow, const SquaredState& at, const SquaredState& rates,
                     double* norms, int threads, const Poll& poll);
void solve_squared(const SquaredFlow& flow, const SquaredOptions& options,
                   const SquaredState& start, SquaredResult& result, int threads, const Poll& poll);

}  // namespace hermiteflow
