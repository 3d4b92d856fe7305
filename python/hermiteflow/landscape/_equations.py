"""Fixed points with r distinct overlaps as zeros of r - 1 equations.

At a fixed point psi' takes the values of a straight line, slope and intercept of which depend on
the whole point: the overlaps are places where the curve psi' meets a line. In terms of divided
differences of psi', zeros with equal overlaps are divided out. Knows the isolation of zeros only.

Three forms, each with unknowns on a compact set:

- `SquaredForm`: orthonormal, psi even. Squares X_i of the non-zero overlaps, sum_i s_i X_i = 1.
- `CentralForm`: orthonormal, psi'(0) = 0. The line passes through 0; non-zero overlaps.
- `LineForm`: equiangular, or psi'(0) != 0. All overlaps.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ._conic import OnConic, conic_zeros_near, zeros_near
from ._differences import constant, divided_differences, plus, root
from ._intervals import Array, Dual, Number, Real
from ._isolate import Rows, Zeros, isolate, merge
from ._rational import Polynomial, sign_changes

Parts = NDArray[np.int64]


#: Overlaps that differ by less are equal, and by more distinct; in between rounding decides.
_EQUAL, _APART = 4e-15, 1e-11


class UndecidedError(ArithmeticError):
    """Fixed points that coincide within rounding, as at a bifurcation, and cannot be told apart."""


@dataclass(frozen=True)
class Form(ABC):
    """What the equations need to know: psi' = sum_i slope_i u^i, k and beta."""

    slope: tuple[float, ...]
    k: int
    beta: float = 0.0

    @property
    def even(self) -> bool:
        """Whether psi is even."""
        return not any(self.slope[::2])

    @property
    def rest(self) -> Array:
        """Coefficients of (psi'(u) - psi'(0)) / u."""
        return np.array(self.slope[1:])

    @abstractmethod
    def most_values(self) -> int:
        """Return a proved bound on the number of distinct overlaps (of non-zero ones)."""

    @abstractmethod
    def charts(self, count: int) -> Sequence[tuple[int, int]]:
        """Return names of the boxes that cover the unknowns for `count` distinct overlaps."""

    @abstractmethod
    def unknowns(self, box: Sequence[Number], chart: tuple[int, int], parts: Parts) -> list[Number]:
        """Return what the equations are written in, from the coordinates of a box."""

    @abstractmethod
    def equations(self, unknowns: list[Number], parts: Parts) -> list[Number]:
        """Return the equations."""

    @abstractmethod
    def pairs(self, sizes: Parts, near: tuple[float, float]) -> Iterator[tuple[float, float]]:
        """Yield the fixed points with two distinct overlaps near `near`, exactly."""

    @abstractmethod
    def single(self, parts: Parts) -> list[tuple[Rows, Array]]:
        """Return the fixed points with one distinct overlap: rows and values (N, 1)."""

    @abstractmethod
    def overlaps(self, unknowns: Array, parts: Parts) -> Array:
        """Return overlaps (N, r) from the unknowns of zeros."""

    def box(self, dimension: int) -> tuple[Array, Array]:
        """Return the box of each chart."""
        return np.full(dimension, -1.0), np.full(dimension, 1.0)

    def solve(self, parts: Parts) -> tuple[Rows, Array, Rows]:
        """Return all fixed points whose groups of equal overlaps have the sizes `parts` (M, r).

        Returns
        -------
        rows : (N,)
            Row of `parts` of each point.
        overlaps : (N, r)
            The overlap of each group; the groups of a point are in the order of its `parts`.
        proved : (M,)
            Zeros of each system, those included whose groups coincide.
        """
        count = parts.shape[1]
        if count == 1:
            pieces = self.single(parts)
            rows = np.concatenate([p[0] for p in pieces])
            proved = np.bincount(rows, minlength=len(parts))
            return rows, np.concatenate([p[1] for p in pieces]), proved
        zeros, images, extra = [], [], []
        for chart in self.charts(count):

            def equations(
                box: Sequence[Dual], rows: Rows, chart: tuple[int, int] = chart
            ) -> list[Number]:
                own = parts[rows]
                return self.equations(self.unknowns(box, chart, own), own)

            low, high = self.box(count - 1)
            part = isolate(equations, low, high, len(parts))
            unknowns = self.unknowns(
                [Dual(Real(x), []) for x in part.point.T], chart, parts[part.system]
            )
            zeros.append(part)
            extra += self._settle(part.undecided, chart, parts)
            images.append(np.stack([u.value.value for u in unknowns], axis=1))
        image = np.concatenate(images)
        joined = Zeros(
            np.concatenate([z.system for z in zeros]),
            np.arange(len(image))[:, None].astype(np.float64),
            np.concatenate([z.low for z in zeros]),
            np.concatenate([z.high for z in zeros]),
            [],
        )
        joined = merge(joined, image, lambda a, b: bool(np.max(np.abs(image[a] - image[b])) < 1e-9))
        image = image[joined.point[:, 0].astype(np.intp)]
        proved = np.bincount(joined.system, minlength=len(parts))
        rows, values = self._admit(joined.system, self.overlaps(image, parts[joined.system]), parts)
        whole, values = self._with(rows, values, extra, parts)
        settled = np.bincount(whole, minlength=len(parts)) - np.bincount(rows, minlength=len(parts))
        return whole, values, proved + settled

    def _settle(
        self, undecided: list[tuple[int, Array]], chart: tuple[int, int], parts: Parts
    ) -> list[tuple[int, Array]]:
        """Return rows and overlaps of the fixed points near undecided boxes."""
        out: list[tuple[int, Array]] = []
        done: list[tuple[int, Array]] = []
        for row, point in undecided:
            own = parts[row : row + 1]
            unknowns = self.unknowns([Dual(Real(x[None]), []) for x in point], chart, own)
            near = self.overlaps(np.stack([u.value.value for u in unknowns], axis=1), own)[0]
            if any(row == r and np.max(np.abs(near - v)) < 1e-6 for r, v in done):
                continue
            done.append((row, near))
            try:
                if near.size != 2:
                    raise ArithmeticError("more than two distinct overlaps")
                pairs = list(self.pairs(own[0], (float(near[0]), float(near[1]))))
            except ArithmeticError as error:
                sizes = ", ".join(f"{size} x {u:.9g}" for u, size in zip(near, own[0], strict=True))
                raise UndecidedError(
                    f"beta and link must be away from bifurcations, got fixed points near the "
                    f"overlaps {sizes} that coincide within rounding ({error})"
                ) from error
            out += [(row, np.array(p)) for p in pairs if np.max(np.abs(near - p)) < 1e-5]
        return out

    def _with(
        self, rows: Rows, values: Array, extra: list[tuple[int, Array]], parts: Parts
    ) -> tuple[Rows, Array]:
        """Add settled points that are not there yet."""
        new_rows, new_values = self._admit(
            np.array([row for row, _ in extra], dtype=np.intp),
            np.array([v for _, v in extra]).reshape(-1, values.shape[1]),
            parts,
        )
        for row, value in zip(new_rows, new_values, strict=True):
            there = (rows == row) & (np.max(np.abs(values - value), axis=1, initial=0.0) < 1e-10)
            if not there.any():
                rows = np.append(rows, row)
                values = np.concatenate([values, value[None]])
        return rows, values

    def _admit(self, rows: Rows, values: Array, parts: Parts) -> tuple[Rows, Array]:
        """Drop points with equal overlaps: they belong to fewer distinct ones.

        Raises
        ------
        UndecidedError
            If overlaps are so close that rounding may have kept them apart, or joined them.
        """
        gaps = np.min(np.diff(np.sort(values, axis=1), axis=1), axis=1, initial=np.inf)
        close = np.flatnonzero((gaps > _EQUAL) & (gaps < _APART))
        if close.size:
            raise UndecidedError(
                "beta and link must be away from bifurcations, got a fixed point with overlaps "
                f"{values[close[0]]} of multiplicities {parts[rows[close[0]]]}, of which two "
                f"differ by {gaps[close[0]]:.1e} only"
            )
        apart = gaps >= _APART
        return rows[apart], values[apart]


