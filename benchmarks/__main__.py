"""`python -m benchmarks [--rounds R]`: interleaved rounds, medians and spread, one table."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import hermiteflow as hf

from . import numpy_rk4

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """Our side and a peer on one problem; `error` compares a result with the exact solution."""

    name: str
    ours: Callable[[], Array]
    peer: Callable[[], Array]
    error: Callable[[Array], float]


def fixed_rk4(n: int = 2_000, k: int = 50, steps: int = 200) -> Case:
    """RK4 in overlap space, G = I, h_3, against NumPy with arrays of all neurons."""
    targets = hf.Orthonormal(k=k)
    flow = hf.CorrelationFlow(targets, hf.hermite(3))
    m0 = hf.random_overlaps(targets, n=n, d=400, seed=0)
    t_end = 2.0
    step = t_end / steps
    exact = np.array([hf.exact.orthonormal(3, 1.0, row, t_end) for row in m0[:8]])

    def ours() -> Array:
        return hf.solve(
            flow, overlaps=m0, method="rk4", step=step, t_end=t_end, renormalize=False
        ).overlaps

    return Case(
        f"fixed RK4, overlaps, n = {n}, k = {k}, {steps} steps; peer: NumPy",
        ours,
        lambda: numpy_rk4.solve(m0, step, steps),
        lambda found: float(np.max(np.abs(found[:8] - exact))),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    info = hf.build_info()
    print(f"instruction set {info['isa']}, {info['max_threads']} threads, NumPy {np.__version__}")
    for case in (fixed_rk4(),):
        times: dict[str, list[float]] = {"ours": [], "peer": []}
        found: dict[str, Array] = {}
        case.ours()
        for _ in range(rounds):
            for side, run in (("ours", case.ours), ("peer", case.peer)):
                begin = time.perf_counter()
                found[side] = run()
                times[side].append(time.perf_counter() - begin)
        print(case.name)
        for side, spent in times.items():
            print(
                f"  {side}: best {min(spent):.4f} s, median {np.median(spent):.4f} s, "
                f"worst {max(spent):.4f} s, error {case.error(found[side]):.1e}"
            )
        ratios = np.array(times["peer"]) / np.array(times["ours"])
        print(f"  ratio: median {np.median(ratios):.1f}, {ratios.min():.1f} to {ratios.max():.1f}")


if __name__ == "__main__":
    main()
