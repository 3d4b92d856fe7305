"""Figures of the experiments: Datasets in, matplotlib axes out.

Theory is drawn as lines, measurement as points with intervals, in a palette that the colour-blind
can tell apart, and with markers that differ too. Without ``ax`` a new pyplot figure is made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

import hermiteflow as hf

from ._drawing import COLOURS, MARKERS, finish, in_math, new_axes, points, short
from ._plot_bifurcation import bifurcation
from ._plot_phase import phase_diagram
from ._plot_threshold import threshold
from ._plot_trajectories import trajectories
from .experiments import log_rate_bounds, statistics

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = [
    "bifurcation",
    "coverage",
    "coverage_linear",
    "hitting_times",
    "learning",
    "nearest",
    "phase_diagram",
    "search_rate",
    "threshold",
    "trajectories",
    "trapped",
]


def _confidence(ds: xr.Dataset) -> float:
    return float(json.loads(ds.attrs["config"])["confidence"])


def _bars_label(ds: xr.Dataset) -> str:
    return f"bars: {100 * _confidence(ds):.6g} % intervals"


def hitting_times(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw median search times against d, log-log, for information exponents of 3 and more.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.search_time`. Bars reach from the lowest to the highest of its
        quantiles.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    """
    from matplotlib.lines import Line2D

    ax = new_axes(ax)
    links = [link for link in ds.link.values if ds.information_exponent.sel(link=link) >= 3]
    d = ds.d.values
    for i, link in enumerate(links):
        power = float(ds.information_exponent.sel(link=link)) / 2.0 - 1.0
        for j, targets in enumerate(ds.targets.values):
            cell = ds.sel(link=link, targets=targets)
            spread = cell.time_quantile.values[:, [0, -1]]
            values = np.column_stack([cell.median_time.values, spread])
            values[~np.isfinite(values)] = np.nan
            aside = 1.25 ** (j - 0.5 * (ds.sizes["targets"] - 1))
            points(ax, d * aside, values, i, marker=MARKERS[j], alpha=0.9, markersize=4)
            ax.plot(d, values[-1, 0] * (d / d[-1]) ** power, color=COLOURS[i], lw=1)
    handles = [
        Line2D([], [], color=COLOURS[i], label=f"{in_math(link)}: theory $d^{{{_half(ds, link)}}}$")
        for i, link in enumerate(links)
    ] + [
        Line2D([], [], color="0.35", ls="none", marker=MARKERS[j], ms=4, label=short(targets))
        for j, targets in enumerate(ds.targets.values)
    ]
    ax.set(xscale="log", yscale="log")
    low, high = (100 * float(ds["quantile"].values[i]) for i in (0, -1))
    ax.legend(handles=handles, title=f"median; bars: {low:g} to {high:g} %", title_fontsize=8.5)
    return finish(
        ax,
        "Search time, $p^* \\geq 3$",
        xlabel="input dimension $d$",
        ylabel="search time (gradient-flow time)",
    )


def _half(ds: xr.Dataset, link: object) -> str:
    return f"{float(ds.information_exponent.sel(link=link)) / 2.0 - 1.0:g}"


