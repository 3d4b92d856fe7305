"""What the figures share: palette, points with intervals, labels."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

#: Okabe and Ito's colours.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def colour(number: int) -> str:
    """Colour of a number; they begin anew after the last."""
    return COLOURS[number % len(COLOURS)]


def marker(number: int) -> str:
    """Marker of a number; they begin anew after the last."""
    return MARKERS[number % len(MARKERS)]


def new_axes(ax: Axes | None) -> Axes:
    from matplotlib.axes import Axes

    if ax is not None:
        if not isinstance(ax, Axes):
            raise TypeError(f"ax must be axes of matplotlib, got {_checks.describe(ax)}")
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def points(ax: Axes, x: Any, values: Any, number: int, **options: Any) -> None:
    """Points with intervals; `values` has estimate, low and high along its last axis."""
    array = np.asarray(values, dtype=np.float64)
    error = np.abs(array[..., 1:] - array[..., :1]).T
    style = {"color": colour(number), "marker": marker(number)}
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


def pick(ds: xr.Dataset, name: str, value: object = None) -> Any:
    """Return a value of a coordinate, the first for None; an unknown one names all."""
    known = ds[name].values.tolist()
    if value is None:
        return known[0]
    if isinstance(known[0], str):
        return _checks.choice(value, name, known)
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or value not in known:
        raise ValueError(f"{name} must be one of {known}, got {_checks.describe(value)}")
    return value


def confidence(ds: xr.Dataset) -> float:
    return float(json.loads(ds.attrs["config"])["confidence"])


def bars_label(ds: xr.Dataset) -> str:
    return f"bars: {100 * confidence(ds):.6g} % intervals"
