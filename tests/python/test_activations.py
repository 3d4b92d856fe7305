"""Links by name: coefficients against mpmath, interactions in closed form, and their flows."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from functools import cache

import mpmath
import numpy as np
import pytest
from oracles import Array

import hermiteflow as hf

NAMES = (
    *("relu", "erf", "tanh", "sigmoid", "softplus", "gelu", "silu"),
    *("sign", "cos", "sin", "exp"),
)
DEGREE = 100
EXACT: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "erf": lambda x: mpmath.erf(x / mpmath.sqrt(2)),
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "sign": mpmath.sign,
    "cos": mpmath.cos,
    "sin": mpmath.sin,
    "exp": mpmath.exp,
}
KINKED = ("relu", "sign")
U = np.concatenate([np.linspace(-1.0, 1.0, 41), [-1e-9, 1e-9, 1 - 1e-9, 0.5, -0.5, 1 - 1e-15]])


@cache
def _hermite_on_grid() -> tuple[list[mpmath.mpf], list[list[mpmath.mpf]]]:
    """Points of the trapezoidal rule, and h_p times its weights there, p up to DEGREE."""
    with mpmath.workdps(30):
        x = [mpmath.mpf(i) / 24 for i in range(-16 * 24, 16 * 24 + 1)]
        here = [mpmath.npdf(v) / 24 for v in x]
        before, rows = [mpmath.mpf(0)] * len(x), [here]
        for p in range(1, DEGREE + 1):
            low, top = mpmath.sqrt(p - 1), mpmath.sqrt(p)
            before, here = (
                here,
                [(v * h - low * b) / top for v, h, b in zip(x, here, before, strict=True)],
            )
            rows.append(here)
    return x, rows


def coefficients_mp(name: str) -> Array:
    """E[sigma h_p] at 30 digits; across a kink through the moments of half a Gaussian."""
    with mpmath.workdps(40):
        if name not in KINKED:
            x, rows = _hermite_on_grid()
            values = [EXACT[name](v) for v in x]
            return np.array([float(mpmath.fdot(values, row)) for row in rows])
        # integral over x > 0 of x^q phi(x), against the explicit sum of He_p
        extra = 1 if name == "relu" else 0

        def moment(q: int) -> mpmath.mpf:
            return (
                mpmath.mpf(2) ** (mpmath.mpf(q) / 2)
                * mpmath.gamma(mpmath.mpf(q + 1) / 2)
                / (2 * mpmath.sqrt(mpmath.pi))
            )

        out = []
        with mpmath.workdps(80):
            for p in range(DEGREE + 1):
                total = mpmath.mpf(0)
                for m in range(p // 2 + 1):
                    share = mpmath.factorial(p) / mpmath.factorial(m)
                    share /= mpmath.factorial(p - 2 * m) * mpmath.mpf(-2) ** m
                    total += share * moment(p - 2 * m + extra)
                total /= mpmath.sqrt(mpmath.factorial(p))
                if name == "sign":
                    total *= 1 - (-1) ** p
                out.append(float(total))
        return np.array(out)


def coefficients_agree(link: hf.Link, reference: Array) -> None:
    np.testing.assert_allclose(link.coefficients(DEGREE), reference, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_coefficients_to_degree_100_by_mpmath(name: str) -> None:
    reference = coefficients_mp(name)
    coefficients_agree(hf.link(name), reference)
    wrong = reference.copy()
    wrong[DEGREE // 2 + (name in ("erf", "tanh", "sin", "sign"))] *= 1 + 1e-6
    wrong[3] += 2e-13
    with pytest.raises(AssertionError):
        coefficients_agree(hf.link(name), wrong)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    x = np.array([-30.0, -2.5, -0.3, 0.4, 1.7, 25.0])

    def check(factor: float) -> None:
        exact = [float(EXACT[name](mpmath.mpf(v))) for v in x]
        np.testing.assert_allclose(factor * hf.link(name)(x), exact, rtol=1e-14, atol=1e-15)
        if name == "sign":
            return
        with mpmath.workdps(30):
            slopes = [float(mpmath.diff(EXACT[name], mpmath.mpf(float(v)))) for v in x]
        np.testing.assert_allclose(
            factor * hf.link(name).derivative(x), slopes, rtol=1e-13, atol=1e-14
        )

    check(1.0)
    with pytest.raises(AssertionError):
        check(1.0 + 1e-9)


# ------------------------------------------------------------------ interactions

CLOSED: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (
        lambda u: (np.sqrt((1 - u) * (1 + u)) + u * (np.pi - np.arccos(u))) / (2 * np.pi),
        lambda u: (np.pi - np.arccos(u)) / (2 * np.pi),
    ),
    "erf": (
        lambda u: 2 / np.pi * np.arcsin(u / 2),
        lambda u: 2 / (np.pi * np.sqrt(4 - u * u)),
    ),
    "sign": (
        lambda u: 2 / np.pi * np.arcsin(u),
        lambda u: 2 / (np.pi * np.sqrt((1 - u) * (1 + u))),
    ),
    "cos": (lambda u: np.cosh(u) / np.e, lambda u: np.sinh(u) / np.e),
    "sin": (lambda u: np.sinh(u) / np.e, lambda u: np.cosh(u) / np.e),
    "exp": (lambda u: np.exp(1 + u), lambda u: np.exp(1 + u)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_interactions_are_the_closed_forms(name: str) -> None:
    psi = hf.Interaction(hf.link(name))

    def check(factor: float, shift: float) -> None:
        with np.errstate(divide="ignore"):
            for got, form in zip((psi(U), psi.derivative(U)), CLOSED[name], strict=True):
                np.testing.assert_allclose(got * factor, form(U) + shift, rtol=2e-14, atol=1e-16)

    check(1.0, 0.0)
    for fault in ((1 + 1e-12, 0.0), (1.0, 1e-12), (-1.0, 0.0)):
        with pytest.raises(AssertionError):
            check(*fault)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_higher_derivatives_of_singular_forms(order: int) -> None:
    u = np.array([-0.99, -0.6, -0.2, 0.1, 0.49, 0.51, 0.9, 0.999])
    forms = {
        "relu": lambda v: (mpmath.pi - mpmath.acos(v)) / (2 * mpmath.pi),
        "sign": lambda v: 2 / (mpmath.pi * mpmath.sqrt(1 - v * v)),
    }
    for name, slope in forms.items():
        psi = hf.Interaction(hf.link(name))
        with mpmath.workdps(40):
            exact = [float(mpmath.diff(slope, mpmath.mpf(float(v)), order - 1)) for v in u]
        np.testing.assert_allclose(psi.derivative(u, order=order), exact, rtol=1e-12)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(psi.derivative(u, order=order - 1), exact, rtol=1e-3)
    assert hf.Interaction(hf.link("relu")).derivative(1.0, order=2) == math.inf


@pytest.mark.parametrize("gone", [(1,), (0, 2), (0, 1, 2, 4), (1, 9)])
def test_without_low_degrees_nothing_cancels(gone: tuple[int, ...]) -> None:
    """psi' of a ReLU less its lowest terms, to full relative accuracy at any u."""
    psi = hf.Interaction(hf.link("relu").without(*gone))
    u = np.array([1e-7, 1e-4, 0.03, 0.3, 0.499, 0.501, 0.8, 1.0, -1e-5, -0.2, -0.7])

    def exact(point: float, *, sign: int) -> float:
        with mpmath.workdps(80):
            v = mpmath.mpf(point)
            total = (mpmath.pi - mpmath.acos(v)) / (2 * mpmath.pi)
            for p in gone:
                if p:
                    c2 = mpmath.mpf(1) / 4 if p == 1 else (
                        mpmath.hermite(p - 2, 0) ** 2
                        / (mpmath.mpf(2) ** (p - 2) * mpmath.factorial(p) * 2 * mpmath.pi)
                    )  # fmt: skip
                    total -= sign * p * c2 * v ** (p - 1)
            return float(total)

    reference = np.array([exact(float(v), sign=1) for v in u])
    np.testing.assert_allclose(psi.derivative(u), reference, rtol=3e-13)
    wrong = np.array([exact(float(v), sign=-1) for v in u])
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(psi.derivative(u), wrong, rtol=1e-3)


