"""Which minimum a converged neuron has reached: its index vector and kind. Knows flows only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._checks import Array
from .flows import CorrelationFlow

#: Two polished fixed points closer than this in every overlap are the same.
SAME = 1e-5
_REFERENCE_STEPS = 5_000


def name_ends(
    flow: CorrelationFlow, overlaps: Array, layer: Array | None
) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return index (n,) and kind (n,) of the minima near converged overlaps (n, k).

    A minimum belongs to v_j when its largest |overlap| is that of v_j alone and the flow from
    +-v_j ends there too.
    """
    n, k = overlaps.shape
    a = np.ones(n) if layer is None else np.ascontiguousarray(layer)
    points, _, zero, _ = _core.classify(flow.core, a, overlaps)
    sizes = np.abs(points)
    best = np.argmax(sizes, axis=1)
    rows = np.arange(n)
    top = sizes[rows, best]
    runner_up = np.zeros(n)
    if k > 1:
        runner_up = np.partition(sizes, k - 2, axis=1)[:, k - 2]
    alone = (top - runner_up > SAME) & (zero == 0)
    gram = flow.targets.gram
    average = gram.sum(axis=1) / np.sqrt(max(float(gram.sum()), 1e-300))
    is_average = (k > 1) & (
        (np.max(np.abs(points - average), axis=1) < SAME)
        | (np.max(np.abs(points + average), axis=1) < SAME)
    )
    index = np.full(n, -1, dtype=np.int64)
    kind = np.full(n, "other", dtype="<U10")
    signs = np.sign(points[rows, best])
    chosen = np.flatnonzero(alone & ~is_average)
    if chosen.size:
        index[chosen] = _match(flow, points[chosen], best[chosen], signs[chosen], a[chosen])
    kind[index >= 0] = "index"
    kind[is_average] = "average"
    kind[zero > 0] = "degenerate"
    return index, kind


def _match(
    flow: CorrelationFlow,
    points: Array,
    best: NDArray[np.int64],
    signs: Array,
    a: Array,
) -> NDArray[np.int64]:
    """Index of the vector v_j from which the flow reaches the same point, else -1."""
    k = flow.targets.k
    symmetric = flow.targets.structure != "general" and np.ptp(flow.target_weights) == 0.0
    vector = np.zeros_like(best) if symmetric else best
    keys = np.stack([vector, signs.astype(np.int64), np.sign(a).astype(np.int64)], axis=1)
    unique, where = np.unique(keys, axis=0, return_inverse=True)
    starts = np.ascontiguousarray(unique[:, 1:2] * flow.targets.gram[unique[:, 0]])
    ends, reached = _flow_from(flow, starts, unique[:, 2].astype(np.float64))
    reference = ends[where.reshape(-1)]
    if symmetric:  # the roles of v_0 and v_best change
        rows = np.arange(best.size)
        first, other = reference[:, 0].copy(), reference[rows, best].copy()
        reference[rows, best] = first
        moved = best != 0
        reference[moved, 0] = other[moved]
    same = reached[where.reshape(-1)]
    same &= np.max(np.abs(points - reference), axis=1, initial=0.0) < SAME if k else same
    return np.where(same, best, -1)


def _flow_from(flow: CorrelationFlow, starts: Array, a: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Polished ends of the flow in span(V) from these overlaps, and whether it converged."""
    n = starts.shape[0]
    out = _core.solve(
        flow.core, a, starts, np.zeros(n), 2, np.inf, 0.0, 1e-8, np.full(n, 1e-11),
        _REFERENCE_STEPS, True, False, False, np.empty(0), np.empty(0, dtype=bool), True, True,
        1e-6, np.empty(0), 0, None,
    )  # fmt: skip
    points, _, _, _ = _core.classify(flow.core, a, out["overlaps"])
    return points, out["status"] == 0
