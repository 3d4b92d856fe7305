"""Steps, rejections, time and error of each adaptive method, from d = 1e2 to 1e18."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import hermiteflow as hf

from .measure import Spread, timed
from .problems import LEVEL, Starts, relative_error

METHODS = ("tsit5", "dopri5", "dop853")
DEGREES = (3, 4, 6)
DIMENSIONS = (10**2, 10**6, 10**12, 10**18)


def rows(small: bool, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each degree, dimension and method, with the default tolerances.

    Neurons run to convergence; hitting times of level 1/2 are held against (7).
    """
    n, judged = (64, 8) if small else (2_000, 64)
    for p in DEGREES:
        for d in DIMENSIONS:
            starts = Starts(n=n, k=20, d=d, p=p)
            exact = starts.hitting_times(judged)
            for method in METHODS:
                yield _row(starts, method, exact, rounds)


def _row(starts: Starts, method: str, exact: np.ndarray, rounds: int) -> dict[str, Any]:
    found: list[hf.Solution] = []

    def run() -> None:
        events = {"hit": hf.HittingTime(LEVEL)}
        found[:] = [hf.solve(starts.flow, overlaps=starts.overlaps, method=method, events=events)]

    run()
    times = Spread.of([timed(run) for _ in range(rounds)])
    solution = found[0]
    tried = solution.steps.sum() + solution.rejected.sum()
    return {
        "p": starts.p,
        "d": starts.d,
        "k": starts.k,
        "n": starts.n,
        "method": method,
        "steps": float(np.median(solution.steps)),
        "rejected": float(solution.rejected.sum() / tried),
        "microseconds": 1e6 * times.median / starts.n,
        "best": 1e6 * times.best / starts.n,
        "error": relative_error(solution.events["hit"][: exact.size], exact),
        "success": bool(solution.success),
    }
