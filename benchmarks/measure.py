"""Two sides of one problem, measured in interleaved rounds; when their ratio may be printed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import machine


@dataclass(frozen=True)
class Side:
    """One way to solve a problem.

    Parameters
    ----------
    name : str
        What it is, with its settings.
    run : callable
        The timed work.
    error : float
        Accuracy of what `run` computes, measured before with the same settings.
    scale : float
        `run` does 1 / scale of the work; its time is multiplied by this.
    """

    name: str
    run: Callable[[], object]
    error: float
    scale: float = 1.0


@dataclass(frozen=True)
class Contest:
    """Our side and a peer on the same problem.

    Parameters
    ----------
    measure : str
        What the errors are.
    factor, floor : float
        Errors that differ by more than `factor` are not the same accuracy; errors below `floor`
        are rounding and count as equal.
    work : float
        Floating-point operations of one run of ours; 0: not counted.
    """

    title: str
    measure: str
    ours: Side
    peer: Side | None
    missing: str = ""
    factor: float = 4.0
    floor: float = 1e-13
    work: float = 0.0


@dataclass(frozen=True)
class Spread:
    """Best, median and worst of several measurements."""

    best: float
    median: float
    worst: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Summarise times: the smallest is the best."""
        return cls(min(values), float(np.median(values)), max(values))


def same_accuracy(ours: float, peer: float, factor: float, floor: float) -> bool:
    """Whether two errors count as equal: within `factor`, either way, above `floor`."""
    if not (math.isfinite(ours) and math.isfinite(peer)):
        return False
    low, high = sorted((max(ours, floor), max(peer, floor)))
    return high <= factor * low


REST = 0.15  # seconds


def timed(run: Callable[[], object]) -> float:
    """Seconds that `run` takes, after a rest.

    The threads of BLAS, OpenMP and XLA spin for a while after their work; without the rest each
    side would pay for those of the side before.
    """
    time.sleep(REST)
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def measure(contest: Contest, rounds: int, *, warm: bool = True) -> dict[str, Any]:
    """Run both sides by turns, with the machine's peaks in each round, and judge the ratio."""
    sides = {"ours": contest.ours}
    if contest.peer is not None:
        sides["peer"] = contest.peer
    if warm:
        for side in sides.values():
            side.run()
    times: dict[str, list[float]] = {name: [] for name in sides}
    gemm, fma = [], []
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(side.scale * timed(side.run))
        gemm.append(machine.gemm_peak())
        fma.append(machine.fma_peak())
    result: dict[str, Any] = {
        "title": contest.title,
        "measure": contest.measure,
        "rounds": rounds,
        "gemm_gflops": float(np.median(gemm)),
        "fma_gflops": float(np.median(fma)),
        "ratio": None,
        "verdict": contest.missing,
    }
    for name, side in sides.items():
        result[name] = {
            "name": side.name,
            "error": side.error,
            "scale": side.scale,
            "seconds": times[name],
            **asdict(Spread.of(times[name])),
        }
    if contest.work:
        best = Spread.of(times["ours"]).best
        result["gflops"] = contest.work / best / 1e9
        result["share_of_gemm"] = result["gflops"] / max(gemm)
        result["share_of_fma"] = result["gflops"] / max(fma)
    if contest.peer is not None:
        judge(result, contest)
    return result


def judge(result: dict[str, Any], contest: Contest) -> None:
    """Put the ratio into `result`, or say why there is none."""
    assert contest.peer is not None
    ours, peer = contest.ours.error, contest.peer.error
    if not same_accuracy(ours, peer, contest.factor, contest.floor):
        result["verdict"] = (
            f"no ratio: errors {ours:.2g} (ours) and {peer:.2g} (peer) differ by more than "
            f"{contest.factor:g}"
        )
        return
    ratios = np.array(result["peer"]["seconds"]) / np.array(result["ours"]["seconds"])
    result["ratio"] = {
        "median": float(np.median(ratios)),
        "low": float(ratios.min()),
        "high": float(ratios.max()),
    }
    result["verdict"] = "same accuracy"
