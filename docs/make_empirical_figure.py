"""Draw docs/_static/empirical.svg: how far a stored sample is from the population flow."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import hermiteflow as hf

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parent / "_static" / "empirical.svg"
D, NEURONS = 20, 2
TARGETS, LINK = hf.Orthonormal(k=2), hf.link("erf")
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
SEEDS = 25
TIMES = (1.0, 4.0)
POPULATION = {"correlation": hf.CorrelationFlow, "squared": hf.SquaredFlow}


def main() -> None:
    """Compute the study, a few minutes on two processors, and draw it."""
    draw({loss: distances(loss) for loss in POPULATION})


def distances(loss: str) -> Any:
    """Root mean square of the difference of overlaps, (sizes, seeds, times)."""
    W = hf.random_weights(n=NEURONS, d=D, seed=3)
    options: dict[str, Any] = {"weights": W, "t_end": TIMES[-1], "save_at": TIMES, "rtol": 1e-7}
    exact = hf.solve(POPULATION[loss](TARGETS, LINK), **options).trajectory
    if loss == "correlation":  # one path for each neuron there
        exact = np.swapaxes(exact, 0, 1)
    found = np.empty((len(SIZES), SEEDS, len(TIMES)))
    for row, N in enumerate(SIZES):
        for seed in range(SEEDS):
            X = np.random.default_rng([N, seed]).standard_normal((N, D))
            flow = hf.EmpiricalFlow(TARGETS, LINK, X, loss=loss)
            gap = hf.solve(flow, **options).trajectory - exact
            found[row, seed] = np.sqrt(np.mean(gap**2, axis=(1, 2)))
    return found


def median_interval(values: Any, seed: int = 0) -> tuple[float, float, float]:
    """Median over seeds, and 95 % of it under the bootstrap."""
    draws = np.random.default_rng(seed).choice(values, size=(2000, values.size))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return float(np.median(values)), float(low), float(high)


def slope_interval(found: Any, seed: int = 0) -> tuple[float, float, float]:
    """Slope of log median over log N, and 95 % of it under the bootstrap over seeds."""
    rng, x = np.random.default_rng(seed), np.log(SIZES)

    def slope(values: Any) -> float:
        return float(np.polyfit(x, np.log(np.median(values, axis=1)), 1)[0])

    drawn = [slope(np.stack([rng.choice(row, row.size) for row in found])) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return slope(found), float(low), float(high)


def draw(results: dict[str, Any]) -> None:
    """Draw a panel for each loss, a curve for each time, and the slope -1/2 beside them."""
    figure, axes = plt.subplots(
        1, 2, figsize=(8, 3.2), layout="constrained", sharey=True, squeeze=True
    )
    sizes = np.array(SIZES, dtype=float)
    for (loss, found), ax in zip(results.items(), axes, strict=True):
        for column, t in enumerate(TIMES):
            values = found[:, :, column]
            middle, low, high = np.array([median_interval(row) for row in values]).T
            slope, least, most = slope_interval(values)
            ax.errorbar(
                sizes, middle, [middle - low, high - middle],
                fmt="os"[column] + "-", markersize=4, capsize=2, linewidth=1.2,
                label=f"t = {t:g}, slope {slope:.2f} ({least:.2f} to {most:.2f})",
            )  # fmt: skip
            print(f"{loss}, t = {t:g}: slope {slope:.3f} ({least:.3f} to {most:.3f})")
        start = 1.6 * np.median(found[0].max(axis=1))
        ax.plot(sizes, start * (sizes / sizes[0]) ** -0.5, "k--", linewidth=1, label="slope -1/2")
        ax.set(xscale="log", yscale="log", title=f"{loss} loss", xlabel="samples N")
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("distance of overlaps, r.m.s.")
    figure.savefig(OUT, metadata={"Date": None})
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "empirical"})
    main()
