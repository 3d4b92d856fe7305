"""What `online_sgd` returns: where its neurons are, and how they came there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._checks import Array
from ._display import Card, Shown, shorten
from .flows import CorrelationFlow
from .solution import Status, same_field

if TYPE_CHECKING:
    import xarray as xr

    from .squared import SquaredFlow


@dataclass(frozen=True, eq=False, repr=False)
class OnlineSolution(Shown):
    """Neurons after one-pass gradient descent. Times are counted in steps.

    A step is `learning_rate` units of the time of the flow, (4) or (10). Equal and hashed by
    content.

    Parameters
    ----------
    flow : CorrelationFlow or SquaredFlow
        The loss.
    method : str
        "direct", "in_law" or "marginal".
    d : int
        Input dimension.
    learning_rate : float
        eta.
    batch : int
        Samples a step.
    steps : (n,) int
        Steps taken by each neuron.
    overlaps : (n, k)
        M after them.
    student_overlaps : (n, n) or None
        Q after them; None for "marginal", whose neurons do not share samples.
    weights : (n, d) or None
        Weights, for "direct" from weights.
    second_layer : (n,)
        a; where it is not trained, the flow's own.
    saved : (T,) int
        `save_at`, in steps.
    trajectory, student_trajectory : (T, n, k), (T, n, n) or None
        M and Q at `saved`; NaN after the end.
    layer_trajectory : (T, n) or None
        a at `saved`, where it is trained.
    events : dict
        HittingTime: steps (n,), or (n, L) for a sequence of levels. LossLevel: a step, or (L,): the
        first multiple of `loss_every` after which the loss was found there. NaN where none.
    status : (n,) int
        `Status` of each neuron: t_end (all steps taken), event, or non_finite.
    options : dict
        What else `online_sgd` was asked for: steps, events, seed, and loss_every where it matters.
        The seed is an integer, also that which was drawn for None; of a SeedSequence the keywords
        that make it again, ``SeedSequence(**options["seed"])``; of a Generator None.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(3))
    >>> sol = hf.online_sgd(flow, overlaps=[[0.5]], student_overlaps=[[1.0]], d=100,
    ...                     steps=2000, learning_rate=1e-3, seed=0)
    >>> sol.learning_rate * sol.steps  # in the time of the flow
    array([2.])
    """

    flow: CorrelationFlow | SquaredFlow
    method: str
    d: int
    learning_rate: float
    batch: int
    steps: NDArray[np.int64]
    overlaps: Array
    student_overlaps: Array | None
    weights: Array | None
    second_layer: Array
    saved: NDArray[np.int64]
    trajectory: Array
    student_trajectory: Array | None
    layer_trajectory: Array | None
    events: dict[str, Array]
    status: NDArray[np.int32]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def times(self) -> Array:
        """Times of the flow that belong to `saved`, shape (T,)."""
        return np.array(self.learning_rate * self.saved, dtype=np.float64)

    @cached_property
    def losses(self) -> Array:
        """The population loss at `saved`, shape (T,): (2), or (9) with its factor 1/2.

        Of "marginal" neurons too where the loss is (2), a sum over neurons; NaN from where one of
        them has ended.
        """
        flow = self.flow
        out = np.full(self.saved.size, np.nan)
        if isinstance(flow, CorrelationFlow):
            known = np.isfinite(self.trajectory).all(axis=(1, 2))
            each: Array = flow.interaction(self.trajectory[known]) @ flow.target_weights
            out[known] = -(each @ self.second_layer)
            return out
        assert self.student_trajectory is not None
        layers = self.layer_trajectory
        for i, (M, Q) in enumerate(zip(self.trajectory, self.student_trajectory, strict=True)):
            if np.isfinite(M).all():
                out[i] = flow.loss_of(M, Q, self.second_layer if layers is None else layers[i])
        return out

    def to_xarray(self) -> xr.Dataset:
        """Return the run with named dimensions, units, flow and options, as one Dataset.

        Dimensions: neuron, other_neuron, index_vector, step (of the trajectory), coordinate (of the
        weights) and level_NAME for each event NAME with several levels. Needs the extra
        `reproduce`.

        Raises
        ------
        ImportError
            Without xarray, naming what to install.
        """
        from ._online_dataset import to_dataset

        return to_dataset(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the run, its flow included, to a netCDF file, as `Solution.save` does."""
        from .archive import save

        return save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is computed again."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OnlineSolution):
            return NotImplemented
        return all(same_field(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        return hash((self.flow, self.method, self.d, self.learning_rate, self.overlaps.tobytes()))

    def _card(self) -> Card:
        n, k = self.overlaps.shape
        counts = np.bincount(self.status, minlength=len(Status))
        ends = [f"{count} {Status(s).name}" for s, count in enumerate(counts) if count]
        rows = [
            ("targets", self.flow.targets._card().line),
            ("interaction", self.flow.interaction._card().body),
            ("learning rate", f"{self.learning_rate:.6g}"),
            ("batch", str(self.batch)),
            ("steps", f"{int(self.steps.max(initial=0))}"),
            ("ends", ", ".join(ends)),
        ]
        for name, steps in self.events.items():
            hit = steps[np.isfinite(steps)]
            last = f", last at step {hit.max():.0f}" if hit.size else ""
            rows.append(("event", f"{shorten(name)}: {hit.size} of {steps.size} times{last}"))
        if self.saved.size:
            saved = self.saved
            rows.append(("saved", f"{saved.size} times in steps {saved[0]} .. {saved[-1]}"))
        title = f"OnlineSolution of {n} neurons, k = {k}, d = {self.d}, {self.method}"
        return Card(title, tuple(rows))
