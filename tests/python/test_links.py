"""Links: normalised Hermite coefficients, values, derivatives, arithmetic."""

from __future__ import annotations

import math
import pickle

import mpmath
import numpy as np
import pytest
from oracles import Array, Function, hermite_coefficients, hermite_coefficients_mp, hermite_value

import hermiteflow as hf

X = np.linspace(-3.0, 3.0, 41)
CUBIC = [0.5, -1.0, 2.0, 0.25]


def coefficients_agree(link: hf.Link, reference: Array) -> None:
    np.testing.assert_allclose(
        link.coefficients(len(reference) - 1), reference, rtol=1e-12, atol=1e-13
    )


def values_agree(link: hf.Link, reference: Function) -> None:
    np.testing.assert_allclose(link(X), reference(X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("p", [0, 1, 2, 3, 4, 7, 12])
def test_hermite_links(p: int) -> None:
    link = hf.hermite(p)
    coefficients_agree(link, np.eye(p + 3)[p])
    assert link.degree == p
    values_agree(link, lambda x: hermite_value(p, x))
    coefficients_agree(link, hermite_coefficients(lambda x: hermite_value(p, x), p + 2))
    if p:
        with pytest.raises(AssertionError):  # He_p, without 1 / sqrt(p!)
            values_agree(link, lambda x: hermite_value(p, x) * (math.factorial(p) + 0.1) ** 0.5)
        with pytest.raises(AssertionError):
            coefficients_agree(link, np.eye(p + 3)[p - 1])


def test_a_dictionary_of_coefficients() -> None:
    link = hf.hermite({3: 1.0, 5: 0.2})
    coefficients_agree(link, np.array([0, 0, 0, 1.0, 0, 0.2, 0]))
    values_agree(link, lambda x: hermite_value(3, x) + 0.2 * hermite_value(5, x))
    assert link.coefficients(4).shape == (5,)
    assert hf.hermite({3: 1.0}) == hf.hermite(3)


def test_polynomials_are_in_powers_of_x() -> None:
    link = hf.polynomial(CUBIC)

    def reference(x: Array) -> Array:
        return CUBIC[0] + CUBIC[1] * x + CUBIC[2] * x**2 + CUBIC[3] * x**3

    values_agree(link, reference)
    coefficients_agree(link, hermite_coefficients(reference, 5))
    exact = hermite_coefficients_mp(reference, 4)
    coefficients_agree(link, exact)
    with pytest.raises(AssertionError):
        coefficients_agree(link, exact * [1, 1, 1, math.sqrt(6), 1])  # He_3 for h_3
    with pytest.raises(AssertionError):
        coefficients_agree(link, hermite_coefficients(lambda x: reference(-x), 5))


@pytest.mark.parametrize("p", [169, 170, 171, 180])
def test_powers_whose_factorial_is_no_double(p: int) -> None:
    """x^p = h_p sqrt(p!) + p (p - 1)/2 h_(p-2) sqrt((p - 2)!) + ...; 171! is beyond doubles."""
    found = hf.polynomial([0.0] * p + [1.0]).coefficients(p)
    with mpmath.workdps(30):
        first = float(mpmath.sqrt(mpmath.factorial(p)))
        second = float(p * (p - 1) / 2 * mpmath.sqrt(mpmath.factorial(p - 2)))
    np.testing.assert_allclose(found[[p, p - 2]], [first, second], rtol=1e-12)
    assert found[p - 1] == 0.0


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (np.sin, lambda p: math.exp(-0.5) * (0, 1, 0, -1)[p % 4] / math.sqrt(math.factorial(p))),
        (np.cos, lambda p: math.exp(-0.5) * (1, 0, -1, 0)[p % 4] / math.sqrt(math.factorial(p))),
        (np.exp, lambda p: math.exp(0.5) / math.sqrt(math.factorial(p))),
    ],
    ids=["sin", "cos", "exp"],
)
def test_callables_by_closed_forms(function: Function, exact: object) -> None:
    reference = np.array([exact(p) for p in range(11)])  # type: ignore[operator]
    coefficients_agree(hf.link(function), reference)
    with pytest.raises(AssertionError):
        coefficients_agree(hf.link(function), 2 * reference)
    with pytest.raises(AssertionError):
        coefficients_agree(hf.link(function), -reference)


