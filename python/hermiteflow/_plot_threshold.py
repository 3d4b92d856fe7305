"""The figure of basin shares against beta; `plot.threshold`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks
from ._checks import dataset, of_experiment
from ._drawing import COLOURS, finish, in_math, new_axes, pick, points

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes

#: Threshold at which each kind of start changes its end, by theory.
_SWITCHES = {"average": "beta_c", "index vector": "beta_fold"}
_THRESHOLDS = {"beta_c": r"$\beta_c$", "beta_fold": r"$\beta_{\rm fold}$"}
_LOOKS: dict[str, dict[str, Any]] = {
    "random": {"color": COLOURS[0], "marker": "o", "markersize": 4.5},
    "index vector": {"color": COLOURS[1], "marker": "D", "markersize": 7, "mfc": "white"},
    "average": {"color": COLOURS[2], "marker": "s", "markersize": 9.5, "mfc": "white"},
}
_NEAR = {"random": "random", "index vector": "near an index vector", "average": "near the average"}


def threshold(
    ds: xr.Dataset,
    *,
    end: str = "average",
    starts: Sequence[str] = ("average", "index vector", "random"),
    link: str | None = None,
    k: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of neurons with one end against beta, for each kind of start.

    Vertical lines are beta_c and beta_fold. For a psi of one degree the ends "average" and
    "index-like" of starts near the average and near an index vector have solid lines from theory:
    a step at the one and at the other. Dotted lines join points.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `basin_shares`, or of `experiments.threshold`.
    end : str
        One of the Dataset's ends.
    starts : sequence of str
        Which of its starts.
    link : str, optional
        Which link of `experiments.threshold`; the first by default.
    k : int, optional
        Which k of `experiments.threshold`; the first by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else, or has no such end, start, link or k.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> from matplotlib.figure import Figure
    >>> ds = hf.basin_shares(hf.hermite(3), 5, [0.1, 0.3], n=20, seed=0)
    >>> threshold(ds, ax=Figure().subplots()).get_ylabel()
    'share that ends at the average'
    """
    dataset(ds)
    if "end" not in ds.dims or ds.attrs.get("experiment", "threshold") != "threshold":
        of_experiment(ds, "threshold")
    end = _checks.choice(end, "end", [str(name) for name in ds.end.values])
    for start in starts:
        _checks.choice(start, "starts", [str(name) for name in ds.start.values])
    if "link" in ds.dims:
        label = pick(ds, "link", link)
        ds = ds.sel(link=label, k=pick(ds, "k", k))
        size = int(ds.k)
    else:
        label, size = ds.attrs["link"], ds.attrs["k"]
    ax = new_axes(ax)
    ds = ds.isel({ds.beta.dims[0]: np.argsort(ds.beta.values)})
    beta = ds.beta.values
    margin = 0.04 * max(beta[-1] - beta[0], 1e-3)
    low, high = beta[0] - margin, beta[-1] + margin
    known = bool(ds.pure_degree > 2) and end in ("average", "index-like")
    known = known and any(start in _SWITCHES for start in starts)
    for start in starts:
        values = ds.share.sel(start=start, end=end).values
        style = {**_LOOKS[start], "markeredgewidth": 1.2}
        points(ax, beta, values, 0, label=_NEAR[start], **style)
        at = float(ds[_SWITCHES[start]]) if start in _SWITCHES else math.nan
        if known and math.isfinite(at):
            steps = [0, 0, 1, 1] if end == "average" else [1, 1, 0, 0]
            where = [min(low, at), at, at, max(high, at)]
            ax.plot(where, steps, color=style["color"], lw=1, zorder=2)
        else:
            ax.plot(beta, values[:, 0], color=style["color"], lw=0.8, ls=":", zorder=2)
    for key, text in _THRESHOLDS.items():
        if low < (at := float(ds[key])) < high:
            ax.axvline(at, color="0.5", lw=0.8, ls="--", zorder=1, ymax=0.92)
            ax.annotate(text, (at, 1.04), ha="center", va="bottom", fontsize=10)
    ax.set(xlim=(low, high), ylim=(-0.03, 1.12))
    ax.set_yticks(np.linspace(0.0, 1.0, 6))
    percent = 100 * float(ds.share.attrs["confidence"])
    ax.legend(
        title=f"starts; {'solid lines: theory; ' * known}bars: {percent:.6g} % intervals",
        title_fontsize=8.5,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        ncols=len(starts),
    )
    goals = {
        "average": "share that ends at the average",
        "index-like": "share that ends near an index vector",
    }
    return finish(
        ax,
        f"{in_math(label)}, $k={size}$",
        xlabel=r"inner product of the index vectors $\beta$",
        ylabel=goals.get(end, f"share: {end}"),
    )
