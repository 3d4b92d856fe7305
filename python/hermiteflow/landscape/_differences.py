"""Divided differences of polynomials in numbers, intervals or fractions alike.

Knows the kinds of numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._intervals import Array, Number


def divided_differences(coefficients: Array, points: Sequence[Number]) -> list[Number]:
    """Return f[u_1], f[u_1, u_2], ..., f[u_1..u_r] of a polynomial, without a division."""
    levels: list[Number] = [0.0] * len(points)
    for i in range(len(coefficients) - 1, -1, -1):
        below: Number = float(coefficients[i])
        for level, point in enumerate(points[: i + 1]):
            below = plus(_times(point, levels[level]), below)
            levels[level] = below
    return levels


def _times(a: Number, b: Number) -> Number:
    return a * b if not isinstance(b, float) or b != 0.0 else 0.0


def plus(a: Number, b: Number) -> Number:
    """Return a + b without adding a plain 0."""
    if isinstance(a, float):
        return b if a == 0.0 else b + a
    return a if isinstance(b, float) and b == 0.0 else a + b


def constant(like: Number, values: Array) -> Number:
    """Return a number of the kind that a variable has."""
    kind: Any = type(like.value)
    return kind(values)


def root(square: Number) -> Number:
    """Return the square root."""
    return square * square.inverse_root()
