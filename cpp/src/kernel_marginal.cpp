// Online gradient descent of neurons that do not see each other's samples: a lane is a neuron. Its
// state is its coordinates in span(V) and the length r of what lies outside. A sample has as many
// normal coordinates, one along that part, and a chi-squared rest.
#include "kernels.hpp"

#include "hermiteflow/normals.hpp"
#include "hermiteflow/point_link.hpp"

namespace hermiteflow::HF_ISA {

namespace {

constexpr int parts = 8;  // registers side by side, whose chains of operations overlap
constexpr int L = parts * draw_lanes;
using Row = Lane<draw_lanes>;

struct Neurons {
  const MarginalProblem& p;
  const MarginalResult& out;
  const Control& control;
  RoundKeys keys;
  Index rows;      // normal numbers of a step: rank + 1, and one for the norm
  double* coords;  // (rank + 1, L)
  double* draws;   // (rows rounded up to 2, L)
  double *uniform, *spare, *fields, *truths, *value, *slope, *error, *layer, *rest, *level, *next;
  std::int64_t id[L], step[L], reached[L], saved[L], until[L], bad[L];
  int busy = 0;

  static Index scratch(const MarginalProblem& p) {
    return L * (p.rank + 1 + padded2(p.rank + 2) + 2 * p.k + 11);
  }
  static Index padded2(Index n) { return (n + 1) / 2 * 2; }

  Neurons(const MarginalProblem& problem, const MarginalResult& result, const Control& c,
          double* memory)
      : p(problem), out(result), control(c), keys(problem.key.word), rows(problem.rank + 2) {
    const auto take = [&](Index count) {
      double* const at = memory;
      memory += count * L;
      return at;
    };
    coords = take(p.rank + 1);
    draws = take(padded2(rows));
    truths = take(p.k);
    fields = take(p.k);
    uniform = take(1);
    spare = take(1);
    value = take(1);
    slope = take(1);
    error = take(1);
    layer = take(1);
    rest = take(1);
    level = take(1);
    next = take(1);
  }

  // ---- neurons come and go -----------------------------------------------------------------
  Index ticket() { return __atomic_fetch_add(control.ticket, 1, __ATOMIC_RELAXED); }

  double overlap(int l, Index j) const {
    if (p.factor == nullptr) return coords[j * L + l];
    double sum = 0.0;
    for (Index r = 0; r < p.rank; ++r) sum += p.factor[j * p.rank + r] * coords[r * L + l];
    return sum;
  }

  void aim(int l) {  // at the next save, or the end
    until[l] = saved[l] < p.n_saves ? p.saves[saved[l]] : p.steps;
    level[l] = reached[l] < p.n_levels ? p.levels[reached[l]] : 2.0;
  }

  // The lane's next neuron; a lane without one goes on with a harmless state.
  void fetch(int l) {
    for (;;) {
      const Index i = ticket();
      const bool real = i < p.n;
      id[l] = real ? i : -1;
      step[l] = 0;
      bad[l] = 0;
      reached[l] = real ? p.reached[i] : 0;
      saved[l] = p.n_saves > 0 && p.saves[0] == 0 ? 1 : 0;
      for (Index r = 0; r <= p.rank; ++r)
        coords[r * L + l] = real ? p.start[i * (p.rank + 1) + r] : (r < p.rank ? 0.0 : 1.0);
      layer[l] = real ? p.second_layer[i] : 0.0;
      aim(l);
      if (!real) {
        level[l] = 2.0;
        until[l] = INT64_MAX;
        return;
      }
      if (p.enough == 0 || reached[l] < p.enough) {
        ++busy;
        return;
      }
      record(l, Status::event);
    }
  }

  void record(int l, Status status) {
    const Index i = id[l];
    out.status[i] = static_cast<std::int32_t>(status);
    out.steps[i] = step[l];
    for (Index j = 0; j < p.k; ++j) out.overlaps[i * p.k + j] = overlap(l, j);
    __atomic_fetch_add(control.done, 1, __ATOMIC_RELAXED);
  }

  void leave(int l, Status status) {
    record(l, status);
    --busy;
    fetch(l);
  }

