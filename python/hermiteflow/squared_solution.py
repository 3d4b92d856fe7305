"""What `solve` returns for the squared loss: one path of all neurons. Not how it was found."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import Array
from ._display import Card, Shown, shorten
from .solution import SUCCESSES, Status, same_field

if TYPE_CHECKING:
    import xarray as xr

    from .squared import SquaredFlow


@dataclass(frozen=True, eq=False, repr=False)
class SquaredSolution(Shown):
    """The squared loss's flow of n neurons together. Times are those of (10), loss that of (9).

    With free weights times are those of docs/squared (15): dw_i/dt = -grad L as well.

    Equal and hashed by content.

    Parameters
    ----------
    flow : SquaredFlow
        The flow that was solved.
    method : str
        The method used.
    form : str
        What was integrated: "span", coordinates in span(W(0), V), n + rank(G) numbers a neuron;
        "R^d", all d where these are no more; or "order parameters", M and Q themselves.
    t_final : float
        Where the run stopped.
    overlaps : (n, k)
        M there.
    student_overlaps : (n, n)
        Q there; symmetric, with a unit diagonal where weights are constrained.
    weights : (n, d) or None
        Weights there, when the start was given as weights.
    second_layer : (n,)
        a there: where it is not trained, the flow's own.
    loss : float
        Loss (9) there, with its factor 1/2; NaN, as `losses`, where the teacher's series does not
        give it (`SquaredFlow.loss` says why).
    gradient_norms : (n,)
        |grad_i L| there: in w_i, or in (w_i, a_i) where a is trained.
    times : (T,)
        `save_at`.
    trajectory, student_trajectory : (T, n, k), (T, n, n)
        M and Q at `times`; NaN after the end.
    layer_trajectory : (T, n) or None
        a at `times`, where it is trained.
    losses : (T,)
        Loss (9) at `times`.
    events : dict
        HittingTime: times (n,), or (n, L) for a sequence of levels. LossLevel: a time, or (L,).
        Converged: a time. NaN where none.
    status : Status
        How the run ended.
    steps, rejected, evaluations : int
        Accepted and rejected steps; right-hand sides.
    options : dict
        What else `solve` was asked for.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    >>> M, Q = [[0.3, 0.0], [0.0, 0.2]], [[1.0, 0.0], [0.0, 1.0]]
    >>> sol = hf.solve(flow, overlaps=M, student_overlaps=Q, t_end=50.0)
    >>> sol.status.name, round(sol.loss, 6)
    ('t_end', 0.0)
    """

    flow: SquaredFlow
    method: str
    form: str
    t_final: float
    overlaps: Array
    student_overlaps: Array
    weights: Array | None
    second_layer: Array
    loss: float
    gradient_norms: Array
    times: Array
    trajectory: Array
    student_trajectory: Array
    layer_trajectory: Array | None
    losses: Array
    events: dict[str, Array]
    status: Status
    steps: int
    rejected: int
    evaluations: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether the run came to an end of the flow."""
        return self.status in SUCCESSES

    def to_xarray(self) -> xr.Dataset:
        """Return the solution with named dimensions, units, flow and options, as one Dataset.

        Dimensions: neuron, other_neuron, index_vector, time (of the trajectory), coordinate (of the
        weights) and level_NAME for each event NAME with several levels. Needs the extra
        `reproduce`.

        Raises
        ------
        ImportError
            Without xarray, naming what to install.
        """
        from ._squared_dataset import to_dataset

        return to_dataset(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the solution, its flow included, to a netCDF file, as `Solution.save` does."""
        from .archive import save

        return save(self, path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SquaredSolution):
            return NotImplemented
        return all(same_field(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        return hash((self.flow, self.method, self.form, self.status, self.steps, self.rejected))

    def _card(self) -> Card:
        n, k = self.overlaps.shape
        attempts = self.steps + self.rejected
        rows = [
            ("targets", self.flow.targets._card().line),
            ("interaction", self.flow.interaction._card().body),
            ("status", f"{self.status.name} at t = {self.t_final:.6g}"),
            ("loss", f"{self.loss:.6g}"),
            ("largest gradient", f"{float(np.max(self.gradient_norms, initial=0.0)):.3g}"),
            ("steps", f"{self.steps}, {100 * self.rejected / max(attempts, 1):.2g} % rejected"),
        ]
        for name, times in self.events.items():
            found = np.atleast_1d(times)
            hit = found[np.isfinite(found)]
            last = f", last at {hit.max():.4g}" if hit.size else ""
            rows.append(("event", f"{shorten(name)}: {hit.size} of {found.size} times{last}"))
        if self.times.size:
            times = self.times
            rows.append(("saved", f"{times.size} times in {times[0]:.4g} .. {times[-1]:.4g}"))
        title = f"SquaredSolution of {n} neurons, k = {k}, by {self.method} in {self.form}"
        return Card(title, tuple(rows))
