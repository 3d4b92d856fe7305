"""Draw docs/_static/readme.png: hitting times against d, and the slopes of theory."""

from pathlib import Path

import matplotlib
import numpy as np

import hermiteflow as hf

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parent / "_static" / "readme.png"
DIMENSIONS = [int(10**e) for e in np.arange(2, 18.5, 2)]
COLOURS = {2: "#0072b2", 3: "#d55e00", 4: "#009e73", 5: "#cc79a7"}


def hitting_times(p: int, d: int, n: int = 400, k: int = 10) -> np.ndarray:
    """Return the times until the largest overlap is 1/2; infinite for neurons that are trapped."""
    targets = hf.Orthonormal(k=k)
    flow = hf.CorrelationFlow(targets, hf.hermite(p))
    starts = hf.random_overlaps(targets, n=n, d=d, seed=p)
    solution = hf.solve(
        flow, overlaps=starts, rtol=1e-6, events={"hit": hf.HittingTime(0.5, terminal=True)}
    )
    return np.where(np.isnan(solution.events["hit"]), np.inf, solution.events["hit"])


def main() -> None:
    """Draw median and inter-quartile range for each degree, and write the picture."""
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    d = np.array(DIMENSIONS, float)
    for p, colour in COLOURS.items():
        quartiles = np.array(
            [
                np.quantile(hitting_times(p, n), [0.25, 0.5, 0.75], method="lower")
                for n in DIMENSIONS
            ]
        )
        median = quartiles[:, 1]
        slope = np.log(d) if p == 2 else d ** (p / 2 - 1)
        law = r"\log d" if p == 2 else f"d^{{{p / 2 - 1:g}}}"
        axes.fill_between(d, quartiles[:, 0], quartiles[:, 2], color=colour, alpha=0.2, lw=0)
        axes.plot(d, median, "o", color=colour, ms=4, label=f"$p^* = {p}$, slope of ${law}$")
        axes.plot(d, slope * median[-1] / slope[-1], color=colour, lw=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="input dimension $d$",
        ylabel="time $t$ until an overlap is 1/2",
        title="Search phase: 400 neurons a point, 10 orthonormal index vectors, link $h_{p^*}$",
    )
    axes.legend(
        frameon=False,
        title="median, quartiles (band), slope of theory\nthrough the last point (line)",
        title_fontsize=9,
    )
    figure.savefig(OUT, dpi=150)
    print(f"{OUT}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
