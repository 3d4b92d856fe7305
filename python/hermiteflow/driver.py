"""`solve`: checks its arguments, calls the core once, and wraps what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from . import _checks, _core
from ._checks import Array
from ._empirical_solve import solve_empirical
from ._engine import (
    Progress,
    Report,
    Request,
    check_scale,
    check_series,
    integrate,
    make_request,
    needs_frame,
    reporter,
    warn,
)
from ._memory import check_limit, result_bytes
from ._request import Start, event_times, make_start, make_watch, tolerances, warn_atol
from ._squared_solve import solve_squared
from .empirical import EmpiricalFlow
from .empirical_solution import EmpiricalSolution
from .events import Event
from .flows import CorrelationFlow
from .solution import Solution, Status
from .squared import SquaredFlow
from .squared_solution import SquaredSolution


@overload
def solve(
    flow: CorrelationFlow,
    *,
    overlaps: ArrayLike | None = ...,
    weights: ArrayLike | None = ...,
    t_end: float = ...,
    method: str = ...,
    step: float | None = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    events: Mapping[str, Event] | None = ...,
    save_at: ArrayLike | None = ...,
    renormalize: bool = ...,
    reduce: bool = ...,
    max_steps: int = ...,
    memory_limit: float | None = ...,
    progress: Progress = ...,
    n_threads: int | None = ...,
) -> Solution: ...


@overload
def solve(
    flow: SquaredFlow,
    *,
    overlaps: ArrayLike | None = ...,
    student_overlaps: ArrayLike | None = ...,
    weights: ArrayLike | None = ...,
    t_end: float = ...,
    method: str = ...,
    step: float | None = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    events: Mapping[str, Event] | None = ...,
    save_at: ArrayLike | None = ...,
    renormalize: bool = ...,
    form: str = ...,
    max_steps: int = ...,
    memory_limit: float | None = ...,
    progress: Progress = ...,
    n_threads: int | None = ...,
) -> SquaredSolution: ...


@overload
def solve(
    flow: EmpiricalFlow,
    *,
    weights: ArrayLike | None = ...,
    t_end: float = ...,
    method: str = ...,
    step: float | None = ...,
    rtol: float | None = ...,
    atol: float | None = ...,
    events: Mapping[str, Event] | None = ...,
    save_at: ArrayLike | None = ...,
    renormalize: bool = ...,
    max_steps: int = ...,
    memory_limit: float | None = ...,
    progress: Progress = ...,
    n_threads: int | None = ...,
) -> EmpiricalSolution: ...


def solve(
    flow: CorrelationFlow | SquaredFlow | EmpiricalFlow,
    *,
    overlaps: ArrayLike | None = None,
    student_overlaps: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    t_end: float = math.inf,
    method: str = "tsit5",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    events: Mapping[str, Event] | None = None,
    save_at: ArrayLike | None = None,
    renormalize: bool = True,
    reduce: bool = True,
    form: str = "coordinates",
    max_steps: int = 100_000,
    memory_limit: float | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> Solution | SquaredSolution | EmpiricalSolution:
    """Integrate the flow of n neurons: each at its own pace, or of the squared loss together.

    Memory: 8 n (k + 9.5) bytes for the result, 8 n T k for `save_at`, 16 n L for events with L
    levels in all; with weights 8 n (d + k + 1). For a SquaredFlow 160 n (n + k) for the run and at
    most 16 n T (n + k) for `save_at`. More than `memory_limit` is refused at once.

    Parameters
    ----------
    flow : CorrelationFlow, SquaredFlow or EmpiricalFlow
        The flow; time is that of (4), or that of (10) and docs/squared (15), dw_i/dt = -grad L with
        the factor 1/2 of (9), where one step size serves all neurons, as on a stored sample.
    overlaps : array_like (n, k)
        Starts as overlaps: the dimension does not matter. A start within 1e-12 of span(V) is
        taken to lie in it. Exactly one of `overlaps` and `weights`.
    student_overlaps : array_like (n, n)
        SquaredFlow only, and needed with `overlaps` there: Q = W W^T.
    weights : array_like (n, d)
        Starts as unit vectors, or as any vectors where weights are free; the final ones come back.
    t_end : float
        End of the integration; finite but for a CorrelationFlow. With inf and no terminal event, a
        neuron runs until it has converged (`Converged()` is added), or provably never escapes.
    method : {"tsit5", "dopri5", "dop853", "rk4"}
        Adaptive Runge-Kutta methods with a step size per neuron, or fixed steps.
    step : float
        Step of "rk4", in units of t; the last one is shortened to hit `t_end`.
    rtol, atol : float
        Error per step and overlap below atol + rtol |m_j|, adaptive methods only. Defaults 1e-8,
        and rtol times 1e-3 of each neuron's largest starting overlap, or of its present one where
        that has fallen below. SquaredFlow: per entry of the state, with the least of the neurons'
        starting values for all, and rounding of their forces; EmpiricalFlow: rtol / sqrt(d).
    events : mapping of str to HittingTime, Converged or LossLevel
        What to watch for; at most one of each for a SquaredFlow.
    save_at : array_like (T,)
        Increasing times at which overlaps are kept.
    renormalize : bool
        "rk4": put w back on the sphere after each step. Adaptive methods stay on it by the form
        of their field. Free weights are never put back.
    reduce : bool
        False: integrate all d coordinates (needs `weights` and a finite `t_end`, takes neither
        events nor `save_at`); the same numbers, by (5), at a cost that grows with d. V is used in
        place; "rk4" keeps three stages of a block of rows, 64 MiB a thread (or 8 rows).
    form : {"coordinates", "order parameters"}
        SquaredFlow only. W in an orthonormal basis of span(W(0), V), or of R^d where that is
        smaller: Q stays a Gram matrix to rounding, and RK4 is RK4 in R^d, or (10) as it stands, on
        the sphere to the error of the steps. Free weights and a trained second layer: coordinates
        only.
    max_steps : int
        Attempted steps per neuron.
    memory_limit : float
        Most bytes that the arrays of the result may take. Default: half of the memory of the
        machine, or of its container (Linux), 4 GiB where that is not known.
    progress : bool or callable
        True shows a bar on stderr; a callable gets (neurons done, n) about every 0.1 s, of a
        SquaredFlow or EmpiricalFlow (steps done, max_steps).
    n_threads : int
        Default: HERMITEFLOW_NUM_THREADS, else OpenMP's.

    Returns
    -------
    Solution, SquaredSolution or EmpiricalSolution

    Raises
    ------
    ValueError, TypeError
        For bad arguments, naming the argument, what was expected and what came.

    Warns
    -----
    SolveWarning
        If some neurons fail; all are returned.

    References
    ----------
    docs/mathematics (4), (5), (10); docs/solver; docs/squared; docs/finite_samples.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> targets = hf.Orthonormal(k=3)
    >>> flow = hf.CorrelationFlow(targets, hf.hermite(4))
    >>> m0 = hf.random_overlaps(targets, n=4, d=10**6, seed=0)
    >>> sol = hf.solve(flow, overlaps=m0)
    >>> [hf.Status(s).name for s in sol.status]
    ['converged', 'converged', 'converged', 'converged']
    """
    if isinstance(flow, SquaredFlow):
        if not _checks.flag(reduce, "reduce"):
            raise ValueError("reduce must be True for a SquaredFlow: coordinates are those of R^d")
        return solve_squared(
            flow,
            overlaps=overlaps,
            student_overlaps=student_overlaps,
            weights=weights,
            t_end=t_end,
            method=method,
            step=step,
            rtol=rtol,
            atol=atol,
            events=events,
            save_at=save_at,
            renormalize=renormalize,
            form=form,
            max_steps=max_steps,
            memory_limit=memory_limit,
            progress=progress,
            n_threads=n_threads,
        )
    if isinstance(flow, EmpiricalFlow):
        given = {"overlaps": overlaps, "student_overlaps": student_overlaps}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"{name} must not be given for an EmpiricalFlow, whose neurons live in the R^d "
                    "of its sample; give weights"
                )
        _checks.choice(form, "form", ("coordinates",))
        if not _checks.flag(reduce, "reduce"):
            raise ValueError("reduce must be left out for an EmpiricalFlow, got False")
        return solve_empirical(
            flow,
            weights=weights,
            t_end=t_end,
            method=method,
            step=step,
            rtol=rtol,
            atol=atol,
            events=events,
            save_at=save_at,
            renormalize=renormalize,
            max_steps=max_steps,
            memory_limit=memory_limit,
            progress=progress,
            n_threads=n_threads,
        )
    if student_overlaps is not None:
        raise ValueError(
            "student_overlaps must be given for a SquaredFlow only: neurons of a CorrelationFlow "
            "do not see each other"
        )
    _checks.choice(form, "form", ("coordinates",))
    watch = make_watch(events, t_end)
    saved = _checks.ascending(save_at, "save_at", low=0.0) if save_at is not None else np.empty(0)
    request = make_request(
        flow,
        method=method,
        t_end=t_end,
        atol=atol,
        renormalize=renormalize,
        max_steps=max_steps,
        watch=watch,
        saved=saved,
        n_threads=n_threads,
    )
    start = make_start(flow, overlaps, weights, request.threads)
    bounds = tolerances(request.method, step, rtol, atol, start.overlaps)
    used_step, used_rtol, absolute = bounds
    warn_atol(atol, start.overlaps)
    if saved.size and saved[-1] > request.t_end:
        raise ValueError(
            f"save_at must end at or before t_end = {request.t_end:g}, got {saved[-1]:g}"
        )
    check_series(flow, used_rtol)
    n = start.overlaps.shape[0]
    layer = flow.neurons(n)
    check_scale(flow, layer)
    frame = _checks.flag(reduce, "reduce") and needs_frame(flow, start, request)
    sizes = result_bytes(
        n,
        flow.targets.k,
        d=0 if start.weights is None else start.weights.shape[1],
        saved=saved.size,
        levels=watch.levels.size,
        events=sum(map(len, watch.columns.values())),
        frame=frame,
    )
    check_limit(memory_limit, sizes)
    options = {
        "t_end": request.t_end,
        "step": used_step or None,
        "rtol": used_rtol or None,
        "atol": None if atol is None else float(atol),
        "renormalize": request.renormalize,
        "reduce": bool(reduce),
        "max_steps": request.max_steps,
        "events": dict(events or {}),
    }
    report = reporter(progress, n)
    if not reduce:
        return _solve_full(flow, start, request, used_step, used_rtol, absolute, report, options)
    out = integrate(flow, start, layer, request, frame=frame, report=report, bounds=bounds)
    warn(np.bincount(out["status"], minlength=len(Status)))
    return Solution(
        flow=flow,
        method=request.method,
        t_final=out["t_final"],
        overlaps=out["overlaps"],
        weights=None if start.weights is None else _rebuild(start, out["frame"], request.threads),
        times=saved,
        trajectory=out["trajectory"],
        events=event_times(watch, out["hits"], out["converged"], events),
        status=out["status"],
        index=out["index"],
        kind=out["kind"],
        steps=out["steps"],
        rejected=out["rejected"],
        options=options,
    )


def _rebuild(start: Start, frame: Array, threads: int) -> Array:
    """Weights diag(s) W(0) + alpha V, (5), on the sphere."""
    assert start.weights is not None
    assert start.norms is not None
    assert start.vectors is not None
    scale = np.ascontiguousarray(frame[:, 0] / start.norms)
    alpha = np.ascontiguousarray(frame[:, 1:])
    return _core.combine_weights(scale, start.weights, alpha, start.vectors, threads)


def _solve_full(
    flow: CorrelationFlow,
    start: Start,
    request: Request,
    step: float,
    rtol: float,
    atol: Array,
    report: Report,
    options: dict[str, Any],
) -> Solution:
    method, t_end, threads = request.method, request.t_end, request.threads
    renormalize, max_steps = request.renormalize, request.max_steps
    if start.weights is None or start.vectors is None:
        raise ValueError("weights must be given with reduce=False, got overlaps")
    if math.isinf(t_end) or options["events"] or request.saved.size:
        raise ValueError("reduce=False needs a finite t_end, and takes no events and no save_at")
    n = start.weights.shape[0]
    assert start.norms is not None
    final = start.weights / start.norms[:, None]
    layer = flow.neurons(n)
    t_final, rejected = np.full(n, t_end), np.zeros(n, dtype=np.int64)
    if method == "rk4":
        count = max(math.ceil(t_end / step * (1.0 - 1e-9)), 0)
        if count > max_steps:
            raise ValueError(f"max_steps must be at least t_end / step = {count}, got {max_steps}")
        _core.weights_rk4(
            flow.core, layer, start.vectors, final, step, t_end, renormalize, threads, report
        )
        steps = np.full(n, count, dtype=np.int64)
        overlaps = _core.project_weights(final, start.vectors, threads)
        # where the squares of a step's end overflow, w / |w| is 0
        finite = np.isfinite(overlaps).all(axis=1) & ~(np.linalg.norm(final, axis=1) < 0.5)
        status = np.where(finite, Status.t_end, Status.non_finite).astype(np.int32)
    else:
        status, t_final, steps, rejected = _core.weights_adaptive(
            flow.core, layer, start.vectors, final, _core.METHODS[method], t_end, rtol, atol,
            request.atol is None, max_steps, threads, report,
        )  # fmt: skip
        overlaps = _core.project_weights(final, start.vectors, threads)
    warn(np.bincount(status, minlength=len(Status)), 4)
    return Solution(
        flow=flow,
        method=method,
        t_final=t_final,
        overlaps=overlaps,
        weights=final,
        times=request.saved,
        trajectory=np.empty((n, 0, flow.targets.k)),
        events={},
        status=status,
        index=np.full(n, -1, dtype=np.int64),
        kind=np.full(n, "", dtype="<U10"),
        steps=steps,
        rejected=rejected,
        options=options,
    )