def test_mixed_links_by_their_series() -> None:
    """Sums with closed forms in them agree with the plain product of coefficients."""
    relu, tanh, step = hf.link("relu"), hf.link("tanh"), hf.link("sign")
    u = np.linspace(-0.5, 0.5, 11)  # where 640 terms are plenty
    pairs = [
        (relu + 0.3 * hf.hermite(3), None),
        (relu + tanh, relu - 0.5 * tanh),
        (relu.without(1) + hf.hermite({2: -0.2, 7: 1.0}), None),
        (0.9 * relu + 0.1 * hf.hermite(1), relu + hf.link("softplus")),
        (step + relu, relu.without(2)),
        (step + hf.hermite(2), step),
    ]
    for teacher, student in pairs:
        psi = hf.Interaction(teacher, student)
        c = teacher.coefficients(600) * (student or teacher).coefficients(600)
        for order, sizes in enumerate((c, c[1:] * np.arange(1, 601))):
            plain = np.polynomial.polynomial.polyval(u, sizes)
            np.testing.assert_allclose(psi.derivative(u, order=order), plain, rtol=0, atol=3e-15)
            with pytest.raises(AssertionError):
                np.testing.assert_allclose(
                    psi.derivative(u, order=order) + 1e-12, plain, rtol=0, atol=3e-15
                )


