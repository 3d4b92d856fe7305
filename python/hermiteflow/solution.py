"""What a solver returns, and the status of each neuron. Knows nothing of how it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._checks import Array

if TYPE_CHECKING:
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

#: Statuses that are ends of the flow and not failures of the solver.
SUCCESSES = (Status.converged, Status.t_end, Status.event, Status.no_escape)


class SolveWarning(UserWarning):
    """Some neurons were not integrated to their end."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The flow of n neurons. Times are those of the flow (4).

    Parameters
    ----------
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
        The index vector whose minimum was reached, -1 if none: the flow from +-v_j ends there too.
    kind : (n,) of str
        What a converged neuron reached: "index", "average" (along +-sum_j v_j), "degenerate" (a
        Hessian eigenvalue is zero: not an isolated point), "other"; "" where not converged.
    steps, rejected : (n,)
        Accepted and rejected steps.
    method : str
        The method used.
    """

    flow: CorrelationFlow = field(repr=False)
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

    @property
    def success(self) -> np.bool_:
        """Whether every neuron came to an end of the flow; `status` tells which did not."""
        return np.all(np.isin(self.status, SUCCESSES))

    def counts(self) -> dict[str, int]:
        """Return the number of neurons by name of status."""
        found = {s.name: int(np.count_nonzero(self.status == s)) for s in Status}
        return {name: count for name, count in found.items() if count}

    def __repr__(self) -> str:
        n, k = self.overlaps.shape
        counts = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        lines = [
            f"Solution of {n} neurons, k = {k}, by {self.method}",
            f"  status    {counts}",
            f"  t_final   {np.min(self.t_final):.6g} .. {np.max(self.t_final):.6g}",
            f"  steps     median {np.median(self.steps):g}, {int(np.sum(self.rejected))} rejected "
            f"of {int(np.sum(self.steps) + np.sum(self.rejected))}",
        ]
        if np.any(self.kind != ""):
            kinds, number = np.unique(self.kind[self.kind != ""], return_counts=True)
            named = ", ".join(f"{c} {name}" for name, c in zip(kinds, number, strict=True))
            found = np.unique(self.index[self.index >= 0]).size
            lines.append(f"  kind      {named}; {found} of {k} index vectors reached")
        for name, times in self.events.items():
            hit = np.count_nonzero(np.isfinite(times)) / times.size
            lines.append(f"  event     {name!r} in {100 * hit:.4g} %")
        return "\n".join(lines)
