"""Online gradient descent of neurons that do not share samples: one call of the core."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks, _core
from ._checks import Array
from ._memory import check_limit
from ._online_engine import Whole
from ._online_request import Flow, dimension, layer_of, met
from ._request import make_start
from .flows import CorrelationFlow


class Ends(NamedTuple):
    """Overlaps (n, k), steps and status (n,), hits (n, L), trajectory (T, n, k)."""

    overlaps: Array
    steps: Whole
    status: NDArray[np.int32]
    hits: Array
    trajectory: Array


def marginal_start(
    flow: Flow,
    weights: ArrayLike | None,
    overlaps: ArrayLike | None,
    student_overlaps: ArrayLike | None,
    d: int | None,
    batch: int,
) -> tuple[Array, int]:
    """Return coordinates in span(V) with the length outside, (n, rank + 1), and d."""
    if not isinstance(flow, CorrelationFlow):
        raise ValueError(
            "method 'marginal' needs a CorrelationFlow: neurons of a SquaredFlow see each other, "
            "use 'in_law'"
        )
    if batch != 1:
        raise ValueError(f"batch must be 1 with method 'marginal', got {batch}")
    if student_overlaps is not None:
        raise ValueError(
            "student_overlaps must not be given with method 'marginal', whose neurons do not "
            "share samples"
        )
    if weights is not None and d is not None:
        raise ValueError("d must not be given with weights, which tell it")
    start = make_start(flow, overlaps, weights, _checks.threads(None))
    d = dimension(flow, d if start.weights is None else start.weights.shape[1])
    targets = flow.targets
    inside = start.overlaps @ targets._pseudo.T
    return np.column_stack([inside, np.sqrt(start.outside)]), d


def run_marginal(
    flow: Flow,
    spec: _core.OnlineSpec,
    start: Array,
    *,
    steps: int,
    rate: float,
    key: tuple[int, int],
    levels: Array,
    enough: int,
    saves: Whole,
    memory_limit: float | None,
    threads: int,
    report: Any,
) -> Ends:
    """Take the steps of all neurons."""
    n, k, T = start.shape[0], flow.targets.k, saves.size
    sizes = {"the ends, 8 n (k + 5)": 8 * n * (2 * k + 8), "save_at, 8 T n k": 8 * T * n * k}
    check_limit(memory_limit, {**sizes, "the events": 16 * n * levels.size})
    M = start[:, :-1] @ flow.targets.factor.T
    reached, hits = met(M, levels)
    path = np.full((T, n, k), np.nan)
    if T and saves[0] == 0:
        path[0] = M
    overlaps, taken, status = _core.online_marginal(
        spec, steps, rate, key, levels, enough, saves, np.ascontiguousarray(start),
        layer_of(flow, n), reached, hits, path, threads, report,
    )  # fmt: skip
    return Ends(overlaps, taken, status, hits, path)
