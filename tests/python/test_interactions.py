"""psi(u) = E[sigma(w.x) sigma*(v.x)] against quadrature, closed forms and differences."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from oracles import Array, hermite_coefficients, psi_quadrature, series
from scipy.stats import norm

import hermiteflow as hf

U = np.array([-1.0, -0.9, -0.3, 0.0, 1e-8, 0.2, 0.7, 1.0])
TEACHER = hf.hermite({1: 0.4, 2: -0.3, 3: 1.0, 4: 0.5})
STUDENT = hf.polynomial([0.2, 1.0, -0.5, 0.3, 0.1])
PAIRS = [
    (TEACHER, None),
    (TEACHER, STUDENT),
    (STUDENT, TEACHER),
    (hf.hermite(3), None),
    (hf.hermite(5), hf.hermite({3: 2.0, 5: -1.0})),
]


def agrees(psi: hf.Interaction, reference: Array, *, factor: float = 1.0) -> None:
    np.testing.assert_allclose(factor * psi(U), reference, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("teacher", "student"), PAIRS)
def test_psi_by_quadrature(teacher: hf.Link, student: hf.Link | None) -> None:
    psi = hf.Interaction(teacher, student)
    sigma = student or teacher
    agrees(psi, np.array([psi_quadrature(sigma, teacher, u) for u in U]))
    for fault in (lambda x: teacher(-x), lambda x: 2 * teacher(x)):
        with pytest.raises(AssertionError):
            agrees(psi, np.array([psi_quadrature(sigma, fault, u) for u in U]))
    if student is not None:
        with pytest.raises(AssertionError):  # the student forgotten
            agrees(psi, np.array([psi_quadrature(teacher, teacher, u) for u in U]))


@pytest.mark.parametrize(("teacher", "student"), PAIRS)
def test_psi_and_its_derivatives_are_the_mehler_series(
    teacher: hf.Link, student: hf.Link | None
) -> None:
    psi = hf.Interaction(teacher, student)
    sigma = student or teacher
    c = hermite_coefficients(teacher, 8) * hermite_coefficients(sigma, 8)
    agrees(psi, series(c)(U))
    with pytest.raises(AssertionError):
        agrees(psi, series(c)(U), factor=1.001)

    def derivative_agrees(order: int, reference: Array) -> None:
        np.testing.assert_allclose(psi.derivative(U, order=order), reference, rtol=1e-11, atol=1e-9)

    for order in (1, 2, 3):
        derivative_agrees(order, series(c, order)(U))
        with pytest.raises(AssertionError):
            derivative_agrees(order, -series(c, order)(U))
        with pytest.raises(AssertionError):
            derivative_agrees(order, series(c, order + 1)(U))
    np.testing.assert_array_equal(psi.derivative(U), psi.derivative(U, order=1))


@pytest.mark.parametrize(
    ("function", "value", "slope"),
    [
        (np.cos, lambda u: np.cosh(u) / math.e, lambda u: np.sinh(u) / math.e),
        (np.sin, lambda u: np.sinh(u) / math.e, lambda u: np.cosh(u) / math.e),
        (np.exp, lambda u: np.exp(1 + u), lambda u: np.exp(1 + u)),
    ],
    ids=["cos", "sin", "exp"],
)
def test_closed_forms(function: object, value: object, slope: object) -> None:
    psi = hf.Interaction(hf.link(function))
    agrees(psi, value(U))  # type: ignore[operator]
    np.testing.assert_allclose(psi.derivative(U), slope(U), rtol=1e-11, atol=1e-12)  # type: ignore[operator]
    with pytest.raises(AssertionError):
        agrees(psi, value(-U) + 1e-9)  # type: ignore[operator]


def test_derivative_by_differences() -> None:
    psi, h, u = hf.Interaction(TEACHER, STUDENT), 1e-3, U[1:-1]

    def check(factor: float) -> None:
        slope = (8 * (psi(u + h) - psi(u - h)) - (psi(u + 2 * h) - psi(u - 2 * h))) / (12 * h)
        np.testing.assert_allclose(factor * psi.derivative(u), slope, rtol=1e-9, atol=1e-11)

    check(1.0)
    for wrong in (-1.0, 2.0):
        with pytest.raises(AssertionError):
            check(wrong)


def test_information_exponent() -> None:
    assert hf.Interaction(hf.hermite(3)).information_exponent == 3
    assert hf.Interaction(TEACHER).information_exponent == 1
    # the smallest degree that both have
    both = hf.Interaction(hf.hermite({1: 1.0, 4: 1.0}), hf.hermite({2: 1.0, 4: 1.0, 5: 1.0}))
    assert both.information_exponent == 4
    assert hf.Interaction(hf.hermite({0: 1.0, 2: 1.0})).information_exponent == 2


@pytest.mark.parametrize(
    "terms",
    [{3: 1.0, 4: 0.5}, {3: 1.0, 5: 0.5}, {3: 1.0, 6: 0.5}, {1: 1.0}, {0: 2.0}, {6: 1.0}],
)
def test_what_the_core_takes_is_the_slope(terms: dict[int, float]) -> None:
    """u^power P(u^stride), which leaves out powers that are not there."""
    psi = hf.Interaction(hf.hermite(terms))
    power, stride, coefficients, arc, _ = psi.slope
    found = U**power * np.polynomial.polynomial.polyval(U**stride, coefficients)
    np.testing.assert_allclose(found, psi.derivative(U), rtol=1e-14, atol=1e-300)
    assert (arc, stride) == (0.0, 2 if terms == {3: 1.0, 5: 0.5} else 1)


@pytest.mark.parametrize("gone", [(), (0,), (1,), (1, 2), (0, 1, 2, 4)])
def test_what_the_core_takes_of_two_relus(gone: tuple[int, ...]) -> None:
    """psi' = (pi - acos u)/(2 pi) less p c_p^2 u^(p - 1): the lowest term is in the polynomial."""
    link = hf.link("relu").without(*gone)
    power, stride, coefficients, arc, skip = hf.Interaction(link).slope
    u = np.array([-0.9, -0.4, 0.1, 0.5, 0.99])
    j = np.arange(skip)
    taylor = [math.comb(2 * i, i) / 4**i / (2 * i + 1) for i in range(skip)]
    beyond = np.arcsin(u) - (u[:, None] ** (2 * j + 1)) @ taylor
    whole = (math.pi - np.arccos(u)) / (2 * math.pi)
    removed = hf.link("relu").coefficients(4)
    whole -= sum(p * removed[p] ** 2 * u ** (p - 1) for p in gone if p)
    found = u**power * np.polynomial.polynomial.polyval(u**stride, coefficients)
    np.testing.assert_allclose(found + arc * beyond, whole, rtol=0, atol=1e-15)
    assert power == {(): 0, (0,): 0, (1,): 1, (1, 2): 3, (0, 1, 2, 4): 5}[gone]
    assert coefficients[0] != 0.0
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found - arc * beyond, whole, rtol=0, atol=1e-15)


