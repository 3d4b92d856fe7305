"""Events and saved values, by every method, against exact solutions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from oracles import Array

import hermiteflow as hf

ADAPTIVE = ["tsit5", "dopri5", "dop853"]
METHODS = [*ADAPTIVE, "rk4"]
RK4 = {"method": "rk4", "step": 0.02, "t_end": 300.0}


def problem(p: int, d: int, n: int = 20) -> tuple[hf.CorrelationFlow, Array]:
    """Neurons that all escape."""
    targets = hf.Orthonormal(k=6)
    m0 = hf.random_overlaps(targets, n=3 * n, d=d, seed=p)
    m0 = m0[m0.max(axis=1) > 0.3 * np.abs(m0).max(axis=1)][:n] if p % 2 else m0[:n]
    return hf.CorrelationFlow(targets, hf.hermite(p)), m0


def ladder(p: int, m0: Array, levels: Array) -> Array:
    rows = [[hf.exact.orthonormal_hitting_time(p, 1.0, m, x) for x in levels] for m in m0]
    return np.array(rows)


def options(method: str, rtol: float) -> tuple[dict[str, Any], float]:
    """Options of a method, and the relative error that its times may have."""
    if method == "rk4":
        return dict(RK4), 1e-6  # (h / time)^4 with starts that hit after a few units
    return {"method": method, "rtol": rtol}, 5 * rtol


# ------------------------------------------------------------------ ladders

SEARCHES = [(3, 100), (4, 100), (3, 10**9), (4, 10**18), (6, 10**12)]
LADDERS = [(*search, method) for search in SEARCHES for method in ADAPTIVE]


@lru_cache
def hundred(p: int, d: int) -> tuple[hf.CorrelationFlow, Array, Array, Array]:
    flow, m0 = problem(p, d, n=6)
    levels = np.geomspace(1.1 * np.abs(m0).max(), 0.99, 100)
    return flow, m0, levels, ladder(p, m0, levels)


@pytest.mark.parametrize(("p", "d", "method"), [*LADDERS, (3, 50, "rk4"), (4, 50, "rk4")])
def test_a_ladder_of_a_hundred_levels_for_many_neurons(p: int, d: int, method: str) -> None:
    flow, m0, levels, truth = hundred(p, d)
    assert np.all(np.isfinite(truth))
    for rtol in (1e-4, 1e-8):
        chosen, bound = options(method, rtol)
        sol = hf.solve(flow, overlaps=m0, events={"ladder": hf.HittingTime(levels)}, **chosen)
        times = sol.events["ladder"]
        assert times.shape == (len(m0), 100)
        assert np.all(np.diff(times, axis=1) >= -1e-12 * times[:, 1:])  # rounding of the time

        def right(reference: Array, times: Array = times, bound: float = bound) -> None:
            np.testing.assert_allclose(times, reference, rtol=bound, atol=0)

        right(truth)
        for fault in (truth * (1 + 3 * bound), np.roll(truth, 1, axis=0), truth[:, ::-1]):
            with pytest.raises(AssertionError):
                right(fault)


@pytest.mark.parametrize("method", METHODS)
def test_many_levels_in_one_step(method: str) -> None:
    """Loose tolerances or coarse steps: far more levels than steps, each located on its own."""
    flow, m0 = problem(4, 100, n=10)
    levels = np.linspace(0.7, 0.9, 100)
    loose = {"method": "rk4", "step": 0.05, "t_end": 300.0}
    chosen = loose if method == "rk4" else {"method": method, "rtol": 1e-2}
    sol = hf.solve(flow, overlaps=m0, events={"e": hf.HittingTime(levels)}, **chosen)
    truth = ladder(4, m0, levels)
    if method != "rk4":
        assert sol.steps.max() < 60
    assert np.all(np.diff(sol.events["e"], axis=1) > 0.0)
    np.testing.assert_allclose(sol.events["e"], truth, rtol=1e-2, atol=0)
    # the spacing of the levels survives the error of the escape time they share
    gaps, true_gaps = np.diff(sol.events["e"], axis=1), np.diff(truth, axis=1)
    np.testing.assert_allclose(gaps, true_gaps, rtol=0.1, atol=0)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(gaps, np.roll(true_gaps, 20, axis=1), rtol=0.1, atol=0)


# ------------------------------------------------------------------ start, end, order of events


@pytest.mark.parametrize("method", METHODS)
def test_what_holds_at_the_start_is_met_at_time_0(method: str) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(4))
    m0 = [[0.5, 0.1], [-0.5, 0.0], [0.5 - 1e-12, 0.1], [0.1, 0.9]]
    events = {"low": hf.HittingTime(0.2), "half": hf.HittingTime([0.5, 0.85])}
    chosen, _ = options(method, 1e-8)
    sol = hf.solve(flow, overlaps=m0, events=events, **chosen)
    np.testing.assert_array_equal(sol.events["low"], 0.0)
    np.testing.assert_array_equal(sol.events["half"] == 0.0, [[1, 0], [1, 0], [0, 0], [1, 1]])
    assert np.all(np.isfinite(sol.events["half"]))
    assert 0.0 < sol.events["half"][2, 0] < 1e-10
    stop = {"stop": hf.HittingTime(0.5, terminal=True)}
    ended = hf.solve(flow, overlaps=m0, events=stop, **chosen)
    assert np.all(ended.status == hf.Status.event)
    np.testing.assert_array_equal(ended.t_final == 0.0, [True, True, False, True])
    np.testing.assert_array_equal(ended.overlaps[[0, 1, 3]], np.array(m0)[[0, 1, 3]])
    np.testing.assert_array_equal(ended.steps[[0, 1, 3]], 0)


@pytest.mark.parametrize("method", METHODS)
def test_t_end_divides_what_is_hit(method: str) -> None:
    flow, m0 = problem(4, 100)
    chosen, bound = options(method, 1e-8)
    event = {"e": hf.HittingTime(0.5)}
    for row in m0[:5]:
        time = hf.exact.orthonormal_hitting_time(4, 1.0, row, 0.5)
        for factor, hit in ((1 + 2 * bound, True), (1 - 2 * bound, False)):
            chosen["t_end"] = factor * time
            sol = hf.solve(flow, overlaps=row[None], events=event, **chosen)
            assert np.isfinite(sol.events["e"][0]) == hit
            assert (np.abs(sol.overlaps).max() >= 0.5) == hit
            assert sol.t_final[0] == chosen["t_end"]


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_hit_at_t_end_counts(method: str) -> None:
    """t_end is the solver's own hitting time; an ulp earlier there is no hit."""
    targets = hf.Orthonormal(k=4)
    flow = hf.CorrelationFlow(targets, hf.hermite(4))
    m0 = hf.random_overlaps(targets, n=40, d=100, seed=1)
    events = {"h": hf.HittingTime(0.5)}
    times = hf.solve(flow, overlaps=m0, t_end=400.0, method=method, events=events).events["h"]
    for m, t in zip(m0, times, strict=True):
        at = hf.solve(flow, overlaps=[m], t_end=t, method=method, events=events)
        assert at.events["h"][0] == t
        before = t * (1.0 - 1e-10)
        none = hf.solve(flow, overlaps=[m], t_end=before, method=method, events=events)
        assert np.isnan(none.events["h"][0])


