"""What `online_sgd` was asked for: its start, steps and events, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _coordinates
from ._checks import Array
from ._frame import Frame
from ._online_engine import Whole
from ._order_parameters import check_order_parameters
from .events import Event, HittingTime, LossLevel, check_levels
from .flows import CorrelationFlow
from .squared import SquaredFlow
from .starts import MAX_DIMENSION

Flow = CorrelationFlow | SquaredFlow


def whole_steps(save_at: ArrayLike | None, steps: int) -> Whole:
    if save_at is None:
        return np.empty(0, dtype=np.int64)
    values = _checks.ascending(save_at, "save_at", low=0.0)
    if np.any(values != np.round(values)):
        raise ValueError(
            f"save_at must hold whole steps, got {values[values != np.round(values)][0]:g}"
        )
    if values[-1] > steps:
        raise ValueError(f"save_at must end at or before steps = {steps}, got {values[-1]:g}")
    return values.astype(np.int64)


@dataclass(frozen=True)
class Looks:
    """Descending levels of the loss, whether the last one ends the run, and when it is looked."""

    losses: Array
    stops: bool
    every: int


def checked(
    flow: Flow, events: Mapping[str, Event] | None
) -> Mapping[str, HittingTime | LossLevel]:
    """Return events that online descent can watch for."""
    if events is None:
        return {}
    if not isinstance(events, Mapping):
        raise TypeError(f"events must map names to events, got {_checks.describe(events)}")
    out: dict[str, HittingTime | LossLevel] = {}
    for name, event in events.items():
        if not isinstance(name, str):
            raise TypeError(f"events must have names that are str, got {_checks.describe(name)}")
        if not isinstance(event, HittingTime | LossLevel):
            raise TypeError(
                f"events[{name!r}] must be a HittingTime or a LossLevel (noise never converges), "
                f"got {_checks.describe(event)}"
            )
        if isinstance(event, HittingTime) and sphere(flow):
            check_levels(name, event)
        if isinstance(event, LossLevel) and isinstance(flow, CorrelationFlow):
            raise ValueError(
                f"events[{name!r}] must not be a LossLevel with a CorrelationFlow, whose levels "
                "would be negative"
            )
        out[name] = event
    if sum(isinstance(event, LossLevel) for event in out.values()) > 1:
        raise ValueError(
            "events must hold at most one LossLevel (it takes several levels), got two"
        )
    return out


def looks(
    events: Mapping[str, HittingTime | LossLevel], loss_every: int | None, steps: int
) -> Looks:
    """Return what is watched for in the loss, and after which steps."""
    below = [event for event in events.values() if isinstance(event, LossLevel)]
    if not below:
        if loss_every is not None:
            raise ValueError(
                f"loss_every must be left out without a LossLevel in events, got {loss_every!r}"
            )
        return Looks(np.empty(0), False, 1)
    every = 1000 if loss_every is None else _checks.integer(loss_every, "loss_every")
    if every > steps:
        raise ValueError(f"loss_every must be at most steps = {steps}, got {every}")
    return Looks(np.array(below[0].levels), below[0].terminal, every)


def ladder(
    events: Mapping[str, HittingTime | LossLevel],
) -> tuple[Array, dict[str, list[int]], int]:
    """Return ascending levels, the places of each event's, and how many are enough to stop."""
    asked = {name: event for name, event in events.items() if isinstance(event, HittingTime)}
    levels = sorted({level for event in asked.values() for level in event.levels})
    places = {level: i for i, level in enumerate(levels)}
    columns = {name: [places[level] for level in event.levels] for name, event in asked.items()}
    ends = [event.levels[-1] for event in asked.values() if event.terminal]
    return np.array(levels), columns, places[min(ends)] + 1 if ends else 0


def found(
    events: Mapping[str, HittingTime | LossLevel],
    hits: Array,
    falls: Array,
    columns: Mapping[str, list[int]],
) -> dict[str, Array]:
    out: dict[str, Array] = {}
    for name, event in events.items():
        steps = hits[:, columns[name]] if isinstance(event, HittingTime) else falls
        out[name] = steps if isinstance(event.level, tuple) else steps[..., 0]
    return out


