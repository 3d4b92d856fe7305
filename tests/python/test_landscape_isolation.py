"""Zeros in boxes: against systems whose zeros are known, and Krawczyk's operator in fractions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from hermiteflow.landscape import _isolate
from hermiteflow.landscape._intervals import Dual, Number
from hermiteflow.landscape._isolate import Zeros, isolate, merge, newton_system

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Equations = Callable[[Sequence[Dual], Rows], Sequence[Dual]]

# ------------------------------------------------------------------ all zeros, and no others


def factored(roots: Array, mix: Array) -> Equations:
    """Equations whose zeros are the grid of roots (systems, dimension, 2), mixed by a matrix."""

    def equations(box: Sequence[Dual], rows: Rows) -> list[Dual]:
        plain: list[Number] = []
        for i, x in enumerate(box):
            first, second = roots[rows, i, 0], roots[rows, i, 1]
            kind = type(x.value)
            plain.append((x + kind(-first)) * (x + kind(-second)))
        out = []
        for row in mix:
            total = plain[0] * float(row[0])
            for c, value in zip(row[1:], plain[1:], strict=True):
                total = total + value * float(c)
            out.append(total)
        return out

    return equations


def whole(found: Zeros, roots: Array, low: Array, high: Array) -> None:
    """Each zero once, in a box of its own."""
    expected = [
        (system, np.array(point))
        for system in range(len(roots))
        for point in product(*roots[system])
        if np.all((low <= point) & (point <= high))
    ]
    inside = np.all((found.point >= low - 1e-12) & (found.point <= high + 1e-12), axis=1)
    assert inside.sum() == len(expected)
    for system, point in expected:
        own = found.system == system
        near = own & np.all(np.abs(found.point - point) < 1e-14, axis=1)
        assert near.sum() == 1
        held = np.all((found.low < point) & (point < found.high), axis=1)
        assert held[near].all()
        assert (held & own).sum() == 1


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_zeros_of_known_systems(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    roots = rng.uniform(-1.4, 1.4, (5, dimension, 2))
    mix = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0] + 0.1
    low, high = np.full(dimension, -1.0), np.full(dimension, 1.0)
    found = isolate(factored(roots, mix), low, high, 5)
    assert found.undecided == []
    whole(found, roots, low, high)
    with pytest.raises(AssertionError):  # another root
        whole(found, np.where(roots == roots[0, 0, 0], 0.5, roots), low, high)
    lost = Zeros(found.system[1:], found.point[1:], found.low[1:], found.high[1:], [])
    inside = np.all((found.point[0] >= low) & (found.point[0] <= high))
    if inside:
        with pytest.raises(AssertionError):
            whole(lost, roots, low, high)


def test_zeros_on_edges_and_cuts_are_found_once() -> None:
    cut = -1.0 + 0.4871 * 2.0
    roots = np.array([[[-1.0, 1.0]], [[cut, 0.5]], [[0.0, 1e-3]]])
    found = isolate(factored(roots, np.eye(1)), np.array([-1.0]), np.array([1.0]), 3)
    whole(found, roots, np.array([-1.0]), np.array([1.0]))
    assert np.bincount(found.system).tolist() == [2, 2, 2]
    assert isolate(factored(roots + 3.0, np.eye(1)), -np.ones(1), np.ones(1), 3).point.size == 0


def test_where_nothing_can_be_proved_is_told() -> None:
    """(x - 0.3)(x - 0.3): a double zero, beside a system with simple ones and one with none."""
    roots = np.array([[[0.3, 0.3]], [[-0.5, 0.5]], [[2.5, 2.5]]])
    found = isolate(factored(roots, np.eye(1)), np.array([-1.0]), np.array([1.0]), 3)
    assert found.system.tolist() == [1, 1]
    assert found.undecided
    assert {system for system, _ in found.undecided} == {0}
    points = np.array([point for _, point in found.undecided])
    assert points.shape == (len(found.undecided), 1)
    assert np.max(np.abs(points - 0.3)) < 2.0**-20
    assert np.min(np.abs(points - 0.3)) < 2.0**-27
    # in two dimensions: double in the second coordinate only
    roots = np.array([[[-0.2, 2.0], [0.4, 0.4]]])
    mix = np.array([[1.0, 0.5], [-0.3, 1.0]])
    found = isolate(factored(roots, mix), np.full(2, -1.0), np.ones(2), 1)
    assert found.system.size == 0
    points = np.array([point for _, point in found.undecided])
    assert np.max(np.abs(points - [-0.2, 0.4])) < 1e-3
    assert np.min(np.max(np.abs(points - [-0.2, 0.4]), axis=1)) < 1e-7


def test_many_systems_go_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_isolate, "_CHUNK", 8)
    roots = np.random.default_rng(3).uniform(-0.99, 0.99, (50, 2, 2))
    mix, most = np.array([[1.0, 0.3], [-0.2, 1.0]]), []
    inner = factored(roots, mix)

    def equations(box: Sequence[Dual], rows: Rows) -> Sequence[Dual]:
        if not isinstance(box[0].value, _isolate.Real):
            most.append(len(rows))
        return inner(box, rows)

    low, high = np.full(2, -1.0), np.ones(2)
    found = isolate(equations, low, high, 50)
    whole(found, roots, low, high)
    assert max(most) == 8


@pytest.mark.parametrize(("most", "tested"), [(53, 254), (54, 510)])
def test_problems_out_of_reach_are_an_error(
    most: int, tested: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two systems in whose boxes nothing is ever decided: 2, 4, 8, ... boxes; 200 more are free."""
    monkeypatch.setattr(_isolate, "_MOST_BOXES", most)

    def endless(box: Sequence[Dual], rows: Rows) -> Sequence[Dual]:
        wide = _isolate.Interval(np.full(len(rows), -9.0), np.full(len(rows), 9.0))
        return [Dual(wide, [wide])]

    words = rf"zeros of 1 equations in 2 systems were not isolated within {tested} boxes: too many"
    with pytest.raises(ArithmeticError, match=words):
        isolate(endless, np.array([-1e9]), np.array([1e9]), 2)


