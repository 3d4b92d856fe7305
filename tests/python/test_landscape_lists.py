"""What lists of fixed points are made of: limits, families, orbits; points of a circle."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow.landscape import _enumerate as lists
from hermiteflow.landscape._equations import form_of
from hermiteflow.landscape._problem import Problem

Array = NDArray[np.float64]

# ------------------------------------------------------------------ two index vectors: a circle

LINKS = {
    "h3": hf.Interaction(hf.hermite(3)),
    "h4": hf.Interaction(hf.hermite(4)),
    "h1 + h3": hf.Interaction(hf.hermite({1: 0.7, 3: 1.0})),
    "h3 + h4": hf.Interaction(hf.hermite({3: 1.0, 4: 1.0})),
    "h4 - h6": hf.Interaction(hf.hermite({4: 1.0, 6: 1.0}), student=hf.hermite({4: 1.0, 6: -1.3})),
    "h3 - h4 + h5": hf.Interaction(
        hf.hermite({3: 1.0, 4: 1.0, 5: 1.0}), student=hf.hermite({3: 1.0, 4: -1.5, 5: 1.2})
    ),
}


def on_circle(psi: Polynomial, beta: float) -> list[tuple[float, float, bool]]:
    """Loss, m . g and whether it is a minimum, of all fixed points, from a scan of the angle."""
    narrow, wide = math.sqrt(1 - beta), math.sqrt(1 + beta)

    def slope(angle: Array) -> tuple[Array, Array, Array]:
        # along (1, 1) and (1, -1), whose eigenvalues in G are 1 + beta and 1 - beta
        c, s = wide * np.cos(angle) / math.sqrt(2), narrow * np.sin(angle) / math.sqrt(2)
        dc, ds = -wide * np.sin(angle) / math.sqrt(2), narrow * np.cos(angle) / math.sqrt(2)
        g = psi.deriv()
        x, y = c + s, c - s
        return (
            -g(x) * (dc + ds) - g(y) * (dc - ds),
            -psi(x) - psi(y),
            x * g(x) + y * g(y),
        )

    grid = np.linspace(0.0, 2 * math.pi, 40001)[:-1] + 1.2345e-5
    low, high = grid, np.append(grid[1:], grid[0] + 2 * math.pi)
    signs = slope(low)[0] > 0.0, slope(high)[0] > 0.0
    turns = signs[0] != signs[1]
    low, high, rising = low[turns], high[turns], signs[1][turns]
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = (slope(middle)[0] > 0.0) == rising
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    _, loss, outside = slope(low)
    return sorted(zip(loss.tolist(), outside.tolist(), rising.tolist(), strict=True))


@pytest.mark.parametrize("beta", [0.0, 0.15, 0.6, -0.3])
@pytest.mark.parametrize("name", LINKS)
def test_two_index_vectors_have_the_points_of_a_circle(name: str, beta: float) -> None:
    psi = LINKS[name]
    targets = hf.Equiangular(k=2, beta=beta) if beta else hf.Orthonormal(k=2)
    points = hf.fixed_points(hf.CorrelationFlow(targets, psi.link, student=psi.student), d=2)
    whole = on_circle(Polynomial(psi.coefficients), beta)
    expected = [row for row in whole if abs(row[1]) > 1e-6]
    found = sorted(
        (o.loss, o.outside_eigenvalue, o.morse_index == 0) for o in points for _ in range(o.count)
    )
    assert len(found) == len(expected) == points.total
    np.testing.assert_allclose(
        sorted(row[0] for row in found), sorted(row[0] for row in expected), atol=1e-9
    )
    np.testing.assert_allclose(
        sorted(row[1] for row in found), sorted(row[1] for row in expected), atol=1e-6
    )
    assert sum(row[2] for row in found) == sum(row[2] for row in expected)
    assert [o.loss for o in points] == sorted(o.loss for o in points)
    # planted: the circle of another beta
    other = on_circle(Polynomial(psi.coefficients), beta - 0.02)
    same = len(other) == len(whole) and np.allclose(
        [row[0] for row in other], [row[0] for row in whole], atol=1e-9
    )
    assert not same


# ------------------------------------------------------------------ limits and names


def limits(slope: list[float], k: int, beta: float) -> tuple[int, tuple[str, ...]]:
    psi = np.array([0.0, *(c / (i + 1) for i, c in enumerate(slope))])
    problem = Problem(psi, k, beta)
    return lists._limits(problem, form_of(problem.slope, k, beta))


NOT_REACHED = "w orthogonal to every index vector (m = 0)"


def test_limits_and_names_of_linear_and_constant_slopes() -> None:
    sphere, across = "the unit sphere of span(V)", "orthogonal to the average"
    assert limits([0.0, 2.0], 3, 0.0) == (0, (NOT_REACHED, sphere))
    assert limits([0.0, 2.0], 2, 0.0) == (0, (NOT_REACHED, sphere))
    assert limits([0.0, 2.0], 1, 0.0) == (1, (NOT_REACHED,))
    most, names = limits([0.0, 2.0], 3, 0.2)
    assert (most, len(names)) == (1, 2)
    assert across in names[1]
    assert limits([0.0, 2.0], 2, 0.2) == (2, (NOT_REACHED,))
    assert limits([0.5], 4, 0.2) == (1, ())
    # psi' = 1 + 2 u, beta = 1/4: the sum of overlaps is -(1 + (k - 1)/4)/(2/4)
    psi_1 = "every overlap a zero of psi' (-0.5) and |w| = 1, where d > k allows it"
    assert limits([1.0, 2.0], 3, 0.25) == (1, (psi_1,))  # 9 > 3 * 1.5
    most, names = limits([1.0, 2.0], 9, 0.25)  # 36 > 27
    assert (most, names) == (1, (psi_1,))
    most, names = limits([1.0, 2.0], 3, 0.5)  # 4 <= 6
    assert names == (psi_1, "the unit vectors of span(V) with sum_j m_j = -2")
    assert limits([1.0, 2.0], 2, 0.5) == (2, (psi_1,))
    assert limits([1.0, 2.0], 3, 0.0) == (1, (psi_1,))
    # with equality: 4 = k (1 + (k - 1) beta) at k = 3, beta = 1/2 for -s (1 + 1)/(t/2) = -sqrt(6)
    near = math.sqrt(6.0) / 2.0
    for slope, there in ((near * (1 - 1e-9), True), (near * (1 + 1e-9), False)):
        assert (len(limits([slope, 2.0], 3, 0.5)[1]) == 2) == there


def test_limits_and_names_of_other_slopes() -> None:
    assert limits([0.0, 0.0, 3.0], 5, 0.1) == (2, (NOT_REACHED,))
    most, names = limits([0.0, 0.0, 3.0, 4.0], 5, 0.0)
    assert most == form_of(np.array([0.0, 0.0, 3.0, 4.0]), 5, 0.0).most_values()
    zeros = "every overlap a zero of psi' (0, -0.75) and |w| = 1, where d > k allows it"
    assert names == (NOT_REACHED, zeros)
    assert "psi' (-0.5, 0.5)" in limits([-0.25, 0.0, 1.0], 5, 0.1)[1][0]
    assert limits([-1.0, 0.0, 1.0], 5, 0.1)[1] == ()  # zeros at -1 and 1 are single points
    assert lists._interior_zeros(np.array([0.0, 0.0, -1.0, 0.0, 4.0])) == [-0.5, 0.5]
    assert lists._interior_zeros(np.array([2.0])) == []
    assert lists._interior_zeros(np.array([0.0, 2.0])) == []
    assert lists._interior_zeros(np.array([-3.0, 2.0])) == []


def test_most_values_at_almost_every_beta() -> None:
    assert lists.most_values(np.array([0.0, 0.0, 0.0, 1.0]), 9) == 2
    assert lists.most_values(np.array([0.0, 0.0, 0.0, 1.0]), 1) == 1
    assert lists.most_values(np.array([0.0, 0.0, 1.0]), 9) == 1
    assert lists.most_values(np.array([0.0, 0.0, 0.0, 0.0, 1.0]), 9) == 3


# ------------------------------------------------------------------ families


def test_families_are_sizes_of_groups() -> None:
    assert lists._wanted(None, 7) is None
    assert lists._wanted("pair", 7) == {(5, 2)}
    assert lists._wanted(("pair", "average"), 7) == {(5, 2), (7,)}
    assert lists._wanted(np.array(["pair"]), 7) == {(5, 2)}
    with pytest.raises(ValueError, match=r"families must name at least one of .*got none"):
        lists._wanted((), 7)
    for wrong in (3, np.array("pair")):
        with pytest.raises(TypeError, match="families must be a sequence of names"):
            lists._wanted(wrong, 7)  # type: ignore[arg-type]
    wanted = {(6, 1), (5, 2), (7,)}
    assert lists._members(wanted, 7, 1, whole=True).tolist() == [[7]]
    assert lists._members(wanted, 7, 2, whole=True).tolist() == [[6, 1], [5, 2]]
    assert lists._members(wanted, 7, 3, whole=True).shape == (0, 3)
    # where the group of overlap 0 is left out
    assert lists._members(wanted, 7, 1, whole=False).tolist() == [[7], [6], [5], [2], [1]]
    assert lists._members(wanted, 7, 2, whole=False).tolist() == [[6, 1], [5, 2]]


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("name", ["h3", "h4"])
def test_families_are_parts_of_the_whole_list(name: str, beta: float) -> None:
    targets = hf.Equiangular(k=5, beta=beta) if beta else hf.Orthonormal(k=5)
    flow = hf.CorrelationFlow(targets, LINKS[name].link)
    whole = hf.fixed_points(flow)
    for families, sizes in (
        ("index-like", [{4, 1}]),
        (("pair", "average"), [{3, 2}, {5}]),
        (("average",), [{5}]),
    ):
        part = hf.fixed_points(flow, families=families)
        chosen = [o.values for o in whole if set(o.multiplicities) in sizes]
        assert [o.values for o in part] == chosen
        assert len(chosen) > 0


# ------------------------------------------------------------------ orbits


def test_one_point_of_each_orbit() -> None:
    odd = Problem(np.array([0.0, 0.0, 0.0, 1.0]), 5, 0.0)
    even = Problem(np.array([0.0, 0.0, 0.0, 0.0, 1.0]), 5, 0.0)
    sizes = np.array([[2, 2]] * 6 + [[2, 1]] * 2)
    values = np.array(
        [
            [0.2, 0.6], [0.6, 0.2], [-0.2, -0.6], [0.6, 0.2 + 1e-10], [0.5, -0.5],
            [0.6, 0.2 + 1e-8], [0.3, -0.8], [-0.3, 0.8],
        ]
    )  # fmt: skip
    rows = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    points, own, alike = lists._representatives(odd, rows, values, sizes)
    assert points.tolist() == [
        [0.6, 0.2], [-0.2, -0.6], [0.5, -0.5], [0.6, 0.2 + 1e-8], [0.3, -0.8], [-0.3, 0.8],
    ]  # fmt: skip
    assert own.tolist() == [[2, 2]] * 4 + [[2, 1]] * 2
    assert alike.tolist() == [False, False, True, False, False, False]
    points, own, alike = lists._representatives(even, rows, values, sizes)
    assert points.tolist() == [[0.6, 0.2], [0.5, -0.5], [0.6, 0.2 + 1e-8], [0.3, -0.8]]
    assert own.tolist() == [[2, 2]] * 3 + [[2, 1]]
    assert alike.tolist() == [False, True, False, False]
    # of w and -w the one whose first overlap that differs is larger, not by rounding
    near = np.array([[1e-10, -0.3], [-1e-10, 0.3]])
    points, *_ = lists._representatives(even, np.zeros(2, int), near, np.array([[2, 1]] * 2))
    assert points.tolist() == [[-1e-10, 0.3]]
    # rows that come out of order
    points, own, _ = lists._representatives(odd, rows[::-1].copy(), values[::-1], sizes[::-1])
    assert len(points) == 6


def test_groups_of_one_size_come_in_descending_overlap() -> None:
    values = np.array([[0.1, 0.7, -0.2, 0.4]])
    sizes = np.array([[3, 3, 1, 1]])
    assert lists._ordered(values, sizes).tolist() == [[0.7, 0.1, 0.4, -0.2]]
    assert lists._ordered(values, np.array([[1, 2, 2, 3]])).tolist() == [[0.4, 0.7, -0.2, 0.1]]


@pytest.mark.parametrize(
    ("name", "k", "beta", "orbits"),
    [
        # loss-ordered (sizes, count): all signs at beta = 0 where psi is even
        ("h4", 3, 0.0, {((1, 2), 6), ((2, 1), 12), ((3,), 8)}),
        ("h3", 3, 0.0, {((1, 2), 3), ((2, 1), 3), ((3,), 1)}),
    ],
)
def test_counts_of_orbits(
    name: str, k: int, beta: float, orbits: set[tuple[tuple[int, ...], int]]
) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=k), LINKS[name].link)
    points = hf.fixed_points(flow)
    assert {(o.multiplicities, o.count) for o in points} == orbits
    assert len(points) == (3 if name == "h4" else 6)
    assert hf.fixed_points(flow, max_orbits=len(points)).total == points.total
    with pytest.raises(ValueError, match="max_orbits must be at least the number of orbits"):
        hf.fixed_points(flow, max_orbits=len(points) - 1)
    # systems: sizes without the group of 0, and each has one zero, or one of each sign
    assert {s.sizes for s in points.systems} >= {(1,), (2,), (3,)}
    single = [s for s in points.systems if len(s.sizes) == 1]
    assert {(s.proved, s.found) for s in single} == {(1, 1) if name == "h4" else (2, 2)}


def test_an_odd_psi_is_not_doubled_and_an_even_one_once() -> None:
    """Off beta = 0: w and -w are one orbit of an even psi, unless permutations do that."""
    flow = hf.CorrelationFlow(hf.Equiangular(k=2, beta=-0.3), hf.hermite(4))
    counts = {o.values: o.count for o in hf.fixed_points(flow)}
    balanced = [c for v, c in counts.items() if len(v) == 2 and abs(v[0] + v[1]) < 1e-12]
    average = [c for v, c in counts.items() if len(v) == 1]
    assert (balanced, average) == ([2], [2])
    odd = hf.fixed_points(hf.CorrelationFlow(hf.Equiangular(k=2, beta=-0.3), hf.hermite(3)))
    assert {o.count for o in odd} == {1, 2}
    assert [o.count for o in odd if len(o.values) == 1] == [1, 1]


def test_the_dimension_must_hold_the_index_vectors() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    assert hf.fixed_points(flow, d=3).total == 14
    with pytest.raises(ValueError, match=r"d must be .*at least 3, got 2"):
        hf.fixed_points(flow, d=2)
    one = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(3))
    with pytest.raises(ValueError, match=r"d must be .*at least 2, got 1"):
        hf.fixed_points(one, d=1)
    lowest = {d: min(hf.fixed_points(flow, d=d), key=lambda o: o.values) for d in (3, 4)}
    assert {d: o.kind for d, o in lowest.items()} == {3: "maximum", 4: "maximum"}
    down = {
        d: next(
            o.kind for o in hf.fixed_points(flow, d=d) if o.multiplicities == (3,) and o.loss > 0
        )
        for d in (3, 4)
    }
    assert down == {3: "minimum", 4: "saddle"}


def test_residuals_beyond_rounding_are_an_error() -> None:
    problem = Problem(np.array([0.0, 0.0, 0.0, 1.0]), 10_000, 0.0)
    limit = 4.0 * 2.0**-52 * 3 * 100.0  # 2.7e-13, of 3 degrees and sqrt(k) = 100
    values, sizes = np.array([[0.5], [0.25], [0.75]]), np.array([[1], [2], [3]])

    def check(worst: float) -> None:
        spectrum: Any = SimpleNamespace(residual=np.array([1e-16, worst, 0.0]))
        lists._check_residuals(problem, spectrum, values, sizes)

    check(0.99 * limit)
    with pytest.raises(ArithmeticError, match=r"residual is 2\.7e-13, with overlaps \[0\.25\]"):
        check(1.01 * limit)
    small = Problem(problem.psi, 4, 0.0)  # rounding alone would be 5e-15
    spectrum: Any = SimpleNamespace(residual=np.array([0.0, 0.9e-14, 0.0]))
    lists._check_residuals(small, spectrum, values, sizes)
    spectrum.residual[1] = 1.1e-14
    with pytest.raises(ArithmeticError, match="beta must be farther from the ends of its range"):
        lists._check_residuals(small, spectrum, values, sizes)
    nothing: Any = SimpleNamespace(residual=np.empty(0))
    lists._check_residuals(small, nothing, values[:0], sizes[:0])
