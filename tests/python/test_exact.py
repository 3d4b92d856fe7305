"""hermiteflow.exact against ODE solvers, mpmath, big rationals and SciPy quadrature."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from oracles import Array, dop853, rk4, series
from scipy import integrate

import hermiteflow as hf

K1 = np.array([0.07])
MIXED = np.array([0.11, -0.05, 0.08, 0.0])
ALL_DOWN = np.array([-0.2, -0.11, -0.05])


def trajectory(p: int, c: Array | float, m0: Array, t: Array) -> Array:
    """The same orbit by SciPy's DOP853."""
    weights = np.broadcast_to(np.asarray(c, float), m0.shape)
    slope = series([0.0] * p + [1.0], 1)
    return dop853(m0[None], np.eye(m0.size), slope, np.ones(1), weights, t=t)[0]


def agrees(p: int, c: Array | float, m0: Array, t: Array, reference: Array) -> None:
    """Absolute 1e-10, the accuracy the ODE solvers are held to."""
    np.testing.assert_allclose(hf.exact.orthonormal(p, c, m0, t), reference, rtol=0, atol=1e-10)


def times(p: int, c: Array | float, m0: Array) -> Array:
    """Before, during and after the escape."""
    hit = hf.exact.orthonormal_hitting_time(p, c, m0, 0.7)
    scale = hit if 0 < hit < math.inf else 20.0
    return scale * np.array([0.0, 0.3, 0.9, 1.0, 1.02, 1.1, 2.0])


@pytest.mark.parametrize("p", [2, 3, 4, 5, 8])
@pytest.mark.parametrize(
    ("c", "m0"),
    [
        (1.0, K1),
        (0.5, MIXED),
        (np.array([1.0, 0.3, 1.6, 1.0]), MIXED),
        (np.array([1.0, -0.6, 0.0, -2.0]), MIXED),
        (1.0, ALL_DOWN),
        (-1.0, np.array([0.3, -0.4, 0.1])),
    ],
    ids=["k=1", "mixed", "weights", "signs", "all-down", "negative-c"],
)
def test_orbit_agrees_with_an_ode_solver(p: int, c: Array | float, m0: Array) -> None:
    if p == 8:  # or SciPy would take minutes
        m0 = 0.6 * m0 / np.linalg.norm(m0)
    t = times(p, c, m0)
    reference = trajectory(p, c, m0, t)
    agrees(p, c, m0, t, reference)
    with pytest.raises(AssertionError):  # factor 2 in the time unit
        agrees(p, c, m0, 2 * t, reference)
    with pytest.raises(AssertionError):  # wrong sign
        agrees(p, -np.asarray(c), m0, t, reference)


@pytest.mark.parametrize("p", [3, 5])
def test_inside_the_span_the_downward_average_attracts(p: int) -> None:
    m0, slope = np.array([-0.28, -0.96]), series([0.0] * p + [1.0], 1)

    def right(m: Array) -> Array:
        return slope(m) - np.sum(m * slope(m), axis=1, keepdims=True) * m

    reference = rk4(right, m0[None], 1e-3, 2000, renormalize=True)[0]
    agrees(p, 1.0, m0, 2.0, reference)
    with pytest.raises(AssertionError):
        agrees(p, 1.0, m0, 1.0, reference)
    with pytest.raises(AssertionError):  # off the sphere, so that it decays to 0
        agrees(p, 1.0, m0 * (1 - 1e-6), 2.0, reference)


@pytest.mark.parametrize("p", [2, 3, 5])
def test_orbit_agrees_with_rk4_in_any_order_of_coordinates(p: int) -> None:
    m0, c = np.array([0.1, 0.2, -0.3]), np.array([1.2, 1.0, 0.8])
    slope = series([0.0] * p + [1.0], 1)

    def right(m: Array) -> Array:
        g = c * slope(m)
        return g - np.sum(m * g, axis=1, keepdims=True) * m

    reference = rk4(right, m0[None], 1e-3, 3000)[0]
    agrees(p, c, m0, 3.0, reference)
    order = [2, 0, 1]
    agrees(p, c[order], m0[order], 3.0, reference[order])
    with pytest.raises(AssertionError):
        agrees(p, c, m0[order], 3.0, reference[order])


