"""`solve` for the squared loss: checks its arguments, calls the core once, and wraps."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _coordinates, _squared_engine
from ._checks import Array
from ._engine import Progress
from ._memory import check_limit
from ._request import check_method, tolerances, warn_atol
from .events import Converged, Event, HittingTime, LossLevel, check_levels
from .solution import SUCCESSES, SolveWarning, Status
from .squared import SquaredFlow
from .squared_solution import SquaredSolution
from .targets import Targets

FORMS = ("coordinates", "order parameters")
#: Copies of the state that a run keeps at once, stages included.
_COPIES = 20
#: Squares of larger norms are not far from overflow.
_LARGEST = 1e150


@dataclass(frozen=True)
class Watched:
    """Events, merged into ascending levels of overlaps and descending ones of the loss."""

    levels: Array
    losses: Array
    ends: dict[str, bool]  # terminal: "levels", "losses"
    converged: Converged | None


def watched(events: Mapping[str, Event], *, unit: bool = True) -> Watched:
    """Merge events: at most one HittingTime, one LossLevel and one Converged.

    `unit`: weights stay on the sphere, where no overlap exceeds 1.
    """
    if not isinstance(events, Mapping):
        raise TypeError(f"events must map names to events, got {_checks.describe(events)}")
    found: dict[type, Event] = {}
    for name, event in events.items():
        if not isinstance(name, str):
            raise TypeError(f"events must have names that are str, got {_checks.describe(name)}")
        if not isinstance(event, HittingTime | LossLevel | Converged):
            raise TypeError(
                f"events[{name!r}] must be a HittingTime, LossLevel or Converged, "
                f"got {_checks.describe(event)}"
            )
        if type(event) in found:
            raise ValueError(
                f"events must hold at most one {type(event).__name__} (it takes several levels), "
                "got two"
            )
        if unit and isinstance(event, HittingTime):
            check_levels(name, event)
        found[type(event)] = event
    hitting, below = found.get(HittingTime), found.get(LossLevel)
    still = found.get(Converged)
    ends = {
        "levels": isinstance(hitting, HittingTime) and hitting.terminal,
        "losses": isinstance(below, LossLevel) and below.terminal,
    }
    return Watched(
        levels=np.array(hitting.levels if isinstance(hitting, HittingTime) else ()),
        losses=np.array(below.levels if isinstance(below, LossLevel) else ()),
        ends=ends,
        converged=still if isinstance(still, Converged) else None,
    )


def system(flow: SquaredFlow, n: int) -> _squared_engine.System:
    """Return the flow of n neurons as numbers."""
    targets, b = flow.targets, flow.target_weights
    a = _layer(flow, n)
    zero = np.zeros(1)
    own = float(flow.student_interaction(zero)[0])
    cross = float(flow.interaction(zero)[0])
    trained, sphere = flow.train_second_layer, flow.constrained
    with np.errstate(over="ignore", invalid="ignore"):  # a status will tell
        loss = 0.5 * b @ flow.teacher_interaction(targets.gram) @ b
        if sphere and not trained:
            loss += 0.5 * own * a.sum() * a.sum() - cross * a.sum() * b.sum()
    general = targets.structure == "general"
    no_law, law = _squared_engine.NO_LAW, _squared_engine.law
    return _squared_engine.System(
        structure=targets.structure,
        k=targets.k,
        cross=law(flow.interaction) if sphere else no_law,
        own=law(flow.student_interaction) if sphere else no_law,
        second_layer=a,
        target_weights=b,
        loss_at_zero=float(loss),
        beta=float(getattr(targets, "beta", 0.0)),
        gram=np.ascontiguousarray(targets.gram) if general else None,
        factor=np.ascontiguousarray(targets.factor) if general else None,
        trained=trained,
        at_zero=(cross, own) if trained and sphere else (0.0, 0.0),
        links=None if sphere else _squared_engine.free(flow.link, flow.student or flow.link),
    )


def solve_squared(
    flow: SquaredFlow,
    *,
    overlaps: ArrayLike | None,
    student_overlaps: ArrayLike | None,
    weights: ArrayLike | None,
    t_end: float,
    method: str,
    step: float | None,
    rtol: float | None,
    atol: float | None,
    events: Mapping[str, Event] | None,
    save_at: ArrayLike | None,
    renormalize: bool,
    form: str,
    max_steps: int,
    memory_limit: float | None,
    progress: Progress,
    n_threads: int | None,
) -> SquaredSolution:
    """Integrate all neurons together; arguments as in `solve`."""
    method = check_method(method)
    form = _checks.choice(form, "form", FORMS)
    sphere = flow.constrained
    if form == "order parameters" and not (sphere and not flow.train_second_layer):
        raise ValueError(
            "form must be 'coordinates' where weights are free or the second layer is trained, "
            f"got {form!r}"
        )
    t_end = _checks.real(t_end, "t_end", low=0.0, infinite=True)
    if math.isinf(t_end):
        raise ValueError(
            "t_end must be finite for a SquaredFlow, whose neurons may search or decay for ever, "
            "got inf; an event Converged() or LossLevel(..., terminal=True) ends a run before"
        )
    saved = _checks.ascending(save_at, "save_at", low=0.0) if save_at is not None else np.empty(0)
    if saved.size and saved[-1] > t_end:
        raise ValueError(f"save_at must end at or before t_end = {t_end:g}, got {saved[-1]:g}")
    watch = watched({} if events is None else events, unit=sphere)
    max_steps = _checks.integer(max_steps, "max_steps", high=_checks.LARGEST)
    report = _Steps(progress, max_steps)
    threads = _checks.threads(n_threads)
    start, M, Q = _start(flow, overlaps, student_overlaps, weights, memory_limit, saved.size)
    n = M.shape[0]
    known = M if weights is None else _above_rounding(flow.targets, start, M)
    used_step, used_rtol, absolute = tolerances(method, step, rtol, atol, known)
    warn_atol(atol, known, stacklevel=4)
    flow.check_series(used_rtol or 1e-8)
    coordinates = form == "coordinates"
    numbers = system(flow, n)
    if not _loss_known(flow, needed=watch.losses.size > 0):
        numbers = replace(numbers, loss_at_zero=math.nan)
    out = _squared_engine.integrate(
        numbers,
        start.state if coordinates else M,
        None if coordinates else Q,
        method=method,
        t_end=t_end,
        step=used_step,
        rtol=used_rtol,
        atol=float(np.min(absolute)),
        max_steps=max_steps,
        renormalize=_checks.flag(renormalize, "renormalize"),
        levels=watch.levels,
        levels_terminal=watch.ends["levels"],
        losses=watch.losses,
        losses_terminal=watch.ends["losses"],
        tol=0.0 if watch.converged is None else watch.converged.tol,
        tol_terminal=watch.converged is not None and watch.converged.terminal,
        save_at=saved,
        threads=threads,
        progress=report.callback,
    )
    report.close()
    status = Status(out["status"])
    if status not in SUCCESSES:
        import warnings

        text = f"the run ended at t = {out['t']:.6g}: {status.name} ({status.message})"
        warnings.warn(text, SolveWarning, stacklevel=3)
    final_m, final_q, state, layer = out["state"]
    path_m, path_q, path_w, path_a = out["path"]
    if coordinates:
        final_m, final_q = _coordinates.order_parameters(flow.targets, state, unit=sphere)
        path_m, path_q = _coordinates.order_parameters(flow.targets, path_w, unit=sphere)
    trained = flow.train_second_layer
    name = "order parameters"
    if coordinates:
        d = None if start.basis is None else start.basis.shape[1]
        name = "R^d" if start.state.shape[1] == d else "span"
    back = None
    if start.basis is not None and coordinates:
        back = state @ start.basis
    return SquaredSolution(
        flow=flow,
        form=name,
        overlaps=final_m,
        student_overlaps=final_q,
        weights=back,
        second_layer=layer if trained else _layer(flow, n),
        times=saved,
        trajectory=path_m,
        student_trajectory=path_q,
        layer_trajectory=path_a if trained else None,
        status=status,
        **how_it_went(
            out, events, method=method, t_end=t_end, step=used_step, rtol=used_rtol, atol=atol,
            renormalize=renormalize, form=form, max_steps=max_steps,
        ),
    )  # fmt: skip


def _loss_known(flow: SquaredFlow, *, needed: bool) -> bool:
    """Whether the teacher's series gives the loss; raises where it does not and must."""
    try:
        flow._check_teacher()
    except ValueError:
        if needed:
            raise
        return False
    return True