def test_a_tail_bounds_what_is_left_out() -> None:
    kink = hf.link(lambda x: np.maximum(x, 0.0))
    psi, exact = hf.Interaction(kink), hf.Interaction(hf.link("relu"))
    error = float(np.max(np.abs(psi.derivative(U) - exact.derivative(U))))
    assert 0.1 * psi.tail < error < psi.tail
    # odd meets even: nothing is left out
    assert hf.Interaction(kink, hf.link(np.sin)).tail < 1e-12
    # a kink meets a smooth function: sqrt(tail of one) sqrt(tail of the other)
    assert hf.Interaction(hf.link("softplus"), kink).tail < 1e-7
    assert hf.Interaction(hf.link("relu"), hf.link("tanh")).tail < 1e-15
    # sigma' of a sign has infinite energy
    clipped = hf.link(lambda x: np.clip(x, -1.0, 1.0))
    assert hf.Interaction(hf.link("sign"), clipped).tail == math.inf
    assert hf.Interaction(hf.link("sign"), hf.link("erf")).tail < 1e-15
    assert hf.Interaction(hf.link("sign"), hf.hermite(3)).tail == 0.0


def test_what_is_left_of_a_relu() -> None:
    """E relu'^2 = 1/2: what is beyond degree 640 is of even degree and meets another kink's."""
    relu = hf.link("relu")
    even, odd = relu.parts[0][0].beyond
    p = np.arange(641)
    assert even == pytest.approx(0.5 - float(p @ np.square(relu.series)), rel=1e-9)
    assert odd == 0.0
    # p c_p^2 tends to sqrt(2/pi)/(2 pi) p^(-3/2) over even p, by Stirling's formula
    assert even == pytest.approx(math.sqrt(2 / math.pi) / (2 * math.pi) / math.sqrt(641), rel=2e-3)


