"""The figure of a bifurcation diagram; public as `hermiteflow.plot.bifurcation`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._checks import dataset
from ._drawing import COLOURS, finish, in_math, new_axes

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
QUANTITIES = ("loss", "overlap")
#: Rank in the legend behind all Morse indices.
_LAST = 1e9
_ARC = np.linspace(0.0, 1.0, 17)


class Stretch(NamedTuple):
    """A part of a branch without a change of kind.

    Parameters
    ----------
    beta, value : (N,)
        Its points in ascending beta, events at its ends included.
    kind : str
        Of its fixed points.
    morse_index : int
        Their Morse index in span(V).
    """

    beta: Array
    value: Array
    kind: str
    morse_index: int


def bifurcation(ds: xr.Dataset, *, quantity: str = "loss", ax: Axes | None = None) -> Axes:
    r"""Draw branches of fixed points against beta, lines by their kind.

    Vertical lines are where minima appear, vanish or turn into saddles.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of `bifurcation_diagram`.
    quantity : {"loss", "overlap"}
        The loss, or the largest overlap; the largest in absolute value if psi is even.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        If `quantity` is none of these.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> import hermiteflow as hf
    >>> from hermiteflow import plot
    >>> ds = hf.bifurcation_diagram(hf.hermite(3), 3, np.linspace(0.0, 0.5, 12))
    >>> plot.bifurcation(ds).get_xlabel()
    'inner product of the index vectors $\\beta$'
    """
    dataset(ds)
    if "event_kind" not in ds:
        what = ds.attrs.get("experiment", "something else")
        raise ValueError(f"ds must be a result of bifurcation_diagram, got one of {what!r}")
    quantity = _checks.choice(quantity, "quantity", QUANTITIES)
    ax = new_axes(ax)
    drawn: dict[tuple[float, str], dict[str, Any]] = {}
    for branch in range(ds.sizes["branch"]):
        for stretch in stretches(ds, branch, quantity):
            label, rank, style = _style(stretch, int(ds.attrs["k"]))
            ax.plot(stretch.beta, stretch.value, **style)
            drawn[rank, label] = style
    handles = [
        ax.plot([], [], label=label, **style)[0]
        for (_, label), style in _shortened(sorted(drawn.items(), key=lambda item: item[0]))
    ]
    handles += _thresholds(ds, ax, quantity)
    ax.legend(
        handles=handles,
        title="Morse index in span($V$)",
        title_fontsize=8.5,
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
    )
    beta = ds.beta.values
    ax.set_xlim(beta[0], beta[-1])
    absolute = "largest overlap (absolute value)" if ds.attrs["even"] else "largest overlap"
    names = {"loss": "loss of one neuron", "overlap": absolute}
    return finish(
        ax,
        f"{in_math(ds.attrs['link'])}, $k={ds.attrs['k']}$",
        xlabel=r"inner product of the index vectors $\beta$",
        ylabel=names[quantity],
    )


def _style(stretch: Stretch, k: int) -> tuple[str, float, dict[str, Any]]:
    """Return the name of a kind in the legend, its rank there, and how it is drawn."""
    if stretch.kind == "minimum":
        return "minimum", 0.0, {"color": COLOURS[0], "lw": 2.2, "zorder": 4}
    if stretch.kind == "maximum":
        return "maximum", _LAST, {"color": COLOURS[2], "lw": 1.6, "ls": ":", "zorder": 3}
    if stretch.kind != "saddle":
        return "degenerate", _LAST + 1.0, {"color": COLOURS[3], "lw": 1.0, "ls": "-.", "zorder": 2}
    if stretch.morse_index == 1:
        style = {"color": COLOURS[1], "lw": 1.3, "ls": (0, (5, 1.8)), "zorder": 3}
        return "saddle, index 1", 1.0, style
    share = (stretch.morse_index - 2) / max(k - 3, 1) if stretch.morse_index else 1.0
    style = {
        "color": str(0.25 + 0.45 * min(share, 1.0)),
        "lw": 1.0 - 0.4 * min(share, 1.0),
        "ls": (0, (4, 2.2)),
        "zorder": 2,
    }
    if stretch.morse_index == 0:  # m . g < 0
        style = {"color": "0.4", "lw": 1.0, "ls": (0, (1, 1.5)), "zorder": 2}
        return "saddle, index 0", 0.5, style
    return f"saddle, index {stretch.morse_index}", float(stretch.morse_index), style


def _shortened(
    entries: list[tuple[tuple[float, str], dict[str, Any]]],
) -> list[tuple[tuple[float, str], dict[str, Any]]]:
    """Return entries of a legend, of many Morse indices the first and the last."""
    middle = [entry for entry in entries if 2.0 <= entry[0][0] < _LAST]
    if len(middle) <= 3:
        return entries
    (rank, label), style = middle[-1]
    last = ((rank, label.replace("saddle, ", "to ")), style)
    return [last if e is middle[-1] else e for e in entries if e not in middle[1:-1]]


def stretches(ds: xr.Dataset, branch: int, quantity: str) -> list[Stretch]:
    """Return the parts of a branch between its changes, with their kinds."""
    values = _values(ds, "", quantity)[branch]
    there = np.flatnonzero(~np.isnan(values))
    kinds, sides = ds.event_side_kind.values, ds.event_branch.values
    indices, at = ds.event_side_index.values, ds.event_beta.values
    marks = _values(ds, "event_", quantity)
    goes_on = np.isin(ds.event_kind.values, ("crossing", "outside"))
    changes = [int(e) for e in np.flatnonzero(goes_on & (sides[:, 0] == branch))]
    is_fold = ds.event_kind.values == "fold"
    ends = np.flatnonzero(
        (is_fold & np.any(sides == branch, axis=1)) | (~goes_on & (sides[:, 0] == branch))
    )
    points = [(float(ds.beta.values[i]), float(values[i])) for i in there]
    points += [(float(at[e]), float(marks[e])) for e in [*changes, *ends]]
    points.sort()
    cuts = [-np.inf, *(float(at[e]) for e in changes), np.inf]
    folds = {float(at[e]) for e in ends if is_fold[e]}
    out = []
    for n, (low, high) in enumerate(pairwise(cuts)):
        inside = [p for p in points if low <= p[0] <= high]
        if len(inside) < 2:
            continue
        if changes:
            e, side = (changes[n], 0) if n < len(changes) else (changes[n - 1], 1)
        else:
            found = [(int(e), s) for e in ends for s in (0, 1) if sides[e, s] == branch]
            e, side = found[0] if found else (-1, 0)
        if e >= 0:
            kind, index = str(kinds[e, side]), int(indices[e, side])
        else:
            middle = there[len(there) // 2]
            kind = str(ds.kind.values[branch, middle])
            index = int(ds.morse_index.values[branch, middle])
        beta, value = _rounded(inside, folds if quantity == "overlap" else set())
        out.append(Stretch(beta, value, kind, index))
    return out


def _values(ds: xr.Dataset, prefix: str, quantity: str) -> Array:
    """Return what is drawn, of branches or of events."""
    if quantity == "loss":
        return np.asarray(ds[f"{prefix}loss"].values)
    overlap = ds[f"{prefix}overlap"].values
    if ds.attrs["even"]:  # w and -w are one orbit
        overlap = np.abs(overlap)
    largest = np.max(np.where(np.isnan(overlap), -np.inf, overlap), axis=-1)
    return np.where(np.isfinite(largest), largest, np.nan)


def _rounded(points: list[tuple[float, float]], folds: set[float]) -> tuple[Array, Array]:
    """Return the points, and between a fold and the next one the square root that ends there."""
    beta, value = (np.array(column) for column in zip(*points, strict=True))
    for end, beside in ((0, 1), (-1, -2)):
        if float(beta[end]) not in folds:
            continue
        arc = _ARC[1:-1] if end == 0 else _ARC[-2:0:-1]
        more_beta = beta[end] + (beta[beside] - beta[end]) * arc**2
        more_value = value[end] + (value[beside] - value[end]) * arc
        where = 1 if end == 0 else beta.size - 1
        beta, value = np.insert(beta, where, more_beta), np.insert(value, where, more_value)
    return beta, value


def _thresholds(ds: xr.Dataset, ax: Axes, quantity: str) -> list[Any]:
    """Mark the events at which there are minima on one side, and return what the legend says."""
    marks = _values(ds, "event_", quantity)
    groups: dict[tuple[str, float], list[int]] = {}
    for e in range(ds.sizes["event"]):
        sides = ds.event_side_kind.values[e]
        kind = str(ds.event_kind.values[e])
        if kind == "merging" or list(sides).count("minimum") != 1:
            continue
        branch = int(ds.event_branch.values[e, 0])
        average = int(ds.multiplicity.values[branch, 0]) == int(ds.attrs["k"])
        name = r"$\beta_{\rm fold}$" if kind == "fold" else r"$\beta$"
        name = r"$\beta_c$" if kind == "crossing" and average else name
        groups.setdefault((name, round(float(ds.event_beta.values[e]), 9)), []).append(e)
    out = []
    dashes = {r"$\beta_c$": (0, (1, 1.5)), r"$\beta_{\rm fold}$": (0, (6, 1.5, 1, 1.5))}
    for name, beta in sorted(groups, key=lambda item: item[1]):
        style: dict[str, Any] = {"color": "0.35", "lw": 0.9, "ls": dashes.get(name, "-")}
        ax.axvline(beta, zorder=1, **style)
        events = groups[name, beta]
        at = ds.event_beta.values[events]
        ax.plot(at, marks[events], ls="none", marker="o", ms=4.5, mfc="w", mec="0.1", zorder=5)
        out.append(ax.plot([], [], label=f"{name} = {beta:.4g}", **style)[0])
    return out
