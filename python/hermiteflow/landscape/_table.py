"""Lists of fixed points: orbits with their kinds, as a sequence, a table and a Dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from hermiteflow import _checks
from hermiteflow._hessian import distinct

from ._intervals import Array

if TYPE_CHECKING:
    import xarray as xr

#: Rows of a table that are shown; of longer ones, the first and the last.
_ROWS = 24
Integers = NDArray[np.int64]


class System(NamedTuple):
    """One small system of equations: sizes of the groups of equal overlaps, and its zeros.

    `proved` zeros exist, by interval arithmetic or exact algebra; `found` of them are listed. The
    others have groups that coincide, or overlaps of 0: they are zeros of another system as well.
    """

    sizes: tuple[int, ...]
    proved: int
    found: int


@dataclass(frozen=True, eq=False)
class Orbit:
    """Fixed points that the flow's symmetries take into each other.

    Parameters
    ----------
    overlaps : (k,)
        One of them.
    values, multiplicities : tuple
        Its distinct overlaps, and how many index vectors have each.
    count : int
        Number of points in the orbit, exactly.
    loss : float
        Loss (2) of one neuron there.
    eigenvalues : tuple of (float, int)
        Distinct eigenvalues of the Hessian (11) on the tangent space in span(V), with
        multiplicities.
    outside_eigenvalue : float
        m . g, the eigenvalue of the other d - k directions.
    morse_index : int
        Number of negative eigenvalues in span(V).
    kind : str
        "minimum", "saddle", "maximum" or "degenerate", for d > k unless d was given.
    residual : float
        |dm/dt| over the size of the terms of G g, at the computed point; at most 1e-14, or what the
        rounding of k overlaps makes of it.
    """

    values: tuple[float, ...]
    multiplicities: tuple[int, ...]
    count: int
    loss: float
    eigenvalues: tuple[tuple[float, int], ...]
    outside_eigenvalue: float
    morse_index: int
    kind: str
    residual: float

    @property
    def overlaps(self) -> Array:
        """One point of the orbit, shape (k,)."""
        return np.repeat(np.array(self.values), np.array(self.multiplicities))

    def __repr__(self) -> str:
        sizes = zip(self.multiplicities, self.values, strict=True)
        groups = ", ".join(f"{size} x {value:.6g}" for size, value in sizes)
        return (
            f"Orbit({self.kind}, {groups}, count={_short(self.count)}, loss={self.loss:.6g}, "
            f"morse_index={self.morse_index})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoints(Sequence[Orbit]):
    """All isolated fixed points of a flow with m . g != 0, orbit by orbit, in ascending loss.

    Made by `fixed_points`. Arrays have one row for each of the N orbits and are padded, to R
    distinct overlaps, with NaN and 0.

    Parameters
    ----------
    k : int
        Number of index vectors.
    values, multiplicities : (N, R)
        Distinct overlaps, and how many index vectors have each.
    reflections : (N,)
        How often changing signs doubles the orbit: it has 2^reflections k!/prod(multiplicities!)
        points.
    loss, outside_eigenvalue, residual : (N,)
        As in `Orbit`.
    eigenvalues, eigenvalue_counts : (N, 2 R)
        Eigenvalues of the Hessian in span(V), and how often each occurs.
    scale : (N,)
        Size of the Hessian's terms.
    morse_index : (N,)
        Number of negative ones.
    kind : (N,) of str
        "minimum", "saddle", "maximum" or "degenerate".
    degenerate_sets : tuple of str
        Sets of fixed points that are not isolated, in words.
    systems : tuple of System
        How many zeros of each system of equations were proved and found.
    """

    k: int
    values: Array
    multiplicities: Integers
    reflections: Integers
    loss: Array
    outside_eigenvalue: Array
    residual: Array
    eigenvalues: Array
    eigenvalue_counts: Integers
    scale: Array
    morse_index: Integers
    kind: NDArray[np.str_]
    degenerate_sets: tuple[str, ...]
    systems: tuple[System, ...]

    def __len__(self) -> int:
        return int(self.loss.size)

    @overload
    def __getitem__(self, row: int) -> Orbit: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Orbit]: ...
    def __getitem__(self, row: int | slice) -> Orbit | Sequence[Orbit]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        there = self.multiplicities[row] > 0
        sizes = tuple(int(s) for s in self.multiplicities[row][there])
        return Orbit(
            values=tuple(float(v) for v in self.values[row][there]),
            multiplicities=sizes,
            count=self._count(row),
            loss=float(self.loss[row]),
            eigenvalues=distinct(
                self.eigenvalues[row], self.eigenvalue_counts[row], float(self.scale[row])
            ),
            outside_eigenvalue=float(self.outside_eigenvalue[row]),
            morse_index=int(self.morse_index[row]),
            kind=str(self.kind[row]),
            residual=float(self.residual[row]),
        )

    def __iter__(self) -> Iterator[Orbit]:
        return (self[row] for row in range(len(self)))

    @cached_property
    def _factorials(self) -> list[int]:
        out = [1]
        for i in range(1, self.k + 1):
            out.append(out[-1] * i)
        return out

    def _count(self, row: int) -> int:
        ways = self._factorials[self.k]
        for size in self.multiplicities[row]:
            ways //= self._factorials[int(size)]
        return ways << int(self.reflections[row])

    @property
    def total(self) -> int:
        """Number of fixed points, exactly."""
        return sum(self._count(row) for row in range(len(self)))

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset with dimensions `orbit`, `value` and `eigenvalue`.

        Counts are exact in text (`count`), and as logarithms (`log10_count`).

        Raises
        ------
        ImportError
            If xarray is missing.
        """
        _checks.modules("to_xarray", ("xarray",))
        import xarray as xr

        counts = [self._count(row) for row in range(len(self))]
        one = {"units": "1"}
        data: dict[str, Any] = {
            "overlap": (("orbit", "value"), self.values, one),
            "multiplicity": (("orbit", "value"), self.multiplicities, one),
            "count": ("orbit", np.array([_digits(c) for c in counts], dtype=str)),
            "log10_count": ("orbit", np.array([math.log10(c) for c in counts]), one),
            "loss": ("orbit", self.loss, {"units": "1", "long_name": "loss (2) of one neuron"}),
            "hessian_eigenvalue": (("orbit", "eigenvalue"), self.eigenvalues, one),
            "hessian_multiplicity": (("orbit", "eigenvalue"), self.eigenvalue_counts, one),
            "outside_eigenvalue": ("orbit", self.outside_eigenvalue, one),
            "morse_index": ("orbit", self.morse_index, one),
            "kind": ("orbit", self.kind),
            "residual": ("orbit", self.residual, one),
        }
        attributes = {"k": self.k, "degenerate_sets": "; ".join(self.degenerate_sets)}
        return xr.Dataset(data, attrs=attributes)

    def __repr__(self) -> str:
        lines = [f"{_short(self.total)} fixed points in {_plural(len(self))}, k = {self.k}"]
        rows = list(range(len(self)))
        if len(rows) > _ROWS:
            rows = [*rows[: _ROWS // 2], -1, *rows[-(_ROWS // 2) :]]
        lines += columns([self._line(row) for row in rows])
        lines += [f"  not isolated: {name}" for name in self.degenerate_sets]
        return "\n".join(lines)

    def _line(self, row: int) -> tuple[str, str, str, str, str, str]:
        if row < 0:
            return ("...", "", "", "", "", "")
        orbit = self[row]
        sizes = zip(orbit.multiplicities, orbit.values, strict=True)
        return (
            orbit.kind,
            _short(orbit.count),
            f"{orbit.loss:.6g}",
            str(orbit.morse_index),
            f"{orbit.outside_eigenvalue:.4g}",
            ", ".join(f"{size} x {value:.5g}" for size, value in sizes),
        )


def columns(
    rows: Sequence[tuple[str, str, str, str, str, str]], last: str = "overlaps"
) -> list[str]:
    """Return rows of kind, count, loss, index, outside and overlaps in line, with a heading."""
    if not rows:
        return []
    table = [("kind", "count", "loss", "index", "outside", last), *rows]
    widths = [max(len(line[i]) for line in table) for i in range(5)]
    lines = []
    for line in table:
        cells = [cell.rjust(w) for cell, w in zip(line[1:5], widths[1:], strict=True)]
        lines.append("  ".join([" ", line[0].ljust(widths[0]), *cells, line[5]]).rstrip())
    return lines


def _digits(count: int) -> str:
    # str() refuses more than some 4000 digits
    return f"{count:d}" if count.bit_length() < 10_000 else hex(count)


def _plural(orbits: int) -> str:
    return "1 orbit" if orbits == 1 else f"{orbits} orbits"


def _short(count: int) -> str:
    """Write a number in full up to nine digits."""
    if count < 10**9:
        return str(count)
    exponent = int(math.log10(count))
    if count < 10**exponent:  # the logarithm was rounded up
        exponent -= 1
    lead = count // 10 ** (exponent - 3)
    return f"{lead / 1000:.3f}e{exponent}"
