"""Work against precision on random cases: hitting times, and overlaps at equal phase.

A case has a random degree, number of index vectors, dimension (1e2 to 1e18), second layer and
target weights, or one index vector and a link that mixes degrees. The truth is (7) or (8).
Overlaps are compared where the largest one is 1/2, not at equal times: m(t) is ill-conditioned in
the escape. Their errors are relative, each to its own overlap, but to no less than 1e-3 of the
largest one at the start: below that the default absolute tolerance rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import hermiteflow as hf
from hermiteflow._orbits import DOUBLE, Clock

from .problems import LEVEL, Array

METHODS = ("tsit5", "dopri5", "dop853")
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
SINGLE_SHARE = 0.2  # of the cases have one index vector and a link that mixes degrees


@dataclass(frozen=True)
class Problem:
    """One neuron that hits level 1/2 at `time`, with overlaps `phase` there."""

    flow: hf.CorrelationFlow
    start: Array  # (1, k)
    time: float
    phase: Array  # (k,)


def phase(p: int, c: Array, m0: Array) -> tuple[float, Array]:
    """Return the time of the first hit of level 1/2 and m there, from the orbit (7) itself.

    The orbit is followed in its own variable, in which m is well conditioned, unlike in t.
    """
    time = hf.exact.orthonormal_hitting_time(p, c, m0, LEVEL)
    if not math.isfinite(time) or time == 0.0 or p == 2:
        return time, hf.exact.orthonormal(p, c, m0, time) if time < math.inf else m0
    orbit = DOUBLE.orbit(p, c, m0, 1.0 - math.fsum(m0 * m0))
    assert orbit is not None
    edges = np.array(orbit.edges())
    grid = np.unique(np.concatenate([np.linspace(a, b, 25) for a, b in pairwise(edges)]))
    first = int(np.argmax(np.abs(orbit.evaluate(grid)[0]).max(axis=1) >= LEVEL))
    low, high = float(grid[first - 1]), float(grid[first])
    while (middle := 0.5 * (low + high)) not in (low, high):
        over = np.abs(orbit.evaluate(np.array([middle]))[0]).max() >= LEVEL
        low, high = (low, middle) if over else (middle, high)
    if abs(Clock(orbit).t(high) / time - 1.0) > 1e-9:
        raise ArithmeticError(f"the orbit passes 1/2 at {Clock(orbit).t(high)}, got {time}")
    return time, orbit.evaluate(np.array([high]))[0][0]


def draw(rng: np.random.Generator) -> Problem:
    """Return a random case whose neuron escapes."""
    while True:
        d = int(10.0 ** rng.uniform(2.0, 18.0))
        a = rng.uniform(0.5, 2.0)
        single = rng.random() < SINGLE_SHARE
        k = 1 if single else int(rng.integers(1, 31))
        b = rng.uniform(0.5, 2.0, size=k)
        targets = hf.Orthonormal(k=k)
        start = hf.random_overlaps(targets, n=1, d=d, seed=rng)
        degree = int(rng.integers(2, 7))
        if single:
            start = np.abs(start)
            mix = {p: float(rng.uniform(0.2, 1.0)) for p in range(degree, degree + 3)}
            link = hf.hermite(mix)
        else:
            link = hf.hermite(degree)
        flow = hf.CorrelationFlow(targets, link, second_layer=np.array([a]), target_weights=b)
        if np.abs(start).max() >= LEVEL:
            continue
        if single:
            unit = hf.exact.single_index_time(hf.Interaction(link), float(start[0, 0]), LEVEL)
            return Problem(flow, start, unit / (a * b[0]), np.array([LEVEL]))
        time, there = phase(degree, a * b, start[0])
        if math.isfinite(time):
            return Problem(flow, start, time, there)


def evaluations(method: str, steps: int) -> int:
    """Evaluations of the field in so many steps; the last stage is the next step's first."""
    return 1 + steps * (int(hf._core.tableau(method)["stages"]) - 1)


def study(count: int, seed: int = 0) -> dict[str, Any]:
    """Solve `count` cases by each method and tolerance; errors are over the tolerance."""
    rng = np.random.default_rng(seed)
    problems = [draw(rng) for _ in range(count)]
    lines = [_line(problems, method, rtol) for method in METHODS for rtol in TOLERANCES]
    return {"cases": count, "seed": seed, "lines": lines}


def _line(problems: list[Problem], method: str, rtol: float) -> dict[str, Any]:
    times, overlaps, work = [], [], []
    for problem in problems:
        solution = hf.solve(
            problem.flow,
            overlaps=problem.start,
            method=method,
            rtol=rtol,
            events={"hit": hf.HittingTime(LEVEL, terminal=True)},
            n_threads=1,
        )
        hit = float(solution.events["hit"][0])
        times.append(abs(hit / problem.time - 1.0) if math.isfinite(hit) else math.inf)
        scale = np.maximum(np.abs(problem.phase), 1e-3 * np.max(np.abs(problem.start)))
        off = np.abs(solution.overlaps[0] - problem.phase) / scale
        overlaps.append(float(np.max(off)))
        work.append(evaluations(method, int(solution.steps[0] + solution.rejected[0])))
    line: dict[str, Any] = {
        "method": method,
        "rtol": rtol,
        "evaluations": float(np.median(work)),
        "missed": int(np.sum(~np.isfinite(times))),
    }
    for name, errors in (("time", times), ("overlaps", overlaps)):
        median, high, worst = np.quantile(np.array(errors) / rtol, [0.5, 0.95, 1.0], method="lower")
        line[name] = {"median": float(median), "high": float(high), "worst": float(worst)}
    return line
