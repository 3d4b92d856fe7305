"""What proves lists of fixed points complete: Sturm's theorem, intervals, their derivatives."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from hermiteflow.landscape._intervals import Dual, Interval, Real, variables
from hermiteflow.landscape._rational import Polynomial, count, sign_changes, zeros

Array = NDArray[np.float64]

# ------------------------------------------------------------------ exact polynomials

ROOTS = [Fraction(-7, 3), Fraction(-1, 2), Fraction(0), Fraction(1, 7), Fraction(1), Fraction(9, 4)]


def with_roots(roots: list[Fraction], scale: int = 1) -> Polynomial:
    """The product of x - r, its terms by Vieta's sums rather than by multiplication."""
    terms = [Fraction(scale)]
    for r in roots:
        terms = [
            a - r * b for a, b in zip([Fraction(0), *terms], [*terms, Fraction(0)], strict=True)
        ]
    return Polynomial(terms)


def test_arithmetic_of_polynomials() -> None:
    first, second = Polynomial([1, Fraction(-1, 3), 2]), Polynomial([Fraction(1, 2), 5])
    assert (first + second).terms == [Fraction(3, 2), Fraction(14, 3), 2]
    assert (second + first).terms == (first + second).terms
    assert (first + 2).terms == [3, Fraction(-1, 3), 2]
    assert (first * 0.5).terms == [Fraction(1, 2), Fraction(-1, 6), 1]
    x = Fraction(-3, 7)
    assert first(x) == 1 - x / 3 + 2 * x * x
    assert (first * second)(x) == first(x) * second(x)
    assert len((first * second).terms) == 4
    assert first(x) != first(-x)


@pytest.mark.parametrize("scale", [1, -6])
@pytest.mark.parametrize("double", [False, True])
def test_sturm_counts_distinct_zeros(scale: int, double: bool) -> None:
    """In (low, high]: a zero at the low end is not counted, one at the high end is."""
    chain = with_roots(ROOTS + ROOTS[1:3] * double, scale).sturm()

    def check(between: list[Fraction]) -> None:
        ends = [Fraction(-3), Fraction(-1), *ROOTS, Fraction(1, 8), Fraction(3)]
        for low in ends:
            for high in ends:
                if low < high:
                    assert count(chain, low, high) == sum(low < r <= high for r in between)

    check(ROOTS)
    with pytest.raises(AssertionError):
        check(ROOTS[1:])


def test_chains_of_short_polynomials() -> None:
    assert Polynomial([0, 0]).sturm() == []
    assert Polynomial([Fraction(-6, 5), 0]).sturm() == [[-1]]
    # x^2 - 1/4, 2 x, and minus the remainder; each divided by what its terms share
    assert Polynomial([Fraction(-1, 4), 0, 1, 0]).sturm() == [[-1, 0, 4], [0, 1], [1]]
    # (x - 1)^2, less the factor that its chain shares
    assert Polynomial([1, -2, 1]).sturm() == [[-1, 1], [1]]
    # no real zeros, and a negative leading coefficient
    assert count(Polynomial([-1, 1, -1]).sturm(), Fraction(-10), Fraction(10)) == 0


def test_zeros_are_isolated_to_the_width() -> None:
    chain, width = with_roots([*ROOTS, ROOTS[1]]).sturm(), Fraction(1, 10**6)
    found = sorted(zeros(chain, Fraction(-3), Fraction(3), width))
    assert len(found) == len(ROOTS)
    for at, exact in zip(found, ROOTS, strict=True):
        assert abs(at - exact) <= width
    assert max(abs(a - b) for a, b in zip(found, ROOTS, strict=True)) > 0
    inside = list(zeros(chain, Fraction(-1), Fraction(1, 2), width))
    assert [round(float(at), 5) for at in sorted(inside)] == [-0.5, 0.0, 0.14286]
    assert inside == sorted(inside)
    # halves of the interval end at the double zero, where a plain chain says nothing
    half = Fraction(1, 2)
    halved = with_roots([Fraction(1, 4), half, half, Fraction(1)]).sturm()
    within = sorted(zeros(halved, Fraction(0), Fraction(1), width))
    assert [round(float(at), 5) for at in within] == [0.25, 0.5, 1.0]
    # two zeros closer than the width are still two
    near = with_roots([Fraction(1, 3), Fraction(1, 3) + width / 4]).sturm()
    assert len(list(zeros(near, Fraction(0), Fraction(1), width))) == 2


