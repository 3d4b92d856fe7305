"""Results in, pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .tables import PICTURES, power

Results = dict[str, Any]

COLOURS = {"tsit5": "#0072b2", "dopri5": "#e69f00", "dop853": "#009e73"}
MARKS = {"tsit5": "o", "dopri5": "s", "dop853": "^"}


def precision_figure(results: Results, folder: Path) -> Path:
    """Error against work, and error over tolerance, for hitting times and overlaps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    study = results["precision"]
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
    names = {"time": "hitting time, relative", "overlaps": "overlaps at equal phase, relative"}
    for column, (key, name) in zip(axes.T, names.items(), strict=True):
        for method, colour in COLOURS.items():
            lines = [line for line in study["lines"] if line["method"] == method]
            rtol = np.array([line["rtol"] for line in lines])
            work = np.array([line["evaluations"] for line in lines])
            median, high, worst = (
                np.maximum([line[key][part] for line in lines], 1e-18 / rtol)
                for part in ("median", "high", "worst")
            )
            style = {"color": colour, "marker": MARKS[method], "markersize": 5}
            column[0].loglog(work, high * rtol, label=method, **style)
            column[0].loglog(work, median * rtol, ":", **style, alpha=0.6)
            column[1].loglog(rtol, high, label=method, **style)
            column[1].loglog(rtol, worst, "--", **style, alpha=0.6)
        column[0].set_xlabel("evaluations of the field, median of the cases")
        column[0].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        column[0].xaxis.set_major_formatter("{x:g}")
        column[0].xaxis.set_minor_formatter(NullFormatter())
        column[0].set_ylabel(f"error of the {name}" if key == "time" else f"error of {name}")
        column[0].set_title("solid: 95 % of cases; dotted: median", fontsize=10)
        column[1].axhline(1.0, color="0.4", linewidth=1)
        column[1].annotate(
            "error = tolerance", (1.0, 1.0), xycoords=("axes fraction", "data"), xytext=(-4, 3),
            textcoords="offset points", ha="right", fontsize=8, color="0.3",
        )  # fmt: skip
        column[1].set_xlabel("relative tolerance")
        column[1].set_ylabel("error over tolerance")
        column[1].set_title("solid: 95 % of cases; dashed: worst", fontsize=10)
        column[1].set_ylim(None, 100.0)
        column[1].invert_xaxis()
    for axis in axes.ravel():
        axis.grid(True, which="major", color="0.9")
        axis.legend(frameon=False)
    figure.suptitle(f"{study['cases']:,} random cases, d = 1e2 to 1e18, against (7) and (8)")
    path = folder / PICTURES["precision"][0]
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def curves_figure(results: Results, folder: Path) -> Path:
    """Time a neuron against n, d, k and threads."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    labels = {
        "n": "neurons n (k = {k}, d = {d})",
        "d": "dimension d (n = {n}, k = {k})",
        "k": "index vectors k (n = {n}, d = {d})",
        "threads": "threads (n = {n}, k = {k}, d = {d})",
    }
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
    for axis, (name, label) in zip(axes.ravel(), labels.items(), strict=True):
        curve = results["curves"].get(name, [])
        if not curve:
            axis.set_axis_off()
            continue
        x = np.array([float(point[name]) for point in curve])
        low, middle, high = (
            np.array([1e6 * point[part] / point["n"] for point in curve])
            for part in ("best", "median", "worst")
        )
        axis.fill_between(x, low, high, color="#0072b2", alpha=0.2, linewidth=0)
        axis.plot(x, middle, "o-", color="#0072b2", markersize=5)
        axis.set_xscale("log", base=2 if name == "threads" else 10)
        if name == "k":
            axis.set_yscale("log")
        else:
            axis.set_ylim(0, None)
        if name == "threads":
            axis.set_xticks(x, [f"{v:g}" for v in x])
        sizes = {part: power(curve[0][part]) for part in ("n", "d")}
        axis.set_xlabel(label.format(k=curve[0]["k"], **sizes))
        axis.set_ylabel("µs a neuron")
        axis.grid(True, which="major", color="0.9")
    figure.suptitle("To convergence, p = 3, rtol = 1e-6, G = I: median, best to worst")
    path = folder / PICTURES["curves"][0]
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def ratios_figure(results: Results, folder: Path) -> Path:
    """The ratios to the peers, with their spread and what we want at least."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cases = [case for case in results["cases"].values() if case["ratio"]]
    figure, axis = plt.subplots(figsize=(10, 1.2 + 0.62 * len(cases)), layout="constrained")
    for row, case in enumerate(reversed(cases)):
        ratio = case["ratio"]
        axis.barh(row, ratio["median"], color="#0072b2", height=0.6)
        axis.plot([ratio["low"], ratio["high"]], [row, row], color="black", linewidth=1.5)
        axis.plot([case["target"]] * 2, [row - 0.4, row + 0.4], color="#d55e00", linewidth=2.5)
    axis.set_yticks(
        range(len(cases)),
        [f"{case['title']}\n{case['peer']['name']}" for case in reversed(cases)],
        fontsize=8,
    )
    axis.set_xscale("log")
    axis.axvline(1.0, color="0.4", linewidth=1)
    axis.set_xlabel(
        "peer's time over ours: median (bar), lowest to highest (line), wanted (orange)"
    )
    path = folder / PICTURES["cases"][0]
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw every figure for which there are results."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    if results.get("precision"):
        made.append(precision_figure(results, folder))
    if results.get("curves"):
        made.append(curves_figure(results, folder))
    if any(case["ratio"] for case in results.get("cases", {}).values()):
        made.append(ratios_figure(results, folder))
    return made