# ------------------------------------------------------------------ one box


Pair = tuple[Fraction, Fraction]


def times(a: Pair, b: Pair) -> Pair:
    ends = [p * q for p in a for q in b]
    return min(ends), max(ends)


def plus(*terms: Pair) -> Pair:
    return sum(t[0] for t in terms), sum(t[1] for t in terms)  # type: ignore[return-value]


def point(x: Fraction) -> Pair:
    return x, x


def krawczyk(low: Array, high: Array) -> tuple[list[Pair], list[Pair]]:
    """Values of `curved` on a box, and Krawczyk's operator, in exact intervals."""
    box = [(Fraction(float(a)), Fraction(float(b))) for a, b in zip(low, high, strict=True)]
    centre = [(a + b) / 2 for a, b in box]

    def square(a: Pair) -> Pair:
        ends = sorted((a[0] * a[0], a[1] * a[1]))
        return (Fraction(0), ends[1]) if a[0] <= 0 <= a[1] else (ends[0], ends[1])

    def values(x: Pair, y: Pair) -> list[Pair]:
        return [
            plus(square(x), point(y[0]) if y[0] == y[1] else y, point(Fraction(-1, 2))),
            plus(times(x, y), times(point(Fraction(3)), y), point(Fraction(-1, 4))),
        ]

    one = Fraction(1)
    slopes = [
        [times(point(2 * one), box[0]), point(one)],
        [box[1], plus(box[0], point(3 * one))],
    ]
    (a, b), (c, d) = ([(s[0] + s[1]) / 2 for s in row] for row in slopes)
    determinant = a * d - b * c
    inverse = [[d / determinant, -b / determinant], [-c / determinant, a / determinant]]
    at = [v[0] for v in values(point(centre[0]), point(centre[1]))]
    image = []
    for i in range(2):
        terms = [point(centre[i] - sum(inverse[i][j] * at[j] for j in range(2)))]
        for j in range(2):
            defect = plus(
                point(Fraction(int(i == j))),
                *(times(point(-inverse[i][m]), slopes[m][j]) for m in range(2)),
            )
            terms.append(times(defect, (box[j][0] - centre[j], box[j][1] - centre[j])))
        image.append(plus(*terms))
    return values(*box), image


