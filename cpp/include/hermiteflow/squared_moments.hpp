// Averages of two links at any norms, docs/squared (15), as the numbers that the kernels of free
// weights need: moments S_n(q) = E[s^(n)(sqrt(q) X)] of each neuron. Knows no lanes and no steps.
#pragma once

#include <vector>

#include "hermiteflow/scratch.hpp"
#include "hermiteflow/squared.hpp"

namespace hermiteflow {

// A link's moments at any norm, each over sqrt(n!).
class LinkMoments {
 public:
  explicit LinkMoments(const FreeLink& link);
  Index degree() const { return degree_; }  // of the polynomial, -1 where there is none
  bool named() const { return relu() != 0.0 || odd(); }
  bool odd() const { return link_.erf != 0.0 || link_.sign != 0.0; }
  double relu() const { return link_.relu; }
  // of the polynomial, of the functions by name, and of the odd ones of these: (count,)
  void polynomial(double q, Index count, double* out) const;
  void functions(double q, Index count, double* out) const;
  void odd_functions(double q, Index count, double* out) const;

 private:
  FreeLink link_;
  Index degree_;
  // S_n as a polynomial in q - 1; where some powers of q vanish, in q too, with sums of sizes
  struct Row {
    std::vector<double> lifted, powers, bounds;
  };
  std::vector<Row> rows_;
};

// One law: the channels of its separable part.
class FreeTables {
 public:
  FreeTables(const LinkMoments& first, const LinkMoments& second, const FreeLink& s,
             const FreeLink& t, Index n, Index width, bool fixed);
  // of n neurons at these norms; the second ones' too, unless their norms are 1 for good
  void follow(const double* norms);
  FreeLaw law{};

 private:
  const LinkMoments &first_, &second_;
  Index n_, width_;
  bool fixed_, polynomial_first_, polynomial_second_, relu_first_, relu_second_;
  std::vector<double> moments_, others_, table_;
  Scratch second_table_, norms_;

  void firsts(double q, double* to);
  void seconds(double q, Index column);
};

// Both laws at a state.
class SquaredMoments {
 public:
  SquaredMoments(const SquaredFlow& flow, const SquaredField& field);
  SquaredMoments(const SquaredMoments&) = delete;
  const FreeField& follow(const double* y);

 private:
  const SquaredField& field_;
  LinkMoments student_, teacher_;
  FreeTables cross_, own_;
  std::vector<double> norms_;
  FreeField free_{};
};

}  // namespace hermiteflow
