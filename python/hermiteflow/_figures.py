"""The figure of each claim, composed of the plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import hermiteflow as hf

from . import plot

if TYPE_CHECKING:
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
    from matplotlib.figure import Figure

    panels = {"a": 2, "b": 2, "c": 3, "d": 2, "e": 3}[claim.key]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * panels, 4.6), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, panels))
        data = list(claim.datasets.values())
        links = [str(link) for link in data[0].link.values]
        if claim.key == "a":
            plot.hitting_times(data[0], ax=axes[0])
            plot.search_rate(data[0], ax=axes[1])
        elif claim.key == "b":
            plot.nearest(data[0], ax=axes[0])
            plot.trapped(data[0], ax=axes[1])
        elif claim.key == "c":
            plot.coverage(data[0], link=links[0], ax=axes[0])
            plot.coverage(data[0], link=links[1], ax=axes[1])
            plot.coverage_linear(data[0], ax=axes[2])
        elif claim.key == "d":
            plot.threshold(data[0], link=links[0], ax=axes[0])
            plot.threshold(data[0], link=links[1], ax=axes[1])
        else:
            _learning_panels(claim, links, axes)
        figure.suptitle(f"({claim.key}) {_TITLES[claim.key]}", fontsize=12)
    return figure


def _learning_panels(claim: Claim, links: list[str], axes: Any) -> None:
    near = claim.datasets["nearly_orthogonal"]
    for ax, link in zip(axes, links, strict=False):
        plot.coverage(near, link=link, by="targets", ax=ax)
    for i, p in enumerate((3, 4)):
        ds = claim.datasets[f"equiangular_p{p}"]
        fold = hf.fold_beta(hf.hermite(p), int(ds.k.values[0])).beta
        plot.learning(ds, fold=fold, number=i, ax=axes[2])
