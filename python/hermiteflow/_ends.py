"""Which minimum a converged neuron has reached: its index vector and kind. Knows flows only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._checks import Array
from .flows import CorrelationFlow

#: Names of the kinds, by their numbers in C++.
KINDS = np.array(["index", "average", "degenerate", "other"], dtype="<U10")
_REFERENCE_STEPS = 5_000


def name_ends(
    flow: CorrelationFlow, overlaps: Array, layer: Array | None, threads: int
) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return index (n,) and kind (n,) of the minima near converged overlaps (n, k).

    A minimum is named after v_j when its largest |overlap| is that of v_j alone and the flow from
    +-v_j ends there too. Flows from other index vectors may end there as well, unless these are
    orthonormal, or equiangular with equal weights.
    """
    k = flow.targets.k
    exchangeable = flow.targets.structure != "general" and np.ptp(flow.target_weights) == 0.0
    best, up = _core.largest_overlaps(overlaps, threads)
    code = 2 * (0 if exchangeable else best) + up
    if layer is not None:
        code += 2 * k * (layer >= 0.0)
    codes = np.flatnonzero(np.bincount(code))  # those that occur
    place = np.zeros(4 * k, dtype=np.int64)
    place[codes] = np.arange(codes.size)
    signs = np.where(codes % 2 == 1, 1.0, -1.0)[:, None]
    starts = np.ascontiguousarray(signs * flow.targets.gram[(codes // 2) % k])
    a = None if layer is None else np.where(codes >= 2 * k, 1.0, -1.0)
    points, reached = _flow_from(flow, starts, a, threads)
    index, kind = _core.name_ends(
        flow.core, layer, overlaps, points, reached, place[code], exchangeable, threads
    )
    return index, KINDS[kind]


def _flow_from(
    flow: CorrelationFlow, starts: Array, a: Array | None, threads: int
) -> tuple[Array, NDArray[np.bool_]]:
    """Polished ends of the flow in span(V) from these overlaps, and whether it converged."""
    n = starts.shape[0]
    out = _core.solve(
        flow.core, a, starts, np.zeros(n), 2, np.inf, 0.0, 1e-8, np.full(n, 1e-11), False,
        _REFERENCE_STEPS, True, False, False, np.empty(0), np.empty(0, dtype=bool), True, True,
        1e-6, np.empty(0), threads, None,
    )  # fmt: skip
    points = _core.settle(flow.core, np.ones(n) if a is None else a, out["overlaps"])
    return points, out["status"] == 0
