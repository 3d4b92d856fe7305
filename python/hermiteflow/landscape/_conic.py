"""Two distinct overlaps x and y exactly: polynomials on a conic, reduced to one in x.

Settles what intervals leave undecided: zeros that are double, and nearly so. Knows `_rational`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from ._rational import Polynomial, zeros

_REACH = Fraction(1, 2**19)
_WIDTH = Fraction(1, 2**80)


class OnConic:
    """P(x) + Q(x) y, where y^2 = a(x) + b(x) y."""

    __slots__ = ("conic", "p", "q")

    def __init__(self, p: Polynomial, q: Polynomial, conic: tuple[Polynomial, Polynomial]) -> None:
        self.p, self.q, self.conic = p, q, conic

    def __add__(self, other: OnConic | float | Fraction) -> OnConic:
        if isinstance(other, OnConic):
            return OnConic(self.p + other.p, self.q + other.q, self.conic)
        return OnConic(self.p + other, self.q, self.conic)

    def __mul__(self, other: OnConic | float | Fraction) -> OnConic:
        if not isinstance(other, OnConic):
            return OnConic(self.p * other, self.q * other, self.conic)
        a, b = self.conic
        square = self.q * other.q
        p = self.p * other.p + square * a
        return OnConic(p, self.p * other.q + self.q * other.p + square * b, self.conic)

    def norm(self) -> Polynomial:
        """Return the product over both values of y, a polynomial in x."""
        a, b = self.conic
        return self.p * self.p + self.p * self.q * b + self.q * self.q * a * -1.0


def zeros_near(polynomial: Polynomial, near: float) -> Iterator[Fraction]:
    """Yield each distinct real zero close to `near`, to 24 digits."""
    chain = polynomial.sturm()
    if not chain:
        raise ArithmeticError("every point is a zero")
    centre = Fraction(near)
    yield from zeros(chain, centre - _REACH, centre + _REACH, _WIDTH)


def conic_zeros_near(
    equation: Callable[[OnConic, OnConic], OnConic],
    conic: tuple[Polynomial, Polynomial],
    near: float,
) -> Iterator[tuple[float, float]]:
    """Yield each distinct real zero (x, y) of an equation on a conic, x close to `near`.

    Raises
    ------
    ArithmeticError
        If both values of y may belong to one x.
    """
    zero, one = Polynomial([0]), Polynomial([1])
    result = equation(OnConic(Polynomial([0, 1]), zero, conic), OnConic(zero, one, conic))
    for x in zeros_near(result.norm(), near):
        slope = result.q(x)
        if abs(slope) <= _REACH * sum(abs(c) for c in result.q.terms):
            raise ArithmeticError("two zeros may share one overlap")
        yield float(x), float(-result.p(x) / slope)
