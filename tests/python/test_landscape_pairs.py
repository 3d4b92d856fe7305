"""Two overlaps exactly, divided differences, sizes of groups: against fractions and brute force."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from hermiteflow.landscape import _families
from hermiteflow.landscape._conic import OnConic, conic_zeros_near, zeros_near
from hermiteflow.landscape._differences import constant, divided_differences, plus, root
from hermiteflow.landscape._intervals import Dual, Interval, Real, variables
from hermiteflow.landscape._rational import Polynomial

# ------------------------------------------------------------------ on a conic

#: (y - first)(y - second) = 0 is a conic with known points.
FIRST, SECOND = Polynomial([2, Fraction(-1, 3)]), Polynomial([-1, 5])
TWO_LINES = (FIRST * SECOND * -1.0, FIRST + SECOND)
CIRCLE = (Polynomial([1, 0, -1]), Polynomial([0]))


def at(value: OnConic, x: Fraction, y: Fraction) -> Fraction:
    return value.p(x) + value.q(x) * y


def test_arithmetic_on_a_conic() -> None:
    a = OnConic(Polynomial([1, 2]), Polynomial([3, 0, -1]), TWO_LINES)
    b = OnConic(Polynomial([0, 0, 1]), Polynomial([-2, 7]), TWO_LINES)
    norm = a.norm()
    for x in (Fraction(1, 7), Fraction(-3), Fraction(5, 2)):
        for y in (FIRST(x), SECOND(x)):
            assert at(a * b, x, y) == at(a, x, y) * at(b, x, y)
            assert at(a + b, x, y) == at(a, x, y) + at(b, x, y)
            assert at(a + Fraction(1, 3), x, y) == at(a, x, y) + Fraction(1, 3)
            assert at(a * 0.5, x, y) == at(a, x, y) / 2
            assert at(a * b, x, y) != at(a, x, -y) * at(b, x, -y)
        assert norm(x) == at(a, x, FIRST(x)) * at(a, x, SECOND(x))
        assert norm(x) != at(a, x, FIRST(x)) ** 2


def test_zeros_nearby_to_24_digits() -> None:
    """Those within 2^-19; double ones once."""
    third, reach = Fraction(1, 3), Fraction(1, 2**19)
    near = [third - reach / 2, third, third + reach * 9 / 10]
    terms = Polynomial([1])
    for zero in [*near, third, third - 2 * reach, third + reach * 11 / 10, Fraction(-1, 3)]:
        terms = terms * Polynomial([-zero, 1])
    found = list(zeros_near(terms, float(third)))
    assert len(found) == 3
    for one, zero in zip(found, near, strict=True):
        assert abs(one - zero) <= Fraction(1, 2**80)
    assert len(list(zeros_near(terms, -0.333333))) == 1
    with pytest.raises(ArithmeticError, match="every point is a zero"):
        list(zeros_near(Polynomial([0, 0]), 0.5))
    assert list(zeros_near(Polynomial([7]), 0.5)) == []


def test_zeros_on_a_circle() -> None:
    """3 y = 4 x meets it at (3/5, 4/5) and its opposite."""

    def line(x: OnConic, y: OnConic) -> OnConic:
        return y * 3.0 + x * -4.0

    for sign in (1.0, -1.0):
        ((x, y),) = conic_zeros_near(line, CIRCLE, sign * 0.6)
        assert (x, y) == (sign * 0.6, sign * 0.8)
    assert list(conic_zeros_near(line, CIRCLE, 0.61)) == []

    def parabola(x: OnConic, y: OnConic) -> OnConic:
        return y * y + x * x * -1.0 + y * -1.0  # y^2 - x^2 - y: at y = -1/2, and at (0, 1)

    ((x, y),) = conic_zeros_near(parabola, CIRCLE, 0.75**0.5)
    assert (x, y) == (0.75**0.5, -0.5)

    # (x - 3/5 + shift)(y - 4/5): where the first factor is 0, both values of y belong to one x
    def product(shift: Fraction) -> list[tuple[float, float]]:
        factor = Polynomial([shift - Fraction(3, 5), 1])
        value = OnConic(factor * Fraction(-4, 5), factor, CIRCLE)
        return list(conic_zeros_near(lambda x, y: value, CIRCLE, 0.6))

    assert product(Fraction(1, 2**18)) == product(Fraction(-1, 2)) == [(0.6, 0.8)]
    for shift in (Fraction(0), Fraction(3, 2**20), Fraction(-3, 2**20), Fraction(-1, 2**22)):
        with pytest.raises(ArithmeticError, match="two zeros may share one overlap"):
            product(shift)


# ------------------------------------------------------------------ divided differences


def quotients(coefficients: list[Fraction], points: list[Fraction]) -> list[Fraction]:
    level = [sum(c * u**i for i, c in enumerate(coefficients)) for u in points]
    out = [Fraction(level[0])]
    for width in range(1, len(points)):
        level = [
            (level[i + 1] - level[i]) / (points[i + width] - points[i])
            for i in range(len(level) - 1)
        ]
        out.append(level[0])
    return out


@pytest.mark.parametrize("lead", [3.0, 1.0, -1.0])
def test_divided_differences_are_quotients(lead: float) -> None:
    coefficients = [0.5, 0.0, -1.25, 2.0, 0.0, lead]
    points = [Fraction(1, 2), Fraction(-3, 4), Fraction(2), Fraction(5, 8)]
    expected = [float(v) for v in quotients([Fraction(c) for c in coefficients], points)]
    for many in (1, 2, 4):
        found = divided_differences(np.array(coefficients), [float(u) for u in points[:many]])
        assert found == pytest.approx(expected[:many], rel=1e-14)
    # with derivatives, and where two points coincide: psi'[u, u] is the derivative
    x, y = variables([Real(np.array([0.5])), Real(np.array([0.5]))])
    both = divided_differences(np.array(coefficients), [x, y])[1]
    slope = np.polynomial.Polynomial(coefficients).deriv()
    assert both.value.value[0] == pytest.approx(slope(0.5), rel=1e-14)
    for side in both.slopes:
        assert side.value[0] == pytest.approx(0.5 * slope.deriv()(0.5), rel=1e-14)
    # planted: another coefficient
    found = divided_differences(np.array([*coefficients[:5], 1.01 * lead]), [0.5, -0.75])
    with pytest.raises(AssertionError):
        assert found == pytest.approx(expected[:2], rel=1e-3)


def test_constants_and_roots() -> None:
    third = np.array([1.0 / 3.0])
    assert plus(0.0, 2.0) == plus(2.0, 0.0) == 2.0
    assert plus(1.5, 2.0) == 3.5
    wide = Dual(Interval(third), [])
    assert plus(0.0, wide) is plus(wide, 0.0) is wide  # not wider by a rounding
    assert plus(1.0, wide).value.low[0] == plus(wide, 1.0).value.low[0] < 4.0 / 3.0
    held = constant(wide, third)
    assert isinstance(held, Interval)
    assert isinstance(constant(Dual(Real(third), []), third), Real)
    size = root(held)
    assert size.low[0] ** 2 < third[0] < size.high[0] ** 2
    assert size.high[0] - size.low[0] < 1e-14
    assert root(Real(third)).value[0] == pytest.approx(3.0**-0.5, rel=1e-15)


# ------------------------------------------------------------------ sizes of groups


@pytest.mark.parametrize("k", [1, 2, 5, 9])
@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_partitions_are_all_of_them(k: int, parts: int) -> None:
    for whole in (True, False):
        every = {
            tuple(sorted(sizes, reverse=True))
            for sizes in itertools.product(range(1, k + 1), repeat=parts)
            if (sum(sizes) == k if whole else sum(sizes) <= k)
        }
        found = _families.partitions(k, parts, whole=whole)
        assert found.shape == (len(every), parts)
        assert {tuple(row) for row in found.tolist()} == every
        assert _families.number(k, parts, whole=whole) == len(every)


def test_families_stand_for_their_sizes() -> None:
    assert _families.members("index-like", 7) == {(6, 1)}
    assert _families.members("pair", 7) == {(5, 2)}
    assert _families.members("average", 7) == {(7,)}
    assert _families.members("pair", 3) == {(2, 1)}
    assert _families.members("index-like", 1) == {(1,)}
    assert _families.members("pair", 2) == {(2,)}
    assert _families.members("pair", 1) == set()
    assert _families.FAMILIES == ("index-like", "pair", "average")
