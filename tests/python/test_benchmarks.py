"""The benchmarks at tiny sizes: peers agree with us, faults are refused, results are complete.

No time is asserted. Peers that need Numba or diffrax are held to the same agreement by the
benchmark itself, in every run of it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from oracles import Array

import hermiteflow as hf

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import __main__ as command  # noqa: E402
from benchmarks import (  # noqa: E402
    cases,
    empirical,
    engine,
    measure,
    precision,
    problems,
    squared,
    tables,
)
from benchmarks.peers import (  # noqa: E402
    numpy_empirical,
    numpy_full,
    numpy_general,
    numpy_gradient,
    numpy_links,
    numpy_rk4,
    numpy_tiled,
    scipy_ivp,
)

STARTS = problems.Starts(n=13, k=4, d=60)
STEP, STEPS = 0.05, 20


def rk4(flow: hf.CorrelationFlow, m0: Array) -> Array:
    return hf.solve(
        flow, overlaps=m0, method="rk4", step=STEP, t_end=STEPS * STEP, renormalize=False
    ).overlaps


# ------------------------------------------------------------------ peers agree


@pytest.mark.parametrize("peer", [numpy_rk4, numpy_tiled])
def test_numpy_takes_our_steps(peer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_tiled, "TILE", 5)
    found = peer.solve(STARTS.overlaps, STEP, STEPS)
    np.testing.assert_allclose(found, rk4(STARTS.flow, STARTS.overlaps), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", numpy_links.SLOPES)
def test_numpy_takes_our_steps_of_links_in_closed_form(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_links, "TILE", 5)
    with ThreadPoolExecutor(2) as pool:
        found = numpy_links.solve(name, STARTS.overlaps, STEP, STEPS, pool)
        other = numpy_links.solve(name, STARTS.overlaps, STEP * 1.01, STEPS, pool)
    ours = rk4(hf.CorrelationFlow(STARTS.flow.targets, hf.link(name)), STARTS.overlaps)
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-13)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(other, ours, rtol=0, atol=1e-13)
    assert measure.measure(cases.rk4_link(True, name), 1)["ratio"] is not None


def test_numpy_takes_our_steps_of_the_squared_loss() -> None:
    system, M, Q = squared.start(5)
    found, exact = squared.ours(system, M, Q, STEPS), squared.reference(M, Q, STEPS)
    for steps in (found, squared.numpy_rk4(M, Q, STEPS)):
        np.testing.assert_allclose(steps, exact, rtol=0, atol=1e-14)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, squared.reference(M, Q, STEPS - 1), rtol=0, atol=1e-14)
    assert measure.measure(squared.rates(True, 5, "numpy"), 1)["ratio"] is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_agrees_on_a_stored_sample(dtype: type) -> None:
    X = np.random.default_rng(0).standard_normal((301, 12)).astype(dtype)
    flow = hf.EmpiricalFlow(hf.Orthonormal(k=2), hf.link("relu"), X)
    W = hf.random_weights(n=3, d=12, seed=0)
    ours = flow.gradient(W)
    np.testing.assert_allclose(empirical.reference(X, flow.labels, W[1]), ours[1], atol=1e-14)
    with ThreadPoolExecutor(2) as pool:
        for way in (None, pool):
            found = numpy_empirical.gradient(X, flow.labels, W, 40, way)
            np.testing.assert_allclose(found, ours, rtol=0, atol=1e-14)
        other = numpy_empirical.gradient(X[:-1], flow.labels, W, 40, pool)
    with pytest.raises(AssertionError):  # a sample is missing
        np.testing.assert_allclose(other, ours, rtol=0, atol=1e-14)
    assert measure.measure(empirical.gradient(True, 3, dtype), 1)["ratio"] is not None


def test_numpy_takes_our_steps_with_a_general_gram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_general, "TILE", 5)
    targets = hf.random_index_vectors(k=6, d=20, seed=0)
    m0 = hf.random_overlaps(targets, n=13, d=20, seed=0)
    ours = rk4(hf.CorrelationFlow(targets, hf.hermite(3)), m0)
    found = numpy_general.solve(m0, targets.gram, STEP, STEPS)
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-13)
    plain = numpy_general.plain(m0, targets.gram, STEP, STEPS)
    np.testing.assert_allclose(plain, ours, rtol=0, atol=1e-13)
    reference = problems.reference_rk4(m0, targets.gram, STEPS * STEP, STEPS)
    np.testing.assert_allclose(reference, ours, rtol=0, atol=1e-13)


def test_numpy_agrees_on_weights_and_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_full, "TILE", 5)
    W, V = cases._weights(13, 30, 4)
    flow = hf.CorrelationFlow(hf.IndexVectors(V), hf.hermite(3))
    solution = hf.solve(
        flow, weights=W, method="rk4", step=STEP, t_end=STEPS * STEP, renormalize=False
    )
    found = numpy_full.solve(W, V, STEP, STEPS)
    np.testing.assert_allclose(found, solution.weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(numpy_gradient.gradient(W, V), flow.gradient(W), rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", scipy_ivp.METHODS)
def test_scipy_hits_and_converges_where_we_do(method: str) -> None:
    sample = STARTS.overlaps[:4]
    exact = STARTS.hitting_times(4)
    ours = cases._converge(STARTS).overlaps[:4]
    times = scipy_ivp.hitting_times(sample, 1e-8, method)
    assert problems.relative_error(times, exact) < 1e-6
    assert problems.relative_error(times * 1.001, exact) > 1e-4
    np.testing.assert_allclose(scipy_ivp.solve(sample, 1e-8, method), ours, rtol=0, atol=1e-5)


# ------------------------------------------------------------------ ratios are refused


def uphill(m: Array) -> Array:
    """A planted fault: the sign of the gradient."""
    return -TRUE_FIELD(m)


def factor_two(m: Array) -> Array:
    return 2.0 * TRUE_FIELD(m)


TRUE_FIELD = numpy_rk4.field


@pytest.mark.parametrize("fault", [uphill, factor_two])
def test_a_peer_with_a_fault_gets_no_ratio(
    fault: Callable[[Array], Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measure.measure(cases.rk4_overlaps(True, "plain"), 1)["ratio"] is not None
    monkeypatch.setattr(numpy_rk4, "field", fault)
    result = measure.measure(cases.rk4_overlaps(True, "plain"), 1)
    assert result["ratio"] is None
    assert "no ratio" in result["verdict"]


def test_an_adaptive_peer_with_a_fault_gets_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "EXACT_ROWS", 3)
    monkeypatch.setattr(scipy_ivp, "METHODS", ("DOP853",))
    sound = measure.measure(cases.adaptive_scipy(True), 1)
    assert sound["ratio"] is not None, sound["verdict"]
    true = scipy_ivp.field
    monkeypatch.setattr(scipy_ivp, "field", lambda t, m: 1.001 * true(t, m))
    faulty = measure.measure(cases.adaptive_scipy(True), 1)
    assert faulty["ratio"] is None
    assert faulty["peer"]["error"] == pytest.approx(1e-3, rel=0.01)


@pytest.mark.parametrize(
    ("ours", "peer", "same"),
    [
        (1e-8, 3e-8, True),
        (3e-8, 1e-8, True),
        (1e-8, 5e-8, False),
        (5e-8, 1e-8, False),
        (1e-16, 1e-14, True),
        (1e-16, 1e-9, False),
        (math.nan, math.nan, False),
        (math.inf, math.inf, False),
    ],
)
def test_accuracy_is_compared_both_ways(ours: float, peer: float, same: bool) -> None:
    assert measure.same_accuracy(ours, peer, factor=4.0, floor=1e-13) is same


def test_a_neuron_that_hits_on_one_side_only_is_an_infinite_error() -> None:
    exact = np.array([1.0, 2.0, math.inf])
    assert problems.relative_error(np.array([1.0, 2.0, math.nan]), exact) == 0.0
    assert problems.relative_error(np.array([1.0, 2.0, 3.0]), exact) == math.inf
    assert problems.relative_error(np.array([1.0, math.nan, math.nan]), exact) == math.inf


def test_the_loosest_tolerance_is_found() -> None:
    rtol, error = problems.loosest(lambda rtol: 7.0 * rtol, 1e-6)
    assert error <= 1e-6
    assert 7.0 * rtol * 10.0**0.25 > 1e-6
    assert problems.loosest(lambda rtol: 1.0, 1e-6)[1] == 1.0


def test_the_fastest_sound_method_of_a_peer_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = np.array([1.0])
    seconds = {"quick but wrong": 1.0, "slow": 3.0, "good": 2.0}
    monkeypatch.setattr(cases, "timed", lambda run: run())

    def hitting(rtol: float, method: str) -> Array:
        return exact * (1.0 + (1.0 if method == "quick but wrong" else rtol))

    def solve(_rtol: float, method: str) -> float:
        return seconds[method]

    method, rtol, error = cases.tune(tuple(seconds), hitting, solve, exact, 1e-6)
    assert method == "good"
    assert error == pytest.approx(rtol)
    assert 1e-6 <= error <= 2e-6


def test_a_missing_peer_is_named_and_we_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.numba_rk4", raising=False)
    result = measure.measure(cases.rk4_overlaps(True, "numba"), 1)
    assert result["verdict"].startswith("peer missing: numba")
    assert "peer" not in result
    assert result["ours"]["best"] > 0.0


def test_ratios_are_of_rounds_and_scaled_work_counts_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([1.0, 4.0, 2.0, 3.0, 1.0, 5.0])  # ours, peer, ours, peer, ...
    monkeypatch.setattr(measure, "timed", lambda run: next(clock))
    ours = measure.Side("a", lambda: None, 1.0)
    peer = measure.Side("b", lambda: None, 1.0, scale=10.0)
    result = measure.measure(measure.Contest("c", "none", ours, peer), 3)
    assert result["ratio"] == {"median": 40.0, "low": 15.0, "high": 50.0}
    assert (result["ours"]["best"], result["ours"]["worst"]) == (1.0, 2.0)
    assert (result["peer"]["best"], result["peer"]["median"]) == (30.0, 40.0)


# ------------------------------------------------------------------ operations, references


class Counted:
    """A number that counts its operations."""

    flops = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __mul__(self, other: Counted) -> Counted:
        Counted.flops += 1
        return Counted(self.value * other.value)

    def __add__(self, other: Counted) -> Counted:
        return self._sum(other, 1.0)

    def __sub__(self, other: Counted) -> Counted:
        return self._sum(other, -1.0)

    def _sum(self, other: Counted, sign: float) -> Counted:
        Counted.flops += 1
        return Counted(self.value + sign * other.value)


def test_operations_are_those_of_the_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "flops", 0)
    start, three = Counted(0.2), Counted(3.0)
    y = total = start
    for ahead, share in ((0.5, 1 / 6), (0.5, 1 / 3), (1.0, 1 / 3), (None, 1 / 6)):
        g = three * (y * y)
        slope = g - (Counted(0.0) + y * g) * y
        total = total + Counted(STEP * share) * slope
        if ahead is not None:
            y = start + Counted(STEP * ahead) * slope
    ours = problems.reference_rk4(np.array([[0.2]]), np.eye(1), STEP, 1)[0, 0]
    assert total.value == pytest.approx(ours, rel=1e-15)
    assert problems.rk4_operations(1) == Counted.flops
    general, plain = (problems.rk4_operations(7, general=g) for g in (True, False))
    assert general - plain == 4 * 2 * 7 * 7


@pytest.mark.parametrize("p", [2, 3, 4, 6])
def test_the_phase_is_on_the_exact_orbit(p: int) -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=1, d=40, seed=p)[0]
    m0[0] = abs(m0[0])
    c = np.array([1.5, 1.0, 0.7])
    time, there = precision.phase(p, c, m0)
    assert np.max(np.abs(there)) == pytest.approx(problems.LEVEL, abs=1e-12)
    np.testing.assert_allclose(there, hf.exact.orthonormal(p, c, m0, time), rtol=0, atol=1e-10)


def test_random_cases_stay_within_a_small_factor_of_the_tolerance() -> None:
    study = precision.study(15, seed=1)
    assert len(study["lines"]) == len(precision.METHODS) * len(precision.TOLERANCES)
    for line in study["lines"]:
        assert line["missed"] == 0
        assert line["time"]["worst"] < 5.0
        assert line["overlaps"]["worst"] < 10.0


def test_a_wrong_reference_is_seen_in_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    true = precision.draw
    monkeypatch.setattr(
        precision, "draw", lambda rng: replace(found := true(rng), time=1.001 * found.time)
    )
    study = precision.study(3, seed=1)
    assert all(line["time"]["median"] > 5.0 for line in study["lines"])


# ------------------------------------------------------------------ tables, files, pictures

PAGE = "".join(f"<!-- begin: {name} -->\nold\n<!-- end: {name} -->\n" for name in tables.BLOCKS)


def test_one_command_writes_table_json_page_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "DIMENSIONS", (100,))
    monkeypatch.setattr(precision, "TOLERANCES", (1e-4, 1e-6))
    page, saved = tmp_path / "page.md", tmp_path / "all.json"
    page.write_text(PAGE)
    names = ["rk4-tiled", "general-tiled", "gradient", "weights", "engine", "precision", "curves"]
    chosen = [word for name in names for word in ("--case", name)]
    command.main(
        ["--quick", "--rounds", "2", *chosen, "--json", str(saved), "--write", str(page),
         "--figures", str(tmp_path / "figures")]
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "| at least |" in printed
    results = json.loads(saved.read_text())
    assert set(results) == {"machine", "cases", "engine", "precision", "curves"}
    assert list(results["cases"]) == ["rk4-tiled", "weights", "gradient", "general-tiled"]
    for case in results["cases"].values():
        assert set(case["ratio"]) == {"median", "low", "high"}
        for side in ("ours", "peer"):
            assert len(case[side]["seconds"]) == 2
            assert {"best", "median", "worst", "error", "name"} <= set(case[side])
        assert case["gemm_gflops"] > 0.0
        assert case["fma_gflops"] > 0.0
    assert results["cases"]["rk4-tiled"]["share_of_gemm"] > 0.0
    assert {row["method"] for row in results["engine"]} == {"tsit5", "dopri5", "dop853"}
    assert all(row["success"] and row["error"] < 1e-6 for row in results["engine"])
    assert set(results["curves"]) == {"n", "d", "k", "threads"}
    assert all(point["error"] < 1e-4 for curve in results["curves"].values() for point in curve)
    text = page.read_text()
    assert "old" not in text
    assert results["cases"]["general-tiled"]["title"] in text
    pictures = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert pictures == ["performance-curves.png", "performance-ratios.png", "work-precision.png"]
    command.main(["--load", str(saved), "--write", str(page)])
    assert page.read_text() == text


def test_what_falls_short_is_said() -> None:
    side = {"name": "b"}
    case = {
        "title": "one", "target": 3.0, "ratio": {"median": 2.0}, "peer": side,
        "wanted_share": 0.8, "share_of_gemm": 0.5, "verdict": "",
    }  # fmt: skip
    said = tables.missed_lines({"cases": {"one": case}})
    assert "one, against b: 2 instead of 3." in said
    assert "50 % of the GEMM peak instead of 80 %" in said
    refused = {**case, "ratio": None, "verdict": "no ratio: errors differ"}
    assert "no ratio" in tables.missed_lines({"cases": {"one": refused}})
    fine = {**case, "ratio": {"median": 3.5}, "share_of_gemm": 0.9}
    assert tables.missed_lines({"cases": {"one": fine}}).startswith("Nothing")
