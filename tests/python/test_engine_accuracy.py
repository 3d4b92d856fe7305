"""Errors of hitting times, and of overlaps at equal phase, are a small factor of the tolerance.

Overlaps are compared where the largest one is 1/2: m at a fixed time is ill-conditioned in the
escape. The truth is the orbit (7) in 90 digits, and (8) by quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from oracles import Array

import hermiteflow as hf

ADAPTIVE = ["tsit5", "dopri5", "dop853"]
LEVEL = 0.5
TIME_FACTOR, PHASE_FACTOR = 5.0, 20.0  # the worst case, over rtol
MEDIAN_FACTOR = 1.0


@dataclass(frozen=True)
class Case:
    flow: hf.CorrelationFlow
    start: Array  # (1, k)
    time: float
    phase: Array  # (k,)


def overlaps_at_level(p: int, c: Array, m0: Array, level: float) -> Array:
    """m of (7) where max |m_j| = level, by bisection along the orbit; p >= 3."""
    with mpmath.workdps(90):
        start = [mpmath.mpf(float(x)) for x in m0]
        rest2 = 1 - mpmath.fsum(x * x for x in start)
        rates = [
            mpmath.mpf(float(cj)) * mpmath.sign(x) ** p for cj, x in zip(c, start, strict=True)
        ]
        power = p - 2

        def point(s: mpmath.mpf) -> list[mpmath.mpf]:
            z = [
                mpmath.sign(x) * (abs(x) ** -power - power * p * r * s) ** (-mpmath.mpf(1) / power)
                for x, r in zip(start, rates, strict=True)
            ]
            radius = mpmath.sqrt(rest2 + mpmath.fsum(x * x for x in z))
            return [x / radius for x in z]

        blow_up = min(
            abs(x) ** -power / (power * p * r) for x, r in zip(start, rates, strict=True) if r > 0
        )
        low, high = mpmath.mpf(0), blow_up
        for _ in range(260):
            middle = (low + high) / 2
            if max(map(abs, point(middle))) < level:
                low = middle
            else:
                high = middle
        return np.array([float(x) for x in point(low)])


def draw(rng: np.random.Generator) -> Case:
    """One neuron that escapes, at a random degree, dimension, second layer and target weights."""
    while True:
        p, k = int(rng.integers(3, 7)), int(rng.integers(2, 12))
        a, b = float(rng.uniform(0.5, 2.0)), rng.uniform(0.5, 2.0, size=k)
        targets, d = hf.Orthonormal(k=k), int(10.0 ** rng.uniform(2.0, 18.0))
        start = hf.random_overlaps(targets, n=1, d=d, seed=rng)
        time = hf.exact.orthonormal_hitting_time(p, a * b, start[0], LEVEL)
        if 0.0 < time < np.inf:
            flow = hf.CorrelationFlow(targets, hf.hermite(p), second_layer=a, target_weights=b)
            return Case(flow, start, time, overlaps_at_level(p, a * b, start[0], LEVEL))


def draw_single(rng: np.random.Generator) -> Case:
    """One index vector and a link of three degrees, held against (8)."""
    least, u0 = int(rng.integers(2, 5)), 10.0 ** rng.uniform(-9.0, -1.0)
    link = hf.hermite({least + i: float(rng.uniform(0.2, 1.0)) for i in range(3)})
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), link)
    time = hf.exact.single_index_time(flow.interaction, u0, LEVEL)
    return Case(flow, np.array([[u0]]), time, np.array([LEVEL]))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    rng = np.random.default_rng(7)
    return [draw(rng) for _ in range(30)] + [draw_single(rng) for _ in range(10)]


def errors(
    cases: list[Case], method: str, rtol: float, *, time: float = 1.0, phase: float = 1.0
) -> tuple[Array, Array]:
    """Errors over rtol, case by case; the two factors plant faults in the truth."""
    times, phases = [], []
    for case in cases:
        sol = hf.solve(
            case.flow, overlaps=case.start, method=method, rtol=rtol,
            events={"hit": hf.HittingTime(LEVEL, terminal=True)},
        )  # fmt: skip
        times.append(abs(sol.events["hit"][0] / (time * case.time) - 1.0))
        # below 1e-3 of the largest start the default absolute tolerance rules
        scale = np.maximum(np.abs(case.phase), 1e-3 * np.abs(case.start).max())
        phases.append(np.max(np.abs(sol.overlaps[0] - phase * case.phase) / scale))
    return np.array(times) / rtol, np.array(phases) / rtol


def within(found: tuple[Array, Array]) -> None:
    for values, worst in zip(found, (TIME_FACTOR, PHASE_FACTOR), strict=True):
        assert np.max(values) < worst
        assert np.median(values) < MEDIAN_FACTOR


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
def test_errors_are_a_small_factor_of_the_tolerance(
    method: str, rtol: float, cases: list[Case]
) -> None:
    within(errors(cases, method, rtol))


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_fault_of_few_tolerances_is_rejected(method: str, cases: list[Case]) -> None:
    rtol = 1e-8
    for fault in ({"time": 1.0 + 2 * rtol}, {"phase": 1.0 + 3 * rtol}):
        with pytest.raises(AssertionError):
            within(errors(cases[:5], method, rtol, **fault))


def test_the_orbit_itself_agrees_with_the_exact_solution() -> None:
    """The reference of this file against hf.exact at the same time, where m(t) is benign."""
    m0, c = np.array([0.12, 0.1, -0.05]), np.array([1.0, 0.8, 1.5])
    for p in (3, 4, 5):
        time = hf.exact.orthonormal_hitting_time(p, c, m0, LEVEL)
        there = hf.exact.orthonormal(p, c, m0, time)
        np.testing.assert_allclose(overlaps_at_level(p, c, m0, LEVEL), there, rtol=1e-10)
        other = overlaps_at_level(p, c[::-1], m0, LEVEL)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(other, there, rtol=1e-10)


# ------------------------------------------------------------------ search phase at any d


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("p", [3, 4, 5, 6])
def test_the_relative_accuracy_does_not_depend_on_d(p: int, method: str) -> None:
    """Overlaps down to 1e-13, of mixed sizes and signs, with the defaults."""
    targets, rtol = hf.Orthonormal(k=4), 1e-8
    flow = hf.CorrelationFlow(targets, hf.hermite(p))
    shape = np.array([[1.0, -0.3, 0.5, 1e-3], [0.97, 0.9, 1e-2, -0.8], [-0.2, 0.1, 1.0, 1e-4]])
    for size in (1e-2, 1e-5, 1e-9):
        m0 = size * shape
        sol = hf.solve(flow, overlaps=m0, method=method, events={"hit": hf.HittingTime(LEVEL)})
        assert np.all(sol.status == hf.Status.converged)
        np.testing.assert_array_equal(sol.index, [0, 0, 2])
        truth = np.array([hf.exact.orthonormal_hitting_time(p, 1.0, row, LEVEL) for row in m0])
        np.testing.assert_allclose(sol.events["hit"], truth, rtol=TIME_FACTOR * rtol, atol=0)
        moved = [hf.exact.orthonormal_hitting_time(p, 1.0 + 1e-7, row, LEVEL) for row in m0]
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(sol.events["hit"], moved, rtol=TIME_FACTOR * rtol, atol=0)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_second_degree_escapes_to_relative_accuracy(method: str) -> None:
    """p* = 2 takes log d: the level is a fifth of where the neuron ends."""
    targets = hf.Orthonormal(k=5)
    flow = hf.CorrelationFlow(targets, hf.hermite(2))
    for d in (10**2, 10**6, 10**12, 10**18):
        m0 = hf.random_overlaps(targets, n=20, d=d, seed=2)
        end = np.min(np.abs(m0).max(axis=1) / np.linalg.norm(m0, axis=1))
        level = max(0.2 * end, 1.5 * np.abs(m0).max()) if d == 100 else 0.2 * end
        sol = hf.solve(flow, overlaps=m0, method=method, events={"hit": hf.HittingTime(level)})
        assert np.all(sol.status == hf.Status.converged)
        truth = [hf.exact.orthonormal_hitting_time(2, 1.0, row, level) for row in m0]
        np.testing.assert_allclose(sol.events["hit"], truth, rtol=1e-7, atol=0)
        late = [hf.exact.orthonormal_hitting_time(2, 1.0, row, 1.001 * level) for row in m0]
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(sol.events["hit"], late, rtol=1e-7, atol=0)
