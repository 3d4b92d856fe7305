"""The engine at its edges: plateaus, ghosts, events that coincide, and structures that agree."""

import math
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow import exact

ADAPTIVE = ["tsit5", "dopri5", "dop853"]


def one(p: int) -> hf.CorrelationFlow:
    """One index vector: m = u, and (8) gives every time."""
    return hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(p))


def passage(p: int, u0: float, u1: float) -> float:
    return exact.single_index_time(one(p).interaction, u0, u1)


# ------------------------------------------------------------------ plateau and steps


@pytest.mark.parametrize("p", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("u0", [1e-1, 1e-3, 1e-6, 1e-9])
def test_the_defaults_cross_any_plateau_to_relative_accuracy(p: int, u0: float) -> None:
    sol = hf.solve(one(p), overlaps=[[u0]], events={"hit": hf.HittingTime(0.5)})
    assert sol.status[0] == hf.Status.converged
    assert sol.events["hit"][0] == pytest.approx(passage(p, u0, 0.5), rel=1e-7)
    # the twin: a start larger by one part in ten thousand is told apart (p = 2: log u0)
    assert sol.events["hit"][0] != pytest.approx(passage(p, u0 * (1 + 1e-4), 0.5), rel=1e-7)


@pytest.mark.parametrize("d", [10**2, 10**6, 10**12, 10**18])
@pytest.mark.parametrize("p", [2, 3, 4, 5, 6])
def test_random_starts_in_any_dimension_come_to_an_end(p: int, d: int) -> None:
    targets = hf.Orthonormal(k=5)
    m0 = hf.random_overlaps(targets, n=20, d=d, seed=0)
    sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite(p)), overlaps=m0)
    assert bool(sol.success)
    assert set(sol.status) <= {hf.Status.converged, hf.Status.no_escape}
    lost = np.all(m0 < 0, axis=1) if p % 2 == 1 else np.zeros(20, dtype=bool)
    np.testing.assert_array_equal(sol.status == hf.Status.no_escape, lost)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("rtol", [1e-6, 1e-8])
def test_few_steps_are_rejected_in_the_search(method: str, rtol: float) -> None:
    steps = rejected = 0
    for p in (3, 4, 5, 6):
        for d in (10**6, 10**12):
            targets = hf.Orthonormal(k=8)
            m0 = hf.random_overlaps(targets, n=50, d=d, seed=p)
            flow = hf.CorrelationFlow(targets, hf.hermite(p))
            sol = hf.solve(flow, overlaps=m0, method=method, rtol=rtol)
            steps += int(sol.steps.sum())
            rejected += int(sol.rejected.sum())
    assert rejected < 0.02 * (steps + rejected)


@pytest.mark.parametrize("rtol", [1e-3, 1e-4])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_even_loose_tolerances_converge(method: str, rtol: float) -> None:
    targets = hf.Orthonormal(k=5)
    m0 = hf.random_overlaps(targets, n=200, d=10**4, seed=0)
    sol = hf.solve(
        hf.CorrelationFlow(targets, hf.hermite(4)), overlaps=m0, method=method, rtol=rtol
    )
    assert np.all(sol.status == hf.Status.converged)
    np.testing.assert_array_equal(sol.index, np.argmax(np.abs(m0), axis=1))


def test_a_decaying_neuron_never_changes_sign() -> None:
    """All overlaps negative, outside of the cone that is proved: near zero for long, then out."""
    targets = hf.Equiangular(k=3, beta=0.05)
    flow = hf.CorrelationFlow(targets, hf.hermite(3))
    m0 = np.array([[-1e-3, -1e-3, -0.9e-3]])
    times = np.logspace(1, 12, 40)
    sol = hf.solve(flow, overlaps=m0, t_end=1e12, save_at=times, rtol=1e-4)
    path = sol.trajectory[0]
    assert np.all(path < 0.0)
    assert np.all(np.diff(np.abs(path).max(axis=1)) < 0.0)


# ------------------------------------------------------------------ ends


@pytest.mark.parametrize("p", [3, 4])
def test_the_ghost_of_a_vanished_minimum_is_passed(p: int) -> None:
    k = 10
    fold = hf.fold_beta(hf.hermite(p), k).beta
    for factor, kind in ((1.01, "average"), (0.99, "index")):
        targets = hf.Equiangular(k=k, beta=factor * fold)
        sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite(p)), overlaps=targets.gram[:3])
        assert np.all(sol.kind == kind)
        assert np.all(sol.index == ([0, 1, 2] if kind == "index" else -1))
    # the last minima were index-like and not index vectors
    assert np.all(np.max(np.abs(sol.overlaps), axis=1) < 0.99)