@pytest.mark.parametrize(
    ("p", "c", "m0"),
    [
        (2, 1.0, np.array([1e-9, -2e-9])),
        (3, 1.0, np.array([1.3e-9, 0.2e-9, -0.5e-9])),
        (4, [1.0, -2.0], np.array([1e-3, 0.3])),
        (5, 1.0, np.array([0.02, 0.02, -0.01])),
    ],
)
def test_doubles_keep_their_digits_through_the_escape(
    p: int, c: float | list[float], m0: Array
) -> None:
    hit = hf.exact.orthonormal_hitting_time(p, c, m0, 0.5)
    t = hit * np.array([1e-6, 0.999, 1.0, 1.001, 3.0])
    fast, slow = hf.exact.orthonormal(p, c, m0, t), hf.exact.orthonormal(p, c, m0, t, dps=25)
    weights = np.broadcast_to(np.asarray(c, float), m0.shape)
    force = weights * p * slow ** (p - 1)
    rate = np.abs(force - np.sum(force * slow, axis=1, keepdims=True) * slow)
    # a few units in the last place of t, and of m
    bound = 6e-16 * (t[:, None] * rate + 1)
    assert np.all(np.abs(fast - slow) <= bound)
    with pytest.raises(AssertionError):
        assert np.all(np.abs(hf.exact.orthonormal(p, c, m0, t * (1 + 1e-13)) - slow) <= bound)


def test_high_precision_agrees_with_mpmath_taylor_series() -> None:
    m0, p = [0.4, 0.3], 3
    with mpmath.workdps(25):

        def right(_: mpmath.mpf, m: list[mpmath.mpf]) -> list[mpmath.mpf]:
            pull = sum(p * x**p for x in m)
            return [p * x ** (p - 1) - pull * x for x in m]

        solution = mpmath.odefun(right, 0, [mpmath.mpf(x) for x in m0])
        reference = np.array([float(x) for x in solution(2)])
    m = hf.exact.orthonormal(p, 1.0, m0, 2.0, dps=20)
    np.testing.assert_allclose(m, reference, rtol=3e-16)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(m * (1 + 2e-15), reference, rtol=3e-16)


def test_limits() -> None:
    tie = hf.exact.orthonormal(4, 1.0, [0.1, -0.1, 0.05], math.inf)
    np.testing.assert_allclose(tie, [0.5**0.5, -(0.5**0.5), 0.0], atol=1e-15)
    winner = hf.exact.orthonormal(4, 1.0, [0.1, -0.11, 0.05], math.inf)
    np.testing.assert_allclose(winner, [0.0, -1.0, 0.0], atol=1e-15)
    lost = hf.exact.orthonormal(3, 1.0, [-0.1, -0.2], [1e6, math.inf])
    np.testing.assert_allclose(lost[0], -1 / 3e6, rtol=1e-4)  # -(c p (p - 2) t)^(-1 / (p - 2))
    np.testing.assert_array_equal(lost[1], [0.0, 0.0])
    inside = hf.exact.orthonormal(3, 1.0, [-0.6, -0.8], math.inf)
    np.testing.assert_allclose(inside, -(0.5**0.5), rtol=1e-14)
    np.testing.assert_allclose(hf.exact.orthonormal(2, 1.0, [0.3, 0.4], math.inf), [0.6, 0.8])
    for p in (2, 3):
        np.testing.assert_array_equal(hf.exact.orthonormal(p, 1.0, [0.0, 0.0], 5.0), [0.0, 0.0])


def test_decay_long_after_the_last_panel() -> None:
    """Where nothing else moves, 1/m_j = 1/m_j(0) - 3 t to first order in m; m ~ -1/(3 t)."""
    t = np.concatenate([[0.0, 1e9], np.logspace(11, 13, 9), [1e30]])  # and on both sides of its end
    tiny = hf.exact.orthonormal(3, 1.0, [-1e-10], t)[:, 0]  # every panel is behind it
    np.testing.assert_allclose(tiny, 1 / (-1e10 - 3 * t), rtol=1e-14)
    for dps in (None, 20):
        late = hf.exact.orthonormal(3, 1.0, [-0.1, -0.2], t[1:], dps=dps)
        np.testing.assert_allclose(late, np.repeat(-1 / (3 * t[1:, None]), 2, axis=1), rtol=1e-7)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(late[:-1], late[1:], rtol=0.5)


