"""Our time against n, d, k and threads, each with the error of the hitting times beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import hermiteflow as hf

from . import machine
from .measure import Spread, timed
from .problems import LEVEL, Starts, relative_error

RTOL = 1e-6
IN_MEMORY = 1_000_000  # neurons above this number are streamed
JUDGED = 16


def _point(starts: Starts, rounds: int, threads: int | None = None) -> dict[str, Any]:
    found: list[hf.Solution] = []

    def run() -> None:
        events = {"hit": hf.HittingTime(LEVEL)}
        found[:] = [
            hf.solve(
                starts.flow,
                overlaps=starts.overlaps,
                rtol=RTOL,
                events=events,
                n_threads=threads,
            )
        ]

    run()
    times = Spread.of([timed(run) for _ in range(rounds)])
    exact = starts.hitting_times(min(JUDGED, starts.n))
    return {
        "n": starts.n,
        "k": starts.k,
        "d": starts.d,
        "threads": threads or machine.threads(),
        "best": times.best,
        "median": times.median,
        "worst": times.worst,
        "error": relative_error(found[0].events["hit"][: exact.size], exact),
    }


def _streamed(starts: Starts) -> dict[str, Any]:
    """One run of `solve_ensemble`, starts drawn on the way.

    It keeps histograms, so the error is that of its first neurons, solved in memory.
    """

    def run() -> None:
        hf.solve_ensemble(
            starts.flow,
            n=starts.n,
            d=starts.d,
            seed=starts.seed,
            rtol=RTOL,
            events={"hit": hf.HittingTime(LEVEL)},
        )

    seconds = timed(run)
    few = Starts(n=JUDGED, k=starts.k, d=starts.d, p=starts.p, seed=starts.seed)
    spread = dict.fromkeys(("best", "median", "worst"), seconds)
    return {**_point(few, 1), "n": starts.n, **spread}


def points(small: bool, rounds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of a curve and a point of it; n ends in memory where nothing streams."""
    streaming = hasattr(hf, "solve_ensemble")
    top = 4 if small else 7  # 1e8 takes minutes: docs/performance.md has its figures
    for exponent in range(3, top + 1):
        starts = Starts(n=10**exponent, k=20, d=10**6)
        if starts.n <= IN_MEMORY:
            yield "n", _point(starts, rounds)
        elif streaming:
            yield "n", _streamed(starts)
    n = 200 if small else 10_000
    for exponent in range(2, 19, 4 if small else 2):
        yield "d", _point(Starts(n=n, k=20, d=10**exponent), rounds)
    for k in (2, 5, 10) if small else (2, 5, 10, 20, 50, 100, 200, 500, 1000):
        yield "k", _point(Starts(n=n, k=k, d=10**6), rounds)
    counts = np.unique([1, 2, *(2**i for i in range(2, 9)), machine.threads()])
    for threads in counts[counts <= machine.threads()]:
        yield "threads", _point(Starts(n=4 * n, k=50, d=10**6), rounds, int(threads))
