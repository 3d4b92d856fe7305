"""The figure of each claim, composed of the plots."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import hermiteflow as hf

from . import plot
from ._plot_all import Panel, compose, coverage_panels, panels, threshold_panels

if TYPE_CHECKING:
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

    with mpl.rc_context(STYLE):
        figure = compose(list(_panels(claim)))
        figure.suptitle(f"({claim.key}) {_TITLES[claim.key]}", fontsize=12)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once for every format
    return figure


def _panels(claim: Claim) -> Iterator[Panel]:
    data = claim.datasets
    if claim.key == "c":
        yield from coverage_panels(data["coverage"])
        yield functools.partial(plot.coverage_linear, data["coverage"])
    elif claim.key == "e":
        yield from coverage_panels(data["nearly_orthogonal"], by="targets")
        yield functools.partial(_learning, claim)
    elif claim.key == "f":
        for p in (3, 4):
            yield from panels(data[f"diagram_p{p}"])
        yield from threshold_panels(data["between"], starts=("random",))
    elif claim.key == "g":
        yield from panels(data["search_time"])
        yield from coverage_panels(data["coverage"])
        yield from panels(data["threshold"])
    else:
        for ds in data.values():
            yield from panels(ds)


def _learning(claim: Claim, *, ax: Axes) -> None:
    for i, p in enumerate((3, 4)):
        ds = claim.datasets[f"equiangular_p{p}"]
        fold = hf.fold_beta(hf.hermite(p), int(ds.k.values[0])).beta
        plot.learning(ds, fold=fold, number=i, ax=ax)
