"""Averages of two functions over Gaussians of any covariance, against quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from averages import pair_average, slope
from oracles import Array, hermite_value
from scipy import special

import hermiteflow as hf
from hermiteflow import _correlators
from hermiteflow._correlators import Averages, Correlator

LINKS = {
    "relu": hf.link("relu"),
    "erf": hf.link("erf"),
    "sign": hf.link("sign"),
    "polynomial": hf.hermite({0: 0.2, 1: 0.3, 2: -0.5, 3: 1.0, 4: 0.4, 5: 0.1}),
    "odd": hf.hermite({1: -0.4, 3: 0.7}),
    "sum": hf.link("relu") - 0.6 * hf.link("erf") + 0.3 * hf.hermite(2),
    "no degree 1": hf.link("relu").without(1),
}


def _sum(x: Array) -> Array:
    relu, erf = np.maximum(x, 0.0), special.erf(x / math.sqrt(2))
    return relu - 0.6 * erf + 0.3 * hermite_value(2, x)


def _polynomial(x: Array) -> Array:
    pairs = ((0, 0.2), (1, 0.3), (2, -0.5), (3, 1.0), (4, 0.4), (5, 0.1))
    return sum(c * hermite_value(p, x) for p, c in pairs)


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "erf": lambda x: special.erf(x / math.sqrt(2)),
    "sign": np.sign,
    "polynomial": _polynomial,
    "odd": lambda x: -0.4 * x + 0.7 * hermite_value(3, x),
    "sum": _sum,
    "no degree 1": lambda x: np.maximum(x, 0.0) - 0.5 * x,
}
SLOPES: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.heaviside(x, 0.5),
    "erf": lambda x: math.sqrt(2 / math.pi) * np.exp(-0.5 * x * x),
    "no degree 1": lambda x: np.heaviside(x, 0.5) - 0.5,
    "odd": lambda x: -0.4 + 0.7 * math.sqrt(3) * hermite_value(2, x),
}
PAIRS = [(s, t) for s in LINKS for t in LINKS if (s, t) != ("sign", "sign")]
COVARIANCES = [(1.3, 0.4, 0.7), (0.2, -0.3, 2.0), (2.5, 1.9, 1.6), (1.0, 0.5, 1.0)]
each_pair = pytest.mark.parametrize(("s", "t"), PAIRS)


def close(first: object, second: object, rtol: float, atol: float = 0.0) -> None:
    np.testing.assert_allclose(first, second, rtol=rtol, atol=atol)


@each_pair
def test_values_are_those_of_quadrature(s: str, t: str) -> None:
    averages = Correlator(LINKS[s], LINKS[t])
    for q in COVARIANCES:
        expected = pair_average(FUNCTIONS[s], FUNCTIONS[t], *q)
        close(averages(*q).value, expected, 1e-12, 1e-13)
        # planted faults: a factor, a sign, variances swapped, unit variances
        faults = [2.0 * averages(*q).value, -averages(*q).value]
        if s != t and q[0] != q[2] and {s, t} not in ({"relu", "no degree 1"}, {"sign", "relu"}):
            faults.append(averages(*q[::-1]).value)
        if q[0] != 1.0:
            faults.append(averages(1.0, q[1] / math.sqrt(q[0] * q[2]), 1.0).value)
        for fault in faults if abs(expected) > 1e-9 else []:
            with pytest.raises(AssertionError):
                close(fault, expected, 1e-12, 1e-13)


@each_pair
def test_derivatives_are_slopes_of_quadrature(s: str, t: str) -> None:
    averages = Correlator(LINKS[s], LINKS[t])
    q = COVARIANCES[0]

    def along(i: int) -> float:
        def of(e: float) -> float:
            moved = list(q)
            moved[i] += e
            return pair_average(FUNCTIONS[s], FUNCTIONS[t], *moved)

        return slope(of, 0.02)

    expected = np.array([along(i) for i in range(3)])

    def agree(terms: Averages) -> None:
        close(np.array(terms[1:]), expected, 1e-8, 1e-9)

    here = averages(*q)
    agree(here)
    faults = [
        here._replace(d11=here.d11 + 1e-3),
        here._replace(d12=here.d12 + 1e-3),
        here._replace(d22=here.d22 + 1e-3),
    ]
    if abs(here.d12) > 1e-9:  # an even function and an odd one have nothing in common
        faults.append(here._replace(d12=-here.d12))
    if abs(here.d11) > 1e-9:
        faults.append(here._replace(d11=2.0 * here.d11))
    for fault in faults:
        with pytest.raises(AssertionError):
            agree(fault)


@pytest.mark.parametrize("s", SLOPES)
@pytest.mark.parametrize("t", SLOPES)
def test_d12_is_the_average_of_the_slopes(s: str, t: str) -> None:
    """Price's theorem, with quadrature of s' t' and no differences."""
    for q in COVARIANCES:
        expected = pair_average(SLOPES[s], SLOPES[t], *q)
        close(Correlator(LINKS[s], LINKS[t])(*q).d12, expected, 1e-11, 1e-12)
        with pytest.raises(AssertionError):
            close(Correlator(LINKS[s], LINKS[t])(*q).d12 / q[0], expected + 1e-3, 1e-11, 1e-12)


