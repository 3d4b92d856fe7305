"""Equations of fixed points in their three forms: against matrices, quotients and exact pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from hermiteflow.landscape._equations import (
    CentralForm,
    Form,
    LineForm,
    SquaredForm,
    UndecidedError,
    form_of,
)
from hermiteflow.landscape._intervals import Dual, Number, Real

Array = NDArray[np.float64]


def with_turns(*turns: float) -> list[float]:
    """A polynomial whose derivative vanishes at these points, and nowhere else."""
    coefficients: list[float] = Polynomial.fromroots(turns).integ().coef.tolist()
    return [0.7, *coefficients[1:]]


def test_most_values_are_changes_of_sign() -> None:
    """Of psi'''; of (psi'(u)/u)'; of the same in u^2. Those outside of the range do not count."""
    central = with_turns(-0.9, 0.5, 0.6, 0.8, 1.2, -1.1)
    assert CentralForm((0.0, *central), 9).most_values() == 5
    assert CentralForm((0.0, 0.0, 3.0, 0.0, 5.0), 9).most_values() == 1  # 3 u + 5 u^3 ascends
    squares = with_turns(0.3, 0.4, 1.3, -0.2)
    spread = [c for s in squares for c in (s, 0.0)]
    assert SquaredForm((0.0, *spread), 9).most_values() == 3
    line = Polynomial(with_turns(0.3, 0.4, -0.2, -1.3)).integ()
    assert LineForm(tuple(line.coef.tolist()), 9, 0.1).most_values() == 5
    assert LineForm((1.0, 0.0, 3.0), 9, 0.1).most_values() == 2


def test_which_form_is_taken() -> None:
    assert form_of(np.array([0.0, 1.0, 0.0, 1.0]), 3, 0.0) == SquaredForm((0.0, 1.0, 0.0, 1.0), 3)
    assert form_of(np.array([0.0, 1.0, 1.0]), 3, 0.0) == CentralForm((0.0, 1.0, 1.0), 3)
    assert form_of(np.array([0.0, 1.0]), 3, 0.1) == LineForm((0.0, 1.0), 3, 0.1)
    assert form_of(np.array([0.5, 1.0]), 3, 0.0) == LineForm((0.5, 1.0), 3, 0.0)


# ------------------------------------------------------------------ unknowns and overlaps


def numbers(box: Array) -> list[Number]:
    return [Dual(Real(np.array([x])), []) for x in box]


def plain(values: list[Number]) -> Array:
    return np.array([float(v.value.value[0]) for v in values])


PARTS = np.array([[3, 2, 1]])
SIZES = np.repeat(np.arange(3), PARTS[0])


def test_faces_of_the_cube_cover_the_sphere() -> None:
    odd = CentralForm((0.0, 0.0, 3.0, 4.0), 6)
    assert sorted(odd.charts(3)) == [(axis, sign) for axis in range(3) for sign in (-1, 1)]
    assert list(LineForm((0.0, 1.0, 0.0, 1.0), 6, 0.1).charts(3)) == [(0, 1), (1, 1), (2, 1)]
    assert len(SquaredForm((0.0, 1.0, 0.0, 1.0), 6).charts(3)) == 1
    low, high = odd.box(2)
    assert (low.tolist(), high.tolist()) == ([-1.0, -1.0], [1.0, 1.0])
    low, high = SquaredForm((0.0, 1.0, 0.0, 1.0), 6).box(2)
    assert (low.tolist(), high.tolist()) == ([0.0, 0.0], [1.0, 1.0])
    points = np.random.default_rng(0).standard_normal((20, 3))
    for w in points / np.linalg.norm(points, axis=1, keepdims=True):
        axis = int(np.argmax(np.abs(w)))
        chart = (axis, 1 if w[axis] > 0.0 else -1)
        box = np.delete(w, axis) / abs(w[axis])
        found = plain(odd.direction(numbers(box), chart))
        np.testing.assert_allclose(found, w, rtol=1e-14)
        np.testing.assert_allclose(
            plain(odd.unknowns(numbers(box), chart, PARTS)) ** 2 @ [3, 2, 1], 1
        )


def root_of_gram(k: int, beta: float) -> Array:
    values, vectors = np.linalg.eigh((1.0 - beta) * np.eye(k) + beta)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


@pytest.mark.parametrize("beta", [0.3, -0.15, 0.0])
def test_overlaps_are_those_of_the_unit_vector(beta: float) -> None:
    form = LineForm((0.2, -0.3, 1.0, 0.5, 0.0, -0.7), 6, beta)
    e = np.array([[0.5, -0.7, 0.2], [0.1, 0.3, 0.9]])
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    found = form.overlaps(e, np.repeat(PARTS, 2, axis=0))
    for row, own in zip(e, found, strict=True):
        w = (row / np.sqrt(PARTS[0]))[SIZES]
        assert np.linalg.norm(w) == pytest.approx(1.0)
        np.testing.assert_allclose(own[SIZES], root_of_gram(6, beta) @ w, atol=1e-14)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(own[SIZES], root_of_gram(6, beta + 0.01) @ w, atol=1e-14)


def test_squares_add_up() -> None:
    form = SquaredForm((0.0, 1.0, 0.0, 1.0), 6)
    unknowns = plain(form.unknowns(numbers(np.array([0.2, 0.5])), (0, 1), PARTS))
    np.testing.assert_allclose(unknowns, [0.2 / 3, 0.5 / 2, 0.3], rtol=1e-14)
    np.testing.assert_allclose(form.overlaps(unknowns[None], PARTS)[0] ** 2, unknowns)
    assert form.overlaps(np.array([[-1e-18, 0.25]]), PARTS).tolist() == [[0.0, 0.5]]


# ------------------------------------------------------------------ equations


def psi1(form: Form, u: Array) -> Array:
    return np.asarray(Polynomial(form.slope)(u))


def divided(values: Array, points: Array) -> float:
    """values[u_1, ..., u_n] by Lagrange's sum."""
    return float(
        sum(
            value / np.prod([x - other for j, other in enumerate(points) if j != i])
            for i, (value, x) in enumerate(zip(values, points, strict=True))
        )
    )


@pytest.mark.parametrize("beta", [0.3, -0.15, 0.0])
def test_equations_of_a_line(beta: float) -> None:
    form = LineForm((0.2, -0.3, 1.0, 0.5, 0.0, -0.7), 6, beta)
    e = np.array([0.5, -0.7, 0.2])
    e /= np.linalg.norm(e)
    u = form.overlaps(e[None], PARTS)[0]
    found = plain(form.equations(numbers(e), PARTS))
    g = psi1(form, u)
    tilt = (g[1] - g[0]) / (u[1] - u[0])
    intercept, total = g[0] - tilt * u[0], float(PARTS[0] @ u)
    assert len(found) == 2
    assert found[0] == pytest.approx(
        intercept * (1.0 + 5.0 * beta) + beta * tilt * total, rel=1e-12
    )
    assert found[1] == pytest.approx(divided(g, u), rel=1e-12)


def test_equations_of_the_other_forms() -> None:
    u = np.array([0.4, -0.3, 0.15])
    central = CentralForm((0.0, -0.3, 1.0, 0.5, 0.0, -0.7), 6)
    found = plain(central.equations(numbers(u), PARTS))
    values = psi1(central, u) / u
    expected = [divided(values[:n], u[:n]) for n in (2, 3)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    squared = SquaredForm((0.0, -0.3, 0.0, 0.5, 0.0, -0.7, 0.0, 0.2), 6)
    found = plain(squared.equations(numbers(u * u), PARTS))
    values = psi1(squared, u) / u
    expected = [divided(values[:n], (u * u)[:n]) for n in (2, 3)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_one_overlap() -> None:
    parts = np.array([[2], [5]])
    ((rows, values), (_, others)) = CentralForm((0.0, 0.0, 3.0), 5).single(parts)
    assert rows.tolist() == [0, 1]
    np.testing.assert_allclose(values[:, 0], [2**-0.5, 5**-0.5])
    np.testing.assert_allclose(others, -values)
    ((rows, values),) = SquaredForm((0.0, 0.0, 0.0, 4.0), 5).single(parts)
    np.testing.assert_allclose(values[:, 0], [2**-0.5, 5**-0.5])
    pieces = LineForm((0.0, 0.0, 3.0), 5, 0.2).single(parts[1:])
    assert [v.tolist() for _, v in pieces] == [[[0.6]], [[-0.6]]]  # 5 m^2 = 1 + 4 beta
    assert len(LineForm((0.0, 0.0, 0.0, 4.0), 5, 0.2).single(parts[1:])) == 1


# ------------------------------------------------------------------ zeros that coincide, exactly


def pair_of_degree_3(k: int, size: int, beta: float, larger: bool) -> Array:
    """psi = u^3: (1 - beta) t = beta (s + (k - s) t^2) for t = y/x, and w has length 1."""
    lead, half = beta * (k - size), 0.5 * (1.0 - beta)
    root = math.sqrt(half * half - lead * beta * size)
    t = (half + root) / lead if larger else beta * size / (half + root)
    total = size + (k - size) * t
    square = size + (k - size) * t * t - beta / (1.0 + (k - 1) * beta) * total**2
    return math.sqrt((1.0 - beta) / square) * np.array([1.0, t])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pairs_on_a_line_are_exact(size: int) -> None:
    k, beta = 5, 0.1
    form = LineForm((0.0, 0.0, 3.0), k, beta)
    for larger in (True, False):
        for sign in (1.0, -1.0):
            exact = sign * pair_of_degree_3(k, size, beta, larger)
            near = float(exact[0]) + 3e-7, float(exact[1]) - 3e-7
            (found,) = form.pairs(np.array([size, k - size]), near)
            np.testing.assert_allclose(found, exact, atol=1e-15)
    assert list(form.pairs(np.array([size, k - size]), (exact[0] + 1e-4, exact[1]))) == []


def test_two_fixed_points_near_a_fold_are_told_apart() -> None:
    """psi = u^3, k = 5: the fold is at 1/5, and 1e-13 below it two points are 1e-6 apart."""
    k, beta = 5, 0.2 - 1e-13
    exact = [pair_of_degree_3(k, 1, beta, larger) for larger in (True, False)]
    assert 1e-7 < np.max(np.abs(exact[0] - exact[1])) < 2e-6
    form = LineForm((0.0, 0.0, 3.0), k, beta)
    found = np.array(list(form.pairs(np.array([1, 4]), tuple(exact[0]))))
    np.testing.assert_allclose(found, sorted(p.tolist() for p in exact), atol=1e-9)
    rows, values, proved = form.solve(np.array([[1, 4], [2, 3]]))
    assert proved[0] == np.sum(rows == 0) >= 4
    for sign in (1.0, -1.0):
        for point in exact:
            assert np.min(np.max(np.abs(values[rows == 0] - sign * point), axis=1)) < 1e-9


#: psi = 11/8 u^4 - 2 u^6 + u^8, groups of 1 and 2: with X = 1 - 2 Y from |w| = 1 the equation is
#: 24 (Y - 1/4)^2.
TOUCHING = SquaredForm((0.0, 0.0, 0.0, 5.5, 0.0, -12.0, 0.0, 8.0), 3)


def test_a_double_zero_of_squares_is_one_point() -> None:
    exact = [math.sqrt(0.5), 0.5]
    (found,) = TOUCHING.pairs(np.array([1, 2]), (0.7071067, 0.5))
    assert found == pytest.approx(exact, abs=1e-15)
    rows, values, proved = TOUCHING.solve(np.array([[1, 2], [1, 1]]))
    assert rows.tolist().count(0) == proved[0] == 1
    np.testing.assert_allclose(values[rows == 0][0], exact, atol=1e-14)
    assert list(TOUCHING.pairs(np.array([1, 2]), (0.6, 0.5))) == []
    # psi' = c u^3 - u^5, where c = X + Y
    with pytest.raises(ArithmeticError, match="every point is a zero"):
        list(SquaredForm((0.0, 0.0, 0.0, 1.0, 0.0, -1.0), 3).pairs(np.array([1, 1]), (0.5, 0.5)))


@pytest.mark.parametrize("sign", [1, -1])
def test_squares_beyond_0_are_no_pairs(sign: int) -> None:
    """psi' = c u^3 - u^5, where c = X + Y; with X + 2 Y = 1 too, X = 2 c - 1."""
    form = SquaredForm((0.0, 0.0, 0.0, 0.5 + sign * 2.0**-21, 0.0, -1.0), 3)
    found = list(form.pairs(np.array([1, 2]), (0.0, math.sqrt(0.5))))
    assert len(found) == (sign > 0)
    other = list(form.pairs(np.array([2, 1]), (math.sqrt(0.5), 0.0)))  # 2 X + Y = 1: Y = 2 c - 1
    assert len(other) == (sign > 0)
    for tiny, half in [*found, *((x, y) for y, x in other)]:
        assert tiny == pytest.approx(2.0**-10, rel=1e-12)
        assert half**2 == pytest.approx(0.5 - 2.0**-21, rel=1e-14)


def test_undecided_boxes_are_settled_once() -> None:
    boxes = [(0, np.array([0.5])), (0, np.array([0.5 + 1e-7])), (0, np.array([0.1]))]
    settled = TOUCHING._settle(boxes, (0, 1), np.array([[1, 2]]))
    assert [row for row, _ in settled] == [0]
    assert settled[0][1] == pytest.approx([math.sqrt(0.5), 0.5], abs=1e-15)
    other = TOUCHING._settle([(1, np.array([0.5]))], (0, 1), np.array([[2, 1], [1, 2]]))
    assert [row for row, _ in other] == [1]
    with pytest.raises(UndecidedError, match=r"overlaps 1 x 0\.447213595, 1 x 0\.54.*more than"):
        TOUCHING._settle([(0, np.array([0.2, 0.3]))], (0, 1), np.array([[1, 1, 1]]))


def test_squares_of_zero_within_rounding_are_other_systems() -> None:
    parts = np.array([[1, 2]])
    values = np.array([[0.6, 0.5], [1e-8, 0.7], [1e-6, 0.7]])
    rows, kept = TOUCHING._admit(np.zeros(3, dtype=np.intp), values, parts)
    assert rows.tolist() == [0, 0]
    assert kept.tolist() == [[0.6, 0.5], [1e-6, 0.7]]


@pytest.mark.parametrize("gap", [0.0, 3e-15, 5e-15, 0.9e-11, 1.1e-11])
def test_overlaps_that_are_equal_close_or_apart(gap: float) -> None:
    form = LineForm((0.0, 0.0, 3.0), 6, 0.1)
    values = np.array([[0.25 + gap, -0.5, 0.25]])
    if 4e-15 < gap < 1e-11:
        with pytest.raises(UndecidedError, match=r"bifurcations.*multiplicities \[3 2 1\]"):
            form._admit(np.zeros(1, dtype=np.intp), values, PARTS)
        return
    rows, kept = form._admit(np.zeros(1, dtype=np.intp), values, PARTS)
    assert len(rows) == len(kept) == (gap > 1e-11)