def curved(box: Sequence[Dual], rows: Rows) -> list[Dual]:
    """x^2 + y - 1/2 and x y + 3 y - 1/4."""
    x, y = box
    return [x.square() + y + -0.5, x * y + y * 3.0 + -0.25]


def test_one_box_is_judged_by_krawczyks_operator() -> None:
    rng = np.random.default_rng(5)
    centre = np.concatenate([rng.uniform(-1, 1, (150, 2)), 0.05 * rng.standard_normal((150, 2))])
    centre[150:] += [0.6532, 0.06843]  # near a zero
    half = np.exp(rng.uniform(-5.0, 0.0, (300, 2)))
    low, high = centre - half, centre + half
    empty, one, narrow_low, narrow_high = _isolate._judge(curved, low, high, np.arange(300))
    seen = {"empty": 0, "outside": 0, "one": 0, "neither": 0}
    for i in range(300):
        values, image = krawczyk(low[i], high[i])
        box = list(zip(low[i], high[i], strict=True))
        free = any(v[0] > 0 or v[1] < 0 for v in values)
        away = any(k[1] < b[0] or k[0] > b[1] for k, b in zip(image, box, strict=True))
        inside = all(b[0] < k[0] and k[1] < b[1] for k, b in zip(image, box, strict=True))
        assert empty[i] == (free or away)
        assert one[i] == (inside and not free)
        assert not (empty[i] and one[i])
        if free:
            seen["empty"] += 1
            continue
        for j in range(2):
            least, most = float(max(image[j][0], box[j][0])), float(min(image[j][1], box[j][1]))
            assert least - 1e-12 <= narrow_low[i, j] <= least
            assert most <= narrow_high[i, j] <= most + 1e-12
        seen["outside" if away else "one" if inside else "neither"] += 1
    assert min(seen.values()) > 5


def test_a_singular_box_is_left_as_it_is() -> None:
    """x^2 - 1/4 and y^2 - 1/4 around 0, where the Jacobian is 0; and beside it, where it is not."""

    def equations(box: Sequence[Dual], rows: Rows) -> list[Dual]:
        return [x.square() + -0.25 for x in box]

    low, high = np.array([[-1.0, -1.0], [0.4, 0.4]]), np.array([[1.0, 1.0], [0.6, 0.7]])
    empty, one, narrow_low, narrow_high = _isolate._judge(equations, low, high, np.arange(2))
    assert (empty.tolist(), one.tolist()) == ([False, False], [False, True])
    assert (narrow_low[0].tolist(), narrow_high[0].tolist()) == ([-1.0, -1.0], [1.0, 1.0])
    assert np.all(narrow_low[1] > low[1])
    # nothing but empty boxes
    empty, one, *_ = _isolate._judge(equations, low + 3.0, high + 3.0, np.arange(2))
    assert (empty.tolist(), one.tolist()) == ([True, True], [False, False])


def test_values_and_jacobians_in_doubles() -> None:
    points = np.array([[0.3, -0.2], [1.5, 0.7], [0.0, 0.25]])
    value, jacobian = newton_system(curved, points, np.arange(3))
    x, y = points.T
    np.testing.assert_allclose(value, np.stack([x * x + y - 0.5, x * y + 3 * y - 0.25], axis=1))
    slopes = np.stack([np.stack([2 * x, 1 + 0 * x], 1), np.stack([y, x + 3], 1)], axis=1)
    np.testing.assert_allclose(jacobian, slopes)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(jacobian, slopes.transpose(0, 2, 1))

    def apart(box: Sequence[Dual], rows: Rows) -> list[Dual]:
        return [box[0] * 2.0, box[1] * 3.0]  # each depends on one coordinate alone

    assert newton_system(apart, points, np.arange(3))[1][1].tolist() == [[2.0, 0.0], [0.0, 3.0]]