@pytest.mark.parametrize(
    ("terms", "low", "high", "most"),
    [
        ([3.0], -1.0, 1.0, 0),
        ([0.0, 2.0], -1.0, 1.0, 1),  # x
        ([0.0, 2.0], 0.0, 1.0, 0),
        ([0.0, 2.0], -1.0, 0.0, 0),
        ([0.0, 0.0, 2.0], -1.0, 1.0, 0),  # x^2
        ([0.0, 0.0, 0.0, 2.0], -1.0, 1.0, 1),
        ([0.0, -0.25, 0.0, 1.0], -1.0, 1.0, 3),  # x (x^2 - 1/4)
        ([0.0, -0.25, 0.0, 1.0], 0.0, 1.0, 1),
        ([0.0, 0.0, -0.25, 0.0, 1.0], -1.0, 1.0, 2),
        ([-0.5, 1.0], -1.0, 1.0, 1),
        ([-0.5, 1.0], 0.75, 1.0, 0),
    ],
)
def test_changes_of_sign(terms: list[float], low: float, high: float, most: int) -> None:
    assert sign_changes(terms, low, high) == most


# ------------------------------------------------------------------ intervals

RNG = np.random.default_rng(0)
LOW = np.concatenate([RNG.uniform(-2.0, 2.0, 60), [-1.0, 0.0, 0.0, -3.0]])
HIGH = LOW + np.concatenate([RNG.uniform(0.0, 2.0, 60), [1.0, 0.0, 2.0, 0.0]])
POINTS = [LOW + share * (HIGH - LOW) for share in (0.0, 0.3, 1.0)]


def exact(x: Array) -> list[Fraction]:
    return [Fraction(float(v)) for v in np.clip(x, LOW, HIGH)]


def outside(found: Interval, true: list[Fraction]) -> int:
    """How many of the true values are not held."""
    return sum(
        not Fraction(float(a)) <= v <= Fraction(float(b))
        for a, b, v in zip(found.low, found.high, true, strict=True)
    )


def widest(found: Interval, low: Array, high: Array) -> float:
    """By how much an interval is wider than it has to be, in units of rounding of its size."""
    size = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-284)
    return float(np.max(np.maximum(low - found.low, found.high - high) / size) / 2.0**-52)


def test_operations_hold_every_value_and_hardly_more() -> None:
    x = Interval(LOW, HIGH)
    y = Interval(LOW[::-1], HIGH[::-1])
    ends = [a * b for a in (LOW, HIGH) for b in (LOW[::-1], HIGH[::-1])]
    narrow = np.where((LOW <= 0) & (HIGH >= 0), 0.0, np.minimum(LOW**2, HIGH**2))
    cases = [
        (x + y, lambda a, b: a + b, LOW + LOW[::-1], HIGH + HIGH[::-1]),
        (x + 0.1, lambda a, _: a + Fraction(0.1), LOW + 0.1, HIGH + 0.1),
        (x * y, lambda a, b: a * b, np.min(ends, axis=0), np.max(ends, axis=0)),
        (x * -0.7, lambda a, _: a * Fraction(-0.7), HIGH * -0.7, LOW * -0.7),
        (x * 0.7, lambda a, _: a * Fraction(0.7), LOW * 0.7, HIGH * 0.7),
        (-x, lambda a, _: -a, -HIGH, -LOW),
        (x.square(), lambda a, _: a * a, narrow, np.maximum(LOW**2, HIGH**2)),
    ]
    for found, operation, low, high in cases:
        assert np.all(found.low <= found.high)
        for a in POINTS:
            for b in POINTS:
                backwards = exact(b)[::-1]  # as y is x backwards
                true = [operation(p, q) for p, q in zip(exact(a), backwards, strict=True)]
                assert outside(found, true) == 0
        assert widest(found, low, high) <= 1.6  # one unit, and its own rounding
    assert np.min(x.square().low) == 0.0


def test_every_bound_is_rounded_outwards() -> None:
    """Of sums and products that are no doubles, the bounds lie on either side."""
    third, tenth = Interval(np.array([1.0 / 3.0])), Interval(np.array([0.1]))
    a, b = Fraction(1.0 / 3.0), Fraction(0.1)
    for found, true in (
        (third + tenth, a + b),
        (third * tenth, a * b),
        (third + 0.1, a + b),
        (third * 0.1, a * b),
        (third.square(), a * a),
    ):
        assert Fraction(float(found.low[0])) < true < Fraction(float(found.high[0]))
    # 1 + 2^-54 rounds to 1, whose neighbours are not equally far on both sides
    for sign in (1.0, -1.0):
        one = Interval(np.array([sign])) + sign * 2.0**-54
        true = Fraction(sign) * (1 + Fraction(1, 2**54))
        assert Fraction(float(one.low[0])) < true < Fraction(float(one.high[0]))
    root = third.inverse_root()
    low, high = (Fraction(float(v)) for v in (root.low[0], root.high[0]))
    assert low * low * a < 1 < high * high * a
    assert widest(root, np.array([3.0**0.5]), np.array([3.0**0.5])) <= 6.0
    # numbers so small that a share of them is lost
    least = Interval(np.array([5e-324])) * 0.5
    assert least.low[0] < 0.0 < least.high[0]
    assert (least + 0.0).high[0] < 1e-299
    wide = Interval(np.array([0.25]), np.array([4.0])).inverse_root()
    assert widest(wide, np.array([0.5]), np.array([2.0])) <= 6.0