def test_shapes_and_starting_point() -> None:
    m0 = np.array([0.1, -0.2])
    for p in (2, 3, 4):
        assert hf.exact.orthonormal(p, 1.0, m0, 1.0).shape == (2,)
        assert hf.exact.orthonormal(p, 1.0, m0, [1.0, 2.0, 3.0]).shape == (3, 2)
        np.testing.assert_allclose(hf.exact.orthonormal(p, 1.0, m0, 0.0), m0, rtol=1e-15)
        batch = hf.exact.orthonormal(p, 1.0, m0, [3.0, 1.0, 2.0])
        np.testing.assert_array_equal(batch[1], hf.exact.orthonormal(p, 1.0, m0, 1.0))


# ------------------------------------------------------------------ hitting times


@pytest.mark.parametrize("p", [2, 3, 4, 5])
@pytest.mark.parametrize("c", [1.0, [1.0, 0.4, 1.5]])
def test_hitting_time_is_where_the_orbit_reaches_the_level(p: int, c: float | list[float]) -> None:
    m0 = [0.11, -0.15, 0.05]

    def check(level: float, t: float) -> None:
        size = np.abs(hf.exact.orthonormal(p, c, m0, t * np.array([1.0, 0.999, 0.9, 0.5]))).max(1)
        assert abs(size[0] - level) < 1e-12
        assert np.all(size[1:] < level)

    for level in (0.2, 0.5, 0.75):
        t = hf.exact.orthonormal_hitting_time(p, c, m0, level)
        check(level, t)
        with pytest.raises(AssertionError):
            check(level, 2 * t)


@pytest.mark.parametrize("p", [2, 3, 4, 5])
def test_a_passing_peak_is_a_hit(p: int) -> None:
    """The first coordinate rises to a peak, then loses to the second, which is faster."""
    # largest at the start, but with a smaller c: c_j m_j^(p-2) decides
    c, m0 = [1.0, 1.2 if p == 2 else 1.001 * 3.0 ** (p - 2)], [0.3, 0.1]
    hit = hf.exact.orthonormal_hitting_time(p, c, m0, 0.99)
    t = np.linspace(0, hit, 4001)
    largest = np.abs(hf.exact.orthonormal(p, c, m0, t)).max(1)
    top = int(np.argmax(np.diff(largest) < 0))
    assert 0 < top < 3950
    assert largest[top] > largest[top:].min() + 0.01

    def check(level: float) -> None:
        time = hf.exact.orthonormal_hitting_time(p, c, m0, level)
        assert t[top - 2] < time < t[top + 2]

    check(largest[top] - 1e-9)
    with pytest.raises(AssertionError):
        check(largest[top] + 1e-3)


def test_levels_that_are_never_reached() -> None:
    assert hf.exact.orthonormal_hitting_time(3, 1.0, ALL_DOWN, 0.5) == math.inf
    assert hf.exact.orthonormal_hitting_time(3, 1.0, ALL_DOWN, 0.2) == 0.0
    assert hf.exact.orthonormal_hitting_time(2, 1.0, [0.3, 0.4], 0.81) == math.inf
    assert 0 < hf.exact.orthonormal_hitting_time(2, 1.0, [0.3, 0.4], 0.79) < math.inf
    assert hf.exact.orthonormal_hitting_time(4, 1.0, [0.1, 0.1], 0.71) == math.inf


# ------------------------------------------------------------------ one index vector


class Slope:
    """psi' as a plain function."""

    def __init__(self, slope: object) -> None:
        self.slope = slope

    def derivative(self, u: Array, order: int = 1) -> Array:
        assert order == 1
        with np.errstate(divide="ignore"):
            return self.slope(np.asarray(u, float))  # type: ignore[operator]