class _OnSphere(Form):
    """Unknowns are a unit vector; coordinates are those of a cube around it."""

    def charts(self, count: int) -> Sequence[tuple[int, int]]:
        signs = (1,) if self.even else (1, -1)
        return [(axis, sign) for axis in range(count) for sign in signs]

    def direction(self, box: Sequence[Number], chart: tuple[int, int]) -> list[Number]:
        """Return the unit vector through a point of a face of the cube."""
        axis, sign = chart
        square: Number = 1.0
        for x in box:
            square = x.square() + square
        scale = square.inverse_root()
        unit = [x * scale for x in box]
        unit.insert(axis, scale * float(sign))
        return unit


class CentralForm(_OnSphere):
    """Orthonormal index vectors, psi'(0) = 0: psi'(u) / u takes one value at all overlaps."""

    def most_values(self) -> int:
        return 1 + sign_changes(list(_derivative(self.rest)), -1.0, 1.0)

    def unknowns(self, box: Sequence[Number], chart: tuple[int, int], parts: Parts) -> list[Number]:
        unit = self.direction(box, chart)
        sizes = [constant(box[0], s) for s in parts.T.astype(np.float64)]
        return [u * s.inverse_root() for u, s in zip(unit, sizes, strict=True)]

    def equations(self, unknowns: list[Number], parts: Parts) -> list[Number]:
        return divided_differences(self.rest, unknowns)[1:]

    def pairs(self, sizes: Parts, near: tuple[float, float]) -> Iterator[tuple[float, float]]:
        first, second = (Fraction(int(s)) for s in sizes)
        conic = Polynomial([1 / second, 0, -first / second]), Polynomial([0])

        def equation(x: OnConic, y: OnConic) -> OnConic:
            out: OnConic = divided_differences(self.rest, [x, y])[1]
            return out

        return conic_zeros_near(equation, conic, near[0])

    def single(self, parts: Parts) -> list[tuple[Rows, Array]]:
        rows = np.arange(len(parts))
        return [(rows, sign / np.sqrt(parts.astype(np.float64))) for sign in (1.0, -1.0)]

    def overlaps(self, unknowns: Array, parts: Parts) -> Array:
        return unknowns


