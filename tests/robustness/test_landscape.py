"""Fixed points, thresholds and basins under arbitrary arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from harness import Case, runs_of
from hypothesis import strategies as st
from problems import LINKS, Problem, ball, problems, unit_rows
from references import Array, close, doubles, overlap_field, psi_of
from strategies import anything, in_any_form

import hermiteflow as hf

SMALL = anything(large=False)
KINDS = ("minimum", "saddle", "maximum", "degenerate")
FIXED: dict[str, Any] = {"problem": None}
PURE = st.sampled_from([(hf.hermite(p), p) for p in (3, 4, 5)])
COUNTS = st.sampled_from([2, 3, 4, 3.0, np.int8(5)])


def _residual(m: Array, problem: Problem) -> float:
    """Size of the right-hand side of (4) at overlaps (k,), beside psi'."""
    G, a = problem.V @ problem.V.T, problem.a(1)
    slope = psi_of(problem.student, problem.teacher, 1)
    size = float(np.max(np.abs(slope(m) * problem.b), initial=1e-3))
    return float(np.max(np.abs(overlap_field(m[None], G, a, problem.b, slope)))) / size


def check_nearest(answer: Array, pair: Any, m0: Any) -> None:
    """For one power, the overlap whose c m^(p-2) is largest and positive."""
    p, m = pair[1], doubles(m0)
    rate = m ** (p - 2)
    near = np.where(np.any((rate > 0) & (m != 0), axis=1), np.argmax(rate, axis=1), -1)
    assert answer.shape == (len(m),)
    clear = np.max(np.abs(m), axis=1) > 1e-60  # smaller ones underflow in this reference
    second = np.sort(rate, axis=1)[:, -2] if rate.shape[1] > 1 else np.full(len(m), -1.0)
    clear &= np.max(rate, axis=1) > second * (1.0 + 1e-9) + 1e-300
    assert np.array_equal(answer[clear & (near >= 0)], near[clear & (near >= 0)])


def check_point(answer: Any, problem: Problem, overlaps: Any, d: Any) -> None:
    points = answer if isinstance(answer, tuple) and not hasattr(answer, "kind") else (answer,)
    for point in points:
        assert point.kind in KINDS
        assert _residual(point.overlaps, problem) < 1e-9


def check_points(answer: hf.FixedPoints, pair: Any, k: Any, d: Any) -> None:
    """The number known in closed form (docs/mathematics, fixed points), and zero fields."""
    p, number = pair[1], int(k)
    assert answer.total == (3**number - 1 if p % 2 == 0 else 2 * (2**number - 1))
    assert set(answer.kind.tolist()) <= set(KINDS)
    assert np.all(answer.residual < 1e-12)
    assert set(answer.to_xarray().dims)


def check_found(answer: hf.FoundPoints, problem: Problem, n_starts: Any, seed: Any) -> None:
    for point in answer:
        assert _residual(point.overlaps, problem) < 1e-9
        assert point.kind in KINDS


def check_critical(answer: Any, pair: Any, k: Any, all_roots: Any) -> None:
    wanted = (pair[1] - 2) / (int(k) + pair[1] - 2)
    close(answer, (wanted,) if all_roots else wanted, rtol=1e-10)


def check_fold(answer: hf.Fold, pair: Any, k: Any) -> None:
    """The root of n t^(2p-2) P(1/t) - P(t), by bisection in t."""
    p, n = pair[1], int(k) - 1
    powers = range(1, p - 1)

    def excess(t: float) -> float:
        left = sum(i * t**i for i in powers)
        return left - n * t ** (2 * p - 2) * sum(i * t**-i for i in powers)

    low, high = 1e-9, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0.0 else (low, middle)
    ratio = sum(low**i for i in powers) / (1.0 + n * low ** (p - 1))
    close(answer.beta, ratio / (1.0 + ratio), rtol=1e-6)
    assert answer.how in ("vanish", "lose stability")


def check_equal(answer: float, pair: Any, k: Any) -> None:
    p, n = pair[1], int(k) - 1
    t = n ** (-2.0 / p)
    ratio = sum(t**i for i in range(1, p - 1)) / (1.0 + t ** (p / 2 - 1))
    close(answer, ratio / (1.0 + ratio), rtol=1e-6)