def test_whether_zero_is_held() -> None:
    low, high = (
        np.array([-1.0, 0.0, -1.0, 1.0, -2.0, 0.0]),
        np.array([1.0, 1.0, 0.0, 2.0, -1.0, 0.0]),
    )
    assert Interval(low, high).holds_zero.tolist() == [True, True, True, False, False, True]
    assert Interval(np.array([math.nan])).holds_zero.tolist() == [True]
    assert Interval(low, high).middle.tolist() == [0.0, 0.5, -0.5, 1.5, -1.5, 0.0]
    rows = Interval(low, high)[np.array([3, 0])]
    assert (rows.low.tolist(), rows.high.tolist()) == ([1.0, -1.0], [2.0, 1.0])
    assert Interval(low).high is low


# ------------------------------------------------------------------ derivatives


def values(x: Array) -> list[Dual]:
    return variables([Real(v) for v in x])


def slopes(found: Dual, size: int) -> list[list[float]]:
    return [[0.0] * size if slope is None else slope.value.tolist() for slope in found.slopes]


def test_derivatives_of_each_operation() -> None:
    a, b = np.array([0.3, 1.7]), np.array([2.0, -0.4])
    x, y = values(np.stack([a, b]))
    assert slopes(x, 2) == [[1.0, 1.0], [0.0, 0.0]]
    assert y.slopes[0] is None
    cases = [
        (x + y, a + b, 1 + 0 * a, 1 + 0 * a),
        (x + 2.0, a + 2, 1 + 0 * a, 0 * a),
        (x * y, a * b, b, a),
        (x * 3.0, 3 * a, 3 + 0 * a, 0 * a),
        (x.square() * y, a * a * b, 2 * a * b, a * a),
        (x.inverse_root(), a**-0.5, -0.5 * a**-1.5, 0 * a),
        (x * y + y.square(), a * b + b * b, b, a + 2 * b),
    ]
    for found, value, first, second in cases:
        np.testing.assert_allclose(found.value.value, value, rtol=1e-15)
        np.testing.assert_allclose(slopes(found, 2), [first, second], rtol=1e-14, atol=1e-15)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(slopes(found, 2), [first, second + 1e-9], rtol=1e-14)


def test_derivatives_of_intervals_hold_those_of_their_points() -> None:
    """x^2 y / sqrt(y) on boxes, whose derivatives are 2 x sqrt(y) and x^2 / (2 sqrt(y))."""
    low, high = np.array([[0.2, -1.0], [1.0, 0.5]]), np.array([[0.3, 0.5], [1.5, 0.6]])
    x, y = variables([Interval(a, b) for a, b in zip(low, high, strict=True)])
    found = x.square() * y * y.inverse_root()
    for share in (0.0, 0.5, 1.0):
        for other in (0.0, 0.5, 1.0):
            a = low[0] + share * (high[0] - low[0])
            b = low[1] + other * (high[1] - low[1])
            for interval, true in (
                (found.value, a * a * np.sqrt(b)),
                (found.slopes[0], 2 * a * np.sqrt(b)),
                (found.slopes[1], a * a / (2 * np.sqrt(b))),
            ):
                assert np.all((interval.low <= true) & (true <= interval.high))


def test_intervals_of_points_are_narrow() -> None:
    """What an interval of one point becomes in 20 steps is still told to 1e-13."""
    x = Interval(np.array([0.7]))
    total, plain = x, 0.7
    for _ in range(20):
        total, plain = (total * x + 0.3).square() * 0.5, 0.5 * (plain * 0.7 + 0.3) ** 2
    assert total.low[0] <= plain <= total.high[0]
    widths = [total.high[0] - total.low[0], (x + 1.0).high[0] - (x + 1.0).low[0]]
    assert widths[0] < 1e-13 * plain
    assert all(w > 0.0 for w in widths)
