"""The figure of each claim, composed of the plots."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import hermiteflow as hf

from . import plot

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .claims import Claim

STYLE: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "svg.hashsalt": "hermiteflow",
}


_TITLES = {
    "a": r"The search takes $d^{p^*/2-1}$ for $p^* \geq 3$, and $\log d$ for $p^* = 2$",
    "b": "Orthonormal index vectors: every neuron ends at its nearest one",
    "c": r"$n \sim k\,\log k$ neurons find all $k$ index vectors; $n \sim k$ do not",
    "d": r"Equiangular index vectors: the average point takes over at $\beta_c$",
    "e": "Nearly orthogonal index vectors are all found; past the fold none is",
    "f": r"Ours: between $\beta_c$ and the fold both kinds of minima exist",
    "g": "Ours: the same laws for links with infinite series, erf and ReLU",
    "h": "Ours: past the fold the squared loss recovers what the correlation loss has lost",
}
_Panel = Callable[["Axes"], object]


def claim_figure(claim: Claim) -> Figure:
    """Compose the figure of one claim, away from pyplot.

    Parameters
    ----------
    claim : Claim
        Result of `claims.run_claim`.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved; it belongs to no window.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawings = list(_panels(claim))
    columns = 2 if len(drawings) == 4 else min(3, len(drawings))
    rows = math.ceil(len(drawings) / columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * columns, 4.6 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, draw in zip(axes, drawings, strict=False):
            draw(ax)
        for ax in axes[len(drawings) :]:
            ax.remove()
        figure.suptitle(f"({claim.key}) {_TITLES[claim.key]}", fontsize=12)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once for every format
    return figure


def _panels(claim: Claim) -> Iterator[_Panel]:
    data = claim.datasets
    if claim.key == "a":
        yield lambda ax: plot.hitting_times(data["search_time"], ax=ax)
        yield lambda ax: plot.search_rate(data["search_time"], ax=ax)
    elif claim.key == "b":
        yield lambda ax: plot.nearest(data["nearest"], ax=ax)
        yield lambda ax: plot.trapped(data["nearest"], ax=ax)
    elif claim.key == "c":
        yield from _coverage_panels(data["coverage"])
        yield lambda ax: plot.coverage_linear(data["coverage"], ax=ax)
    elif claim.key == "d":
        yield from _threshold_panels(data["threshold"])
    elif claim.key == "e":
        yield from _coverage_panels(data["nearly_orthogonal"], by="targets")
        yield lambda ax: _learning(claim, ax)
    elif claim.key == "f":
        for p in (3, 4):
            yield functools.partial(_diagram, data[f"diagram_p{p}"])
        yield from _threshold_panels(data["between"], starts=("random",))
    elif claim.key == "h":
        for loss in ("correlation", "squared"):
            yield functools.partial(_phase, data["phase_diagram"], loss)
    else:
        yield lambda ax: plot.hitting_times(data["search_time"], ax=ax)
        yield from _coverage_panels(data["coverage"])
        yield from _threshold_panels(data["threshold"])


def _coverage_panels(ds: xr.Dataset, by: str = "k") -> Iterator[_Panel]:
    for link in ds.link.values:
        yield functools.partial(_coverage, ds, str(link), by)


def _coverage(ds: xr.Dataset, link: str, by: str, ax: Axes) -> None:
    plot.coverage(ds, link=link, by=by, ax=ax)


def _threshold_panels(ds: xr.Dataset, **options: Any) -> Iterator[_Panel]:
    for link, k in itertools.product(ds.link.values, ds.k.values):
        yield functools.partial(_threshold, ds, str(link), int(k), options)


def _threshold(ds: xr.Dataset, link: str, k: int, options: Any, ax: Axes) -> None:
    plot.threshold(ds, link=link, k=k, ax=ax, **options)


def _phase(ds: xr.Dataset, loss: str, ax: Axes) -> None:
    plot.phase_diagram(ds, loss=loss, ax=ax)
    ax.grid(visible=False)


def _diagram(ds: xr.Dataset, ax: Axes) -> None:
    legend = plot.bifurcation(ds, ax=ax).get_legend()
    assert legend is not None
    legend.set_loc("upper left")  # beside other panels there is no room on the right
    legend.set_bbox_to_anchor((0.0, -0.14), transform=ax.transAxes)


def _learning(claim: Claim, ax: Axes) -> None:
    for i, p in enumerate((3, 4)):
        ds = claim.datasets[f"equiangular_p{p}"]
        fold = hf.fold_beta(hf.hermite(p), int(ds.k.values[0])).beta
        plot.learning(ds, fold=fold, number=i, ax=ax)