def test_single_index_time_closed_forms() -> None:
    def same(time: float, exact: float) -> None:
        assert abs(time - exact) <= 1e-12 * abs(exact)

    for u0, u1 in ((1e-9, 0.5), (1e-3, 1 - 1e-12), (0.5, 0.500001), (0.9999, 0.99990001)):
        with mpmath.workdps(40):
            a, b = mpmath.mpf(u0), mpmath.mpf(u1)
            rise = mpmath.atanh(b) - mpmath.atanh(a)
            cubic = float((rise + 1 / a - 1 / b) / 3)
            quadratic = float(mpmath.log(b / a) / 2 - mpmath.log((1 - b * b) / (1 - a * a)) / 4)
            constant = float(rise)
        same(hf.exact.single_index_time(Slope(lambda u: 3 * u**2), u0, u1), cubic)
        same(hf.exact.single_index_time(Slope(lambda u: 2 * u), u0, u1), quadratic)
        same(hf.exact.single_index_time(Slope(lambda u: 2 * u), -u0, -u1), quadratic)
        same(hf.exact.single_index_time(Slope(np.ones_like), u0, u1), constant)
        same(hf.exact.single_index_time(Slope(lambda u: -np.ones_like(u)), u1, u0), constant)
        with pytest.raises(AssertionError):
            same(hf.exact.single_index_time(Slope(lambda u: 6 * u**2), u0, u1), cubic)
    # sign: psi' is infinite at 1, which is reached in finite time
    sign = Slope(lambda u: 2 / (math.pi * np.sqrt((1 - u) * (1 + u))))
    same(hf.exact.single_index_time(sign, 0.0, 1.0), math.pi**2 / 4)
    same(hf.exact.single_index_time(sign, -0.5, 0.5), math.pi / 2 * 2 * math.asin(0.5))


def test_single_index_time_agrees_with_quadrature_and_with_the_orbit() -> None:
    psi = hf.Interaction(hf.hermite({1: 0.3, 3: 1.0, 4: 0.5}))
    slope = series([0.0, 0.09, 0.0, 1.0, 0.25], 1)
    expected = integrate.quad(
        lambda u: 1 / (slope(u) * (1 - u * u)), -0.2, 0.8, epsabs=0, epsrel=1e-13
    )[0]
    assert hf.exact.single_index_time(psi, -0.2, 0.8) == pytest.approx(expected, rel=1e-12)
    for p in (2, 3, 4, 5):
        time = hf.exact.single_index_time(hf.Interaction(hf.hermite(p)), 0.05, 0.9)
        assert hf.exact.orthonormal_hitting_time(p, 1.0, [0.05], 0.9) == pytest.approx(time, 1e-12)


def test_single_index_time_where_it_is_infinite_or_undefined() -> None:
    cubic = Slope(lambda u: 3 * u**2)
    assert hf.exact.single_index_time(cubic, 0.2, 0.2) == 0.0
    for u0, u1 in ((0.0, 0.5), (-0.1, 0.5), (0.1, 1.0)):
        assert hf.exact.single_index_time(cubic, u0, u1) == math.inf
    for u0 in (0.2, 0.3):  # through a fixed point, and from it
        assert hf.exact.single_index_time(Slope(lambda u: (u - 0.3) ** 2), u0, 0.5) == math.inf
    for slope, u0, u1 in ((lambda u: u * u - 0.09, 0.2, 0.5), (lambda u: 3 * u**2, 0.5, 0.1)):
        with pytest.raises(ValueError, match="psi' must keep the sign of u1 - u0"):
            hf.exact.single_index_time(Slope(slope), u0, u1)


# ------------------------------------------------------------------ coverage


def inclusion_exclusion(n: int, k: int, trapped: float, *, sign: int = -1) -> Fraction:
    share = 1 - Fraction(trapped)
    return sum(
        (sign**j * math.comb(k, j) * (1 - Fraction(j, k) * share) ** n for j in range(k + 1)),
        Fraction(0),
    )


@pytest.mark.parametrize("trapped", [0.0, 0.125, 0.9])
@pytest.mark.parametrize(("k", "n"), [(1, 3), (3, 2), (3, 3), (10, 40), (40, 41), (40, 300)])
def test_coverage_agrees_with_exact_rationals(k: int, n: int, trapped: float) -> None:
    def check(exact: Fraction) -> None:
        assert abs(Fraction(hf.exact.coverage_probability(n, k, trapped=trapped)) - exact) <= (
            Fraction(1, 10**12) * exact
        )

    check(inclusion_exclusion(n, k, trapped))
    with pytest.raises(AssertionError):
        check(inclusion_exclusion(n, k, trapped, sign=1) + (k == 1))
    if n > k and inclusion_exclusion(n, k, trapped) < 1:  # a wrong share of trapped neurons
        with pytest.raises(AssertionError):
            check(inclusion_exclusion(n, k, trapped + 0.01))


