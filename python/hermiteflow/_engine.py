"""One call of the core for many neurons: what it is asked, what comes back. Knows no solutions."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _core
from ._checks import Array
from ._ends import name_ends
from ._request import Start, Watch, check_method
from .flows import CorrelationFlow
from .interactions import refuse_series
from .solution import SUCCESSES, SolveWarning, Status

WEAKEST = 1e-60  # times grow as its inverse
Progress = bool | Callable[[int, int], object]
Report = Callable[[int], object] | None


@dataclass(frozen=True)
class Request:
    """How every neuron is to be integrated, but for step and tolerances."""

    method: str
    t_end: float
    atol: float | None
    renormalize: bool
    max_steps: int
    watch: Watch
    saved: Array
    threads: int


def make_request(
    flow: CorrelationFlow,
    *,
    method: str,
    t_end: float,
    renormalize: bool,
    max_steps: int,
    n_threads: int | None,
    **rest: Any,
) -> Request:
    """Check the arguments that `solve` and `solve_ensemble` share."""
    if not isinstance(flow, CorrelationFlow):
        raise TypeError(f"flow must be a CorrelationFlow, got {_checks.describe(flow)}")
    return Request(
        method=check_method(method),
        t_end=_checks.real(t_end, "t_end", low=0.0, infinite=True),
        renormalize=_checks.flag(renormalize, "renormalize"),
        max_steps=_checks.integer(max_steps, "max_steps", high=_checks.LARGEST),
        threads=_checks.threads(n_threads),
        **rest,
    )


def check_series(flow: CorrelationFlow, rtol: float) -> None:
    """Refuse a truncated series of psi' whose bound is above the tolerance."""
    tail = flow.interaction.tail
    scale = float(np.max(np.abs(flow._slope.coefficients)))
    if tail > max(rtol, 1e-13) * scale:
        refuse_series(flow.interaction, "link", "psi'", rtol, tail, scale, flow.link.degree)


def check_scale(flow: CorrelationFlow, layer: Array | None) -> None:
    """Refuse forces so weak that their squares underflow; too strong ones are a status."""
    size = float(np.max(np.abs(flow._slope.coefficients))) * float(
        np.max(np.abs(flow.target_weights))
    )
    weights = np.abs(layer) if layer is not None else np.ones(1)
    weak = (weights > 0.0) & (weights < (WEAKEST / size if size > 0.0 else 0.0))
    if np.any(weak):
        raise ValueError(
            "second_layer, target_weights and link must make forces a b p c_p c*_p that are 0 or "
            f"at least {WEAKEST:g}, got {float(np.min(weights[weak])) * size:.3g}"
        )


def needs_frame(flow: CorrelationFlow, start: Start, request: Request) -> bool:
    """Whether (s, alpha) of (5) is carried along: for weights, and for |w| with a general G."""
    general = flow.targets.structure == "general" and request.renormalize
    inside = request.method == "rk4" or bool(np.any(start.outside <= 0.0))
    return start.weights is not None or (general and inside)


def integrate(
    flow: CorrelationFlow,
    start: Start,
    layer: Array | None,
    request: Request,
    *,
    frame: bool,
    report: Report,
    bounds: tuple[float, float, Array],
) -> dict[str, Any]:
    """Return the arrays of the core with the index (n,) and kind (n,) of the ends.

    `bounds` is what `_request.tolerances` gives for these starts.
    """
    step, rtol, absolute = bounds
    watch = request.watch
    method = _core.METHODS[request.method]
    out = _core.solve(
        flow.core, layer, start.overlaps, start.outside, method, request.t_end, step, rtol,
        absolute, request.atol is None, request.max_steps, request.renormalize, frame,
        math.isinf(request.t_end), watch.levels, watch.terminal, watch.converged is not None,
        watch.convergence_terminal, watch.converged.tol if watch.converged is not None else 0.0,
        request.saved, request.threads, report,
    )  # fmt: skip
    n = start.overlaps.shape[0]
    out["index"] = np.full(n, -1, dtype=np.int64)
    out["kind"] = np.full(n, "", dtype="<U10")
    done = np.flatnonzero(out["status"] == Status.converged)
    if done.size == n:
        out["index"], out["kind"] = name_ends(flow, out["overlaps"], layer, request.threads)
    elif done.size:
        some = None if layer is None else np.ascontiguousarray(layer[done])
        out["index"][done], out["kind"][done] = name_ends(
            flow, out["overlaps"][done], some, request.threads
        )
    return out


def warn(counts: NDArray[np.int64], stacklevel: int = 3) -> None:
    """Warn if some neurons failed; `counts` holds the number of neurons by status."""
    parts = [
        f"{counts[status]} {status.name} ({status.message})"
        for status in Status
        if status not in SUCCESSES and counts[status]
    ]
    if parts:
        text = f"of {np.sum(counts)} neurons: {'; '.join(parts)}"
        warnings.warn(text, SolveWarning, stacklevel=stacklevel)


def reporter(progress: Any, n: int, what: str = "neurons") -> Report:
    """Return what is called with the number of neurons, or other things, done."""
    _checks.reporting(progress)
    if callable(progress):
        return lambda done: progress(done, n)
    if not progress:
        return None

    def show(done: int) -> None:
        end = "\n" if done >= n else ""
        print(f"\r{done} of {n} {what} ({100.0 * done / n:.0f} %){end}", end="", file=sys.stderr)

    return show
