"""Neurons that fail, and starts at zero, leave the other neurons alone; by every method."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

ADAPTIVE = ["tsit5", "dopri5", "dop853"]
METHODS = [*ADAPTIVE, "rk4"]
PAIR = hf.Orthonormal(k=2)
TARGETS = {
    "identity": PAIR,
    "equiangular": hf.Equiangular(k=2, beta=0.3),
    "general": hf.IndexVectors(gram=[[1.0, 0.3], [0.3, 1.0]]),
}


def options(method: str, t_end: float) -> dict[str, Any]:
    step = {"step": t_end / 100} if method == "rk4" else {}
    return {"method": method, "t_end": t_end, **step}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TARGETS)
def test_an_overflow_keeps_the_others(name: str, method: str) -> None:
    m0 = hf.random_overlaps(TARGETS[name], n=19, d=100, seed=0)
    layer = np.full(19, 1e-20)
    bad = [0, 7, 18]
    layer[bad] = 1e300
    chosen = options(method, 1e-3)
    link = hf.hermite({3: 1e10})
    flow = hf.CorrelationFlow(TARGETS[name], link, second_layer=layer)
    with pytest.warns(hf.SolveWarning, match="of 19 neurons: 3 non_finite") as record:
        sol = hf.solve(flow, overlaps=m0, save_at=[0.0, 1e-3], **chosen)
    assert len(record) == 1
    good = np.setdiff1d(np.arange(19), bad)
    assert np.all(sol.status[bad] == hf.Status.non_finite)
    assert not sol.success
    np.testing.assert_array_equal(sol.overlaps[bad], m0[bad])  # the last state that was finite
    np.testing.assert_array_equal(sol.trajectory[bad, 0], m0[bad])
    assert np.all(np.isnan(sol.trajectory[bad, 1]))
    alone = hf.solve(
        hf.CorrelationFlow(TARGETS[name], link, second_layer=layer[good]),
        overlaps=m0[good], save_at=[0.0, 1e-3], **chosen,
    )  # fmt: skip
    assert alone.success
    np.testing.assert_array_equal(sol.overlaps[good], alone.overlaps)
    np.testing.assert_array_equal(sol.trajectory[good], alone.trajectory)
    assert np.abs(alone.overlaps - m0[good]).max() > 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("p", [2, 3, 4])
def test_a_start_at_zero_stays_and_keeps_the_others(p: int, name: str, method: str) -> None:
    flow = hf.CorrelationFlow(TARGETS[name], hf.hermite(p))
    m0 = np.array([[0.1, 0.2], [0.0, 0.0], [0.2, 0.1]])
    sol = hf.solve(flow, overlaps=m0, **options(method, 10.0))
    assert sol.success
    assert np.all(sol.t_final == 10.0)
    np.testing.assert_array_equal(sol.overlaps[1], 0.0)
    rest = hf.solve(flow, overlaps=m0[[0, 2]], **options(method, 10.0))
    np.testing.assert_array_equal(sol.overlaps[[0, 2]], rest.overlaps)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("name", TARGETS)
def test_a_first_degree_leaves_zero(name: str, method: str) -> None:
    targets = TARGETS[name]
    flow = hf.CorrelationFlow(targets, hf.hermite({1: 1.0}))
    sol = hf.solve(flow, overlaps=[[0.0, 0.0], [0.1, 0.2]], method=method)
    assert np.all(sol.status == hf.Status.converged)
    assert np.all(sol.kind == "average")
    average = math.sqrt((1 + targets.gram[0, 1]) / 2)
    np.testing.assert_allclose(sol.overlaps, average, atol=1e-5)


def test_an_endless_run_at_zero_is_never_called_converged() -> None:
    """m = 0 is a degenerate fixed set, not a minimum: trapped, for nothing moves."""
    for targets in TARGETS.values():
        for p in (3, 4):
            flow = hf.CorrelationFlow(targets, hf.hermite(p))
            sol = hf.solve(flow, overlaps=[[0.0, 0.0], [0.1, 0.2]])
            assert sol.status[0] == hf.Status.no_escape
            assert sol.status[1] == hf.Status.converged
            assert sol.index[1] == 1


# ------------------------------------------------------------------ arguments

FLOW = hf.CorrelationFlow(PAIR, hf.hermite(3))
SMALL = [[1e-6, 2e-6], [0.1, 0.2]]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"rtol": 0.0}, "rtol must be a number in (0, 0.1], got 0.0"),
        ({"rtol": -1e-6}, "rtol must be a number in (0, 0.1], got -1e-06"),
        ({"rtol": math.nan}, "rtol must be"),
        ({"rtol": 1e-15}, "rtol must be at least 1e-14, got 1e-15"),
        ({"atol": -1e-3}, "atol must be a number in [0, inf), got -0.001"),
        ({"atol": math.inf}, "atol must be"),
        ({"t_end": -1.0}, "t_end must be a number in [0, inf], got -1.0"),
        ({"save_at": [2.0, 1.0]}, "save_at must be strictly increasing, got 2 before 1"),
        ({"save_at": [1.0, 1.0]}, "save_at must be strictly increasing, got 1 before 1"),
        ({"save_at": [-1.0, 1.0]}, "save_at must be at least 0, got -1"),
        ({"save_at": [1.0, math.inf]}, "save_at must be finite"),
    ],
)
def test_bad_options_are_named(option: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        hf.solve(FLOW, overlaps=SMALL, **option)


@pytest.mark.parametrize("level", [0.0, -0.1, math.nan, [0.5, 0.5], [0.5, 0.2], [], [0.0, 0.5]])
def test_bad_levels_are_refused(level: Any) -> None:
    with pytest.raises(ValueError, match="level must"):
        hf.HittingTime(level)
    assert hf.HittingTime(1.0).levels == (1.0,)


@pytest.mark.parametrize(("atol", "warns"), [(1e-3, True), (1e-12, False), (0.0, False)])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_an_atol_above_the_overlaps_warns(method: str, atol: float, warns: bool) -> None:
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        hf.solve(FLOW, overlaps=SMALL, atol=atol, t_end=1.0, method=method)
    told = [str(w.message) for w in record if issubclass(w.category, hf.SolveWarning)]
    assert len(told) == warns  # once
    assert all("1/sqrt(d)" in text and "2e-06" in text for text in told)
