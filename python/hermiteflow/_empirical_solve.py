"""`solve` on a stored sample: checks its arguments, calls the core once, and wraps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _core
from ._checks import Array
from ._engine import Progress
from ._memory import check_limit
from ._request import check_method, tolerances, warn_atol
from ._squared_solve import Watched, _Steps, how_it_went, watched
from .empirical import EmpiricalFlow
from .empirical_solution import EmpiricalSolution
from .events import Event, LossLevel
from .solution import SUCCESSES, SolveWarning, Status

#: Copies of W that a run keeps at once, stages included.
_COPIES = 22
#: The core's shares of the sample, each with sums of its own: at most so many, of so many numbers
#: in all.
_SHARES, _SUMS = 64, 1 << 25


def solve_empirical(
    flow: EmpiricalFlow,
    *,
    weights: ArrayLike | None,
    t_end: float,
    method: str,
    step: float | None,
    rtol: float | None,
    atol: float | None,
    events: Mapping[str, Event] | None,
    save_at: ArrayLike | None,
    renormalize: bool,
    max_steps: int,
    memory_limit: float | None,
    progress: Progress,
    n_threads: int | None,
) -> EmpiricalSolution:
    """Integrate all neurons together; arguments as in `solve`."""
    method = check_method(method)
    t_end = _checks.real(t_end, "t_end", low=0.0, infinite=True)
    if math.isinf(t_end):
        raise ValueError(
            "t_end must be finite for an EmpiricalFlow, whose neurons may search for ever, "
            "got inf; a terminal event ends a run before"
        )
    saved = _checks.ascending(save_at, "save_at", low=0.0) if save_at is not None else np.empty(0)
    if saved.size and saved[-1] > t_end:
        raise ValueError(f"save_at must end at or before t_end = {t_end:g}, got {saved[-1]:g}")
    watch = _watched(flow, events)
    max_steps = _checks.integer(max_steps, "max_steps", high=_checks.LARGEST)
    report = _Steps(progress, max_steps)
    threads = _checks.threads(n_threads)
    start = _start(flow, weights, memory_limit, saved.size)
    n, d = start.shape
    M = flow._project(start, n_threads)
    used_step, used_rtol, absolute = tolerances(method, step, rtol, atol, M)
    warn_atol(atol, M, stacklevel=4)
    # entries of a unit vector in R^d have this size, so that overlaps of it are right to rtol
    floor = float(absolute[0]) if atol is not None else (used_rtol or 1.0) / math.sqrt(d)
    out = _core.solve_empirical(
        flow.core(n),
        start,
        _core.METHODS[method],
        t_end,
        used_step,
        used_rtol,
        floor,
        max_steps,
        _checks.flag(renormalize, "renormalize"),
        watch.levels,
        watch.ends["levels"],
        watch.losses,
        watch.ends["losses"],
        0.0 if watch.converged is None else watch.converged.tol,
        watch.converged is not None and watch.converged.terminal,
        saved,
        threads,
        report.callback,
    )
    report.close()
    status, (final, layer) = Status(out["status"]), out["state"]
    lengths = np.linalg.norm(final, axis=1)
    if flow.constrained and status in SUCCESSES and lengths.min() < 0.5:
        status = Status.non_finite  # the squares of a step's end overflowed: w / |w| was 0
    if status not in SUCCESSES:
        text = f"the run ended at t = {out['t']:.6g}: {status.name} ({status.message})"
        warnings.warn(text, SolveWarning, stacklevel=3)
    Q = _core.project_weights(final, final, threads)
    Q = 0.5 * (Q + Q.T)
    if flow.constrained:
        np.fill_diagonal(Q, 1.0)
    path_m, path_q, path_a = out["path"]
    return EmpiricalSolution(
        flow=flow,
        form="R^d",
        overlaps=flow._project(final, n_threads),
        student_overlaps=Q,
        weights=final,
        second_layer=layer if flow.train_second_layer else flow.layer(n),
        times=saved,
        trajectory=path_m,
        student_trajectory=path_q,
        layer_trajectory=path_a if flow.train_second_layer else None,
        status=status,
        **how_it_went(
            out, events, method=method, t_end=t_end, step=used_step, rtol=used_rtol, atol=atol,
            renormalize=renormalize, max_steps=max_steps,
        ),
    )  # fmt: skip


def _watched(flow: EmpiricalFlow, events: Mapping[str, Event] | None) -> Watched:
    watch = watched({} if events is None else events, unit=flow.constrained)
    if watch.losses.size and flow.loss_name != "squared":
        name = next(key for key, event in (events or {}).items() if isinstance(event, LossLevel))
        raise ValueError(
            f"events[{name!r}] must not be a LossLevel with loss='correlation', whose levels would "
            "be negative"
        )
    return watch


def _start(
    flow: EmpiricalFlow, weights: ArrayLike | None, limit: float | None, saved: int
) -> Array:
    """Return the starts (n, d), of unit norm where they are constrained."""
    if weights is None:
        raise ValueError("weights must be given for an EmpiricalFlow, got None")
    d, k = flow.shape[1], flow.targets.k
    shape = ("n", d)
    if flow.constrained:
        rows, norms = _checks.unit_rows(weights, "weights", shape)
        n = rows.shape[0]
    else:
        rows = _checks.array(weights, "weights", shape)
        n = rows.shape[0]
    shares = min(_SHARES, max(_SUMS // (n * d), 8))
    vectors = 2 if flow.loss_name == "squared" and not flow.constrained else 1
    sizes = {
        f"the run, 8 {_COPIES} n d": 8 * _COPIES * n * d,
        "sums over the sample, 8 n d for each of its shares": 8 * vectors * shares * n * d,
        "save_at, 8 T n (n + k)": 8 * saved * n * (n + k),
    }
    check_limit(limit, sizes)
    return rows / norms[:, None] if flow.constrained else rows
