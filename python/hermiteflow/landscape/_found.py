"""Fixed points that a search has found: one, and a sequence of them as a table. Not the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from hermiteflow._hessian import Hessian

from ._intervals import Array
from ._table import columns

#: Rows of a table that are shown, and overlaps of a row.
_ROWS, _SHOWN = 24, 4


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
        return (
            f"FixedPoint({self.kind}, loss={self.loss:.6g}, morse_index={self.morse_index}, "
            f"largest overlap {self.overlaps[np.argmax(np.abs(self.overlaps))]:.6g}, "
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
    """

    points: tuple[FixedPoint, ...]
    starts: int
    degenerate: int
    rank: int

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
        rows = [_line(group) for group in _alike(self.points)]
        if len(rows) > _ROWS:
            rows = [*rows[: _ROWS // 2], ("...", "", "", "", "", ""), *rows[-(_ROWS // 2) :]]
        lines = [head, *columns(rows)]
        if self.points:
            worst = max(point.residual for point in self.points)
            lines.append(f"  residuals up to {worst:.1e}")
        if self.degenerate:
            lines.append(f"  not listed: {self.degenerate} ends with a degenerate Hessian")
        return "\n".join(lines)


def _alike(points: Sequence[FixedPoint]) -> list[list[FixedPoint]]:
    """Join neighbours in loss whose sorted overlaps are the same: symmetric images, mostly."""
    groups: list[list[FixedPoint]] = []
    for point in points:
        shape = np.sort(point.overlaps)
        for group in reversed(groups):
            if point.loss - group[0].loss > 1e-9 * abs(point.loss):
                groups.append([point])
                break
            if (group[0].kind, group[0].morse_index) != (point.kind, point.morse_index):
                continue
            first = np.sort(group[0].overlaps)
            if min(np.max(np.abs(first - shape)), np.max(np.abs(first + shape[::-1]))) < 1e-6:
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _line(group: list[FixedPoint]) -> tuple[str, str, str, str, str, str]:
    point = group[0]
    largest = point.overlaps[np.argsort(-np.abs(point.overlaps), kind="stable")][:_SHOWN]
    more = ", ..." if point.overlaps.size > _SHOWN else ""
    return (
        point.kind,
        str(len(group)),
        f"{point.loss:.6g}",
        str(point.morse_index),
        f"{point.outside_eigenvalue:.4g}",
        ", ".join(f"{value if abs(value) > 1e-12 else 0.0:.5g}" for value in largest) + more,
    )