  // ---- one step of all lanes ---------------------------------------------------------------
  // Two words of 64 bits from each counter: one for each pair of rows, and one for the trial of chi
  // squared.
  void draw() {
    const Index pairs = padded2(rows) / 2;
    for (Index pair = 0; pair <= pairs; pair += 2) {
      Words word[2][parts];
      for (int q = 0; q < parts; ++q) {
        Counters c;
        Words at, who;
        std::memcpy(&at, step + q * draw_lanes, sizeof at);
        std::memcpy(&who, id + q * draw_lanes, sizeof who);
        c.at[0] = spread(static_cast<std::uint64_t>(pair / 2));
        c.at[1] = at & 0xFFFFFFFFULL;
        c.at[2] = (at >> 32) | (static_cast<std::uint64_t>(SampleTag::neurons) << 24);
        c.at[3] = who & 0xFFFFFFFFULL;
        philox(c, keys, word[0][q], word[1][q]);
      }
      for (Index half = 0; half < 2 && pair + half <= pairs; ++half) {
        double* const to = pair + half == pairs ? uniform : draws + 2 * (pair + half) * L;
        for (int q = 0; q < parts; ++q) {
          if (pair + half == pairs) {
            put(to, q, uniforms(word[half][q]));
            continue;
          }
          Draws x, y;
          box_muller(word[half][q], x, y);
          put(to, q, x);
          put(to + L, q, y);
        }
      }
    }
  }
  static void put(double* row, int q, const Draws& x) {
    std::memcpy(row + q * draw_lanes, &x, sizeof x);
  }

  // Squared length of a sample outside span(V, w): chi squared by its first proposal (see
  // random.cpp), or by the core where that is not surely accepted.
  void norms() {
    const double* const normal = draws + (p.rank + 1) * L;
    if (p.freedom < 2.0) {
      for (int l = 0; l < L; ++l) rest[l] = p.freedom <= 0.0 ? 0.0 : normal[l] * normal[l];
      return;
    }
    const double base = 0.5 * p.freedom - 1.0 / 3.0, c = 1.0 / (3.0 * __builtin_sqrt(base));
    double sure = 1.0;
    for (int l = 0; l < L; ++l) {
      const double y = c * normal[l], size = __builtin_fabs(y), fourth = y * y * y * y;
      rest[l] = 2.0 * base * ((1.0 + y) * (1.0 + y) * (1.0 + y));
      spare[l] = size < 1.0 ? 1.0 - 0.75 * base * fourth / (1.0 - size) - uniform[l] : 0.0;
      sure = spare[l] > 0.0 ? sure : 0.0;
    }
    if (sure == 1.0) return;
    for (int l = 0; l < L; ++l)
      if (!(spare[l] > 0.0) && id[l] >= 0)
        rest[l] = p.chi_squared(&p, id[l], step[l], normal[l], uniform[l]);
  }

  void advance() {
    // fields: of the neuron, coords . draws; of the index vectors, L draws
    for (int q = 0; q < L; q += draw_lanes) {
      Row sum = 0.0;
      for (Index r = 0; r <= p.rank; ++r)
        sum = madd(load<draw_lanes>(coords + r * L + q), load<draw_lanes>(draws + r * L + q), sum);
      store<draw_lanes>(fields + q, sum);
    }
    const double* others = draws;
    if (p.factor != nullptr) {
      for (Index j = 0; j < p.k; ++j)
        for (int q = 0; q < L; q += draw_lanes) {
          Row sum = 0.0;
          for (Index r = 0; r < p.rank; ++r)
            sum = madd(Row(p.factor[j * p.rank + r]), load<draw_lanes>(draws + r * L + q), sum);
          store<draw_lanes>(truths + j * L + q, sum);
        }
      others = truths;
    }
    link_values<true>(p.student, L, fields, value, slope);
    for (int l = 0; l < L; ++l) error[l] = 0.0;
    for (Index j = 0; j < p.k; ++j) {
      link_values<false>(p.teacher, L, others + j * L, value, nullptr);
      for (int l = 0; l < L; ++l) error[l] += p.target_weights[j] * value[l];
    }
    for (int q = 0; q < L; q += draw_lanes) {
      const Row pull = Row(p.rate) * load<draw_lanes>(layer + q) * load<draw_lanes>(error + q) *
                       load<draw_lanes>(slope + q);
      const Row keep = Row(1.0) - pull * load<draw_lanes>(fields + q);
      store<draw_lanes>(value + q, pull);
      store<draw_lanes>(slope + q, keep);
    }
  }