def sphere(flow: Flow) -> bool:
    return isinstance(flow, CorrelationFlow) or flow.constrained


def trained(flow: Flow) -> bool:
    return isinstance(flow, SquaredFlow) and flow.train_second_layer


def layer_of(flow: Flow, n: int) -> Array:
    layer = flow.neurons(n)
    return np.ones(n) if layer is None else np.array(layer)


def dimension(flow: Flow, d: int | None) -> int:
    if d is None:
        raise ValueError("d must be given with overlaps: samples have a dimension, got None")
    d = _checks.integer(d, "d", high=MAX_DIMENSION)
    flow.targets.check_dimension(d)
    if d == flow.targets.rank:
        raise ValueError(f"d must be at least rank + 1 = {flow.targets.rank + 1}, got {d}")
    return d


@dataclass(frozen=True)
class Start:
    """Rows (n, r) in a frame whose first axes span V, that frame, and d."""

    rows: Array
    frame: Frame
    d: int


def start_of_weights(flow: Flow, weights: ArrayLike, method: str) -> Start:
    """Return weights (n, d) in their frame; "in_law" in coordinates of span(W, V)."""
    unit = sphere(flow)
    if unit:
        rows, norms = _checks.unit_rows(weights, "weights", ("n", "d"))
        rows = rows / norms[:, None]
    else:
        rows = _checks.array(weights, "weights", ("n", "d"))
    flow.targets._check_width(rows.shape, "weights")
    d = dimension(flow, rows.shape[1])
    if method == "in_law":
        return Start(_coordinates.of_weights(flow.targets, rows, unit=unit).state, Frame(), d)
    frame = Frame.of(flow.targets, d)
    return Start(frame.enter(rows), frame, d)


def start_of_overlaps(
    flow: Flow, overlaps: ArrayLike, student_overlaps: ArrayLike | None, d: int | None
) -> Start:
    """Return neurons with these order parameters."""
    unit, targets = sphere(flow), flow.targets
    d = dimension(flow, d)
    M = _checks.array(overlaps, "overlaps", ("n", targets.k))
    if student_overlaps is None:
        if M.shape[0] > 1 or not unit:
            raise ValueError(
                "student_overlaps must be given with overlaps of several neurons, which share "
                "samples, or of free weights, got None"
            )
        student_overlaps = np.ones((1, 1))
    positive = isinstance(flow, SquaredFlow) and not unit and flow._correlators[0].needs_norm[0]
    M, Q = check_order_parameters(
        M, student_overlaps, targets.k, unit=unit, positive=positive,
        names=("overlaps", "student_overlaps"),
    )  # fmt: skip
    rows = _coordinates.of_order_parameters(targets, M, Q, unit=unit).state
    if rows.shape[1] > d:
        raise ValueError(
            f"d must be at least {rows.shape[1]}, the dimension of the span of these weights and "
            f"index vectors, got {d}"
        )
    return Start(rows, Frame(), d)


def make_start(
    flow: Flow,
    weights: ArrayLike | None,
    overlaps: ArrayLike | None,
    student_overlaps: ArrayLike | None,
    d: int | None,
    method: str,
) -> Start:
    """Return the start, from exactly one of weights and overlaps."""
    if (weights is None) == (overlaps is None):
        given = "neither" if weights is None else "both"
        raise ValueError(f"exactly one of weights and overlaps must be given, got {given}")
    if weights is None:
        assert overlaps is not None
        return start_of_overlaps(flow, overlaps, student_overlaps, d)
    for name, value in (("student_overlaps", student_overlaps), ("d", d)):
        if value is not None:
            raise ValueError(f"{name} must not be given with weights, which tell it")
    return start_of_weights(flow, weights, method)


def met(M: Array, levels: Array) -> tuple[Whole, Array]:
    """Return how many levels each neuron has met at the start, and the steps of levels, NaN yet."""
    reached = np.searchsorted(levels, np.abs(M).max(axis=1), side="right").astype(np.int64)
    hits = np.full((M.shape[0], levels.size), np.nan)
    hits[np.arange(levels.size) < reached[:, None]] = 0.0
    return reached, hits
