"""Real zeros of polynomials, exactly: Sturm's theorem in integers. Knows nothing of the package."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from numbers import Rational

Chain = list[list[int]]


class Polynomial:
    """A polynomial with exact rational coefficients, lowest first."""

    __slots__ = ("terms",)

    def __init__(self, terms: Sequence[Rational | float | int]) -> None:
        self.terms = [Fraction(c) for c in terms]

    def __add__(self, other: Polynomial | float | Fraction) -> Polynomial:
        right = other.terms if isinstance(other, Polynomial) else [Fraction(other)]
        left = self.terms
        if len(left) < len(right):
            left, right = right, left
        return Polynomial(
            [*(a + b for a, b in zip(left, right, strict=False)), *left[len(right) :]]
        )

    def __mul__(self, other: Polynomial | float | Fraction) -> Polynomial:
        if not isinstance(other, Polynomial):
            factor = Fraction(other)
            return Polynomial([c * factor for c in self.terms])
        out = [Fraction(0)] * (len(self.terms) + len(other.terms) - 1)
        for i, a in enumerate(self.terms):
            for j, b in enumerate(other.terms):
                out[i + j] += a * b
        return Polynomial(out)

    def __call__(self, x: Fraction) -> Fraction:
        total = Fraction(0)
        for c in reversed(self.terms):
            total = total * x + c
        return total

    def sturm(self) -> Chain:
        """Return Sturm's chain, in integers; [] for the zero polynomial.

        Without what all of it share: at a multiple zero nothing but that vanishes everywhere.
        """
        scale = math.lcm(*(c.denominator for c in self.terms))
        first = _primitive([int(c * scale) for c in self.terms])
        if not first:
            return []
        chain = [first, _primitive([i * c for i, c in enumerate(first)][1:])]
        while len(chain[-1]) > 1:
            remainder = _remainder(chain[-2], chain[-1])
            if not remainder:
                break
            chain.append([-c for c in remainder])
        chain = [poly for poly in chain if poly]
        return [_quotient(poly, chain[-1]) for poly in chain] if len(chain[-1]) > 1 else chain


def _primitive(poly: list[int]) -> list[int]:
    while poly and poly[-1] == 0:
        poly.pop()
    divisor = math.gcd(*poly) if poly else 1
    return [c // divisor for c in poly]


def _remainder(a: list[int], b: list[int]) -> list[int]:
    """Return a positive multiple of the remainder of a by b."""
    a = list(a)
    lead = abs(b[-1])
    sign = 1 if b[-1] > 0 else -1
    while len(a) >= len(b):
        top = a[-1] * sign
        a = [c * lead for c in a]
        for i, c in enumerate(b):
            a[len(a) - len(b) + i] -= top * c
        a = _primitive(a)
    return a


def _quotient(a: list[int], b: list[int]) -> list[int]:
    """Return a / b for a primitive b that divides a: integers, by Gauss's lemma."""
    a = list(a)
    out = [0] * (len(a) - len(b) + 1)
    for i in reversed(range(len(out))):
        out[i] = a[i + len(b) - 1] // b[-1]
        for j, c in enumerate(b):
            a[i + j] -= out[i] * c
    return out


def _variations(chain: Chain, at: Fraction) -> int:
    up, down = at.numerator, at.denominator
    signs = []
    for poly in chain:
        value, power = 0, 1
        for c in reversed(poly):
            value = value * up + c * power
            power *= down
        if value:
            signs.append(value > 0)
    return sum(a != b for a, b in pairwise(signs))


def count(chain: Chain, low: Fraction, high: Fraction) -> int:
    """Return the number of distinct zeros in (low, high]."""
    return _variations(chain, low) - _variations(chain, high)


def zeros(chain: Chain, low: Fraction, high: Fraction, width: Fraction) -> Iterator[Fraction]:
    """Yield each distinct zero in (low, high], within `width`."""
    stack = [(low, high, count(chain, low, high))]
    while stack:
        low, high, number = stack.pop()
        if number == 0:
            continue
        if number == 1 and high - low <= width:
            yield (low + high) / 2
            continue
        middle = (low + high) / 2
        left = count(chain, low, middle)
        stack += [(middle, high, number - left), (low, middle, left)]


def sign_changes(coefficients: Sequence[float], low: float, high: float) -> int:
    """Return a proved bound on how often a polynomial changes sign in (low, high)."""
    start = next((i for i, c in enumerate(coefficients) if c), len(coefficients))
    at_zero = start % 2 if low < 0.0 < high else 0
    if len(coefficients) - start < 2:
        return at_zero
    chain = Polynomial(list(coefficients[start:])).sturm()
    return at_zero + count(chain, Fraction(low), Fraction(high))
