"""`bifurcation_diagram`: every branch of fixed points of equiangular index vectors over beta."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from hermiteflow import _checks, _core
from hermiteflow.flows import CorrelationFlow
from hermiteflow.interactions import Interaction
from hermiteflow.links import Link
from hermiteflow.targets import Equiangular

from ._atlas import Atlas, Listing
from ._enumerate import fixed_points, most_values
from ._intervals import Array
from ._pieces import Branch, Event, Pieces
from ._problem import Problem, interaction_of, series_of
from ._table import FixedPoints

if TYPE_CHECKING:
    import xarray as xr

#: Longest steps along a curve; the next one is tried where a check fails.
_STEPS = (0.06, 0.015, 0.004)


def bifurcation_diagram(
    link: Link | Interaction,
    k: int,
    betas: ArrayLike,
    *,
    d: int | None = None,
    max_orbits: int = 10_000,
) -> xr.Dataset:
    """Return every branch of isolated fixed points over beta, with kinds, folds and crossings.

    The complete, proved lists of `fixed_points` at each beta are joined by curves, which are
    followed through folds and on from wherever two of them meet. Each listed orbit must lie on
    exactly one branch. What exists between two neighbouring betas only and meets nothing there is
    not seen.

    A branch is a piece of a curve on which beta is monotone and the sizes of the groups of equal
    overlaps stay; one ends where two groups meet. For an even psi, at beta = 0, all changes of sign
    take fixed points into each other: there several branches pass through one orbit of
    `fixed_points`, and each has its part of the orbit's points.

    Parameters
    ----------
    link : Link or Interaction
        The teacher's and student's link, or the interaction of two; a = b = 1.
    k : int
        Number of index vectors, at least 2.
    betas : array_like (B,)
        Inner products of the index vectors, strictly ascending in (-1/(k - 1), 1), at least 2.
        Curves are followed from the first to the last, and not beyond.
    d : int, optional
        Input dimension, for the kinds; by default any above k.
    max_orbits : int
        Most orbits to list at one beta.

    Returns
    -------
    xarray.Dataset
        Dimensions `branch`, `beta`, `group`, `event` and `side`. Branches come in ascending loss.

        - `overlap` (branch, beta, group) and `multiplicity` (branch, group): as in `Orbit`; NaN
          and 0 for groups and betas that do not exist.
        - `count` (branch): exact number of fixed points at each beta, as text; `log10_count`.
        - `loss` (2), `outside_eigenvalue` and `morse_index` (11) (branch, beta), NaN where the
          branch does not exist; `kind`, "" there.
        - `event_kind`: "fold" (beta turns; two branches end), "crossing" (an eigenvalue of the
          Hessian in span(V) changes sign, the branch goes on), "merging" (a branch ends on a more
          symmetric one, where that has its crossing), "outside" (m . g changes sign) or
          "degenerate" (a branch ends near fixed points with m . g = 0 that are not isolated).
        - `event_branch` (event, side): the two branches of a fold, that of the lower Morse index
          first; the branch that ends and the other one; the same branch twice; -1 for a branch out
          of range. `event_side_kind`, `event_side_index`: kind and Morse index of both beside the
          event; of a branch that goes on, below and above it; "" and -1 for a branch that another
          one ends on.
        - `event_beta`, `event_loss` (event), `event_overlap` (event, group): where, in the groups
          of the first branch.

        Attributes: k, link, even (whether psi is), source, and degenerate_sets (see
        `FixedPoints`).

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above, or psi is not known by its series to 1e-13.
    ArithmeticError
        If a beta is at a bifurcation within rounding, or a listed orbit is on no branch or on two;
        the message has beta and overlaps.

    References
    ----------
    docs/mathematics, "Fixed points and their kind": (11), (12).

    Examples
    --------
    >>> import numpy as np
    >>> import hermiteflow as hf
    >>> ds = hf.bifurcation_diagram(hf.hermite(3), 3, np.linspace(0.0, 0.5, 12))
    >>> fold = ds.isel(event=int(np.argmax(ds.event_kind.values == "fold")))
    >>> round(float(fold.event_beta), 12), fold.event_side_kind.values.tolist()
    (0.261203874964, ['minimum', 'saddle'])
    >>> ds.kind.isel(branch=0).values.tolist()[-2:]
    ['minimum', 'minimum']
    """
    _checks.modules("bifurcation_diagram", ("xarray",))
    psi = interaction_of(link)
    series = series_of(psi)
    k = _checks.integer(k, "k", low=2, high=_checks.LARGEST)
    grid = _grid(betas, k)
    if d is not None:
        d = _checks.integer(d, "d", low=k)
    max_orbits = _checks.integer(max_orbits, "max_orbits")
    points = [_list(psi, k, float(beta), d, max_orbits) for beta in grid]
    for step in _STEPS:
        try:
            branches, events = _follow(series, k, grid, points, step, d is None or d > k)
            break
        except ArithmeticError:
            if step == _STEPS[-1]:
                raise
    name = psi.link._label
    if psi.student is not None and psi.student != psi.link:
        name += f", student {psi.student._label}"
    attributes = {
        "k": k,
        "link": name,
        "even": int(Problem(series, k, 0.0).even),
        "source": f"hermiteflow {_core.build_info()['version']}",
        "degenerate_sets": "; ".join(dict.fromkeys(s for p in points for s in p.degenerate_sets)),
    }
    return _dataset(series, k, grid, points, branches, events, attributes)


def _grid(betas: ArrayLike, k: int) -> Array:
    grid = _checks.array(betas, "betas", ("B",))
    low = -1.0 / (k - 1)
    if grid.size < 2:
        raise ValueError(f"betas must hold at least 2 values, got {grid.size}")
    bad = np.flatnonzero((grid <= low) | (grid >= 1.0))
    if bad.size:
        raise ValueError(
            f"betas must lie in (-1/(k - 1), 1) = ({low:.6g}, 1), got {grid[bad[0]]:.9g}"
        )
    _checks.ascending(grid, "betas", low=low)
    return grid


def _list(psi: Interaction, k: int, beta: float, d: int | None, max_orbits: int) -> FixedPoints:
    flow = CorrelationFlow(Equiangular(k, beta), psi.link, student=psi.student)
    try:
        return fixed_points(flow, d=d, max_orbits=max_orbits)
    except ArithmeticError as error:
        raise ArithmeticError(
            f"betas must lie off bifurcations (1e-6 away is enough), got {beta!r}: {error}"
        ) from error


def _follow(
    series: Array, k: int, grid: Array, points: list[FixedPoints], step: float, outside: bool
) -> tuple[list[Branch], list[Event]]:
    slope = Problem(series, k, 0.0).slope
    even = Problem(series, k, 0.0).even
    listings = [
        Listing.of(found, split_signs=even and beta == 0.0)
        for found, beta in zip(points, grid, strict=True)
    ]
    atlas = Atlas(slope, k, grid, listings, most_values(series, k), step)
    atlas.build()
    return Pieces(atlas, series, points, outside).cut()


def _dataset(
    series: Array,
    k: int,
    grid: Array,
    points: list[FixedPoints],
    branches: list[Branch],
    events: list[Event],
    attributes: dict[str, Any],
) -> xr.Dataset:
    import xarray as xr

    width = max((len(branch.sizes) for branch in branches), default=1)
    shape = (len(branches), grid.size)
    overlap = np.full((*shape, width), np.nan)
    multiplicity = np.zeros((len(branches), width), dtype=np.int64)
    numbers = {
        name: np.full(shape, np.nan) for name in ("loss", "outside_eigenvalue", "morse_index")
    }
    kind = np.full(shape, "", dtype="<U10")
    for n, branch in enumerate(branches):
        r = len(branch.sizes)
        multiplicity[n, :r] = branch.sizes
        for station in branch.stations:
            if station.row < 0:
                continue
            found, at = points[station.grid], (n, station.grid)
            overlap[at][:r] = branch.listed(station, found)
            for name, values in numbers.items():
                values[at] = getattr(found, name)[station.row]
            kind[at] = found.kind[station.row]
    spots = np.full((len(events), width), np.nan)
    losses = np.empty(len(events))
    for n, event in enumerate(events):
        branch = branches[event.branches[0]]
        u = branch.overlaps(event.station)
        spots[n, : u.size] = u
        losses[n] = -float(np.array(branch.sizes) @ np.polynomial.polynomial.polyval(u, series))
    counts = [branch.count for branch in branches]
    both, line, place = ("event", "side"), ("branch", "beta"), ("branch", "beta", "group")
    one = {"units": "1"}

    def texts(values: list[Any], width: int) -> Any:
        return np.array(values, dtype=f"<U{width}")

    def pairs(values: list[Any]) -> Any:
        return np.array(values).reshape(len(events), 2)

    data: dict[str, Any] = {
        "overlap": (place, overlap, {**one, "long_name": "distinct overlaps"}),
        "multiplicity": (("branch", "group"), multiplicity, one),
        "count": ("branch", np.array([str(c) for c in counts], dtype=str)),
        "log10_count": ("branch", np.array([math.log10(c) for c in counts]), one),
        "loss": (line, numbers["loss"], {**one, "long_name": "loss (2) of one neuron"}),
        "outside_eigenvalue": (line, numbers["outside_eigenvalue"], {**one, "long_name": "m . g"}),
        "morse_index": (line, numbers["morse_index"], one),
        "kind": (line, kind),
        "event_kind": ("event", texts([e.kind for e in events], 10)),
        "event_beta": ("event", np.array([e.station.place.beta for e in events]), one),
        "event_loss": ("event", losses, one),
        "event_overlap": (("event", "group"), spots, one),
        "event_branch": (both, pairs([e.branches for e in events]), one),
        "event_side_kind": (
            both,
            texts([s for e in events for s, _ in e.kinds], 10).reshape(-1, 2),
        ),
        "event_side_index": (both, pairs([[i for _, i in e.kinds] for e in events]), one),
    }
    long_name = "inner product of the index vectors"
    coords = {"beta": ("beta", grid, {**one, "long_name": long_name})}
    return xr.Dataset(data, coords, attributes)
