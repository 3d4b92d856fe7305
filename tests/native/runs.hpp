// Every entry of the core, as a run whose arguments are bytes.
#pragma once

#include <string>

#include "bytes.hpp"
#include "hermiteflow/empirical.hpp"
#include "hermiteflow/ends.hpp"
#include "hermiteflow/marginal.hpp"
#include "hermiteflow/online.hpp"
#include "hermiteflow/squared.hpp"
#include "hermiteflow/starts.hpp"
#include "hermiteflow/weights.hpp"

namespace native {

using namespace hermiteflow;
using Wholes = std::vector<Index>;
inline std::size_t size(Index n) { return static_cast<std::size_t>(n); }

// What a run asks of its caller, and how much it may do.
struct Limits {
  Poll poll = [](Index) { return true; };
  int threads = 1;
  Index steps = 60;  // at most
  Index more = 1;    // factor of the number of neurons
};

inline void ensemble(Bytes& from, const Limits& may) {
  const Index n = from.between(1, 24) * may.more;
  const FlowOf of(from, 14, n);
  const Index k = of.k;
  const bool frame = from.flag();
  Numbers start(size(n * k)), outside(size(n)), atol(size(n), from.positive(1e-14, 1e-2));
  for (Index i = 0; i < n; ++i) {  // inside the ellipsoid: a point of the sphere of span(V), scaled
    const double scale = std::fabs(from.unit());
    const Numbers w = unit_rows(from, 1, of.rank);
    for (Index j = 0; j < k; ++j) {
      const double* const row = of.factor.data() + j * of.rank;
      double m = of.factor.empty() ? w[size(j)] : 0.0;
      for (Index l = 0; l < of.rank && !of.factor.empty(); ++l) m += row[l] * w[size(l)];
      start[size(i * k + j)] = scale * m;
    }
    outside[size(i)] = from.flag() ? 0.0 : 1.0 - scale * scale;
  }
  const auto method = static_cast<Method>(from.between(0, 3));
  const double t_end =
      from.byte() % 4 == 0 && method != Method::rk4 ? HUGE_VAL : from.positive(1e-3, 1e4);
  const Numbers levels = from.ascending(from.between(0, 3), 1.0);
  const Numbers saves = from.ascending(from.between(0, 4), std::min(t_end, 1e4));
  const bool terminal[3] = {from.flag(), from.flag(), from.flag()};
  const Index n_levels = static_cast<Index>(levels.size()),
              n_saves = static_cast<Index>(saves.size());
  const Problem problem{of.flow,
                        n,
                        start.data(),
                        outside.data(),
                        method,
                        t_end,
                        from.positive(1e-4, 10.0),
                        from.positive(1e-14, 0.1),
                        atol.data(),
                        from.flag(),
                        from.between(1, may.steps),
                        from.flag(),
                        frame,
                        from.flag(),
                        n_levels,
                        levels.data(),
                        terminal,
                        from.flag(),
                        from.flag(),
                        from.positive(1e-14, 0.1),
                        n_saves,
                        saves.data(),
                        {}};
  Numbers final_time(size(n)), ends(size(n * k)), hits(size(n * n_levels)), converged(size(n)),
      path(size(n * n_saves * k)), frames(size(frame ? n * (k + 1) : 0));
  std::vector<std::int32_t> status(size(n)), kinds(size(n));
  Wholes steps(size(n)), rejected(size(n)), index(size(n)), best(size(n)), up(size(n));
  const Result result{final_time.data(), ends.data(),     status.data(),
                      steps.data(),      rejected.data(), hits.data(),
                      converged.data(),  path.data(),     frame ? frames.data() : nullptr};
  if (!solve_ensemble(problem, result, may.threads, may.poll)) return;
  largest_overlaps(n, k, ends.data(), best.data(), up.data(), may.threads, may.poll);
  Numbers points(size(2 * k * k), 0.0);
  const std::vector<std::uint8_t> reached(size(2 * k), 1);
  Wholes key(size(n));
  for (Index i = 0; i < n; ++i) key[size(i)] = 2 * best[size(i)] + up[size(i)];
  const References references{2 * k, points.data(), reinterpret_cast<const bool*>(reached.data()),
                              key.data(), false};
  name_ends(of.flow, n, ends.data(), references, index.data(), kinds.data(), may.threads, may.poll);
}

inline SquaredOptions options_of(Bytes& from, const Limits& may, const Numbers& levels,
                                 const Numbers& losses, const Numbers& saves) {
  const auto list = [](const Numbers& x) {
    return SquaredList{static_cast<Index>(x.size()), x.data()};
  };
  return {static_cast<Method>(from.between(0, 3)),
          {from.positive(1e-3, 1e3), from.positive(1e-4, 1.0), from.positive(1e-13, 0.1),
           from.positive(1e-14, 1e-2)},
          from.between(1, may.steps),
          from.flag(),
          list(levels),
          from.flag(),
          list(losses),
          from.flag(),
          from.flag() ? from.positive(1e-12, 0.1) : 0.0,
          from.flag(),
          list(saves)};
}

inline void squared(Bytes& from, const Limits& may) {
  const Index n = from.between(1, 12) * may.more;
  const FlowOf of(from, 10, n);
  const SlopeOf own(from);
  const Index k = of.k, rank = of.rank, r = rank + from.between(0, n);
  const bool moves = from.flag(), free = moves && from.byte() % 3 == 0;
  const Numbers layer = from.numbers(n, &Bytes::unit), a_start = layer;
  Numbers W = unit_rows(from, n, r);
  if (free)
    for (double& x : W) x *= 1.5;
  Numbers V(size(k * r), 0.0);
  for (Index j = 0; j < k; ++j)
    for (Index l = 0; l < rank; ++l)
      V[size(j * r + l)] = of.factor.empty() ? (j == l ? 1.0 : 0.0) : of.factor[size(j * rank + l)];
  Numbers M = inner(W, V, n, k, r), Q = inner(W, W, n, n, r);
  FreeLinks links{};
  Numbers series[2];
  if (free) {
    for (Numbers& s : series) s = from.numbers(from.between(1, 6), &Bytes::unit);
    links.student = {static_cast<Index>(series[0].size()), series[0].data(), from.unit(), 0.0, 0.0};
    links.teacher = {static_cast<Index>(series[1].size()), series[1].data(), 0.0, 0.0, from.unit()};
  }
  const bool trained = moves && from.flag();
  const SquaredFlow flow{moves ? SquaredForm::coordinates : SquaredForm::order_parameters,
                         n,
                         moves ? r : 0,
                         of.flow.gram,
                         of.flow.slope,
                         own.slope,
                         layer.data(),
                         of.weights.data(),
                         1.0,
                         trained,
                         0.25,
                         0.5,
                         free ? &links : nullptr};
  const Numbers levels = from.ascending(from.between(0, 2), 1.0), losses{1.0, 0.5};
  const Numbers saves = from.ascending(from.between(0, 3), 1.0);
  const SquaredOptions options = options_of(from, may, levels, losses, saves);
  const Index T = options.saves.count;
  const SquaredState at{M.data(), Q.data(), W.data(), const_cast<double*>(a_start.data())};
  Numbers m(size(n * k)), q(size(n * n)), w(size(n * r)), a(size(n)), pm(size(T * n * k)),
      pq(size(T * n * n)), pw(size(T * n * r)), pa(size(T * n)), loss(size(T)),
      hits(size(n * options.levels.count)), times(size(options.losses.count)), norms(size(n));
  const SquaredState end{m.data(), q.data(), w.data(), a.data()};
  squared_rates(flow, at, end, norms.data(), may.threads, may.poll);
  SquaredResult result{end,          {pm.data(), pq.data(), pw.data(), pa.data()},
                       loss.data(),  hits.data(),
                       times.data(), norms.data()};
  solve_squared(flow, options, at, result, may.threads, may.poll);
}

inline void online(Bytes& from, const Limits& may) {
  const Index n = from.between(1, 12) * may.more, k = from.between(1, 6);
  const bool in_law = from.flag(), general = from.flag();
  const PointOf student(from), teacher(from);
  const Numbers b = from.numbers(k, &Bytes::moderate);
  const Index rank = general ? from.between(1, k) : k;
  const Numbers factor = general ? unit_rows(from, k, rank) : Numbers{};
  const double d = static_cast<double>(rank + from.between(0, 40) * (may.more > 1 ? 200 : 50));
  const OnlineModel model{{n, k, (n + 7) / 8 * 8, (k + 7) / 8 * 8, student.link, teacher.link,
                           b.data(), from.flag(), from.flag()},
                          rank,
                          general ? factor.data() : nullptr,
                          d,
                          from.flag()};
  const Index batch = from.between(1, 6), last = from.between(1, may.steps);
  const Numbers levels = from.ascending(from.between(0, 2), 1.0);
  const Index n_levels = static_cast<Index>(levels.size());
  Wholes saves;
  for (Index step = 0; step <= last; step += 7) saves.push_back(step);
  const OnlineOptions options{0,
                              last,
                              from.positive(1e-6, 10.0),
                              batch,
                              {{from.byte(), 7}},
                              n_levels,
                              levels.data(),
                              from.between(0, n_levels),
                              static_cast<Index>(saves.size()),
                              saves.data()};
  const Index start = std::min(static_cast<Index>(d), rank + n);  // columns of W in law
  const Index columns = in_law ? start : static_cast<Index>(d);
  const Index wide = in_law ? online_columns(model, batch) : columns;
  const Index stride = (wide + 15) / 16 * 16, T = options.n_saves;
  Numbers rows(size(n * stride), 0.0), scale(size(n), 1.0), layer(size(model.sample.own), 0.0);
  for (Index i = 0; i < n; ++i) {
    const Numbers w = unit_rows(from, 1, columns);
    std::copy(w.begin(), w.end(), rows.begin() + i * stride);
    layer[size(i)] = from.moderate();
  }
  Wholes reached(size(n), 0);
  Numbers hits(size(n * n_levels)), overlaps(size(T * n * k)), students(size(T * n * n)),
      layers(size(T * n));
  OnlineState state{rows.data(), stride, columns, scale.data(), layer.data(), reached.data(), 0};
  OnlineResult result{hits.data(), overlaps.data(), students.data(), layers.data()};
  if (in_law)
    online_in_law(model, options, state, result, may.poll);
  else
    online_direct(model, options, state, result, may.threads, may.poll);
}

inline void marginal(Bytes& from, const Limits& may) {
  const Index n = from.between(1, 24) * 8 * may.more, k = from.between(1, 6);
  const bool general = from.flag();
  const PointOf student(from), teacher(from);
  const Numbers b = from.numbers(k, &Bytes::moderate);
  const Index rank = general ? from.between(1, k) : k;
  const Numbers factor = general ? unit_rows(from, k, rank) : Numbers{};
  const Numbers layer = from.numbers(n, &Bytes::unit);
  const Numbers seed = unit_rows(from, 8, rank + 1);
  Numbers start(size(n * (rank + 1)));
  for (std::size_t i = 0; i < start.size(); ++i) start[i] = seed[i % seed.size()];
  for (Index i = 0; i < n; ++i) {  // a length, not a coordinate
    double& outside = start[size(i * (rank + 1) + rank)];
    outside = std::fabs(outside);
  }
  const Numbers levels = from.ascending(from.between(0, 2), 1.0);
  const Index n_levels = static_cast<Index>(levels.size());
  const Wholes reached(size(n), 0), saves{0, 3};
  const MarginalProblem problem{n,
                                k,
                                rank,
                                general ? factor.data() : nullptr,
                                student.link,
                                teacher.link,
                                b.data(),
                                layer.data(),
                                start.data(),
                                reached.data(),
                                from.positive(1.0, 1e18),
                                from.positive(1e-6, 10.0),
                                from.between(1, may.steps),
                                {},
                                n_levels,
                                levels.data(),
                                from.between(0, n_levels),
                                2,
                                saves.data(),
                                nullptr,
                                nullptr};
  Numbers overlaps(size(n * k)), hits(size(n * n_levels)), path(size(2 * n * k));
  std::vector<std::int32_t> status(size(n));
  Wholes taken(size(n));
  const MarginalResult result{overlaps.data(), status.data(), taken.data(), hits.data(),
                              path.data()};
  online_marginal(problem, {{from.byte(), 5}}, result, may.threads, may.poll);
}

inline void empirical(Bytes& from, const Limits& may) {
  const Index n = from.between(1, 10), d = from.between(1, 20), k = from.between(1, 4);
  const Index count = from.between(1, 120) * 8 * may.more, stride = d + from.between(0, 3);
  const PointOf link(from);
  const bool single = from.flag();
  const Numbers raw = from.numbers(64, &Bytes::unit);
  std::vector<float> x32(single ? size(count * stride) : 0);
  Numbers x64(single ? 0 : size(count * stride)), y(size(count));
  for (std::size_t i = 0; i < x32.size(); ++i) x32[i] = static_cast<float>(raw[i * 7 % 61]);
  for (std::size_t i = 0; i < x64.size(); ++i) x64[i] = raw[i * 7 % 61];
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = raw[i % 59];
  const void* const x = single ? static_cast<const void*>(x32.data()) : x64.data();
  const Numbers a = from.numbers(n, &Bytes::moderate), V = unit_rows(from, k, d);
  const Numbers start = unit_rows(from, n, d);
  const EmpiricalFlow flow{{x, single, count, d, stride},
                           y.data(),
                           n,
                           a.data(),
                           link.link,
                           from.flag(),
                           from.flag(),
                           k,
                           V.data(),
                           from.flag()};
  const Numbers levels = from.ascending(from.between(0, 2), 1.0), losses{1.0, 0.1};
  const Numbers saves = from.ascending(from.between(0, 3), 1.0);
  Limits few = may;
  few.steps = std::min<Index>(may.steps, 12);
  const SquaredOptions options = options_of(from, few, levels, losses, saves);
  const Index T = options.saves.count;
  Numbers out(size(count)), rates(size(n * d)), end(size(n * d)), m(size(T * n * k)),
      q(size(T * n * n)), loss(size(T)), hits(size(n * options.levels.count)), times(2),
      norms(size(n)), a_end(size(n)), a_path(size(T * n));
  empirical_outputs(flow, start.data(), out.data(), may.threads, may.poll);
  empirical_loss(flow, start.data(), may.threads, may.poll);
  empirical_rates(flow, start.data(), rates.data(), a_end.data(), may.threads, may.poll);
  SquaredResult result{{nullptr, nullptr, end.data(), a_end.data()},
                       {m.data(), q.data(), nullptr, a_path.data()},
                       loss.data(),
                       hits.data(),
                       times.data(),
                       norms.data()};
  const SquaredState at{nullptr, nullptr, const_cast<double*>(start.data()),
                        const_cast<double*>(a.data())};
  solve_empirical(flow, options, at, result, may.threads, may.poll);
}

inline void weights(Bytes& from, const Limits& may) {
  const Index n = from.between(1, 24) * may.more;
  const FlowOf of(from, 8, n);
  const Index k = of.k, d = of.rank + from.between(0, 60);
  Numbers V(size(k * d), 0.0), W = unit_rows(from, n, d);
  for (Index j = 0; j < k; ++j)
    for (Index l = 0; l < of.rank; ++l)
      V[size(j * d + l)] =
          of.factor.empty() ? (j == l ? 1.0 : 0.0) : of.factor[size(j * of.rank + l)];
  Numbers M(size(n * k)), out(size(n * d)), s = from.numbers(n, &Bytes::unit), again = W;
  project_weights(n, k, d, W.data(), V.data(), M.data(), may.threads, may.poll);
  combine_weights(n, k, d, s.data(), W.data(), M.data(), V.data(), out.data(), may.threads,
                  may.poll);
  FullProblem full{of.flow, d, V.data(), W.data()};
  weights_gradient(full, n, out.data(), may.threads, may.poll);
  const double step = from.positive(1e-4, 10.0);
  weights_rk4(full, n, step, step * static_cast<double>(from.between(1, 20)), from.flag(), W.data(),
              may.threads, may.poll);
  full.weights = again.data();
  std::vector<FullEnd> ends(size(n));
  const Numbers atol(size(n), from.positive(1e-14, 1e-2));
  const FullAdaptive options{static_cast<Method>(from.between(1, 3)), from.positive(1e-3, 100.0),
                             from.positive(1e-13, 0.1), from.between(1, may.steps), from.flag()};
  weights_adaptive(full, n, options, atol.data(), again.data(), ends.data(), may.threads, may.poll);
}

inline void starts(Bytes& from, const Limits& may) {
  const Index n = from.between(1, 200) * 4 * may.more, k = from.between(1, 12);
  const bool general = from.flag();
  const Index rank = general ? from.between(1, k) : k, first = from.between(0, 200);
  const Numbers factor = general ? unit_rows(from, k, rank) : Numbers{};
  const double d = static_cast<double>(rank) + std::floor(from.positive(1.0, 1e18)) - 1.0;
  const RandomKey key{{from.byte(), from.byte()}};
  Numbers out(size(n * k)), rows(size(n * 20)), gram(size(k * k));
  draw_overlaps(key, first, n, k, general ? factor.data() : nullptr, rank, d, out.data(),
                may.threads, may.poll);
  draw_weights(key, n, 20, rows.data(), may.threads, may.poll);
  draw_gram(key, k, std::max(d, 1.0), gram.data());
}

using Run = void (*)(Bytes&, const Limits&);
inline constexpr struct {
  const char* name;
  Run run;
} runs[] = {{"ensemble", ensemble}, {"squared", squared},     {"online", online},
            {"marginal", marginal}, {"empirical", empirical}, {"weights", weights},
            {"starts", starts}};

}  // namespace native