def test_coverage_of_a_thousand_vectors() -> None:
    with mpmath.workdps(700):
        for n in (2000, 7000, 20_000):
            exact = mpmath.fsum(
                (-1) ** j * mpmath.binomial(1000, j) * (1 - mpmath.mpf(j) / 1000) ** n
                for j in range(1001)
            )
            assert abs(hf.exact.coverage_probability(n, 1000) / exact - 1) < 1e-12
    assert hf.exact.coverage_probability(10**6, 1000) == 1.0
    many = hf.exact.coverage_probability([[20_000, 7000], [0, 7000]], 1000)
    assert many.shape == (2, 2)
    assert many[1, 0] == 0.0
    assert many[0, 1] == many[1, 1] == hf.exact.coverage_probability(7000, 1000)


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.99, 1 - 1e-12])
def test_neurons_needed_is_the_smallest(probability: float) -> None:
    for k, trapped in ((1, 0.5), (7, 0.0), (30, 0.3)):
        n = hf.exact.neurons_needed(k, probability, trapped=trapped)
        below, at = hf.exact.coverage_probability([n - 1, n], k, trapped=trapped)
        assert below < probability <= at


# ------------------------------------------------------------------ bad input


def call_orthonormal(p: object = 3, c: object = 1.0, m0: object = (0.1,), t: object = 1.0) -> None:
    hf.exact.orthonormal(p, c, m0, t)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"p": 1}, ValueError, "p must be an integer >= 2, got 1"),
        ({"p": 3.0}, TypeError, "p must be an integer >= 2, got 3.0"),
        ({"c": [1.0, 2.0]}, ValueError, r"c must have shape \(k=1,\) or \(\), got \(2,\)"),
        ({"c": math.inf}, ValueError, "c must be finite, got inf"),
        ({"m0": 0.1}, ValueError, r"m0 must be a non-empty 1-D real array, got shape \(\)"),
        ({"m0": []}, ValueError, r"m0 must be a non-empty 1-D real array, got shape \(0,\)"),
        ({"m0": [0.8, 0.8]}, ValueError, "m0 must have norm at most 1, got 1.13"),
        ({"m0": [math.nan]}, ValueError, "m0 must be finite"),
        ({"m0": [0.1j]}, TypeError, "m0 must be .*, got dtype complex128"),
        ({"m0": ["a"]}, TypeError, "m0 must be .*, got dtype <U1"),
        ({"t": -1.0}, ValueError, "t must be >= 0, got -1"),
        ({"t": math.nan}, ValueError, "t must be >= 0, got nan"),
    ],
)
def test_bad_orbits(arguments: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call_orthonormal(**arguments)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda e: e.orthonormal(3, 1.0, [0.1], 1.0, dps=0), ValueError, "dps must be an integer"),
        (lambda e: e.orthonormal_hitting_time(3, 1.0, [0.1], 1.5), ValueError, r"level .*\(0, 1\]"),
        (lambda e: e.single_index_time(None, 1.0, 0.5), ValueError, r"u0 must be in \(-1, 1\)"),
        (lambda e: e.coverage_probability(1.5, 3), TypeError, "n must hold integers >= 0"),
        (lambda e: e.coverage_probability(-1, 3), ValueError, "n must hold integers >= 0"),
        (lambda e: e.coverage_probability(3, 0), ValueError, "k must be an integer >= 1, got 0"),
        (lambda e: e.coverage_probability(3, 3, trapped=1.0), ValueError, r"trapped .*\[0, 1\)"),
        (lambda e: e.neurons_needed(3, 0.5, trapped=1.0), ValueError, r"trapped .*\[0, 1\)"),
        (lambda e: e.neurons_needed(3, 1.0), ValueError, r"probability must be in \(0, 1\), got 1"),
    ],
)
def test_bad_input(call: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(hf.exact)  # type: ignore[operator]


def test_missing_mpmath_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpmath", None)
    with pytest.raises(ImportError, match=r"hermiteflow\[test\]"):
        hf.exact.orthonormal(3, 1.0, [0.1], 1.0, dps=20)
