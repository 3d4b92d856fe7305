"""Names of fixed points by their groups of equal overlaps. Knows nothing of flows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ._intervals import Array

#: Names of ends that come first and last, whether a neuron ended there or not.
FIRST, LAST = ("average", "index-like"), ("never escapes", "failed")
#: Overlaps of a fixed point that differ by less, relative to the largest, are equal: where Newton's
#: method fails (psi = u^2) a converged point is known to no more than the tolerance of `Converged`.
_SAME = 1e-4


def orbit_names(points: Array, even: bool) -> NDArray[np.str_]:
    """Names of fixed points (n, k) by their groups of equal overlaps."""
    ordered = -np.sort(-points, axis=1)
    same = _SAME * np.max(np.abs(points), axis=1, keepdims=True)
    excess = ordered[:, :1] + ordered[:, -1:]  # of the highest over the size of the lowest
    down = (excess < -same)[:, 0]
    ordered[down] = -ordered[down, ::-1]
    pattern = np.concatenate(
        [np.abs(excess) <= same, ordered[:, :-1] - ordered[:, 1:] > same, ordered < -same], axis=1
    )
    _, first, place = np.unique(pattern, axis=0, return_index=True, return_inverse=True)
    names = np.array([_groups(pattern[row], even) for row in first], dtype=object)[place.ravel()]
    if not even:
        names[down] = "minus " + names[down]
    return names.astype(str)


def _groups(pattern: NDArray[np.bool_], even: bool) -> str:
    """Name of one pattern: whether -w has as large an overlap, breaks (k - 1,), negative (k,)."""
    k = pattern.size // 2
    edges = [0, *(int(i) + 1 for i in np.flatnonzero(pattern[1:k])), k]
    negative = pattern[k:]
    sizes = [b - a for a, b in pairwise(edges)]
    signs = ["-" if negative[a] else "+" for a in edges[:-1]]
    if len(sizes) == 1:
        return "average"
    if sizes == [1, k - 1] and not pattern[0]:
        return "index-like"
    if pattern[0] and even and sizes < sizes[::-1]:  # w and -w are one orbit
        sizes, signs = sizes[::-1], ["+" if s == "-" else "-" for s in signs[::-1]]
    return str(sizes[0]) + "".join(f" {s} {m}" for s, m in zip(signs[1:], sizes[1:], strict=True))


def in_order(names: Iterable[str]) -> list[str]:
    """Names of ends in the order of the dimension ``end``, each once."""
    others = set(names) - {*FIRST, *LAST}
    return [*FIRST, *sorted(others), *LAST]