  // w <- keep w + pull x, and back on the sphere
  void move() {
    for (int q = 0; q < L; q += draw_lanes) {
      const Row pull = load<draw_lanes>(value + q), keep = load<draw_lanes>(slope + q);
      Row square = pull * pull * load<draw_lanes>(rest + q), most = 0.0;
      const Row outside = madd(pull, load<draw_lanes>(draws + p.rank * L + q),
                               keep * load<draw_lanes>(coords + p.rank * L + q));
      square = madd(outside, outside, square);  // of what is outside
      Row inside = 0.0;
      for (Index r = 0; r < p.rank; ++r) {
        const Row x = madd(pull, load<draw_lanes>(draws + r * L + q),
                           keep * load<draw_lanes>(coords + r * L + q));
        store<draw_lanes>(coords + r * L + q, x);
        inside = madd(x, x, inside);
      }
      const Row scale = (square + inside).sqrt().inverse();
      for (Index r = 0; r < p.rank; ++r) {
        const Row x = load<draw_lanes>(coords + r * L + q) * scale;
        store<draw_lanes>(coords + r * L + q, x);
        most = most.max(x.abs());
      }
      store<draw_lanes>(coords + p.rank * L + q, square.sqrt() * scale);
      store<draw_lanes>(next + q, most);
    }
    if (p.factor == nullptr || p.n_levels == 0) return;
    for (int q = 0; q < L; q += draw_lanes) {
      Row most = 0.0;
      for (Index j = 0; j < p.k; ++j) {
        Row sum = 0.0;
        for (Index r = 0; r < p.rank; ++r)
          sum = madd(Row(p.factor[j * p.rank + r]), load<draw_lanes>(coords + r * L + q), sum);
        most = most.max(sum.abs());
      }
      store<draw_lanes>(next + q, most);
    }
  }

  // Steps that would overflow are not taken.
  void guard() {
    double largest = 0.0;
    for (int l = 0; l < L; ++l) {
      const double size = __builtin_fabs(value[l]) + __builtin_fabs(slope[l]);
      largest = size <= largest ? largest : size;
    }
    if (largest <= 1e100) return;
    for (int l = 0; l < L; ++l) {
      if (__builtin_fabs(value[l]) + __builtin_fabs(slope[l]) <= 1e100) continue;
      bad[l] = 1;
      until[l] = 0;
      value[l] = 0.0;
      slope[l] = 1.0;
    }
  }

  void look() {
    bool event = false;
    for (int l = 0; l < L; ++l) {
      step[l] += 1;
      event |= next[l] >= level[l] || step[l] >= until[l];
    }
    if (!event) return;
    for (int l = 0; l < L; ++l) {
      if (id[l] < 0) continue;
      if (bad[l] != 0) {
        --step[l];
        leave(l, Status::non_finite);
        continue;
      }
      while (reached[l] < p.n_levels && next[l] >= p.levels[reached[l]])
        out.hits[id[l] * p.n_levels + reached[l]++] = static_cast<double>(step[l]);
      while (saved[l] < p.n_saves && p.saves[saved[l]] == step[l]) {
        double* const row = out.trajectory + (saved[l]++ * p.n + id[l]) * p.k;
        for (Index j = 0; j < p.k; ++j) row[j] = overlap(l, j);
      }
      aim(l);
      if (p.enough > 0 && reached[l] >= p.enough)
        leave(l, Status::event);
      else if (step[l] >= p.steps)
        leave(l, Status::t_end);
    }
  }

  void run(bool may_poll) {
    for (int l = 0; l < L; ++l) fetch(l);
    for (Index turn = 0; busy > 0; ++turn) {
      if ((turn & 255) == 0) {
        if (may_poll &&
            !control.poll(control.poll_context, __atomic_load_n(control.done, __ATOMIC_RELAXED)))
          __atomic_store_n(control.stop, 1, __ATOMIC_RELAXED);
        if (__atomic_load_n(control.stop, __ATOMIC_RELAXED) != 0) return;
      }
      draw();
      norms();
      advance();
      guard();
      move();
      look();
    }
  }
};

}  // namespace

Index marginal_scratch(const MarginalProblem* problem) { return Neurons::scratch(*problem); }

void marginal_neurons(const MarginalProblem* problem, const MarginalResult* result,
                      const Control* control, double* scratch, bool may_poll) {
  Neurons(*problem, *result, *control, scratch).run(may_poll);
}

}  // namespace hermiteflow::HF_ISA