@each_pair
def test_parallel_and_nearly_parallel_vectors(s: str, t: str) -> None:
    averages = Correlator(LINKS[s], LINKS[t])
    q11, q22 = 1.7, 0.4
    root = math.sqrt(q11 * q22)
    for sign in (1.0, -1.0):
        for gap in (0.0, 1e-12, 1e-6, 1e-2):
            q12 = sign * root * (1.0 - gap)
            got = averages(q11, q12, q22)
            expected = pair_average(FUNCTIONS[s], FUNCTIONS[t], q11, q12, q22, halvings=30)
            close(got.value, expected, 1e-11, 1e-12)
            assert np.isfinite(got).all()
    # |q12| one rounding above the root counts as equal
    close(averages(q11, np.nextafter(root, 2.0), q22), averages(q11, root, q22), 1e-6, 1e-6)


@pytest.mark.parametrize("gap", [1e-10, 1e-7, 1e-4])
def test_slopes_of_two_relus_near_parallel(gap: float) -> None:
    """Against exact rational determinants: what doubles allow is sqrt(rounding of det)."""
    q11, q22 = 1.5, 0.375  # sqrt(q11 q22) = 3/4
    for sign in (1.0, -1.0):
        q12 = sign * 0.75 * (1.0 - gap)
        exact = Fraction(q11) * Fraction(q22) - Fraction(q12) ** 2
        root = math.sqrt(exact)
        got = Correlator(LINKS["relu"], LINKS["relu"])(q11, q12, q22)
        close(got.d11, root / (4 * math.pi * q11), 1e-5 * 1e-10 / gap + 1e-14)
        close(got.d12, (math.pi - math.atan2(root, q12)) / (2 * math.pi), 1e-9, 1e-11)


@each_pair
def test_small_norms(s: str, t: str) -> None:
    averages = Correlator(LINKS[s], LINKS[t])
    for q in ((1e-12, 4e-7, 1.3), (1e-10, -6e-11, 4e-10), (1.3, -1e-9, 1e-14)):
        got = averages(*q)
        assert np.isfinite(got).all()
        expected = pair_average(FUNCTIONS[s], FUNCTIONS[t], *q, halvings=30)
        close(got.value, expected, 1e-9, 1e-15)


def test_degrees_of_homogeneity_and_shapes() -> None:
    relu = Correlator(LINKS["relu"], LINKS["relu"])
    close(relu(4.0, 1.2, 9.0).value, 6.0 * relu(1.0, 0.2, 1.0).value, 1e-14)
    got = relu(np.ones((3, 1)), np.full((3, 4), 0.2), np.full(4, 2.0))
    assert all(part.shape == (3, 4) for part in got)
    # Euler: 2 q11 K_1 + q12 K_2 = K for s of degree one
    q = (1.3, 0.4, 0.7)
    terms = relu(*q)
    close(2 * q[0] * terms.d11 + q[1] * terms.d12, terms.value, 1e-14)