def _layer(flow: SquaredFlow, n: int) -> Array:
    layer = flow.neurons(n)
    return np.ones(n) if layer is None else layer


def _start(
    flow: SquaredFlow,
    overlaps: ArrayLike | None,
    student_overlaps: ArrayLike | None,
    weights: ArrayLike | None,
    memory_limit: float | None,
    saved: int,
) -> tuple[_coordinates.Coordinates, Array, Array]:
    """Return the start as coordinates and as order parameters, from weights or from (M, Q)."""
    given = [
        name
        for name, value in (
            ("overlaps", overlaps),
            ("student_overlaps", student_overlaps),
            ("weights", weights),
        )
        if value is not None
    ]
    if given not in (["overlaps", "student_overlaps"], ["weights"]):
        raise ValueError(
            "overlaps and student_overlaps, or weights alone, must be given for a SquaredFlow, "
            f"got {' and '.join(given) or 'none of them'}"
        )
    targets = flow.targets
    if weights is not None:
        unit = flow.constrained
        if unit:
            rows, norms = _checks.unit_rows(weights, "weights", ("n", "d"))
            rows = rows / norms[:, None]
        else:
            rows = _checks.array(weights, "weights", ("n", "d"))
            _check_norms(flow, rows)
        targets._check_width(rows.shape, "weights")
        _check_memory(memory_limit, rows.shape[0], targets.k, saved, d=rows.shape[1])
        start = _coordinates.of_weights(targets, rows, unit=unit)
        return start, *_coordinates.order_parameters(targets, start.state, unit=unit)
    assert overlaps is not None
    assert student_overlaps is not None
    M, Q = flow._order_parameters(
        overlaps, student_overlaps, names=("overlaps", "student_overlaps")
    )
    _check_memory(memory_limit, M.shape[0], targets.k, saved, d=0)
    start = _coordinates.of_order_parameters(targets, M, Q, unit=flow.constrained)
    return start, M, Q