def test_rk4_meets_the_level_of_a_grid_point() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=4), hf.hermite(3))
    m0 = np.abs(hf.random_overlaps(flow.targets, n=10, d=100, seed=1))
    for steps in (3, 40):
        options = {"method": "rk4", "step": 0.125, "t_end": 0.125 * steps}
        for m in m0:
            level = float(hf.solve(flow, overlaps=[m], **options).overlaps.max())
            hit = hf.solve(flow, overlaps=[m], **options, events={"h": hf.HittingTime(level)})
            speed = flow.field(hit.overlaps)[0, hit.overlaps[0].argmax()]
            ulps = 4.0 * np.finfo(float).eps / speed  # near rest the overlap stands nearly still
            assert abs(hit.events["h"][0] - 0.125 * steps) < 1e-12 + ulps


def test_the_times_of_a_ladder_never_step_back() -> None:
    """On the dense output t may, by hundreds of ulps, where dt/ds becomes tiny."""
    targets = hf.Orthonormal(k=6)
    m0 = hf.random_overlaps(targets, n=24, d=10**12, seed=6)[:8]
    ladder = {"e": hf.HittingTime(np.geomspace(1.1 * np.abs(m0).max(), 0.99, 100))}
    flow = hf.CorrelationFlow(targets, hf.hermite(6))
    for method in ADAPTIVE:
        for rtol in (1e-3, 1e-8):
            sol = hf.solve(flow, overlaps=m0, method=method, rtol=rtol, events=ladder)
            assert np.all(np.diff(sol.events["e"], axis=1) >= 0.0)


