"""Fixed points that a search has found: one, and a sequence of them as a table. Not the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from hermiteflow._hessian import Hessian

from ._intervals import Array
from ._table import columns

#: Rows of a table that are shown, and overlaps of a row: with their places fewer find room.
_ROWS, _SHOWN, _PLACED = 24, 4, 3


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A fixed point of one neuron.

    Parameters
    ----------
    overlaps : (k,)
        The point.
    loss : float
        Loss (2) of one neuron there.
    hessian : Hessian
        The Hessian (11) there.
    residual : float
        |dw/dt| over the size of its terms; at most 1e-14.
    """

    overlaps: Array = field(repr=False)
    loss: float
    hessian: Hessian = field(repr=False)
    residual: float

    @property
    def kind(self) -> str:
        """Either "minimum", "saddle", "maximum" or "degenerate"."""
        return self.hessian.kind

    @property
    def morse_index(self) -> int:
        """Number of negative eigenvalues in span(V)."""
        return self.hessian.morse_index

    @property
    def outside_eigenvalue(self) -> float:
        """M . g, the eigenvalue outside of span(V)."""
        return self.hessian.outside_eigenvalue

    def __repr__(self) -> str:
        top = _top(self.overlaps)
        return (
            f"FixedPoint({self.kind}, loss={self.loss:.6g}, morse_index={self.morse_index}, "
            f"largest overlap {self.overlaps[top]:.6g} with index vector {top}, "
            f"residual={self.residual:.1e})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class FoundPoints(Sequence[FixedPoint]):
    """Fixed points that a search has found, in ascending loss. There may be others.

    Parameters
    ----------
    points : tuple of FixedPoint
        Isolated ones, each once.
    starts : int
        Starts of the search.
    degenerate : int
        Starts that ended at fixed points with a degenerate Hessian, which are not listed.
    rank : int
        Dimension r of span(V).
    symmetric : bool
        Whether any two index vectors may be exchanged. The table then joins points whose overlaps
        differ in their order, or all signs, alone; otherwise it tells of which index vector each
        overlap is, by its number from 0, and joins a point with its opposite only.
    """

    points: tuple[FixedPoint, ...]
    starts: int
    degenerate: int
    rank: int
    symmetric: bool = True

    @property
    def alternating_sum(self) -> int:
        """Number of points of even Morse index in span(V) less that of odd index.

        By Morse's theorem a complete list without degenerate points has the Euler characteristic
        of the sphere in span(V), 2 for odd r and 0 for even r; any other number means that some
        are missing.
        """
        return sum((-1) ** point.morse_index for point in self.points)

    @property
    def surely_incomplete(self) -> bool:
        """Whether `alternating_sum` proves that some are missing (of isolated ones)."""
        return self.degenerate == 0 and self.alternating_sum != 2 * (self.rank % 2)

    @overload
    def __getitem__(self, row: int) -> FixedPoint: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[FixedPoint]: ...
    def __getitem__(self, row: int | slice) -> FixedPoint | Sequence[FixedPoint]:
        return self.points[row]

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        word = "is" if self.surely_incomplete else "may be"
        head = (
            f"{len(self)} fixed points found from {self.starts} starts; the list {word} incomplete"
        )
        rows = [_line(group, self.symmetric) for group in _alike(self.points, self.symmetric)]
        if len(rows) > _ROWS:
            rows = [*rows[: _ROWS // 2], ("...", "", "", "", "", ""), *rows[-(_ROWS // 2) :]]
        lines = [head, *columns(rows, "overlaps" if self.symmetric else "index vector: overlap")]
        if self.points:
            worst = max(point.residual for point in self.points)
            lines.append(f"  residuals up to {worst:.1e}")
        if self.degenerate:
            lines.append(f"  not listed: {self.degenerate} ends with a degenerate Hessian")
        return "\n".join(lines)


def _alike(points: Sequence[FixedPoint], symmetric: bool) -> list[list[FixedPoint]]:
    """Join neighbours in loss whose overlaps are the same or opposite, in any order if symmetric.

    In most cases they are images of each other.
    """
    groups: list[list[FixedPoint]] = []
    for point in points:
        shape = _in_order(point.overlaps, symmetric)
        for group in reversed(groups):
            if point.loss - group[0].loss > 1e-9 * abs(point.loss):
                groups.append([point])
                break
            if (group[0].kind, group[0].morse_index) != (point.kind, point.morse_index):
                continue
            first = _in_order(group[0].overlaps, symmetric)
            opposite = _in_order(-point.overlaps, symmetric)
            if min(np.max(np.abs(first - shape)), np.max(np.abs(first - opposite))) < 1e-6:
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _top(overlaps: Array) -> int:
    """Place of the largest overlap in size."""
    return int(np.argmax(np.abs(overlaps)))


def _in_order(overlaps: Array, symmetric: bool) -> Array:
    return np.sort(overlaps) if symmetric else overlaps


def _line(group: list[FixedPoint], symmetric: bool) -> tuple[str, str, str, str, str, str]:
    # of a point and its opposite, the one nearer to an index vector
    point = group[0] if symmetric else max(group, key=lambda p: p.overlaps[_top(p.overlaps)])
    k = point.overlaps.size
    shown = min(k, _SHOWN if symmetric else _PLACED)
    # equal ones come in their own order, whatever their rounding
    largest = np.argsort(-np.abs(point.overlaps).round(10), kind="stable")[:shown]
    places = ["" if symmetric else f"{j}: " for j in largest]
    digits = 5 if symmetric else 4
    values = [f"{v if abs(v) > 1e-12 else 0.0:.{digits}g}" for v in point.overlaps[largest]]
    return (
        point.kind,
        str(len(group)),
        f"{point.loss:.6g}",
        str(point.morse_index),
        f"{point.outside_eigenvalue:.4g}",
        ", ".join(map("".join, zip(places, values, strict=True))) + (", ..." if k > shown else ""),
    )
