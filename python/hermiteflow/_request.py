"""What `solve` was asked for: its starts, tolerances and events, checked and merged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks, _core
from ._checks import Array
from .events import FOR_SQUARED, Converged, Event, HittingTime, LossLevel, check_levels
from .flows import CorrelationFlow
from .solution import SolveWarning

#: Methods of SciPy's solve_ivp, and what they are called here.
_OF_SCIPY = {"RK45": "dopri5", "DOP853": "dop853"} | dict.fromkeys(
    ("RK23", "Radau", "BDF", "LSODA")
)


def check_method(value: object) -> str:
    """Return the name of a method; SciPy's names of the same ones are told of."""
    elsewhere = {name.lower(): ("SciPy's", here) for name, here in _OF_SCIPY.items()}
    return _checks.choice(value, "method", tuple(_core.METHODS), elsewhere)


@dataclass(frozen=True)
class Start:
    """Overlaps of the starts, and the weights they came from."""

    overlaps: Array  # (n, k)
    outside: Array  # (n,) squared norm of w outside span(V)
    weights: Array | None
    norms: Array | None  # of the rows of the given weights
    vectors: Array | None


@dataclass(frozen=True)
class Watch:
    """The events, merged into one ladder of levels and one test of convergence."""

    levels: Array
    terminal: NDArray[np.bool_]
    columns: dict[str, list[int]]  # event name -> places in `levels`; [] for Converged
    converged: Converged | None
    convergence_terminal: bool


def make_start(
    flow: CorrelationFlow, overlaps: ArrayLike | None, weights: ArrayLike | None, threads: int
) -> Start:
    """Return the starts, from exactly one of overlaps and weights."""
    if (overlaps is None) == (weights is None):
        given = "neither" if overlaps is None else "both"
        raise ValueError(f"exactly one of overlaps and weights must be given, got {given}")
    targets = flow.targets
    if weights is not None:
        rows, norms = _checks.unit_rows(weights, "weights", ("n", "d"))
        targets._check_width(rows.shape, "weights")
        vectors = targets.vectors(rows.shape[1])
        start = _core.project_weights(rows, vectors, threads) / norms[:, None]
        inside = targets.squared_projection(start)
        outside = np.maximum(1.0 - inside, 0.0)
        if rows.shape[1] == targets.rank:
            outside[:] = 0.0
        return Start(start, outside, rows, norms, vectors)
    start = _checks.array(overlaps, "overlaps", ("n", targets.k))
    inside = targets.squared_projection(start)
    worst = int(np.argmax(inside))
    if inside[worst] > 1.0 + 1e-6:
        raise ValueError(
            "overlaps must be those of unit vectors, m^T G^-1 m <= 1, "
            f"got {inside[worst]:.9g} in row {worst}"
        )
    outside = 1.0 - inside
    if np.any(outside < 1e-12):
        over = inside > 1.0
        if np.any(over):
            start = np.where(
                over[:, None], start / np.sqrt(np.maximum(inside, 1.0))[:, None], start
            )
        outside = np.where(outside < 1e-12, 0.0, outside)
    return Start(start, outside, None, None, None)


def largest(start: Array) -> Array:
    """Return the largest |overlap| of each row, without a copy of the rows."""
    top: Array = np.maximum(np.max(start, axis=1), -np.min(start, axis=1))
    return top


def tolerances(
    method: str, step: float | None, rtol: float | None, atol: float | None, start: Array
) -> tuple[float, float, Array]:
    """Return step, rtol and the absolute tolerances (n,) of a method."""
    if method == "rk4":
        for name, value in (("rtol", rtol), ("atol", atol)):
            if value is not None:
                raise ValueError(f"{name} must not be given with method 'rk4', got {value!r}")
        if step is None:
            raise ValueError("step must be given with method 'rk4', got None")
        size = _checks.real(step, "step", low=0.0, open_low=True)
        return size, 0.0, np.ones(start.shape[0])
    if step is not None:
        raise ValueError(f"step must only be given with method 'rk4', got {step!r} and {method!r}")
    relative = 1e-8 if rtol is None else _checks.tolerance(rtol)
    top = largest(start)
    if atol is None:
        least = relative * 1e-3 * np.where(top > 0.0, top, 1.0)
        return 0.0, relative, np.maximum(least, 1e-300)
    absolute = _checks.real(atol, "atol", low=0.0)
    return 0.0, relative, np.maximum(np.full(start.shape[0], absolute), 1e-300)


def warn_atol(atol: float | None, start: Array, stacklevel: int = 3) -> None:
    """Warn if an absolute tolerance hides some neuron's overlaps."""
    if atol is None:
        return
    top = largest(start)
    if np.any(atol > 0.01 * top[top > 0.0]):
        warnings.warn(
            f"atol = {atol:g} is too large for starting overlaps of size "
            f"{np.min(top[top > 0.0]):.3g} (about 1/sqrt(d)); leave it out",
            SolveWarning,
            stacklevel=stacklevel,
        )


def make_watch(events: Mapping[str, Event] | None, t_end: float) -> Watch:
    """Merge the events; without an end in time, convergence ends a neuron."""
    t_end = _checks.real(t_end, "t_end", low=0.0, infinite=True)
    events = {} if events is None else events
    if not isinstance(events, Mapping):
        raise TypeError(f"events must map names to events, got {_checks.describe(events)}")
    ladder: dict[float, bool] = {}
    converged: Converged | None = None
    for name, event in events.items():
        if not isinstance(name, str):
            raise TypeError(f"events must have names that are str, got {_checks.describe(name)}")
        if isinstance(event, HittingTime):
            check_levels(name, event)
            for level in event.levels:
                last = event.terminal and level == event.levels[-1]
                ladder[level] = ladder.get(level, False) or last
        elif isinstance(event, Converged):
            if converged is not None:
                raise ValueError("events must hold at most one Converged, got two")
            converged = event
        else:
            told = f"; {FOR_SQUARED}" if isinstance(event, LossLevel) else ""
            raise TypeError(
                f"events[{name!r}] must be a HittingTime or Converged, "
                f"got {_checks.describe(event)}{told}"
            )
    levels = sorted(ladder)
    places = {level: i for i, level in enumerate(levels)}
    columns = {
        name: [places[level] for level in event.levels] if isinstance(event, HittingTime) else []
        for name, event in events.items()
    }
    endless = math.isinf(t_end)
    stop = converged is not None and converged.terminal
    if endless and converged is None:
        converged = Converged()
    terminal = np.array([ladder[level] for level in levels], dtype=bool)
    return Watch(np.array(levels), terminal, columns, converged, endless or stop)


def event_times(
    watch: Watch, hits: Array, converged: Array, events: Mapping[str, Event] | None
) -> dict[str, Array]:
    """Return the times found, by name of event."""
    times: dict[str, Array] = {}
    for name, event in (events or {}).items():
        if isinstance(event, HittingTime):
            columns = hits[:, watch.columns[name]]
            times[name] = columns if isinstance(event.level, tuple) else columns[:, 0]
        else:
            times[name] = converged
    return times
