"""Intervals that are sure to hold the true value, in NumPy arrays, and derivatives carried along.

Every operation rounds outwards: what a formula says about intervals is a proof. Knows NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# One unit in the last place is at most this share of a number, apart from the smallest numbers.
_ULP, _SMALLEST = 2.0**-52, 1e-300


#: What equations compute with: an `Interval`, a `Real` or a `Dual` of either.
Number = Any


def _down(x: Array) -> Array:
    out: Array = x - (np.abs(x) * _ULP + _SMALLEST)
    return out


def _up(x: Array) -> Array:
    out: Array = x + (np.abs(x) * _ULP + _SMALLEST)
    return out


class Interval:
    """Closed intervals [low, high], elementwise."""

    __slots__ = ("high", "low")

    def __init__(self, low: Array, high: Array | None = None) -> None:
        self.low = low
        self.high = low if high is None else high

    def __add__(self, other: Interval | float) -> Interval:
        if isinstance(other, Interval):
            return Interval(_down(self.low + other.low), _up(self.high + other.high))
        return Interval(_down(self.low + other), _up(self.high + other))

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __mul__(self, other: Interval | float) -> Interval:
        if isinstance(other, Interval):
            a, b = self.low * other.low, self.low * other.high
            c, d = self.high * other.low, self.high * other.high
            low = np.minimum(np.minimum(a, b), np.minimum(c, d))
            high = np.maximum(np.maximum(a, b), np.maximum(c, d))
            return Interval(_down(low), _up(high))
        ends = (self.low * other, self.high * other)
        return Interval(_down(np.minimum(*ends)), _up(np.maximum(*ends)))

    def square(self) -> Interval:
        """Return x^2."""
        ends = (np.abs(self.low), np.abs(self.high))
        low = np.where(self.holds_zero, 0.0, np.minimum(*ends))
        high = np.maximum(*ends)
        return Interval(np.maximum(_down(low * low), 0.0), _up(high * high))

    def inverse_root(self) -> Interval:
        """Return x^(-1/2), for x > 0."""
        return Interval(_down(1.0 / _up(np.sqrt(self.high))), _up(1.0 / _down(np.sqrt(self.low))))

    def __getitem__(self, rows: NDArray[np.intp]) -> Interval:
        return Interval(self.low[rows], self.high[rows])

    @property
    def middle(self) -> Array:
        """A point of each interval."""
        out: Array = 0.5 * (self.low + self.high)
        return out

    @property
    def holds_zero(self) -> NDArray[np.bool_]:
        """Whether 0 may lie in each interval; so where a bound is not a number."""
        out: NDArray[np.bool_] = ~((self.low > 0.0) | (self.high < 0.0))
        return out


class Real:
    """Ordinary numbers with the operations of `Interval`."""

    __slots__ = ("value",)

    def __init__(self, value: Array) -> None:
        self.value = value

    def __add__(self, other: Real | float) -> Real:
        return Real(self.value + (other.value if isinstance(other, Real) else other))

    def __mul__(self, other: Real | float) -> Real:
        return Real(self.value * (other.value if isinstance(other, Real) else other))

    def square(self) -> Real:
        """Return x^2."""
        return Real(self.value * self.value)

    def inverse_root(self) -> Real:
        """Return x^(-1/2), for x > 0."""
        return Real(1.0 / np.sqrt(self.value))


class Dual:
    """A number with its derivatives in some directions; None stands for a derivative of 0."""

    __slots__ = ("slopes", "value")

    def __init__(self, value: Number, slopes: Sequence[Number]) -> None:
        self.value = value
        self.slopes = slopes

    def __add__(self, other: Number) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.slopes)
        slopes = [_sum(a, b) for a, b in zip(self.slopes, other.slopes, strict=True)]
        return Dual(self.value + other.value, slopes)

    def __mul__(self, other: Number) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value * other, [_product(a, other) for a in self.slopes])
        slopes = [
            _sum(_product(a, other.value), _product(b, self.value))
            for a, b in zip(self.slopes, other.slopes, strict=True)
        ]
        return Dual(self.value * other.value, slopes)

    def square(self) -> Dual:
        """Return x^2."""
        twice = self.value * 2.0
        return Dual(self.value.square(), [_product(a, twice) for a in self.slopes])

    def inverse_root(self) -> Dual:
        """Return x^(-1/2), for x > 0."""
        root = self.value.inverse_root()
        factor = root * root * root * -0.5
        return Dual(root, [_product(a, factor) for a in self.slopes])


def variables(values: Sequence[Number]) -> list[Dual]:
    """Return independent variables: each has derivative 1 in its own direction."""
    return [
        Dual(value, [value * 0.0 + 1.0 if i == j else None for j in range(len(values))])
        for i, value in enumerate(values)
    ]


def _sum(a: Number, b: Number) -> Number:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _product(a: Number, b: Number) -> Number:
    return None if a is None else a * b