# ------------------------------------------------------------------ events


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_ladder_of_a_hundred_levels(method: str) -> None:
    levels = np.linspace(0.005, 0.995, 100)
    sol = hf.solve(
        one(4), overlaps=[[1e-3]], method=method, events={"ladder": hf.HittingTime(levels)}
    )
    times = sol.events["ladder"]
    assert times.shape == (1, 100)
    assert np.all(np.diff(times[0]) > 0)
    expected = [passage(4, 1e-3, level) for level in levels]
    np.testing.assert_allclose(times[0], expected, rtol=1e-7)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_two_events_in_one_step(method: str) -> None:
    levels = [0.5, 0.5 + 1e-7, 0.5 + 2e-7]
    sol = hf.solve(one(3), overlaps=[[0.1]], method=method, events={"e": hf.HittingTime(levels)})
    times = sol.events["e"][0]
    expected = np.array([passage(3, 0.1, level) for level in levels])
    np.testing.assert_allclose(times, expected, rtol=1e-7)
    np.testing.assert_allclose(np.diff(times), np.diff(expected), rtol=1e-2)


def test_events_at_the_start_and_at_the_end_point() -> None:
    flow = one(3)
    sol = hf.solve(
        flow,
        overlaps=[[0.5], [0.6], [0.1]],
        t_end=passage(3, 0.1, 0.3) * (1 + 1e-6),
        events={"e": hf.HittingTime([0.3, 0.5]), "late": hf.HittingTime(0.99)},
        save_at=[0.0],
    )
    np.testing.assert_array_equal(sol.events["e"][:2], 0.0)
    assert sol.events["e"][2, 0] == pytest.approx(passage(3, 0.1, 0.3), rel=1e-7)
    assert math.isnan(sol.events["e"][2, 1])
    assert math.isnan(sol.events["late"][2])
    np.testing.assert_array_equal(sol.trajectory[:, 0, 0], [0.5, 0.6, 0.1])
    just_before = hf.solve(
        flow,
        overlaps=[[0.1]],
        t_end=passage(3, 0.1, 0.3) * (1 - 1e-6),
        events={"e": hf.HittingTime(0.3)},
    )
    assert math.isnan(just_before.events["e"][0])


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_terminal_level_is_met_to_the_tolerance(method: str) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=4), hf.hermite(4))
    m0 = hf.random_overlaps(flow.targets, n=20, d=10**6, seed=0)
    event = {"e": hf.HittingTime(0.37, terminal=True)}
    sol = hf.solve(flow, overlaps=m0, method=method, events=event)
    assert np.all(sol.status == hf.Status.event)
    np.testing.assert_allclose(np.max(np.abs(sol.overlaps), axis=1), 0.37, rtol=1e-12)
    np.testing.assert_array_equal(sol.t_final, sol.events["e"])


# ------------------------------------------------------------------ structures


def structures() -> dict[str, tuple[hf.Targets, hf.Targets]]:
    gram = np.full((4, 4), 0.2) + 0.8 * np.eye(4)
    return {
        "orthonormal": (hf.Orthonormal(k=4), hf.Equiangular(k=4, beta=0.0)),
        "equiangular": (hf.Equiangular(k=4, beta=0.2), _general(gram)),
        "identity": (hf.Orthonormal(k=4), _general(np.eye(4) + 1e-13 * (gram - np.eye(4)))),
    }


def _general(gram: np.ndarray) -> hf.Targets:
    return hf.IndexVectors(gram=gram)


@pytest.mark.parametrize("name", structures())
@pytest.mark.parametrize("method", ["rk4", *ADAPTIVE])
def test_structures_agree(name: str, method: str) -> None:
    first, second = structures()[name]
    m0 = hf.random_overlaps(first, n=10, d=50, seed=3)
    options: dict[str, Any] = {"method": method, "t_end": 2.0}
    options |= {"step": 0.01} if method == "rk4" else {"rtol": 1e-10}
    link, student = hf.hermite({2: 0.3, 3: 1.0, 5: 0.2}), hf.hermite({2: 0.5, 3: 1.0})
    b, a = [1.0, -0.5, 2.0, 1.0], np.linspace(-1.0, 1.5, 10)

    def run(targets: hf.Targets, weights: list[float]) -> np.ndarray:
        flow = hf.CorrelationFlow(
            targets, link, student=student, second_layer=a, target_weights=weights
        )
        return hf.solve(flow, overlaps=m0, **options).overlaps

    np.testing.assert_allclose(run(first, b), run(second, b), atol=1e-8)
    # the twin: weights in another order are told apart
    assert np.max(np.abs(run(first, b) - run(second, b[::-1]))) > 1e-3