def check_diagram(answer: Any, pair: Any, k: Any, betas: Any, d: Any) -> None:
    assert np.array_equal(answer["beta"].values, doubles(betas))
    assert answer.attrs["k"] == int(k)
    assert np.nanmax(np.abs(answer["loss"].values)) < 10.0


def check_shares(answer: Any, pair: Any, k: Any, betas: Any, n: Any) -> None:
    assert answer.sizes["beta"] == np.size(doubles(betas))
    assert np.all(answer["count"].sum("end").values == int(n))


def check_minima(answer: hf.SquaredMinima, n: Any, starts: Any) -> None:
    assert sum(end.count for end in answer) + answer.unfinished == int(starts) == answer.starts
    for end in answer:
        assert end.loss > -1e-12
        assert end.overlaps.shape == (int(n), 2)


BETAS = st.sampled_from([np.array([0.0, 0.1]), np.array([0.02, 0.05, 0.3]), np.array([1e-6, 0.9])])
CASES = [
    Case("nearest_index", lambda pair, m0: hf.nearest_index(
        hf.CorrelationFlow(hf.Orthonormal(3), pair[0]), m0),
         {"pair": PURE, "m0": in_any_form(ball(4, 3))}, check_nearest, spoilt={"pair": None}),
    Case("classify", lambda problem, overlaps, d: hf.classify(problem.correlation(), overlaps, d),
         {"problem": problems(1),
          "overlaps": lambda a: in_any_form(unit_rows(1).map(lambda w: w[0] @ a["problem"].V.T)),
          "d": st.sampled_from([None, 5, 1e6])}, check_point, spoilt=FIXED,
         refuses="^overlaps must lie near|psi'|second_layer must have one", share=0.7),
    Case("find_fixed_points",
         lambda problem, n_starts, seed: hf.find_fixed_points(
             problem.correlation(), n_starts=n_starts, seed=seed),
         {"problem": problems(1), "n_starts": st.sampled_from([1, 3]), "seed": st.integers(0, 99)},
         check_found, spoilt={"problem": None, "n_starts": SMALL, "seed": SMALL}, share=0.2),
    Case("fixed_points", lambda pair, k, d: hf.fixed_points(
        hf.CorrelationFlow(hf.Orthonormal(k), pair[0]), d=d),
         {"pair": PURE, "k": st.sampled_from([1, 2, 3]), "d": st.sampled_from([None, 9, 1e6])},
         check_points, spoilt={"pair": None, "k": None}, share=0.3),
    Case("fixed_points", lambda max_orbits, families: hf.fixed_points(
        hf.CorrelationFlow(hf.Orthonormal(4), hf.hermite(3)), max_orbits=max_orbits,
            families=families),
         {"max_orbits": st.sampled_from([50, 1e6]),
          "families": st.sampled_from([None, "average", ["pair", "index-like"], ("average",)])},
         lambda answer, max_orbits, families: close(np.all(answer.residual < 1e-12), True),
         share=0.3),
    Case("FixedPoints.to_xarray", lambda k: hf.fixed_points(
        hf.CorrelationFlow(hf.Orthonormal(k), hf.hermite(4))).to_xarray(),
            {"k": st.sampled_from([2, 3])},
         lambda answer, k: close(sum(map(int, answer["count"].values)), 3**k - 1),
         spoilt={"k": None}, share=0.03),
    Case("critical_beta", lambda pair, k, all_roots: hf.critical_beta(pair[0], k, all_roots),
         {"pair": PURE, "k": COUNTS, "all_roots": st.booleans()}, check_critical,
         spoilt={"pair": None, "k": SMALL}),
    Case("critical_beta", lambda link: hf.critical_beta(link, 3, True),
         {"link": st.sampled_from([link for link, _ in LINKS])},
         lambda answer, link: close(all(-0.5 < beta < 1.0 for beta in answer), True), share=0.5),
    Case("fold_beta", lambda pair, k: hf.fold_beta(pair[0], k), {"pair": PURE, "k": COUNTS},
        check_fold,
         spoilt={"pair": None, "k": SMALL}, share=0.3),
    Case("equal_loss_beta", lambda pair, k: hf.equal_loss_beta(pair[0], k),
         {"pair": PURE, "k": COUNTS}, check_equal, spoilt={"pair": None, "k": SMALL}, share=0.3),
    Case("bifurcation_diagram", lambda pair, k, betas, d: hf.bifurcation_diagram(pair[0], k, betas,
        d=d),
         {"pair": PURE, "k": st.sampled_from([2, 3]), "betas": in_any_form(BETAS),
          "d": st.sampled_from([None, 10])}, check_diagram,
         spoilt={"pair": None, "k": st.sampled_from([0, 1, -1, 2.5, None, "2", math.nan, 10**400])},
         allowed=(ValueError, TypeError, ArithmeticError), refuses="^beta must be farther",
             share=0.1),
    Case("basin_shares", lambda pair, k, betas, n: hf.basin_shares(pair[0], k, betas, n=n, d=50,
        seed=0),
         {"pair": PURE, "k": st.sampled_from([2, 3]), "betas": in_any_form(BETAS),
          "n": st.sampled_from([1, 5])}, check_shares, spoilt={"pair": None, "k": SMALL,
          "n": SMALL},
         says={"k": r"\bk\b|betas"}, share=0.1),
    Case("basin_shares", lambda **o: hf.basin_shares(hf.hermite(3), 2, [0.1], n=2, **o),
         {"d": st.sampled_from([9, 1e9]), "distance": st.floats(1e-6, 0.1), "rtol": st.just(1e-6),
          "confidence": st.floats(0.1, 0.9), "seed": st.integers(0, 9)},
         lambda answer, **o: close(answer["count"].sum().item(), 6),
         spoilt={"rtol": st.sampled_from([0.0, None, -1, math.nan, "1", 1.0])}, share=0.3),
    Case("squared_minima", lambda n, starts: hf.squared_minima(
        hf.SquaredFlow(hf.Orthonormal(2), hf.hermite(3)), n, starts=starts, seed=0, t_end=50.0),
         {"n": st.sampled_from([1, 2]), "starts": st.sampled_from([1, 3])}, check_minima,
         spoilt={"n": SMALL, "starts": SMALL}, share=0.1),
    Case("squared_minima", lambda **o: hf.squared_minima(
        hf.SquaredFlow(hf.Orthonormal(2), hf.hermite(3)), 1, starts=2, **o),
         {"d": st.sampled_from([None, 5]), "t_end": st.sampled_from([1.0, 10.0]),
          "rtol": st.just(1e-6), "tol": st.just(1e-6), "seed": st.integers(0, 9)},
         lambda answer, **o: check_minima(answer, 1, 2),
         spoilt={"t_end": SMALL, "rtol": st.sampled_from([0.0, None, -1, math.nan, "1", 1.0]),
                 "tol": st.sampled_from([0.0, None, -1, math.nan, "1", 1.0])}, share=0.3),
    *[Case(name, function, {"flow": st.just(None)}, lambda answer, flow: None,
           spoilt={"flow": anything()}, refuses="^flow must be|^link must be", share=0.2)
      for name, function in [
          ("fixed_points", hf.fixed_points), ("find_fixed_points", hf.find_fixed_points),
          ("classify", lambda flow: hf.classify(flow, [0.1])),
          ("nearest_index", lambda flow: hf.nearest_index(flow, [[0.1]])),
          ("squared_minima", lambda flow: hf.squared_minima(flow, 1)),
          ("solve", lambda flow: hf.solve(flow, overlaps=[[0.1]])),
          ("solve_ensemble", lambda flow: hf.solve_ensemble(flow, n=1, d=3)),
          ("online_sgd", lambda flow: hf.online_sgd(flow, overlaps=[[0.1]], d=3, steps=1,
                                                    learning_rate=0.1)),
          ("critical_beta", lambda flow: hf.critical_beta(flow, 3)),
          ("fold_beta", lambda flow: hf.fold_beta(flow, 3)),
          ("equal_loss_beta", lambda flow: hf.equal_loss_beta(flow, 3)),
          ("basin_shares", lambda flow: hf.basin_shares(flow, 3, [0.1])),
          ("bifurcation_diagram", lambda flow: hf.bifurcation_diagram(flow, 3, [0.1, 0.2]))]],
]  # fmt: skip

test_case = runs_of(CASES)