def test_a_callable_by_mpmath() -> None:
    reference = hermite_coefficients_mp(lambda x: x * mpmath.exp(-(x**2) / 4), 8)
    link = hf.link(lambda x: x * np.exp(-(x**2) / 4))
    coefficients_agree(link, reference)
    with pytest.raises(AssertionError):
        coefficients_agree(link, reference * (1 + 1e-9))


@pytest.mark.parametrize(
    "link",
    [hf.hermite({1: 0.3, 4: 1.0, 6: -0.5}), hf.polynomial(CUBIC), hf.link(np.sin)],
    ids=["hermite", "polynomial", "callable"],
)
def test_derivative_by_differences(link: hf.Link) -> None:
    def check(factor: float) -> None:
        h = 1e-2
        table = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
        slope = sum(w * (link(X + j * h) - link(X - j * h)) for j, w in table) / h
        np.testing.assert_allclose(factor * link.derivative(X), slope, rtol=1e-9, atol=1e-9)

    check(1.0)
    for wrong in (-1.0, 2.0):
        with pytest.raises(AssertionError):
            check(wrong)


def test_derivatives_of_callables_before_and_after_pickling() -> None:
    """By differences of the callable, which know nothing of its series; then by the series."""
    kink = hf.link(np.abs)
    np.testing.assert_allclose(kink.derivative([-2.0, 0.5, 2.0]), [-1.0, 1.0, 1.0], rtol=1e-12)
    copy = pickle.loads(pickle.dumps(hf.link(np.sin)))
    np.testing.assert_allclose(copy.derivative(X), np.cos(X), rtol=1e-10, atol=1e-11)
    copy = pickle.loads(pickle.dumps(kink))
    with pytest.raises(AssertionError):  # the series of the kink does not follow it
        np.testing.assert_allclose(copy.derivative([-2.0, 0.5, 2.0]), [-1.0, 1.0, 1.0], rtol=1e-3)


def test_arithmetic() -> None:
    first, second = hf.hermite(3), hf.polynomial([0.0, 1.0, 1.0])
    for link in (2 * first + second, second + first * 2):
        values_agree(link, lambda x: 2 * first(x) + second(x))
        coefficients_agree(link, 2 * first.coefficients(6) + second.coefficients(6))
        np.testing.assert_allclose(link.derivative(X), 2 * first.derivative(X) + 1 + 2 * X)
    with pytest.raises(AssertionError):
        values_agree(first + second, lambda x: 2 * first(x) + second(x))


def test_multiples_of_multiples() -> None:
    """A factor multiplies what is there, 1 leaves all as it is, 0 leaves nothing."""
    relu = hf.link("relu")
    for factor in (1.0, -2.0, 0.25):
        values_agree(factor * (3.0 * relu), lambda x, f=factor: 3.0 * f * np.maximum(x, 0.0))
    assert 1.0 * relu == relu
    assert 0.0 * relu == hf.hermite({0: 0.0})
    assert [(2.0 * relu).name, (-relu).name, (1.0 * relu).name] == ["2 relu", "-relu", "relu"]
    assert (2.0 * hf.hermite(3)).name == ""
    assert (2.0 * (relu + hf.hermite(1))).name == "2 (relu + h_1)"


def test_information_exponent_and_without() -> None:
    assert hf.hermite(3).information_exponent == 3
    assert hf.hermite({0: 5.0, 4: 0.1, 2: 1.0}).information_exponent == 2
    assert (
        hf.polynomial([1.0, 0.0, 0.0, 1.0]).information_exponent == 1
    )  # x^3 = sqrt(6) h_3 + 3 h_1
    cleaned = hf.polynomial([1.0, 2.0, 3.0, 1.0]).without(1, 2)
    assert cleaned.information_exponent == 3
    reference = hf.polynomial([1.0, 2.0, 3.0, 1.0]).coefficients(4)
    coefficients_agree(cleaned, reference * [1, 0, 0, 1, 1])
    values_agree(cleaned, lambda x: reference[0] + reference[3] * hermite_value(3, x))
    with pytest.raises(AssertionError):
        coefficients_agree(cleaned, reference)
    # below 1e-14 of the norm a coefficient counts as zero, of a callable below 1e-12
    assert hf.hermite({2: 1e-15, 3: 1.0}).information_exponent == 3
    assert hf.hermite({2: 1e-13, 3: 1.0}).information_exponent == 2
    for size, exponent in ((1e-13, 3), (1e-11, 2)):
        link = hf.link(lambda x, size=size: hermite_value(3, x) + size * hermite_value(2, x))
        assert link.information_exponent == exponent


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_what_counts_as_zero_is_a_share_of_the_norm(size: float) -> None:
    assert (size * hf.hermite({2: 1e-15, 3: 1.0})).information_exponent == 3
    assert (size * hf.hermite({2: 1e-13, 3: 1.0})).information_exponent == 2


