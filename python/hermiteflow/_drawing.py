"""What the figures share: palette, points with intervals, labels. Knows nothing of Datasets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def points(ax: Axes, x: Any, values: Any, number: int, **options: Any) -> None:
    """Points with intervals; `values` has estimate, low and high along its last axis."""
    array = np.asarray(values, dtype=np.float64)
    error = np.abs(array[..., 1:] - array[..., :1]).T
    style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
    defaults = {"linestyle": "none", "markersize": 5, "capsize": 2, "elinewidth": 1, "zorder": 3}
    ax.errorbar(x, array[..., 0], yerr=error, **{**defaults, **style, **options})


def finish(ax: Axes, title: str | None = None, **labels: Any) -> Axes:
    ax.set(**labels)
    if title:
        ax.set_title(title, loc="left")
    return ax


def short(label: object) -> str:
    """Mathtext of an arrangement's label."""
    text = re.sub(r"beta=([\d.]+)", r"$\\beta=\1$", str(label))
    return re.sub(r"R\^(\d+)", r"$\\mathbb{R}^{\1}$", text)


def in_math(link: object) -> str:
    """Label of a link: ``h_3 + 0.5 h_5`` as mathtext, words as they are."""
    label = str(link)
    if re.fullmatch(r"[-+.\de h_]+", label):
        return "$" + re.sub(r"h_?(\d+)", r"h_{\1}", label) + "$"
    return label
