"""The figure of two losses over beta and n/k; `plot.phase_diagram`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._checks import of_experiment
from ._drawing import finish, in_math, new_axes, pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes

_THRESHOLDS = {"beta_c": r"$\beta_c$", "beta_fold": r"$\beta_{\rm fold}$"}
#: What counts for each loss: the correlation loss's minima are not v_j, so by basin.
_COUNTED = {"correlation": "found_share", "squared": "recovered_share"}
#: Labels of thresholds closer than this share of the axis lean away from each other.
_CROWDED = 0.08


def phase_diagram(
    ds: xr.Dataset,
    *,
    link: str | None = None,
    k: int | None = None,
    loss: str | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Any:
    """Draw the mean share of index vectors recovered as colour over beta and n/k.

    One panel for each loss. The correlation loss is counted by basin (`found_share`: its minima
    are not v_j when beta > 0, and may be too far from them), the squared loss by overlap
    (`recovered_share`). A dot is a beta and n/k that was simulated; its cell reaches half-way to
    the next. Dashed lines are beta_c and beta_fold of the correlation loss.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.phase_diagram`.
    link : str, optional
        Which link; the first by default.
    k : int, optional
        Which k; the first by default.
    loss : {"correlation", "squared"}, optional
        The loss of the one panel. By default all of the Dataset's, or its first if `ax` is one
        axes.
    ax : matplotlib.axes.Axes or a sequence of them, optional
        Where to draw: one axes, or as many as losses.

    Returns
    -------
    matplotlib.axes.Axes or tuple of them
        One for one panel.

    Raises
    ------
    ValueError
        If the Dataset is of something else, has no such loss, link or k, or another number of axes
        is given.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> from matplotlib.figure import Figure
    >>> ds = hf.experiments.phase_diagram(
    ...     links=hf.hermite(4), positions=(0.5, 2.5), ratios=(1.0, 2.0), batches=2, seed=0
    ... )
    >>> left, right = phase_diagram(ds, ax=Figure().subplots(1, 2))
    >>> left.get_ylabel()
    'neurons $n/k$'
    """
    of_experiment(ds, "phase_diagram")
    known = [str(name) for name in ds.loss.values]
    if loss is not None:
        losses = [_checks.choice(loss, "loss", known)]
    else:
        losses = known[:1] if ax is not None and not np.ndim(np.asarray(ax, object)) else known
    ds = ds.sel(link=pick(ds, "link", link), k=pick(ds, "k", k))
    panels = _panels(ax, len(losses))
    order = np.argsort(ds.beta.values)
    ds = ds.isel(position=order).sortby("ratio")
    for number, (name, panel) in enumerate(zip(losses, panels, strict=True)):
        image = _panel(panel, ds, name)
        if number == len(losses) - 1:
            bar = panel.figure.colorbar(image, ax=panels, ticks=np.linspace(0.0, 1.0, 6), pad=0.02)
            bar.set_label("mean share of index vectors")
            bar.outline.set_visible(False)
        if number > 0:
            panel.set_ylabel("")
    return panels[0] if len(panels) == 1 else tuple(panels)


def _panels(ax: Axes | Sequence[Axes] | None, number: int) -> list[Axes]:
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.subplots(
            1, number, figsize=(1.2 + 3.9 * number, 3.2), layout="constrained", squeeze=False
        )
        return list(figure[1][0])
    panels = list(np.asarray(ax, dtype=object).ravel())
    if len(panels) != number:
        raise ValueError(f"ax must be one axes for each of {number} losses, got {len(panels)}")
    return [new_axes(panel) for panel in panels]


def _edges(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half-way between neighbours; as far beyond the ends, but hardly outside of [0, 1]."""
    if x.size == 1:
        return np.array([max(0.0, x[0] - 0.05), x[0] + 0.05])
    half = 0.5 * np.diff(x)
    edges = np.concatenate([[x[0] - half[0]], x[:-1] + half, [x[-1] + half[-1]]])
    return np.asarray(np.clip(edges, -0.25 * half[0], max(1.0, x[-1])))


def _panel(ax: Axes, ds: xr.Dataset, loss: str) -> Any:
    beta, ratio = ds.beta.values, ds.ratio.values
    share = ds[_COUNTED[loss]].sel(loss=loss, limit="estimate").transpose("ratio", "position")
    edges, rows = _edges(beta), np.arange(ratio.size + 1) - 0.5
    image = ax.pcolormesh(edges, rows, share.values, cmap="cividis", vmin=0.0, vmax=1.0)
    _thresholds(ax, ds, edges)
    x, y = np.meshgrid(beta, np.arange(ratio.size))
    ax.plot(x, y, ls="none", marker="o", ms=3, color="white", markeredgecolor="0.1", mew=0.7)
    ax.set(xlim=(edges[0], edges[-1]), ylim=(rows[0], rows[-1]))
    ax.set_yticks(np.arange(ratio.size), [f"{value:g}" for value in ratio])
    ax.tick_params(axis="y", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    level = json.loads(ds.attrs["config"])["level"]
    counted = {
        "correlation": "minimum of $v_j$ reached",
        "squared": rf"overlap $\geq$ {level:g}",
    }
    head = f"{loss} loss: {counted[loss]}\n{in_math(ds.link.item())}, $k={int(ds.k)}$"
    ax.set_title(head, loc="left", fontsize="medium", pad=18)
    finish(ax, xlabel=r"inner product $\beta$", ylabel="neurons $n/k$")
    return image


def _thresholds(ax: Axes, ds: xr.Dataset, edges: NDArray[np.float64]) -> None:
    from matplotlib import patheffects

    outline = [patheffects.withStroke(linewidth=2.6, foreground="0.1")]
    inside = {key: float(ds[key]) for key in _THRESHOLDS if edges[0] < float(ds[key]) < edges[-1]}
    near = len(inside) == 2 and abs(np.diff(list(inside.values()))[0]) < _CROWDED * (
        edges[-1] - edges[0]
    )
    for key, at in inside.items():
        ax.axvline(at, color="white", lw=1.4, ls=(0, (4, 2)), path_effects=outline)
        left = near and at == min(inside.values())
        side = ("right" if left else "left") if near else "center"
        ax.annotate(
            _THRESHOLDS[key],
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2 if left else -2 if near else 0, 3),
            textcoords="offset points",
            ha=side,
            va="bottom",
            fontsize=10,
        )
