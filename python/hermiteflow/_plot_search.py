"""Figures of search times against d; `plot.hitting_times` and `plot.search_rate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ._checks import of_experiment
from ._drawing import bars_label, colour, finish, in_math, marker, new_axes, points, short
from .experiments import log_rate_bounds
from .experiments._search_time import lost_share, lost_words

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def hitting_times(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw median search times against d, log-log, for information exponents other than 2.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.search_time`. Bars reach from the lowest to the highest of its
        quantiles.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else, or all its links have p* = 2.
    """
    from matplotlib.lines import Line2D

    of_experiment(ds, "search_time")
    links = _links(ds, lambda exponent: exponent != 2, "other than 2")
    ax = new_axes(ax)
    d = ds.d.values
    exponents = ds.information_exponent.sel(link=links)
    for i, link in enumerate(links):
        power = max(0.0, float(ds.information_exponent.sel(link=link)) / 2.0 - 1.0)
        for j, targets in enumerate(ds.targets.values):
            cell = ds.sel(link=link, targets=targets)
            spread = cell.time_quantile.values[:, [0, -1]]
            values = np.column_stack([cell.median_time.values, spread])
            values[~np.isfinite(values)] = np.nan
            aside = 1.25 ** (j - 0.5 * (ds.sizes["targets"] - 1))
            points(ax, d * aside, values, i, marker=marker(j), alpha=0.9, markersize=4)
            ax.plot(d, values[-1, 0] * (d / d[-1]) ** power, color=colour(i), lw=1)
    handles = [
        Line2D(
            [],
            [],
            color=colour(i),
            label=f"{in_math(link)}: theory $d^{{{_half(ds, link)}}}${_lost(ds.sel(link=link))}",
        )
        for i, link in enumerate(links)
    ] + [
        Line2D([], [], color="0.35", ls="none", marker=marker(j), ms=4, label=short(targets))
        for j, targets in enumerate(ds.targets.values)
    ]
    ax.set(xscale="log", yscale="log")
    low, high = (100 * float(ds["quantile"].values[i]) for i in (0, -1))
    ax.legend(handles=handles, title=f"median; bars: {low:g} to {high:g} %", title_fontsize=8.5)
    return finish(
        ax,
        "Search time, $p^* \\geq 3$" if exponents.min() >= 3 else "Search time",
        xlabel="input dimension $d$",
        ylabel="search time (gradient-flow time)",
    )


def _lost(ds: xr.Dataset) -> str:
    """Line of a label for neurons that did not arrive, where they are more than 1 %."""
    words = lost_words(lost_share(ds).values)
    return f"\n{words} did not arrive" if words else ""


def _half(ds: xr.Dataset, link: str) -> str:
    return f"{max(0.0, float(ds.information_exponent.sel(link=link)) / 2.0 - 1.0):g}"


def _links(ds: xr.Dataset, which: Callable[[float], bool], words: str) -> list[str]:
    exponents = dict(zip(ds.link.values.tolist(), ds.information_exponent.values, strict=True))
    links = [str(link) for link, exponent in exponents.items() if which(float(exponent))]
    if not links:
        known = ", ".join(f"{link}: {float(exponent):g}" for link, exponent in exponents.items())
        raise ValueError(f"ds must have a link of p* {words}, got {known}")
    return links


def search_rate(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw median search times against log d for an information exponent of 2.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.search_time`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else, or no link has p* = 2.
    """
    of_experiment(ds, "search_time")
    links = _links(ds, lambda exponent: exponent == 2, "= 2")
    ax = new_axes(ax)
    d = ds.d.values
    cells = [(link, targets) for link in links for targets in ds.targets.values]
    for i, (link, targets) in enumerate(cells):
        cell = ds.sel(link=link, targets=targets)
        values = np.column_stack([cell.median_time, cell.median_low, cell.median_high])
        values[~np.isfinite(values)] = np.nan
        label = f"{in_math(link)}, {short(targets)}{_lost(cell)}"
        points(ax, d, values, i, label=label)
        low, high = log_rate_bounds(cell.gram.values, float(cell.leading))
        # Known slope: through the last point. Bounds: a fan from the first point of the fit.
        if low == high:
            line = values[-1, 0] + low * np.log(d / d[-1])
            ax.plot(d, line, color=colour(i), lw=1)
        else:
            first = int(np.argmax(d >= json.loads(ds.attrs["config"])["d_fit"]))
            growth = np.log(d[first:] / d[first])
            fan = [values[first, 0] + rate * growth for rate in (low, high)]
            ax.fill_between(d[first:], *fan, color=colour(i), alpha=0.15, lw=0)
    ax.set(xscale="log")
    title = f"lines: theory, slope $1/4c\\lambda$; fan: its bounds\n{bars_label(ds)}"
    legend = ax.legend(title=title, title_fontsize=8.5, loc="upper left")
    rows = 2 + sum(1 + text.get_text().count("\n") for text in legend.get_texts())
    room = min(0.05 * rows, 0.6)  # of the height, for the legend; fans may go on above
    measured = np.concatenate([line.get_ydata() for line in ax.get_lines()]).astype(float)
    if np.isfinite(measured).any():
        low, high = np.nanmin(measured), np.nanmax(measured)
        ax.set_ylim(low - 0.05 * (high - low), high + room / (1.0 - room) * (high - low))
    return finish(
        ax,
        "Search time, $p^* = 2$",
        xlabel="input dimension $d$",
        ylabel="median search time (gradient-flow time)",
    )
