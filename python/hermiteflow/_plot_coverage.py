"""Figures of the chance to find all index vectors; `plot.coverage` and its like."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

import hermiteflow as hf

from . import _checks
from ._checks import of_experiment
from ._drawing import bars_label, colour, confidence, finish, in_math, new_axes, pick, points, short
from .experiments import statistics

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def _theory(k: int, sizes: Any, trapped: float) -> Any:
    """(13); where theory does not know how many starts are trapped, the bound of none.

    Whatever the chances of the index vectors, (13) without traps is the most that n finds achieve.
    """
    whole = np.maximum(np.asarray(sizes).astype(np.int64), 1)
    return hf.exact.coverage_probability(whole, k, trapped=_thinned(trapped))


def _thinned(trapped: float) -> float:
    return 0.0 if math.isnan(trapped) else trapped


def _dashes(trapped: float) -> str:
    return "--" if math.isnan(trapped) else "-"


def _lines_label(trapped: Any) -> str:
    unknown = np.isnan(np.asarray(trapped))
    bound = "(13) unthinned,\nan upper bound"
    if unknown.all():
        return f"dashed: {bound}"
    return "lines: theory (13)" + (f"\ndashed: {bound}" if unknown.any() else "")


def coverage(
    ds: xr.Dataset,
    *,
    link: str | None = None,
    by: str = "k",
    k: int | None = None,
    targets: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability that all index vectors are found against n / (k log k), with (13).

    For orthonormal index vectors (13) is thinned by the starts that never escape. Where theory does
    not know their share, for other arrangements above all, the line is (13) with none trapped:
    dashed, and an upper bound.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.coverage`.
    link : str, optional
        Which link; the first by default.
    by : {"k", "targets"}
        What the colours tell apart.
    k, targets : int, str, optional
        The one of the other that is drawn; the first by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else, or has no such link, k or arrangement.

    References
    ----------
    docs/mathematics (13).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ds = hf.experiments.coverage(links=hf.hermite(4), k=4, batches=10, seed=0)
    >>> coverage(ds, ax=Figure().subplots()).get_ylabel()
    'probability'
    """
    of_experiment(ds, "coverage")
    by = _checks.choice(by, "by", ("k", "targets"))
    other, given = ("targets", targets) if by == "k" else ("k", k)
    if (k if by == "k" else targets) is not None:
        raise ValueError(f"{by} must be left out with by={by!r}, which draws all of them")
    cells = ds.sel({"link": pick(ds, "link", link), other: pick(ds, other, given)})
    ax = new_axes(ax)
    drawn: set[tuple[int, float]] = set()
    for i, value in enumerate(ds[by].values):
        cell = cells.sel({by: value})
        size, trapped = int(cell.k), float(cell.trapped)
        unit = size * np.log(size)
        if (key := (size, -1.0 if math.isnan(trapped) else trapped)) not in drawn:
            sizes = np.arange(1, int(cell.n.max()) + 2)
            style: dict[str, Any] = {"color": colour(i) if by == "k" else "0.2", "lw": 1}
            style |= {"drawstyle": "steps-post", "ls": _dashes(trapped)}
            ax.plot(sizes / unit, _theory(size, sizes, trapped), **style)
            drawn.add(key)
        # In the middle of the step that belongs to n, and a little aside of the others.
        aside = 0.02 * (i - 0.5 * (ds.sizes[by] - 1))
        x = (cell.n.values + 0.5) / unit + aside
        label = f"$k={size}$" if by == "k" else short(value)
        points(ax, x, cell.probability.values, i, label=label)
    ax.set(ylim=(-0.03, 1.03))
    head = f"{_lines_label(cells.trapped)}\n{bars_label(ds)}"
    ax.legend(title=head, title_fontsize=8.5, loc="upper left")
    fixed = f", $k={int(cells.k)}$" if by == "targets" else ""
    if by == "k" and ds.sizes["targets"] > 1:
        fixed = f", {short(cells.targets.item())}"
    title = f"{in_math(cells.link.item())}{fixed}: all index vectors found"
    return finish(ax, title, xlabel="$n\\,/\\,(k \\log k)$", ylabel="probability")