def test_at_unit_norm_it_is_the_interaction() -> None:
    u = np.linspace(-1.0, 1.0, 41)
    for s, t in PAIRS:
        psi = hf.Interaction(LINKS[t], LINKS[s])
        got = Correlator(LINKS[s], LINKS[t])(1.0, u, 1.0)
        assert psi.tail < 1e-13
        close(got.value, psi(u), 1e-12, 1e-13)
        close(got.d12, psi.derivative(u), 1e-11, 1e-12)


@pytest.mark.parametrize("name", ["tanh", "gelu", "cos", "exp", "softplus"])
def test_links_without_closed_form_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"must be .*polynomials.*got one with '{name}'"):
        Correlator(hf.link(name), hf.hermite(2))
    with pytest.raises(ValueError, match="got one with 'tanh'"):
        Correlator(hf.hermite(2), hf.link("relu") + hf.link(np.tanh))
    with pytest.raises(ValueError, match="'sign'"):
        Correlator(hf.link("sign"), hf.link("sign"))


# ------------------------------------------------------------------ small norms


def one_power(p: int, norm: float) -> float:
    """Slope in c of E[((c X)^p - X^p)^2] / 2 = (2p - 1)!! (c^p - 1)^2 / 2 at c = norm."""
    return math.prod(range(1, 2 * p, 2)) * p * norm ** (p - 1) * (norm**p - 1.0)


@pytest.mark.parametrize("p", [2, 4, 5, 6, 9, 12])
def test_powers_keep_their_digits_at_any_norm(p: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """x^p is a sum of h_q that cancel near 0: in Python and in the core."""

    def gradients(norm: float) -> tuple[float, float]:
        link = hf.polynomial([0.0] * p + [1.0])
        flow = hf.SquaredFlow(hf.Orthonormal(k=1), link, constrained=False)
        start = [[norm, 0.0, 0.0]]
        in_core = hf.solve(flow, weights=start, t_end=0.0).gradient_norms[0]
        return float(flow.gradient(start)[0, 0]), -float(in_core)

    for norm in (1e-3, 0.03, 0.3, 0.9):
        for found in gradients(norm):
            assert found == pytest.approx(one_power(p, norm), rel=1e-11, abs=0.0)
    if p > 3:  # planted: powers of q - 1 alone

        def alone(row: Array) -> tuple[Array, Array]:
            return np.ones_like(row), np.ones_like(row)

        monkeypatch.setattr(_correlators, "_shifted", alone)
        assert gradients(1e-3)[0] != pytest.approx(one_power(p, 1e-3), rel=1e-11, abs=0.0)


@pytest.mark.parametrize("q", [1e-4, 0.2, 1.0, 2.5])
def test_sums_of_powers_at_any_norm(q: float) -> None:
    """E[s(x1)^2], x1 of variance q, from E[x^2m] = (2m - 1)!! q^m."""
    for terms in ({1: 1.0, 6: -0.2}, {2: 0.3, 8: 0.01, 5: 0.1}, {0: 0.5, 3: 1.0, 4: 0.1}):
        series = [terms.get(p, 0.0) for p in range(9)]
        wanted = sum(
            a * b * math.prod(range(1, i + j, 2)) * q ** ((i + j) / 2)
            for i, a in terms.items()
            for j, b in terms.items()
            if (i + j) % 2 == 0
        )
        link = hf.polynomial(series)
        assert float(Correlator(link, link)(q, q, q).value) == pytest.approx(
            wanted, rel=1e-12, abs=0.0
        )
        assert float(Correlator(link, link)(q, 0.99 * q, q).value) != pytest.approx(
            wanted, rel=1e-12, abs=0.0
        )