def test_a_zero_that_newton_loses_is_an_error() -> None:
    """x^3 - 2 x + 2 has no zero in (-0.2, 1.2), and Newton's method wanders."""

    def equations(box: Sequence[Dual], rows: Rows) -> list[Dual]:
        return [box[0].square() * box[0] + box[0] * -2.0 + 2.0]

    rows, low, high = np.zeros(1, dtype=np.intp), np.array([[-0.2]]), np.array([[1.2]])
    with pytest.raises(ArithmeticError, match=r"a zero was proved but not found near \["):
        _isolate._gather(equations, [(rows, low, high)], [], 1)
    good = _isolate._gather(equations, [(rows, low - 2.0, high - 2.0)], [], 1)
    assert good.point[0, 0] == pytest.approx(-1.7692923542386314, abs=1e-15)


# ------------------------------------------------------------------ the same zero twice


def zeros_at(systems: list[int], points: list[list[float]]) -> Zeros:
    at = np.array(points)
    return Zeros(np.array(systems), at, at - 0.1, at + 0.1, [])


def test_the_same_zeros_are_merged() -> None:
    near = 1e-9
    points = [
        [0.5, 0.2], [0.5 + near, 0.2 - near], [0.1, 0.3], [0.5, 0.2], [0.5 - near, 0.2],
        [0.1, 0.3 + near], [-0.7, 0.9], [0.5 + 1e-3, 0.2],
    ]  # fmt: skip
    systems = [0, 0, 0, 1, 0, 1, 1, 0]
    zeros = zeros_at(systems, points)
    found = merge(zeros, zeros.point, lambda a, b: True)
    kept = sorted(zip(found.system.tolist(), found.point[:, 1].round(6).tolist(), strict=True))
    assert kept == [(0, 0.2), (0, 0.2), (0, 0.3), (1, 0.2), (1, 0.3), (1, 0.9)]
    assert sorted(found.system.tolist()) == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(found.low, found.point - 0.1)
    np.testing.assert_allclose(found.high, found.point + 0.1)
    same = zeros_at([0, 0, 1], [[0.5, 0.2]] * 3)
    assert merge(same, same.point, lambda a, b: True).system.tolist() == [0, 1]
    # what is not said to be the same is kept
    pairs: list[tuple[int, int]] = []
    every = merge(zeros, zeros.point, lambda a, b: bool(pairs.append((a, b))))
    assert every.system.size == 8
    assert {tuple(sorted(pair)) for pair in pairs} == {(0, 1), (0, 4), (1, 4)}
    # ... and what is alike is decided by the image, not by the point
    assert merge(zeros, np.arange(16.0).reshape(8, 2), lambda a, b: True).system.size == 8


def test_images_of_one_key_are_told_apart() -> None:
    """Two images on a line across the direction that images are sorted by."""
    direction = np.cos([1.0, 1.0 + math.sqrt(2.0)])
    across = np.array([-direction[1], direction[0]])
    points = [[0.0, 0.0], (0.3 * across).tolist(), [0.0, 1e-9], (0.3 * across + 1e-9).tolist()]
    zeros = zeros_at([4] * 4, points)
    assert merge(zeros, zeros.point, lambda a, b: True).system.tolist() == [4, 4]
    # a chain of neighbours: the first takes what is like it, and no more
    chain = zeros_at([0] * 3, [[0.0], [0.8e-6], [1.6e-6]])
    assert sorted(merge(chain, chain.point, lambda a, b: True).point[:, 0]) in (
        [0.0, 1.6e-6],
        [0.8e-6],
    )
    empty = np.empty((0, 2))
    none = Zeros(np.empty(0, dtype=np.intp), empty, empty, empty, [])
    assert merge(none, empty, lambda a, b: True).system.size == 0
