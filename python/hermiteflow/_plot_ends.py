"""Figures of where neurons end; `plot.nearest` and `plot.trapped`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import of_experiment
from ._drawing import bars_label, colour, finish, in_math, new_axes, points

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def nearest(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw where neurons end, one bar for each link and k.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.nearest`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else.
    """
    of_experiment(ds, "nearest")
    ax = new_axes(ax)
    cells = [(link, k) for link in ds.link.values for k in ds.k.values]
    share = 100 * ds["count"] / ds["count"].sum("outcome")
    left = np.zeros(len(cells))
    for i, outcome in enumerate(ds.outcome.values):
        width = np.asarray([float(share.sel(link=link, k=k, outcome=outcome)) for link, k in cells])
        ax.barh(range(len(cells)), width, left=left, color=colour(i), label=str(outcome))
        left += width
    labels = [f"{in_math(link)}, $k={k}$" for link, k in cells]
    ax.set_yticks(range(len(cells)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.grid(visible=False, axis="y")
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.13), ncols=3)
    return finish(ax, "Where neurons end", xlabel="share of neurons (%)")


def trapped(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw the share of neurons that never escape against k, with theory where it is known.

    That is 2^-k for orthonormal index vectors and an odd p*, and 0 for an even one.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.nearest`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else.
    """
    of_experiment(ds, "nearest")
    ax = new_axes(ax)
    k = ds.k.values.astype(np.float64)
    grid = np.arange(k.min(), min(k.max(), 24) + 1)
    if (ds.trapped > 0.0).any():
        text = "theory, odd $p^*$: $2^{-k}$ (even: 0)"
        ax.plot(grid, 2.0**-grid, color="0.2", lw=1, label=text)
    limit: dict[str, Any] = {"marker": "v", "mfc": "none", "ls": "none"}
    step = 1.06 ** (np.arange(ds.sizes["link"]) - 0.5 * (ds.sizes["link"] - 1))
    for i, link in enumerate(ds.link.values):
        values = ds.trapped_share.sel(link=link).values
        seen = values[:, 0] > 0
        points(ax, k[seen] * step[i], values[seen], i, label=in_math(link))
        ax.plot(k[~seen] * step[i], values[~seen, 2], color=colour(i), **limit)
    ax.plot([], [], color="0.35", **limit, label="none seen: upper limit")
    ax.set(xscale="log", yscale="log", ylim=(1e-5, 1))
    ax.set_xticks(k, [str(int(value)) for value in k])
    ax.minorticks_off()
    ax.legend(title=bars_label(ds), title_fontsize=8.5, loc="upper right")
    return finish(
        ax, "Neurons that never escape", xlabel="index vectors $k$", ylabel="share of neurons"
    )