def search_rate(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw median search times against log d for an information exponent of 2.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.search_time`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    """
    ax = new_axes(ax)
    d = ds.d.values
    links = [link for link in ds.link.values if ds.information_exponent.sel(link=link) == 2]
    cells = [(link, targets) for link in links for targets in ds.targets.values]
    for i, (link, targets) in enumerate(cells):
        cell = ds.sel(link=link, targets=targets)
        values = np.column_stack([cell.median_time, cell.median_low, cell.median_high])
        label = f"{in_math(link)}, {short(targets)}"
        points(ax, d, values, i, label=label)
        low, high = log_rate_bounds(cell.gram.values)
        # Known slope: through the last point. Bounds: a fan from the first point of the fit.
        if low == high:
            line = values[-1, 0] + low * np.log(d / d[-1])
            ax.plot(d, line, color=COLOURS[i], lw=1)
        else:
            first = int(np.argmax(d >= json.loads(ds.attrs["config"])["d_fit"]))
            growth = np.log(d[first:] / d[first])
            fan = [values[first, 0] + rate * growth for rate in (low, high)]
            ax.fill_between(d[first:], *fan, color=COLOURS[i], alpha=0.15, lw=0)
    ax.set(xscale="log")
    title = f"lines: theory, slope $1/4\\lambda$; fan: its bounds\n{_bars_label(ds)}"
    ax.legend(title=title, title_fontsize=8.5)
    return finish(
        ax,
        "Search time, $p^* = 2$",
        xlabel="input dimension $d$",
        ylabel="median search time (gradient-flow time)",
    )


def nearest(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw where neurons end, one bar for each link and k.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.nearest`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    """
    ax = new_axes(ax)
    cells = [(link, k) for link in ds.link.values for k in ds.k.values]
    share = 100 * ds["count"] / ds["count"].sum("outcome")
    left = np.zeros(len(cells))
    for i, outcome in enumerate(ds.outcome.values):
        width = np.asarray([float(share.sel(link=link, k=k, outcome=outcome)) for link, k in cells])
        ax.barh(range(len(cells)), width, left=left, color=COLOURS[i], label=str(outcome))
        left += width
    labels = [f"{in_math(link)}, $k={k}$" for link, k in cells]
    ax.set_yticks(range(len(cells)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.grid(visible=False, axis="y")
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.13), ncols=3)
    return finish(ax, "Where neurons end", xlabel="share of neurons (%)")


def trapped(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the share of neurons that never escape against k, with 2^-k for odd psi.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.nearest`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    """
    ax = new_axes(ax)
    k = ds.k.values.astype(np.float64)
    grid = np.arange(k.min(), min(k.max(), 24) + 1)
    ax.plot(grid, 2.0**-grid, color="0.2", lw=1, label="theory, not even: $2^{-k}$ (even: 0)")
    limit: dict[str, Any] = {"marker": "v", "mfc": "none", "ls": "none"}
    step = 1.06 ** (np.arange(ds.sizes["link"]) - 0.5 * (ds.sizes["link"] - 1))
    for i, link in enumerate(ds.link.values):
        values = ds.trapped_share.sel(link=link).values
        seen = values[:, 0] > 0
        points(ax, k[seen] * step[i], values[seen], i, label=in_math(link))
        ax.plot(k[~seen] * step[i], values[~seen, 2], color=COLOURS[i], **limit)
    ax.plot([], [], color="0.35", **limit, label="none seen: upper limit")
    ax.set(xscale="log", yscale="log", ylim=(1e-5, 1))
    ax.set_xticks(k, [str(int(value)) for value in k])
    ax.minorticks_off()
    ax.legend(title=_bars_label(ds), title_fontsize=8.5, loc="upper right")
    return finish(
        ax, "Neurons that never escape", xlabel="index vectors $k$", ylabel="share of neurons"
    )


def _theory(ds: xr.Dataset, link: object, k: int, sizes: Any) -> Any:
    thinned = 0.0 if bool(ds.even.sel(link=link)) else 2.0**-k
    whole = np.maximum(np.asarray(sizes).astype(np.int64), 1)
    return hf.exact.coverage_probability(whole, k, trapped=thinned)


def coverage(
    ds: xr.Dataset, *, link: str | None = None, by: str = "k", ax: Axes | None = None
) -> Axes:
    """Draw the probability that all index vectors are found against n / (k log k), with (13).

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.coverage`.
    link : str, optional
        Which link; the first by default.
    by : {"k", "targets"}
        What the colours tell apart; the first of the other is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    """
    ax = new_axes(ax)
    name = ds.link.values[0] if link is None else link
    drawn: set[int] = set()
    for i, value in enumerate(ds[by].values):
        cell = ds.sel(link=name, **{by: value}).isel({"targets" if by == "k" else "k": 0})
        k = int(cell.k)
        unit = k * np.log(k)
        if k not in drawn:
            sizes = np.arange(1, int(cell.n.max()) + 2)
            style: dict[str, Any] = {"color": COLOURS[i] if by == "k" else "0.2", "lw": 1}
            ax.plot(sizes / unit, _theory(ds, name, k, sizes), drawstyle="steps-post", **style)
            drawn.add(k)
        # In the middle of the step that belongs to n, and a little aside of the others.
        aside = 0.02 * (i - 0.5 * (ds.sizes[by] - 1))
        x = (cell.n.values + 0.5) / unit + aside
        label = f"$k={k}$" if by == "k" else short(value)
        points(ax, x, cell.probability.values, i, label=label)
    ax.set(ylim=(-0.03, 1.03))
    ax.legend(title=f"lines: theory (13)\n{_bars_label(ds)}", title_fontsize=8.5, loc="upper left")
    fixed = "" if by == "k" else f", $k={int(ds.k[0])}$"
    title = f"{in_math(name)}{fixed}: all index vectors found"
    return finish(ax, title, xlabel="$n\\,/\\,(k \\log k)$", ylabel="probability")


def coverage_linear(ds: xr.Dataset, *, factor: float = 3.0, ax: Axes | None = None) -> Axes:
    """Draw the probability that n = factor k neurons find all k index vectors, against k.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.coverage`.
    factor : float
        Neurons for each index vector, one of the Dataset's.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    """
    ax = new_axes(ax)
    k = ds.k.values
    grid = np.unique(np.geomspace(k.min(), k.max(), 60).astype(int))
    for i, link in enumerate(ds.link.values):
        line = [_theory(ds, link, int(value), np.ceil(factor * value)) for value in grid]
        ax.plot(grid, line, color=COLOURS[i], lw=1)
        values = ds.probability_linear.isel(targets=0).sel(link=link, factor=factor).values
        points(ax, k * 1.04 ** (i - 0.5), values, i, label=in_math(link))
    ax.set(xscale="log", ylim=(-0.03, 1.03))
    ax.set_xticks(k, [str(value) for value in k])
    ax.minorticks_off()
    title = f"lines: theory (13)\n{_bars_label(ds)}"
    ax.legend(title=title, title_fontsize=8.5, loc="upper right")
    title = f"All found by $n = {factor:g}\\,k$ neurons"
    return finish(ax, title, xlabel="index vectors $k$", ylabel="probability")


def learning(ds: xr.Dataset, *, fold: float, number: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the share of equiangular index vectors that a network finds against beta / beta_fold.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.coverage` over equiangular targets, for one link and one k.
    fold : float
        Theory's beta_fold.
    number : int
        Colour and marker.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    """
    ax = new_axes(ax)
    k = int(ds.k.values[0])
    beta = np.asarray([spec["beta"] for spec in json.loads(ds.attrs["config"])["targets"]]) / fold
    share = ds.found.isel(link=0, k=0) / k
    error = share.std("batch", ddof=1) / np.sqrt(share.sizes["batch"])
    half = statistics.normal_quantile(_confidence(ds)) * error
    mean = share.mean("batch")
    values = np.column_stack([mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1)])
    label = f"{in_math(ds.link.values[0])}, $k={k}$, $n={int(ds.n_max[0])}$"
    points(ax, beta, values, number, label=label)
    if number == 0:
        ax.plot(
            [0, 1, 1, beta[-1]], [1, 1, 0, 0], color="0.2", lw=1, label="theory: all, then none"
        )
    ax.set(ylim=(-0.03, 1.06))
    ax.legend(title=_bars_label(ds), title_fontsize=8.5, loc="lower left")
    return finish(
        ax,
        "Equiangular index vectors",
        xlabel=r"$\beta \,/\, \beta_{\rm fold}$",
        ylabel="mean share of index vectors found",
    )