def test_a_large_norm_is_no_overflow() -> None:
    """exp(12 x) has a norm of e^72, 9 tenths of its sigma' beyond degree 128."""
    link = hf.link(lambda x: np.exp(12.0 * x))
    energy = 144.0 * math.exp(288.0)
    share = link.remainder / energy
    p = np.arange(1, 129)
    sizes = np.exp(144.0 + 2 * p * math.log(12.0) - np.array([math.lgamma(q + 1) for q in p]))
    assert share == pytest.approx(1.0 - float(np.sum(p * sizes)) / energy, rel=1e-2)
    with pytest.raises(ValueError, match="psi' that is known to 1e-13"):
        hf.critical_beta(link, 3)


# ------------------------------------------------------------------ links as values


def test_sums_multiples_and_pickles() -> None:
    relu, x = hf.link("relu"), np.linspace(-2.0, 2.0, 9)
    leaky = 0.9 * relu + 0.1 * hf.hermite(1)
    np.testing.assert_allclose(leaky(x), np.where(x > 0, x, 0.1 * x), atol=1e-15)
    np.testing.assert_allclose((2 * relu - hf.hermite(1))(x), np.abs(x), atol=1e-15)
    assert relu - relu == hf.hermite({0: 0.0})
    assert relu + relu == 2 * relu
    for link in (relu, leaky, hf.link("tanh").without(1) + relu):
        copy = pickle.loads(pickle.dumps(link))
        assert copy == link
        assert hash(copy) == hash(link)
        assert copy.name == link.name
        np.testing.assert_array_equal(copy(x), link(x))  # no series in between
    cut = pickle.loads(pickle.dumps(hf.link(lambda x: np.maximum(x, 0.0))))
    assert cut != relu
    assert cut.remainder > 0.0
    assert repr(leaky).startswith("Link(name=0.9 relu + 0.1 h_1, series=0.359 h_0 + 0.55 h_1")


def test_removed_degrees_are_exactly_zero() -> None:
    link = (0.7 * hf.link("tanh") + hf.hermite({1: 0.1, 3: 1.0})).without(1, 5)
    assert link.coefficients(5)[[1, 5]].tolist() == [0.0, 0.0]
    assert link.information_exponent == 3
    assert link.name == "(0.7 tanh + 0.1 h_1 + h_3) without 1, 5"
    full = 0.7 * np.tanh(0.4) + 0.1 * 0.4 + (0.4**3 - 1.2) / math.sqrt(6)
    c = (0.7 * hf.link("tanh") + hf.hermite({1: 0.1, 3: 1.0})).coefficients(5)
    h5 = (0.4**5 - 10 * 0.4**3 + 15 * 0.4) / math.sqrt(120)
    assert float(link(0.4)) == pytest.approx(full - c[1] * 0.4 - c[5] * h5, rel=1e-14)


def test_what_cannot_be() -> None:
    targets = hf.Orthonormal(k=2)
    for link in (hf.link("sign"), hf.hermite(3) + 0.5 * hf.link("sign")):
        with pytest.raises(ValueError, match=r"student must have a derivative.*zero almost every"):
            hf.CorrelationFlow(targets, link)
        with pytest.raises(ValueError, match="student must have a derivative"):
            hf.CorrelationFlow(targets, hf.hermite(3), student=link)
        flow = hf.CorrelationFlow(targets, link, student=hf.link("erf"))
        assert hf.solve(flow, overlaps=[[0.2, 0.1]]).success
    with pytest.raises(ValueError, match="jumps at 0"):
        hf.link("sign").derivative(0.5)
    with pytest.raises(ValueError, match=r"one of 'relu', .* got 'ReLU'; did you mean 'relu'"):
        hf.link("ReLU")
    with pytest.raises(TypeError, match="a name, a Link or a vectorised callable"):
        hf.link(3)  # type: ignore[arg-type]
    kink = hf.link(lambda x: np.maximum(x, 0.0))
    with pytest.raises(ValueError, match="a series of psi' that reaches the tolerance"):
        hf.solve(hf.CorrelationFlow(targets, kink), overlaps=[[0.2, 0.1]])
    assert hf.solve(hf.CorrelationFlow(targets, hf.link("relu")), overlaps=[[0.2, 0.1]]).success
