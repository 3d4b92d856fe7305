"""What a solver returns, and the status of each neuron. Knows nothing of how it was found."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._checks import Array
from ._display import Card, Shown, quantiles, shorten

if TYPE_CHECKING:
    import xarray as xr

    from .flows import CorrelationFlow

_TABLE = [entry for entry in _core.status_table() if entry[1] != "interrupted"]
_MESSAGES = {number: message for number, _, message in _TABLE}


class Status(IntEnum):
    """How the integration of one neuron ended; the table of C++.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.Status.t_end.message
    'reached t_end'
    """

    converged = 0
    t_end = 1
    event = 2
    no_escape = 3
    max_steps = 4
    step_too_small = 5
    non_finite = 6

    @property
    def message(self) -> str:
        """What the status means."""
        return str(_MESSAGES[int(self)])


if [(s.name, int(s)) for s in Status] != [(name, number) for number, name, _ in _TABLE]:
    raise ImportError("the compiled core has another table of statuses: reinstall hermiteflow")

#: Events that are shown.
_SHOWN_EVENTS = 3
#: Share of the largest overlap from which another one may be that of an end's second owner.
_CLOSE = 0.9

#: Statuses that are ends of the flow and not failures of the solver.
SUCCESSES = (Status.converged, Status.t_end, Status.event, Status.no_escape)


class SolveWarning(UserWarning):
    """Some neurons were not integrated to their end."""


@dataclass(frozen=True, eq=False, repr=False)
class Solution(Shown):
    """The flow of n neurons. Times are those of the flow (4). Equal and hashed by content.

    Parameters
    ----------
    flow : CorrelationFlow
        The flow that was solved.
    method : str
        The method used.
    t_final : (n,)
        Where each neuron stopped.
    overlaps : (n, k)
        Overlaps there.
    weights : (n, d) or None
        Weights there, when the start was given as weights.
    times : (T,)
        `save_at`.
    trajectory : (n, T, k)
        Overlaps at `times`; NaN after a neuron's end.
    events : dict
        For each event the times (n,), or (n, L) for a sequence of levels; NaN where none.
    status : (n,)
        Numbers of `Status`.
    index : (n,)
        Of the end reached: the index vector j of its largest |overlap|, if the flow from +-v_j ends
        there too; -1 if it does not, or if two are equally large. Orthonormal index vectors, and
        equiangular ones of equal target weights, have an end each. For any others it is a name
        and no more: flows from several index vectors may end there (docs/solver tells how to see
        that).
    kind : (n,) of str
        What a converged neuron reached: "index", "average" (along +-sum_j v_j), "degenerate" (a
        Hessian eigenvalue is zero: not an isolated point), "other"; "" where not converged.
    steps, rejected : (n,)
        Accepted and rejected steps.
    options : dict
        What else `solve` was asked for: t_end, step, rtol, atol, renormalize, reduce, max_steps
        and events.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(4))
    >>> sol = hf.solve(flow, overlaps=[[0.1], [0.2]], events={"hit": hf.HittingTime(0.5)})
    >>> sol.counts(), sol.events["hit"].round(3)
    ({'converged': 2}, array([12.437,  2.885]))
    """

    flow: CorrelationFlow
    method: str
    t_final: Array
    overlaps: Array
    weights: Array | None
    times: Array
    trajectory: Array
    events: dict[str, Array]
    status: NDArray[np.int32]
    index: NDArray[np.int64]
    kind: NDArray[np.str_]
    steps: NDArray[np.int64]
    rejected: NDArray[np.int64]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def success(self) -> np.bool_:
        """Whether every neuron came to an end of the flow; `status` tells which did not."""
        return np.all(np.isin(self.status, SUCCESSES))

    def counts(self) -> dict[str, int]:
        """Return the number of neurons by name of status."""
        found = {s.name: int(np.count_nonzero(self.status == s)) for s in Status}
        return {name: count for name, count in found.items() if count}

    def to_xarray(self) -> xr.Dataset:
        """Return the solution with named dimensions, units, flow and options, as one Dataset.

        Dimensions: neuron, index_vector, time (of the trajectory), coordinate (of the weights)
        and level_NAME for each event NAME with several levels. The attributes "flow" and "run"
        are JSON. Arrays are shared with the solution, not copied. Needs the extra `reproduce`.

        Raises
        ------
        ImportError
            Without xarray, naming what to install.
        TypeError
            If a name of an event is not a string, or the targets are of a class of one's own.

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(4))
        >>> ds = hf.solve(flow, overlaps=[[0.1, 0.2]], t_end=1.0).to_xarray()
        >>> dict(ds.overlaps.sizes), ds.t_final.units
        ({'neuron': 1, 'index_vector': 2}, 'flow time')
        """
        from ._dataset import to_dataset

        return to_dataset(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the solution, its flow included, to a netCDF file; `load` reads it back.

        The file appears whole or not at all; one that was there before is replaced. A link made
        from a callable is saved as its series, as by pickle. Needs the extra `reproduce`.

        Raises
        ------
        ImportError
            Without xarray, h5netcdf or h5py, naming what to install.
        ValueError
            If the path names a folder.
        OSError
            If it cannot be written.
        TypeError
            As for `to_xarray`.

        Examples
        --------
        >>> import tempfile, hermiteflow as hf
        >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(3))
        >>> sol = hf.solve(flow, overlaps=[[0.1]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     hf.load(sol.save(folder + "/run.nc")) == sol
        True
        """
        from .archive import save

        return save(self, path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Solution):
            return NotImplemented
        return all(same_field(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        # whole numbers only: equal floats may differ in their bytes (0.0 and -0.0)
        numbers = (self.status, self.index, self.steps, self.rejected)
        return hash((self.flow, self.method, *(x.tobytes() for x in numbers)))

    def _card(self) -> Card:
        n, k = self.overlaps.shape
        attempts = int(np.sum(self.steps) + np.sum(self.rejected))
        share = 100.0 * float(np.sum(self.rejected)) / max(attempts, 1)
        rows = [
            ("targets", self.flow.targets._card().line),
            ("interaction", self.flow.interaction._card().body),
            ("status", ", ".join(f"{count} {name}" for name, count in self.counts().items())),
        ]
        if np.any(self.kind != ""):
            kinds, number = np.unique(self.kind[self.kind != ""], return_counts=True)
            named = ", ".join(f"{c} {name}" for name, c in zip(kinds, number, strict=True))
            found = np.unique(self.index[self.index >= 0]).size
            own = self.flow.targets.structure == "identity" or self._exchangeable()
            told = (
                f"{found} of {k} index vectors reached"
                if own
                else f"ends named after {found} of {k} index vectors"
            )
            rows.append(("kind", f"{named}; {told}"))
            rows += [] if own else self._shared()
        rows.append(("final time", quantiles(self.t_final)))
        rows.append(("steps", f"median {np.median(self.steps):g}, {share:.2g} % rejected"))
        for name, times in list(self.events.items())[:_SHOWN_EVENTS]:
            last = times if times.ndim == 1 else times[:, -1]
            levels = f"{times.shape[1]} levels, last " if times.ndim == 2 else ""
            hit = 100.0 * np.count_nonzero(np.isfinite(last)) / n
            rows.append(("event", f"{shorten(name)}: {levels}in {hit:.3g} %, {quantiles(last)}"))
        if len(self.events) > _SHOWN_EVENTS:
            rows.append(("events", f"{len(self.events) - _SHOWN_EVENTS} more"))
        if self.times.size:
            times = self.times
            rows.append(("saved", f"{times.size} times in {times[0]:.4g} .. {times[-1]:.4g}"))
        if self.weights is not None:
            rows.append(("weights", f"shape {self.weights.shape}"))
        return Card(f"Solution of {n} neurons, k = {k}, by {self.method}", tuple(rows))

    def _exchangeable(self) -> bool:
        """Whether any two index vectors may be exchanged: if one has an end of its own, all do."""
        flow = self.flow
        return flow.targets.structure != "general" and bool(np.ptp(flow.target_weights) == 0.0)

    def _shared(self) -> list[tuple[str, str]]:
        """Row of the card for named ends that are nearly as close to another index vector."""
        k = self.overlaps.shape[1]
        named = np.flatnonzero(self.index >= 0)
        # one neuron for each name, so that many cost no more than few
        names, first = np.unique(self.index[named], return_index=True)
        overlaps, every = self.overlaps[named[first]], np.arange(names.size)
        if k < 2 or names.size == 0:
            return []
        rest = np.abs(overlaps)
        largest = rest[every, names]
        rest[every, names] = 0.0
        ratio = rest.max(axis=1) / largest
        worst = int(np.argmax(ratio))
        if ratio[worst] < _CLOSE:
            return []
        pair = (int(names[worst]), int(np.argmax(rest[worst])))
        both = ", ".join(f"{overlaps[worst, j]:.4g} with {j}" for j in pair)
        more = int(np.count_nonzero(ratio >= _CLOSE)) - 1
        text = f"named {pair[0]}: overlap {both}" + (f"; {more} more" if more else "")
        return [("shared?", text)]


def same_field(left: Any, right: Any) -> bool:
    """Equality of fields; NaN equals NaN, and arrays must be of one type and shape."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        if left.dtype.kind == "f":
            return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)
        text = left.dtype.kind == right.dtype.kind == "U"
        return (text or left.dtype == right.dtype) and np.array_equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        if left.keys() != right.keys():
            return False
        return all(same_field(left[name], right[name]) for name in left)
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return type(left) is type(right) and bool(left == right)
