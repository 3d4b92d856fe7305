"""`solve`: checks its arguments, calls the core once, and wraps what comes back."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks, _core
from ._checks import Array
from ._ends import name_ends
from ._memory import check_limit, result_bytes
from ._request import Start, event_times, make_start, make_watch, tolerances
from .events import Event
from .flows import CorrelationFlow
from .solution import SUCCESSES, Solution, SolveWarning, Status

METHODS = {"rk4": 0, "dopri5": 1, "tsit5": 2, "dop853": 3}
Progress = bool | Callable[[int, int], object]


def solve(
    flow: CorrelationFlow,
    *,
    overlaps: ArrayLike | None = None,
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
    max_steps: int = 100_000,
    memory_limit: float | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> Solution:
    """Integrate the flow of n neurons, each at its own pace.

    Memory: 8 n (k + 9.5) bytes for the result, 8 n T k for `save_at`, 16 n L for events with L
    levels in all; with weights 8 n (d + k + 1). More than `memory_limit` is refused at once.

    Parameters
    ----------
    flow : CorrelationFlow
        The flow; time is that of (4).
    overlaps : array_like (n, k)
        Starts as overlaps: the dimension does not matter. A start within 1e-12 of span(V) is
        taken to lie in it. Exactly one of `overlaps` and `weights`.
    weights : array_like (n, d)
        Starts as unit vectors; the final weights are then returned as well.
    t_end : float
        End of the integration. With inf and no terminal event, each neuron runs until it has
        converged (an event `Converged()` is added), or provably never escapes.
    method : {"tsit5", "dopri5", "dop853", "rk4"}
        Adaptive Runge-Kutta methods with a step size per neuron, or fixed steps.
    step : float
        Step of "rk4", in units of t; the last one is shortened to hit `t_end`.
    rtol, atol : float
        Error per step and overlap below atol + rtol |m_j|, adaptive methods only. Defaults 1e-8,
        and rtol times 1e-3 of each neuron's largest starting overlap.
    events : mapping of str to HittingTime or Converged
        What to watch for.
    save_at : array_like (T,)
        Increasing times at which overlaps are kept.
    renormalize : bool
        "rk4": put w back on the sphere after each step. Adaptive methods stay on it by the form
        of their field.
    reduce : bool
        False: integrate all d coordinates (needs `weights` and a finite `t_end`, takes neither
        events nor `save_at`); the same numbers, by (5), at a cost that grows with d.
    max_steps : int
        Attempted steps per neuron.
    memory_limit : float
        Most bytes that the arrays of the result may take. Default: half of the memory of the
        machine, or of its container (Linux), 4 GiB where that is not known.
    progress : bool or callable
        True shows a bar on stderr; a callable gets (neurons done, n) about every 0.1 s.
    n_threads : int
        Default: HERMITEFLOW_NUM_THREADS, else OpenMP's.

    Returns
    -------
    Solution

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
    docs/mathematics (4), (5); docs/solver.

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
    if not isinstance(flow, CorrelationFlow):
        raise TypeError(f"flow must be a CorrelationFlow, got {_checks.describe(flow)}")
    method = _checks.choice(method, "method", tuple(METHODS))
    t_end = _checks.real(t_end, "t_end", low=0.0, infinite=True)
    renormalize = _checks.flag(renormalize, "renormalize")
    threads = _checks.threads(n_threads)
    max_steps = _checks.integer(max_steps, "max_steps")
    start = make_start(flow, overlaps, weights, threads)
    step, rtol, absolute = tolerances(method, step, rtol, atol, start.overlaps)
    watch = make_watch(events, t_end)
    saved = _checks.ascending(save_at, "save_at", low=0.0) if save_at is not None else np.empty(0)
    if saved.size and saved[-1] > t_end:
        raise ValueError(f"save_at must end at or before t_end = {t_end:g}, got {saved[-1]:g}")
    tail = flow.interaction.tail
    scale = float(np.max(np.abs(flow._slope[2])))
    if tail > max(rtol, 1e-13) * scale:
        raise ValueError(
            f"link must have a series of psi' that reaches the tolerance {rtol:g}, got a bound of "
            f"{tail / scale:.2g} on what lies beyond degree {flow.link.degree} (relative)"
        )
    n = start.overlaps.shape[0]
    reduce = _checks.flag(reduce, "reduce")
    general = flow.targets.structure == "general"
    in_span = general and renormalize and (method == "rk4" or bool(np.any(start.outside <= 0.0)))
    frame = start.weights is not None
    sizes = result_bytes(
        n,
        flow.targets.k,
        d=0 if start.weights is None else start.weights.shape[1],
        saved=saved.size,
        levels=watch.levels.size,
        events=sum(map(len, watch.columns.values())),
        frame=reduce and (frame or in_span),
    )
    check_limit(memory_limit, sizes)
    options = {
        "t_end": t_end,
        "step": step or None,
        "rtol": rtol or None,
        "atol": None if atol is None else float(atol),
        "renormalize": renormalize,
        "reduce": reduce,
        "max_steps": max_steps,
        "events": dict(events or {}),
    }
    report = _reporter(progress, n)
    if not reduce:
        return _solve_full(
            flow,
            start,
            method,
            step,
            rtol,
            absolute,
            t_end,
            events,
            saved,
            renormalize,
            max_steps,
            threads,
            report,
            options,
        )
    out = _core.solve(
        flow.core,
        flow.neurons(n),
        start.overlaps,
        start.outside,
        METHODS[method],
        t_end,
        step,
        rtol,
        absolute,
        atol is None,
        max_steps,
        renormalize,
        frame or in_span,
        math.isinf(t_end),
        watch.levels,
        watch.terminal,
        watch.converged is not None,
        watch.convergence_terminal,
        watch.converged.tol if watch.converged is not None else 0.0,
        saved,
        threads,
        report,
    )
    status = out["status"]
    index = np.full(n, -1, dtype=np.int64)
    kind = np.full(n, "", dtype="<U10")
    done = np.flatnonzero(status == Status.converged)
    if done.size:
        layer = flow.neurons(n)
        every = done.size == n
        index[done], kind[done] = name_ends(
            flow,
            out["overlaps"] if every else out["overlaps"][done],
            layer if every or layer is None else layer[done],
            threads,
        )
    _warn(status)
    return Solution(
        flow=flow,
        method=method,
        t_final=out["t_final"],
        overlaps=out["overlaps"],
        weights=_rebuild(start, out["frame"], threads) if frame else None,
        times=saved,
        trajectory=out["trajectory"],
        events=event_times(watch, out["hits"], out["converged"], events),
        status=status,
        index=index,
        kind=kind,
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
    method: str,
    step: float,
    rtol: float,
    atol: Array,
    t_end: float,
    events: Mapping[str, Event] | None,
    saved: Array,
    renormalize: bool,
    max_steps: int,
    threads: int,
    report: Callable[[int], object] | None,
    options: dict[str, Any],
) -> Solution:
    if start.weights is None or start.vectors is None:
        raise ValueError("weights must be given with reduce=False, got overlaps")
    if math.isinf(t_end) or events or saved.size:
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
        finite = np.isfinite(overlaps).all(axis=1)
        status = np.where(finite, Status.t_end, Status.non_finite).astype(np.int32)
    else:
        status, t_final, steps, rejected = _core.weights_adaptive(
            flow.core, layer, start.vectors, final, METHODS[method], t_end, rtol, atol,
            options["atol"] is None, max_steps, threads, report,
        )  # fmt: skip
        overlaps = _core.project_weights(final, start.vectors, threads)
    _warn(status)
    return Solution(
        flow=flow,
        method=method,
        t_final=t_final,
        overlaps=overlaps,
        weights=final,
        times=saved,
        trajectory=np.empty((n, 0, flow.targets.k)),
        events={},
        status=status,
        index=np.full(n, -1, dtype=np.int64),
        kind=np.full(n, "", dtype="<U10"),
        steps=steps,
        rejected=rejected,
        options=options,
    )


def _warn(status: NDArray[np.int32]) -> None:
    failed = {s.name: int(np.count_nonzero(status == s)) for s in Status if s not in SUCCESSES}
    parts = [f"{count} {name} ({Status[name].message})" for name, count in failed.items() if count]
    if parts:
        warnings.warn(f"of {status.size} neurons: {'; '.join(parts)}", SolveWarning, stacklevel=3)


def _reporter(progress: Any, n: int) -> Callable[[int], object] | None:
    if callable(progress):
        return lambda done: progress(done, n)
    if not _checks.flag(progress, "progress"):
        return None

    def show(done: int) -> None:
        end = "\n" if done >= n else ""
        print(f"\r{done} of {n} neurons ({100.0 * done / n:.0f} %){end}", end="", file=sys.stderr)

    return show
