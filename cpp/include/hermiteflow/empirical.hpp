// Gradient flow on a stored sample: its field and loss at whole weights, over threads. The sample
// is cut into a number of shares that does not depend on the threads; each is summed in order, and
// the shares are added in order, so that results are the same bits for any number of threads.
#pragma once

#include <vector>

#include "hermiteflow/kernel_api.hpp"
#include "hermiteflow/parallel.hpp"
#include "hermiteflow/scratch.hpp"
#include "hermiteflow/squared.hpp"

namespace hermiteflow {

struct EmpiricalFlow {
  Sample sample;
  const double* y;  // labels (count,); null: only outputs are asked for
  Index n;
  const double* a;  // (n,)
  PointLink link;
  bool squared, constrained;
  Index k;
  const double* vectors;  // V (k, d)
  bool trained = false;   // a moves too
};

// W (n, d) as a state: rows padded with zeros; then a, padded too, where it is trained.
class EmpiricalLayout {
 public:
  EmpiricalLayout(const EmpiricalFlow& flow, Index width) : flow_(flow), width_(width) {}
  Index weights() const { return flow_.n * width_; }
  Index size() const;
  bool trained() const { return flow_.trained; }
  void pack(const SquaredState& from, double* y) const;
  void unpack(const double* y, const SquaredState& to) const;
  void overlaps(const double* row, double* m) const;  // of one neuron: (k,)

 private:
  const EmpiricalFlow& flow_;
  Index width_;
};

class EmpiricalEvaluator {
 public:
  static constexpr bool has_rk4 = false;
  Index evaluations = 0;
  EmpiricalLayout layout;
  const SquaredField& field;  // sizes alone

  EmpiricalEvaluator(const EmpiricalFlow& flow, int threads, Watch& watch);
  EmpiricalEvaluator(const EmpiricalEvaluator&) = delete;

  bool free() const { return !flow_.constrained; }
  Scratch state() const;
  // M and Q of a state as entry i of the saved ones
  void keep(const double* y, const SquaredState& path, Index i) const;
  // dW/dt into `out`; speed2 (2 n,) or null. False: stopped.
  bool rates(const double* y, double* out, double* speed2);
  double loss(const double* y);
  bool outputs(const double* y, double* out);  // f of each sample
  void normalise(double* y);
  void advance(Index count, const double* weights, const double* const* rates, const double* base,
               double* out);
  SquaredError error(Index count, const double* e, const double* e3, const double* const* rates,
                     const double* y, const double* z, double rtol, double atol);
  // each row may also be off by `noise` times its force, |F| (n,)
  SquaredError error_beside_rounding(Index count, const double* e, const double* e3,
                                     const double* const* rates, const double* y, const double* z,
                                     double rtol, double atol, double noise, const double* force);

 private:
  const EmpiricalFlow& flow_;
  const KernelTable& kernel_;
  Watch& watch_;
  int threads_;
  EmpiricalField samples_;
  Scratch weights_;  // as kernels take them
  SquaredField sizes_;
  Index rows_;  // n, padded
  Index shares_, sums_size_;
  std::vector<double> a_;         // of the state, where it is trained
  std::vector<Scratch> scratch_;  // of each thread
  Scratch sums_;                  // of each share
  Scratch last_;                  // the state whose loss is known
  double last_loss_ = 0.0;
  bool known_ = false;

  template <class Begin, class Work>
  bool by_shares(const Begin& begin, const Work& work);
  template <class Work>
  bool by_entries(Index size, const Work& work);
  EmpiricalSums sums(Index share, bool pull) const;
  bool sum(const double* y, bool force, bool pull);
  void train(double* out, double* speed2) const;
  bool total(Index offset, double* out);
  double total_of(Index offset) const;
};

// f of each sample, (count,), for W (n, d). False: stopped.
bool empirical_outputs(const EmpiricalFlow& flow, const double* w, double* out, int threads,
                       const Poll& poll);
double empirical_loss(const EmpiricalFlow& flow, const double* w, int threads, const Poll& poll);
// dW/dt (n, d) and, where a is trained, da/dt (n,); returns the loss
double empirical_rates(const EmpiricalFlow& flow, const double* w, double* rates,
                       double* layer_rates, int threads, const Poll& poll);
void solve_empirical(const EmpiricalFlow& flow, const SquaredOptions& options,
                     const SquaredState& start, SquaredResult& result, int threads,
                     const Poll& poll);

}  // namespace hermiteflow