def test_small_coefficients_at_the_end_are_kept() -> None:
    """Of a function by name they are known well; one below rounding in between is not."""
    tanh = hf.link("tanh")
    last = int(np.flatnonzero(tanh.significant())[-1])
    assert 100 < last < tanh.degree
    link = tanh + hf.hermite({2: 1e-17, last - 1: 1e-17})
    series, kept, significant = np.array(link.series), link.kept(), link.significant()
    assert series[2] == series[last - 1] == 1e-17
    assert kept[2] == kept[last - 1] == 0.0
    np.testing.assert_array_equal(kept[: last + 1], significant[: last + 1])
    np.testing.assert_array_equal(kept[last + 1 :], series[last + 1 :])
    assert not np.any(significant[last + 1 :])
    assert kept[-1] != 0.0


def test_which_coefficients_can_be_had() -> None:
    assert hf.hermite(3).coefficients(0).tolist() == [0.0]
    assert hf.hermite(3).coefficients(4).tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]
    relu = hf.link("relu")
    assert relu.coefficients(640)[-1] == relu.series[640] != 0.0
    with pytest.raises(ValueError, match=r"degree must be at most 640.* got 641"):
        relu.coefficients(641)
    for degree in (-1, 10_001):
        with pytest.raises(ValueError, match=f"degree must .*got {degree}"):
            relu.coefficients(degree)


def test_without_adds_no_degree() -> None:
    assert hf.hermite(0).without(1) == hf.hermite(0)
    assert hf.hermite(3).without(9) == hf.hermite(3)
    erf = hf.link("erf")
    assert erf.without(1).polynomial == (0.0, -erf.series[1])
    assert erf.without(1, 3).polynomial == (0.0, -erf.series[1], 0.0, -erf.series[3])
    assert erf.without(0).information_exponent == 1
    with pytest.raises(ValueError, match=r"degrees must .*got -1"):
        erf.without(-1)


def test_values_keep_the_shape() -> None:
    link = hf.hermite(3)
    for x in (0.5, np.ones(3), np.ones((2, 3)), np.ones((0,))):
        assert np.shape(link(x)) == np.shape(x)
        assert np.shape(link.derivative(x)) == np.shape(x)


def test_links_are_values() -> None:
    for make in (
        lambda: hf.hermite({3: 1.0, 5: 0.2}),
        lambda: hf.polynomial(CUBIC),
        lambda: 2 * hf.hermite(3) + hf.polynomial(CUBIC),
        lambda: hf.link(np.sin),
    ):
        link = make()
        assert link == make()
        assert hash(link) == hash(make())
        assert link != hf.hermite(9)
        copy = pickle.loads(pickle.dumps(link))
        assert copy == link
        # a callable comes back as its Hermite series
        np.testing.assert_allclose(copy(X), link(X), rtol=1e-12, atol=1e-13)
        with pytest.raises(AttributeError):
            link.coefficients = None


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: hf.hermite(-1), ValueError),
        (lambda: hf.hermite(1.5), ValueError),
        (lambda: hf.hermite("3"), TypeError),
        (lambda: hf.hermite({-1: 1.0}), ValueError),
        (lambda: hf.hermite({3: math.nan}), ValueError),
        (lambda: hf.hermite({}), ValueError),
        (lambda: hf.polynomial([]), ValueError),
        (lambda: hf.polynomial([0.0, math.inf]), ValueError),
        (lambda: hf.polynomial([1j]), TypeError),
        (lambda: hf.link(3.0), TypeError),
    ],
)
def test_bad_links(make: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()  # type: ignore[operator]