def coverage_linear(
    ds: xr.Dataset, *, factor: float = 3.0, targets: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the probability that n = factor k neurons find all k index vectors, against k.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `experiments.coverage`.
    factor : float
        Neurons for each index vector, one of the Dataset's.
    targets : str, optional
        Which arrangement; the first by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else, or has no such factor or arrangement.

    References
    ----------
    docs/mathematics (13).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ds = hf.experiments.coverage(links=hf.hermite(4), k=(4, 5), batches=10, seed=0)
    >>> coverage_linear(ds, factor=2.0, ax=Figure().subplots()).get_ylabel()
    'probability'
    """
    of_experiment(ds, "coverage")
    factor = pick(ds, "factor", factor)
    cells = ds.sel(targets=pick(ds, "targets", targets), factor=factor)
    ax = new_axes(ax)
    k = ds.k.values
    grid = np.unique(np.geomspace(k.min(), k.max(), 60).astype(int))
    for i, link in enumerate(ds.link.values):
        first = float(cells.trapped.sel(link=link).values[0])
        line = [
            _theory(int(value), np.ceil(factor * value), 2.0**-value if first > 0.0 else first)
            for value in grid.tolist()
        ]
        ax.plot(grid, line, color=colour(i), lw=1, ls=_dashes(first))
        aside = 1.04 ** (i - 0.5 * (ds.sizes["link"] - 1))
        points(
            ax, k * aside, cells.probability_linear.sel(link=link).values, i, label=in_math(link)
        )
    ax.set(xscale="log", ylim=(-0.03, 1.03))
    ax.set_xticks(k, [str(value) for value in k])
    ax.minorticks_off()
    head = f"{_lines_label(cells.trapped)}\n{bars_label(ds)}"
    ax.legend(title=head, title_fontsize=8.5, loc="upper right")
    fixed = f", {short(cells.targets.item())}" if ds.sizes["targets"] > 1 else ""
    title = f"All found by $n = {factor:g}\\,k$ neurons{fixed}"
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
        Colour and marker; 0 is large and hollow, so that others show where they agree with it.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Raises
    ------
    ValueError
        If the Dataset is of something else.
    """
    of_experiment(ds, "coverage")
    fold = _checks.real(fold, "fold", low=0.0, high=1.0, open_low=True)
    number = _checks.integer(number, "number", low=0)
    ax = new_axes(ax)
    k = int(ds.k.values[0])
    beta = np.asarray([spec["beta"] for spec in json.loads(ds.attrs["config"])["targets"]]) / fold
    share = ds.found.isel(link=0, k=0) / k
    error = share.std("batch", ddof=1) / np.sqrt(share.sizes["batch"])
    half = statistics.normal_quantile(confidence(ds)) * error
    mean = share.mean("batch")
    values = np.column_stack([mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1)])
    label = f"{in_math(ds.link.values[0])}, $k={k}$, $n={int(ds.n_max[0])}$"
    look: dict[str, Any] = {"markersize": 9, "mfc": "white"} if number == 0 else {"zorder": 4}
    points(ax, beta, values, number, label=label, **look)
    if number == 0:
        ax.plot(
            [0, 1, 1, beta[-1]], [1, 1, 0, 0], color="0.2", lw=1, label="theory: all, then none"
        )
    ax.set(ylim=(-0.03, 1.06))
    ax.legend(title=bars_label(ds), title_fontsize=8.5, loc="lower left")
    return finish(
        ax,
        "Equiangular index vectors",
        xlabel=r"$\beta \,/\, \beta_{\rm fold}$",
        ylabel="mean share of index vectors found",
    )
