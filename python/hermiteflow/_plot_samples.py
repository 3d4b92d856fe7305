"""Figure of the steps of online gradient descent against d; `plot.sample_complexity`."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING

import numpy as np

from . import _checks
from ._checks import Array, of_experiment
from ._drawing import colour, finish, in_math, marker, new_axes, points, short

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_DASHED = (0, (4, 2))


def sample_complexity(ds: xr.Dataset, *, relative: bool = False, ax: Axes | None = None) -> Axes:
    """Draw the steps until online gradient descent escapes against d, log-log.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.sample_complexity`. Points are the fitted quantile with its exact
        interval, which ends at `max_steps` where it has no upper limit; those whose quantile is
        not known are left out. Lines are theory, through the last point; dashed ones the time
        of the flow from the same starts, divided by the learning rate: noise makes up the
        difference.
    relative : bool
        Draw steps over theory's d^(p*-1), d log d or d, on a linear axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else.

    References
    ----------
    docs/finite_samples.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import hermiteflow as hf
    >>> ds = hf.experiments.sample_complexity(d=(50, 100), n=10, seed=0)
    >>> sample_complexity(ds).get_xlabel()
    'input dimension $d$'
    """
    of_experiment(ds, "sample_complexity")
    relative = _checks.flag(relative, "relative")
    ax = new_axes(ax)
    config = json.loads(ds.attrs["config"])
    shown = ds.sel(quantile=config["quantile"])
    cells = itertools.product(range(ds.sizes["link"]), range(ds.sizes["targets"]))
    for i, j in cells:
        _draw_cell(shown.isel(link=i, targets=j), i, j, ds.sizes["targets"], relative, ax)
    ax.set(xscale="log", yscale="linear" if relative else "log")
    if relative:
        ax.set_ylim(0.0, 1.5 * ax.get_ylim()[1])  # room for the legend
    percent = f"{100.0 * config['confidence']:.6g} %"
    ax.legend(
        handles=_handles(shown),
        title=f"{_word(config['quantile'])}; bars: {percent} intervals",
        title_fontsize=8.5,
        loc="upper right" if relative else "lower right",
    )
    laws = {_name(float(exponent)) for exponent in ds.information_exponent.values}
    steps = f"steps until an overlap is {config['level']:g}"
    over = f"({steps}) / ${laws.pop()}$" if len(laws) == 1 else f"{steps}, relative to theory"
    return finish(
        ax,
        "Samples until escape" + (", relative to theory" if relative else ""),
        xlabel="input dimension $d$",
        ylabel=over if relative else steps,
    )


def _draw_cell(
    cell: xr.Dataset, i: int, j: int, arrangements: int, relative: bool, ax: Axes
) -> None:
    """Draw one link, number i, and one arrangement, number j."""
    d = cell.d.values
    law = _law(d, float(cell.information_exponent))
    unit = law if relative else np.ones_like(law)
    steps = cell.step_quantile.values / unit[:, None]
    limits = _drawable(steps, cell.max_steps.values / unit)
    aside = 1.1 ** (j - 0.5 * (arrangements - 1))
    shape = marker(j if arrangements > 1 else i)
    points(ax, d * aside, limits, i, marker=shape, zorder=4)
    ax.plot(d, cell.flow_quantile.values / unit, color=colour(i), lw=1.2, ls=_DASHED)
    known = np.flatnonzero(np.isfinite(steps[:, 0]))
    if known.size:
        line = law / unit
        ax.plot(d, steps[known[-1], 0] * line / line[known[-1]], color=colour(i), lw=1)


def _handles(ds: xr.Dataset) -> list[Line2D]:
    from matplotlib.lines import Line2D

    handles = []
    several = ds.sizes["targets"] > 1
    for i, link in enumerate(ds.link.values):
        for j, targets in enumerate(ds.targets.values):
            where = f", {short(targets)}" if several else ""
            label = f"{in_math(link)}{where}: {_slope(ds.isel(link=i, targets=j))}"
            shape = marker(j if several else i)
            handles.append(
                Line2D([], [], color=colour(i), ls="none", ms=5, marker=shape, label=label)
            )
    for i, exponent in enumerate(ds.information_exponent.values):
        label = f"theory ${_name(float(exponent))}$"
        handles.append(Line2D([], [], color=colour(i), lw=1, label=label))
    label = "time of the flow / $\\eta$"
    return [*handles, Line2D([], [], color="0.35", lw=1.2, ls=_DASHED, label=label)]


def _drawable(steps: Array, most: Array) -> Array:
    """Estimates with limits; none without an estimate, and an open limit where neurons end."""
    closed = np.where(np.isposinf(steps), most[:, None], steps)
    return np.where(np.isfinite(steps[:, :1]), closed, np.nan)


def _law(d: Array, exponent: float) -> Array:
    return np.asarray(d * np.log(d) if exponent == 2 else d ** max(1.0, exponent - 1.0))


def _name(exponent: float) -> str:
    if exponent == 2:
        return r"d \log d"
    return "d" if exponent < 3 else f"d^{{{exponent - 1.0:g}}}"


def _slope(cell: xr.Dataset) -> str:
    estimate, low, high = cell.power.values.tolist()
    if not np.isfinite([estimate, low, high]).all():
        return "slope unknown"
    half = 0.5 * (high - low)
    digits = 2 if half <= 0.0 else min(5, max(1, 1 - math.floor(math.log10(half))))
    what = r" of steps$/\log d$" if cell.information_exponent == 2 else ""
    return f"slope{what} {estimate:.{digits}f} $\\pm$ {half:.{digits}f}"


def _word(quantile: float) -> str:
    return "median" if quantile == 0.5 else f"{100.0 * quantile:g} % quantile"