class SquaredForm(Form):
    """Orthonormal index vectors and an even psi, whose orbits contain all changes of sign."""

    def most_values(self) -> int:
        return 1 + sign_changes(list(_derivative(self.rest[::2])), 0.0, 1.0)

    def charts(self, count: int) -> Sequence[tuple[int, int]]:
        return [(0, 1)]

    def box(self, dimension: int) -> tuple[Array, Array]:
        return np.zeros(dimension), np.ones(dimension)

    def unknowns(self, box: Sequence[Number], chart: tuple[int, int], parts: Parts) -> list[Number]:
        last: Number = box[0] * -1.0 + 1.0
        for x in box[1:]:
            last = last + x * -1.0
        sizes = [constant(box[0], s) for s in parts.T.astype(np.float64)]
        inverses = [s.inverse_root() * s.inverse_root() for s in sizes]
        return [x * i for x, i in zip([*box, last], inverses, strict=True)]

    def equations(self, unknowns: list[Number], parts: Parts) -> list[Number]:
        return divided_differences(self.rest[::2], unknowns)[1:]

    def pairs(self, sizes: Parts, near: tuple[float, float]) -> Iterator[tuple[float, float]]:
        first, second = (Fraction(int(s)) for s in sizes)
        x, y = Polynomial([0, 1]), Polynomial([1 / second, -first / second])
        equation: Polynomial = divided_differences(self.rest[::2], [x, y])[1]
        for zero in zeros_near(equation, near[0] ** 2):
            if 0 < zero < 1 / first:
                yield math.sqrt(zero), math.sqrt(y(zero))

    def single(self, parts: Parts) -> list[tuple[Rows, Array]]:
        return [(np.arange(len(parts)), 1.0 / np.sqrt(parts.astype(np.float64)))]

    def overlaps(self, unknowns: Array, parts: Parts) -> Array:
        return np.sqrt(np.maximum(unknowns, 0.0))

    def _admit(self, rows: Rows, values: Array, parts: Parts) -> tuple[Rows, Array]:
        inside = np.all(values > 1e-7, axis=1)  # a square of 0 within rounding
        return super()._admit(rows[inside], values[inside], parts)