def _above_rounding(targets: Targets, start: _coordinates.Coordinates, M: Array) -> Array:
    """Return overlaps W V^T, 0 where they may be rounding alone: no scale for a tolerance."""
    norms = np.linalg.norm(start.state, axis=1)
    if start.basis is None or np.all(np.abs(M).max(axis=1) > 1e-12 * norms):
        return M
    rows = start.state @ start.basis
    vectors = targets.vectors(rows.shape[1])
    rounding = 16.0 * np.finfo(np.float64).eps * (np.abs(rows) @ np.abs(vectors).T)
    return np.where(np.abs(M) <= rounding, 0.0, M)


def _check_norms(flow: SquaredFlow, rows: Array) -> None:
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(rows, axis=1)
    worst = int(np.argmax(norms))
    if not norms[worst] <= _LARGEST:
        raise ValueError(
            f"weights must have rows of norm at most {_LARGEST:g}, got {norms[worst]:.6g} in row "
            f"{worst}"
        )
    if flow._correlators[0].needs_norm[0] and np.any(norms == 0.0):
        raise ValueError(
            "weights must have rows of positive norm for a student with 'relu' or another kink, "
            f"got a norm of 0 in row {int(np.argmin(norms))}"
        )


def _check_memory(limit: float | None, n: int, k: int, saved: int, *, d: int) -> None:
    r = n + k if d == 0 else min(d, n + k)
    sizes = {
        f"the run, {8 * _COPIES} n (n + k)": 8 * _COPIES * n * max(r, n),
        "save_at, 8 T n (n + k + r)": 8 * saved * n * (n + k + r),
        "the weights, 8 n d": 16 * n * d + 8 * r * d,
    }
    check_limit(limit, sizes)


def how_it_went(
    out: Mapping[str, Any],
    events: Mapping[str, Event] | None,
    *,
    method: str,
    t_end: float,
    step: float,
    rtol: float,
    atol: float | None,
    **options: Any,
) -> dict[str, Any]:
    """Return the fields of a solution that tell of the run, from what the core returns."""
    return {
        "method": method,
        "t_final": float(out["t"]),
        "loss": float(out["loss"]),
        "gradient_norms": out["gradient_norms"],
        "losses": out["path_loss"],
        "events": _times(events or {}, out),
        "steps": int(out["steps"]),
        "rejected": int(out["rejected"]),
        "evaluations": int(out["evaluations"]),
        "options": {
            "t_end": t_end,
            "step": step or None,
            "rtol": rtol or None,
            "atol": None if atol is None else float(atol),
            **options,
            "events": dict(events or {}),
        },
    }


def _times(events: Mapping[str, Event], out: Mapping[str, Any]) -> dict[str, Array]:
    times: dict[str, Array] = {}
    for name, event in events.items():
        if isinstance(event, HittingTime):
            times[name] = out["hits"] if isinstance(event.level, tuple) else out["hits"][:, 0]
        elif isinstance(event, LossLevel):
            found = np.asarray(out["loss_times"])
            times[name] = found if isinstance(event.level, tuple) else found.reshape(())
        else:
            times[name] = np.asarray(out["converged"])
    return times


class _Steps:
    """Tells of steps: to a callable, or on one line of stderr that `close` ends."""

    def __init__(self, progress: Progress, max_steps: int) -> None:
        self.callback: Callable[[int], object] | None = None
        self._open = False
        _checks.reporting(progress)
        if callable(progress):
            self.callback = lambda steps: progress(steps, max_steps)
        elif progress:
            self.callback = self._show

    def _show(self, steps: int) -> None:
        print(f"\r{steps} steps", end="", file=sys.stderr)
        self._open = True

    def close(self) -> None:
        if self._open:
            print(file=sys.stderr)