def test_reach_of_two_signs() -> None:
    """All terms of 2 asin(u)/pi have one sign: the bound is psi' itself, of any factor."""
    u = np.array([-0.95, -0.3, 0.0, 0.2, 0.9])
    for factor in (1.0, -3.0):
        psi = hf.Interaction(hf.link("sign"), factor * hf.link("sign"))
        exact = abs(factor) * 2.0 / (math.pi * np.sqrt(1.0 - u * u))
        np.testing.assert_allclose(psi.reach(u), exact, rtol=1e-14)
        np.testing.assert_allclose(abs(psi.derivative(u)), exact, rtol=1e-14)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_no_term_is_dropped_for_the_size_of_a_link(size: float) -> None:
    psi, small = hf.Interaction(TEACHER, STUDENT), hf.Interaction(size * TEACHER, size * STUDENT)
    np.testing.assert_allclose(small.coefficients, size**2 * psi.coefficients, rtol=1e-14)
    assert np.any(psi.coefficients)
    assert hf.Interaction(hf.hermite({3: 1.0, 4: 1e-10})).coefficients.size == 4  # 1e-20 beside 1


def test_the_tail_begins_after_the_last_degree() -> None:
    """Parseval for sigma' of a kink beside 0, where both parities are left out."""
    link = hf.link(lambda x: np.maximum(x - 0.5, 0.0))
    p = np.arange(link.degree + 1)
    left = norm.sf(0.5) - p @ link.coefficients(link.degree) ** 2
    assert hf.Interaction(link).tail == pytest.approx(left, rel=1e-9)
    more = p[-1] * link.coefficients(link.degree)[-1] ** 2  # one degree is worth that much
    assert more > 1e-6 * left


