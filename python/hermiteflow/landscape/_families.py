"""Which sizes the groups of equal overlaps can have. Knows nothing of links."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FAMILIES = ("index-like", "pair", "average")


def number(k: int, parts: int, *, whole: bool) -> int:
    """Return the number of partitions of k (`whole`), or of any 1..k, into so many parts."""
    # ways[n]: partitions of n into at most `parts` parts, from partitions into sizes 1..parts
    ways = [1] + [0] * k
    for size in range(1, parts + 1):
        for n in range(size, k + 1):
            ways[n] += ways[n - size]
    exact = [ways[n - parts] if n >= parts else 0 for n in range(k + 1)]
    return exact[k] if whole else sum(exact)


def partitions(k: int, parts: int, *, whole: bool) -> NDArray[np.int64]:
    """Return all of them, each in descending order, shape (number, parts)."""
    totals = [k] if whole else range(parts, k + 1)
    rows = [row for total in totals for row in _split(total, parts, total)]
    return np.array(rows, dtype=np.int64).reshape(-1, parts)


def _split(total: int, parts: int, largest: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        if 1 <= total <= largest:
            yield (total,)
        return
    for first in range(min(largest, total - parts + 1), -(-total // parts) - 1, -1):
        for rest in _split(total - first, parts - 1, first):
            yield (first, *rest)


def members(name: str, k: int) -> set[tuple[int, ...]]:
    """Sizes of all groups, those of overlap 0 included, that a family's name stands for."""
    alone = {"index-like": 1, "pair": 2, "average": 0}[name]
    sizes = sorted((size for size in (alone, k - alone) if size > 0), reverse=True)
    return {tuple(sizes)} if sum(sizes) == k else set()