def test_a_level_below_rest_is_met_before_a_finite_end() -> None:
    """A neuron within rtol of its minimum still has levels to pass."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    for rtol in (1e-2, 1e-3, 1e-6):
        level = 1.0 - 0.1 * rtol
        sol = hf.solve(
            flow, overlaps=[[0.1, 0.02]], rtol=rtol, t_end=1e9, events={"h": hf.HittingTime(level)}
        )
        fine = hf.solve(
            flow, overlaps=[[0.1, 0.02]], rtol=1e-12, t_end=1e3, events={"h": hf.HittingTime(level)}
        )
        assert abs(sol.events["h"][0] - fine.events["h"][0]) < 0.1


@pytest.mark.parametrize("method", ADAPTIVE)
def test_watching_changes_nothing(method: str) -> None:
    """Events and saved values are read off the steps: the path keeps its bits."""
    flow, m0 = problem(3, 10**6)
    plain = hf.solve(flow, overlaps=m0, method=method, t_end=3e3)
    levels, times = np.linspace(0.01, 0.9, 30), np.linspace(0.0, 3e3, 50)
    watched = hf.solve(
        flow, overlaps=m0, method=method, t_end=3e3, save_at=times,
        events={"e": hf.HittingTime(levels)},
    )  # fmt: skip
    np.testing.assert_array_equal(watched.steps, plain.steps)
    np.testing.assert_array_equal(watched.overlaps, plain.overlaps)


# ------------------------------------------------------------------ saved values


def condition(p: int, m0: Array, t: Array, m: Array) -> Array:
    """What a relative error of all times, and of all overlaps, makes of m at fixed t."""
    force = p * m ** (p - 1)
    rate = force - np.sum(m * force, axis=-1, keepdims=True) * m
    floor = 1e-3 * np.abs(m0).max(axis=1)[:, None, None]
    return np.abs(m) + t[None, :, None] * np.abs(rate) + floor


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("p", "d"), [(3, 100), (4, 100), (3, 10**8), (5, 10**8)])
def test_saved_values_are_the_exact_ones(p: int, d: int, method: str) -> None:
    if method == "rk4" and d > 100:
        d = 50
    flow, m0 = problem(p, d, n=8)
    median = float(np.median(ladder(p, m0, np.array([0.5]))))
    t = np.concatenate([[0.0], np.linspace(0.1, 0.9, 9), np.linspace(0.95, 1.1, 40)]) * median
    exact = np.array([hf.exact.orthonormal(p, 1.0, row, t) for row in m0])
    scale = condition(p, m0, t, exact)
    for rtol in (1e-5, 1e-9):
        chosen, _ = options(method, rtol)
        if method == "rk4":
            chosen["t_end"] = t[-1]
        sol = hf.solve(flow, overlaps=m0, save_at=t, **chosen)
        bound = 1e-5 if method == "rk4" else 10 * rtol
        ended = t[None, :] > sol.t_final[:, None]
        np.testing.assert_array_equal(np.isnan(sol.trajectory[..., 0]), ended)

        def right(reference: Array, sol: hf.Solution = sol, bound: float = bound) -> None:
            kept = np.isfinite(sol.trajectory)
            error = np.abs(sol.trajectory - reference) / scale
            assert np.max(error[kept]) < bound

        right(exact)
        np.testing.assert_array_equal(sol.trajectory[:, 0], m0)
        for fault in (exact + 3 * bound * scale, np.roll(exact, 1, axis=1), -exact):
            with pytest.raises(AssertionError):
                right(fault)