def test_the_tail_of_a_polynomial_beyond_a_series() -> None:
    """sqrt(p) of h_p meets what the kinks leave out of E sigma'^2, of its own parity alone."""
    p = np.arange(129)
    clipped, absolute = hf.link(lambda x: np.clip(x, -1.0, 1.0)), hf.link(np.abs)
    for link, energy, degree in ((clipped, math.erf(0.5**0.5), 151), (absolute, 1.0, 150)):
        series = link.series + (0.0,) * (129 - len(link.series))  # of its own parity only
        left = energy - float(p @ np.square(series))
        tail = hf.Interaction(link, hf.hermite(degree)).tail
        assert tail == pytest.approx(math.sqrt(degree * left), rel=1e-6)
        assert hf.Interaction(link, hf.hermite(degree + 1)).tail == 0.0
        assert hf.Interaction(link, hf.hermite(degree - 100)).tail == 0.0


def test_nothing_in_common_is_the_zero_polynomial() -> None:
    psi = hf.Interaction(hf.hermite({3: 1.0, 5: 1.0}), hf.hermite({4: 1.0, 6: 1.0}))
    assert psi.coefficients.tolist() == [0.0]
    assert psi.information_exponent == math.inf
    assert psi.slope.coefficients.tolist() == [0.0]


@pytest.mark.parametrize(
    ("teacher", "student"),
    [
        (hf.hermite(0), hf.hermite(0)),
        (hf.hermite({0: 2.0, 3: 1.0}), hf.hermite({0: -1.5, 4: 1.0})),
        (hf.polynomial([3.0]), hf.hermite({0: 1.0, 2: 1.0})),
    ],
)
def test_a_constant_in_common_is_kept(teacher: hf.Link, student: hf.Link) -> None:
    """psi is c_0 c*_0 where nothing else is shared, and so is the loss (2)."""
    psi = hf.Interaction(teacher, student=student)
    value = teacher.coefficients(0)[0] * student.coefficients(0)[0]
    assert value != 0.0
    assert psi.coefficients.tolist() == pytest.approx([value])
    agrees(psi, np.full(U.shape, value))
    assert not np.any(psi.derivative(U))
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), teacher, student=student)
    np.testing.assert_allclose(flow.loss_of([[0.5, 0.1, 0.0]]), -3.0 * value, rtol=1e-14)


def test_rounding_beyond_one_is_read_as_one() -> None:
    psi = hf.Interaction(hf.hermite({2: 1.0, 3: 1.0}))
    for u in (1.0, -1.0):
        assert psi(u * (1 + 1e-7)) == psi(u)
        assert psi(u * (1 - 1e-7)) != psi(u)
    with pytest.raises(ValueError, match=r"u must lie in \[-1, 1\].* got 1\.5$"):
        psi(np.array([0.5, 1.5, -2.0]))


def test_interactions_are_values() -> None:
    psi = hf.Interaction(TEACHER, STUDENT)
    assert psi == hf.Interaction(TEACHER, STUDENT)
    assert hash(psi) == hash(hf.Interaction(TEACHER, STUDENT))
    assert psi != hf.Interaction(TEACHER)
    copy = pickle.loads(pickle.dumps(psi))
    assert copy == psi
    np.testing.assert_array_equal(copy(U), psi(U))
    for u in (0.5, np.ones(3), np.ones((2, 3))):
        assert np.shape(psi(u)) == np.shape(psi.derivative(u, order=2)) == np.shape(u)


def test_bad_arguments() -> None:
    psi = hf.Interaction(TEACHER)
    with pytest.raises(TypeError):
        hf.Interaction("h3")
    with pytest.raises(TypeError):
        hf.Interaction(TEACHER, student=3)
    with pytest.raises(ValueError, match="order"):
        psi.derivative(U, order=-1)
    with pytest.raises(ValueError, match="u"):
        psi(np.array([0.5, math.nan]))
