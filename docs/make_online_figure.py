"""Draw docs/_static/online.svg: the flow, the chain in law and direct runs, and where they part."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

import hermiteflow as hf

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parent / "_static" / "online.svg"
COLOURS = ("#0072B2", "#009E73", "#D55E00")
FLOW = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(2))
Array = NDArray[np.float64]


def start(d: int) -> tuple[Array, Array]:
    """Return the order parameters of two random neurons in R^d."""
    return hf.random_order_parameters(FLOW.targets, n=2, d=d, seed=2)


def parallel(run: Callable[[int], Array], count: int) -> Array:
    """Return `run` of so many seeds, on two threads."""
    with ThreadPoolExecutor(2) as pool:
        return np.array(list(pool.map(run, range(count))))


def losses(method: str, rate: float, d: int, times: Array, seeds: int) -> Array:
    """Return losses (seeds, T) of runs from one start."""
    M, Q = start(d)
    saves = np.round(times / rate)

    def run(seed: int) -> Array:
        sol = hf.online_sgd(
            FLOW, overlaps=M, student_overlaps=Q, d=d, steps=int(saves[-1]), learning_rate=rate,
            method=method, save_at=saves, seed=seed + (method == "direct") * 10**6, n_threads=1,
        )  # fmt: skip
        return sol.losses

    return parallel(run, seeds)


def paths(ax: Any) -> None:
    """Losses against the time of the flow, d = 1000, at three learning rates."""
    d, times = 1000, np.linspace(0.0, 5.0, 51)
    M, Q = start(d)
    flow = hf.solve(FLOW, overlaps=M, student_overlaps=Q, t_end=5.0, save_at=times)
    for rate, colour in zip((0.02, 0.1, 0.4), COLOURS, strict=True):
        law = losses("in_law", rate / d, d, times, 200)
        low, middle, high = np.quantile(law, (0.1, 0.5, 0.9), axis=0)
        ax.fill_between(times, low, high, color=colour, alpha=0.2, lw=0)
        ax.plot(times, middle, color=colour, label=rf"in law, $\eta d = {rate:g}$")
        direct = np.median(losses("direct", rate / d, d, times[::5], 40), axis=0)
        ax.plot(times[::5], direct, "o", color=colour, ms=4, mfc="white")
    ax.plot([], [], "o", color="0.3", ms=4, mfc="white", label="direct (medians of 40)")
    ax.plot(times, flow.losses, "k--", label="gradient flow")
    ax.set(xlabel=r"time of the flow, $\eta \times$ steps", ylabel="loss (9)", ylim=(0.0, None))
    ax.set_title("d = 1000: medians, 80 % of 200 runs", fontsize=9)
    ax.legend(frameon=False, fontsize=7.5)


def squares(method: str, rate: float, d: int, t: float, exact: Array, seeds: int = 60) -> Array:
    """Return mean squared distances of M from `exact` at time t, (seeds,)."""
    M, Q = start(d)

    def run(seed: int) -> Array:
        sol = hf.online_sgd(
            FLOW, overlaps=M, student_overlaps=Q, d=d, steps=round(t / rate), learning_rate=rate,
            method=method, n_threads=1, seed=seed + (method == "direct") * 10**6,
        )  # fmt: skip
        return np.mean((sol.overlaps - exact) ** 2, keepdims=True)

    return parallel(run, seeds)[:, 0]


def distances(ax: Any) -> None:
    """Root mean square distance of M from the flow where it is half-way, against eta d."""
    for d, colour in zip((100, 1000, 10_000), COLOURS, strict=True):
        M, Q = start(d)
        keywords: dict[str, Any] = {"overlaps": M, "student_overlaps": Q}
        events = {"half": hf.HittingTime(0.5)}
        t = float(np.nanmin(hf.solve(FLOW, t_end=50.0, events=events, **keywords).events["half"]))
        exact = hf.solve(FLOW, t_end=t, **keywords).overlaps
        every = np.array([0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001])
        for method, least in (("in_law", 2e-6 * d), ("direct", 2e-4 * d)):
            scaled = every[every >= least] if d > 100 or method == "direct" else every
            found = [squares(method, rate / d, d, t, exact) for rate in scaled]
            means = np.sqrt([part.mean() for part in found])
            errors = [part.std() / np.sqrt(part.size) for part in found] / means  # two of them
            marker = {"fmt": "-" if method == "in_law" else "o", "mfc": "white", "ms": 4}
            label = f"d = {d:,}" if method == "in_law" else None
            ax.errorbar(scaled, means, errors, color=colour, lw=1, label=label, **marker)
    x = np.array([0.001, 0.5])
    ax.plot(x, 0.75 * np.sqrt(x), "k:", label=r"$\sqrt{\eta d}$")
    ax.set(xscale="log", yscale="log", xlabel=r"$\eta d$", ylabel="distance of M from the flow")
    ax.set_title("half-way of the flow: lines in law, circles direct", fontsize=9)
    ax.legend(frameon=False, fontsize=7.5)


def main() -> None:
    """Draw both panels; about three minutes on two processors."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    paths(axes[0])
    distances(axes[1])
    figure.savefig(OUT, metadata={"Date": None})
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "online"})
    main()