class LineForm(_OnSphere):
    """Equiangular index vectors, or psi'(0) != 0: psi' takes the values of a line."""

    def most_values(self) -> int:
        return 2 + sign_changes(list(_derivative(_derivative(np.array(self.slope)))), -1.0, 1.0)

    def _scales(self, like: Number) -> tuple[Number, Number]:
        """Return sqrt(1 - beta) and sqrt(1 + (k - 1) beta)."""
        beta = np.array(self.beta)
        narrow = constant(like, beta) * -1.0 + 1.0
        wide = constant(like, beta) * float(self.k - 1) + 1.0
        return root(narrow), root(wide)

    def _mean(self, unit: list[Number], parts: Parts, like: Number) -> Number:
        """sum_i sqrt(s_i) e_i, the component along 1 times sqrt(k)."""
        total: Number = 0.0
        for e, s in zip(unit, parts.T.astype(np.float64), strict=True):
            total = plus(e * root(constant(like, s)), total)
        return total

    def unknowns(self, box: Sequence[Number], chart: tuple[int, int], parts: Parts) -> list[Number]:
        return self.direction(box, chart)

    def values(self, unit: list[Number], parts: Parts) -> tuple[list[Number], Number]:
        """Return the overlaps G^(1/2) w of each group, and sqrt(k) times w's mean."""
        like = unit[0]
        narrow, wide = self._scales(like)
        mean = self._mean(unit, parts, like)
        shift = mean * ((wide + narrow * -1.0) * constant(like, np.array(1.0 / self.k)))
        out = []
        for e, s in zip(unit, parts.T.astype(np.float64), strict=True):
            out.append(e * (constant(like, s).inverse_root() * narrow) + shift)
        return out, mean

    def equations(self, unknowns: list[Number], parts: Parts) -> list[Number]:
        u, mean = self.values(unknowns, parts)
        wide = self._scales(unknowns[0])[1]
        return self._conditions(u, mean * wide, wide * wide)

    def _conditions(self, u: Sequence[Number], total: Number, spread: Number) -> list[Number]:
        """Return the equations from the overlaps, their sum over all k, and 1 + (k - 1) beta."""
        differences = divided_differences(self.rest, u)
        # psi'(u) = intercept + tilt u at every overlap
        intercept = u[0] * u[1] * differences[1] * -1.0 + self.slope[0]
        tilt = u[1] * differences[1] + differences[0]
        out = [intercept * spread + total * tilt * self.beta]
        for i in range(2, len(u)):
            out.append(u[i] * differences[i] + differences[i - 1])
        return out

    def pairs(self, sizes: Parts, near: tuple[float, float]) -> Iterator[tuple[float, float]]:
        first, second = (Fraction(int(s)) for s in sizes)
        beta = Fraction(self.beta)
        spread = 1 + (self.k - 1) * beta
        # first x^2 + second y^2 - gamma (first x + second y)^2 = 1 - beta
        gamma = beta / spread
        lead = second * (1 - gamma * second)
        conic = (
            Polynomial([(1 - beta) / lead, 0, -first * (1 - gamma * first) / lead]),
            Polynomial([0, 2 * gamma * first * second / lead]),
        )

        def equation(x: OnConic, y: OnConic) -> OnConic:
            out: OnConic = self._conditions([x, y], x * first + y * second, spread)[0]
            return out

        return conic_zeros_near(equation, conic, near[0])

    def single(self, parts: Parts) -> list[tuple[Rows, Array]]:
        size = math.sqrt((1.0 + (self.k - 1) * self.beta) / self.k)
        rows = np.arange(len(parts))
        signs = (1.0,) if self.even else (1.0, -1.0)
        return [(rows, np.full((len(parts), 1), sign * size)) for sign in signs]

    def overlaps(self, unknowns: Array, parts: Parts) -> Array:
        unit: list[Number] = [Dual(Real(x), []) for x in unknowns.T]
        return np.stack([v.value.value for v in self.values(unit, parts)[0]], axis=1)


def form_of(slope: Array, k: int, beta: float) -> Form:
    """Return the form for these coefficients of psi' and inner product of the index vectors."""
    coefficients = tuple(float(c) for c in slope)
    if beta != 0.0 or coefficients[0] != 0.0:
        return LineForm(coefficients, k, beta)
    form = CentralForm(coefficients, k)
    return SquaredForm(coefficients, k) if form.even else form


def _derivative(coefficients: Array) -> Array:
    return coefficients[1:] * np.arange(1, coefficients.size)
