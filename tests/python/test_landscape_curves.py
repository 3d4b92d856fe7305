"""Curves of fixed points over beta: equations and Hessians by matrices, slopes by differences."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow.landscape._continuation import Family, Place, family_of, groups_text, mirrored
from hermiteflow.landscape._curve import PairCurve

Array = NDArray[np.float64]
PSI = hf.Interaction(hf.hermite({1: 0.6, 3: 1.0, 4: 0.7}))
#: psi' of that.
SLOPE = Polynomial(PSI.coefficients).deriv()
K, SIZE = 7, 2


def gram_root(k: int, beta: float) -> Array:
    values, vectors = np.linalg.eigh((1.0 - beta) * np.eye(k) + beta)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def unit_vector(angle: float) -> Array:
    first = np.full(SIZE, math.cos(angle) / math.sqrt(SIZE))
    return np.concatenate([first, np.full(K - SIZE, math.sin(angle) / math.sqrt(K - SIZE))])


@pytest.fixture
def curve() -> PairCurve:
    return PairCurve(PSI, K, SIZE)


def test_tau_and_beta(curve: PairCurve) -> None:
    for beta in (-0.1, 0.0, 1e-12, 0.3):
        tau = math.log(1.0 + 6.0 * beta)
        assert curve.tau(beta) == pytest.approx(tau, abs=1e-15)
        assert curve.beta(curve.tau(beta)) == pytest.approx(beta, rel=1e-15)


@pytest.mark.parametrize("beta", [-0.1, 0.25])
def test_overlaps_are_those_of_the_unit_vector(curve: PairCurve, beta: float) -> None:
    for angle in (0.3, 2.0, -1.2):
        m = gram_root(K, beta) @ unit_vector(angle)
        found = curve.overlaps(angle, curve.tau(beta))
        np.testing.assert_allclose(found, (m[0], m[-1]), atol=1e-14)


def complete(n: int, *points: float) -> float:
    """Complete homogeneous polynomial of degree n."""
    if n < 0:
        return 0.0
    if len(points) == 1:
        return points[0] ** n
    return sum(points[0] ** i * complete(n - i, *points[1:]) for i in range(n + 1))


@pytest.mark.parametrize(("x", "y"), [(0.8, 0.1), (0.3, 0.35), (-0.2, -0.2), (0.1, -0.75)])
def test_differences_of_psi_and_their_slopes(curve: PairCurve, x: float, y: float) -> None:
    """By quotients where the overlaps are apart, by quadrature where they are close."""

    def divided(*points: float) -> float:
        n = len(points) - 1
        return sum(c * complete(i - n, *points) for i, c in enumerate(SLOPE.coef))

    tilt, tilt_x, tilt_y = divided(x, y), divided(x, x, y), divided(x, y, y)
    expected = (
        SLOPE(x) - x * tilt,
        tilt,
        SLOPE.deriv()(x) - tilt - x * tilt_x,
        -x * tilt_y,
        tilt_x,
        tilt_y,
    )
    np.testing.assert_allclose(curve._differences(x, y), expected, rtol=1e-12, atol=1e-14)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(curve._differences(x, y + 1e-3), expected, rtol=1e-4)


@pytest.mark.parametrize("beta", [-0.1, 0.0, 0.25])
def test_the_equation_and_its_gradient(curve: PairCurve, beta: float) -> None:
    tau = curve.tau(beta)

    def at(angle: float, tau: float) -> float:
        return curve.equation(angle, tau)[0]

    for angle in (0.3, 2.0, -1.2):
        value, gradient, size = curve.equation(angle, tau)
        m = gram_root(K, beta) @ unit_vector(angle)
        x, y = m[0], m[-1]
        tilt = (SLOPE(x) - SLOPE(y)) / (x - y)
        terms = (SLOPE(x) - x * tilt) * (1.0 + 6.0 * beta), beta * tilt * m.sum()
        assert value == pytest.approx(sum(terms), abs=1e-12)
        assert size == pytest.approx(sum(map(abs, terms)), rel=1e-12)
        h = 1e-5
        steps = [(h, 0.0), (0.0, h)]
        slope = [(at(angle + a, tau + t) - at(angle - a, tau - t)) / (2 * h) for a, t in steps]
        np.testing.assert_allclose(gradient, slope, atol=1e-8)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(gradient[::-1], slope, atol=1e-4)


def hessian(m: Array, beta: float) -> tuple[Array, Array, float]:
    """The Hessian on the sphere of R^k in the basis of G^(1/2), w, and m . g."""
    root = gram_root(K, beta)
    w = np.linalg.solve(root, m)
    outside = float(m @ SLOPE(m))
    return outside * np.eye(K) - root @ np.diag(SLOPE.deriv()(m)) @ root, w, outside


def test_what_a_place_knows(curve: PairCurve) -> None:
    """A fixed point of the full flow, and its Hessian applied to vectors inside of the groups."""
    beta = 0.05
    place = curve.start(0.4, curve.tau(beta))
    assert place is not None
    root = gram_root(K, beta)
    m = root @ unit_vector(place.angle)
    g = SLOPE(m)
    np.testing.assert_allclose(root @ root @ g, (m @ g) * m, atol=1e-13)
    np.testing.assert_allclose((place.x, place.y, place.beta), (m[0], m[-1], beta), atol=1e-14)
    matrix, w, outside = hessian(m, beta)
    assert place.outside == pytest.approx(outside, rel=1e-12)
    first, others = np.zeros(K), np.zeros(K)
    first[:2], others[-2:] = [1.0, -1.0], [1.0, -1.0]
    np.testing.assert_allclose(matrix @ first, place.within_first * first, atol=1e-12)
    np.testing.assert_allclose(matrix @ others, place.within_others * others, atol=1e-12)
    along = unit_vector(place.angle + math.pi / 2)  # in the plane of the groups, across w
    assert along @ w == pytest.approx(0.0, abs=1e-14)
    assert place.between == pytest.approx(along @ matrix @ along, rel=1e-12)
    psi = Polynomial(PSI.coefficients)
    assert place.loss == pytest.approx(-float(np.sum(psi(m))), rel=1e-12)
    gradient = curve.equation(place.angle, place.tau)[1]
    assert np.linalg.norm(place.tangent) == pytest.approx(1.0)
    assert abs(place.tangent @ gradient) < 1e-13 * np.linalg.norm(gradient)
    assert place.tangent[1] > 0.0
    back = curve.place(place.angle, place.tau, np.array([0.0, -1.0]))
    np.testing.assert_allclose(back.tangent, -place.tangent)
    mean = math.sqrt((1.0 + 6.0 * beta) / K)
    assert curve.average_loss(beta) == pytest.approx(-K * psi(mean), rel=1e-12)


def test_newtons_method_stays_on_its_line(curve: PairCurve) -> None:
    tau, normal = curve.tau(0.05), np.array([0.6, 0.8])
    place = curve.start(0.4, tau)
    assert place is not None
    near = np.array([place.angle + 0.03, tau + 0.02])
    found = curve.correct(near, normal)
    assert found is not None
    assert normal @ found == pytest.approx(normal @ near, abs=1e-14)
    value, _, size = curve.equation(*found)
    assert abs(value) < 1e-14 * size
    assert np.linalg.norm(found - near) < 0.1
    # beta = 1 and beyond; a line along the curve; a step too long
    assert curve.correct(np.array([0.4, math.log(K)]), normal) is None
    here = np.array([place.angle, place.tau])
    across = np.array([-place.tangent[1], place.tangent[0]])
    assert curve.correct(here + 1e-3 * across, across) is None
    flat = PairCurve(hf.Interaction(hf.hermite(3)), K, SIZE)
    assert flat.correct(
        np.array([math.pi / 2 - 0.3, math.log1p(6.0 * 0.9)]), np.array([0.0, 1.0])
    ) is (None)


def test_a_curve_is_followed_to_its_fold_and_back() -> None:
    """psi = u^3: beta (s + (k - s) t^2) = (1 - beta) t, so the fold has t = sqrt(s/(k - s))."""
    curve = PairCurve(hf.Interaction(hf.hermite(3)), K, SIZE)
    first = curve.start(math.atan2(0.0, 1.0), 0.0)
    assert first is not None
    assert (first.x, first.y) == pytest.approx((SIZE**-0.5, 0.0), abs=1e-14)
    steps = list(curve.follow(first, (-1e-9, math.log(K))))
    fold = 1.0 / (1.0 + 2.0 * math.sqrt(SIZE * (K - SIZE)))
    assert max(after.beta for _, after, _ in steps) == pytest.approx(fold, rel=1e-2)
    assert len(steps) > 20
    assert steps[-1][1].tau <= -1e-9 < steps[-1][0].tau
    for before, after, length in steps:
        assert 0.0 < length <= 0.04
        ratio = after.y / after.x
        assert (1 - after.beta) * ratio == pytest.approx(
            after.beta * (SIZE + (K - SIZE) * ratio**2), rel=1e-12, abs=1e-13
        )
        assert before.tangent @ after.tangent > 0.96
        moved = np.array([after.angle - before.angle, after.tau - before.tau])
        assert moved @ before.tangent == pytest.approx(length, abs=1e-12)
    assert all(a[1] is b[0] for a, b in pairwise(steps))
    # the fold itself, where the tangent turns back
    before, after, length = next(s for s in steps if s[1].tangent[1] < 0.0)
    place = curve.locate(before, length, lambda p: float(p.tangent[1]))
    assert place.beta == pytest.approx(fold, rel=1e-14)
    assert place.y / place.x == pytest.approx(math.sqrt(SIZE / (K - SIZE)), rel=1e-7)
    # with tau fixed it is a double zero, to which Newton's method comes too slowly
    assert curve.start(place.angle + 0.1, place.tau) is None
    # ... and the end of the range
    ahead = list(curve.follow(first, (-1e-9, 0.1)))
    assert ahead[-1][1].tau >= 0.1 > ahead[-1][0].tau
    there = curve.locate(ahead[-1][0], ahead[-1][2], lambda p: p.tau - 0.1)
    assert there.tau == pytest.approx(0.1, abs=1e-14)


# ------------------------------------------------------------------ any number of groups

SIZES = (3, 2, 2)
FAMILY = Family(SLOPE.coef, K, SIZES)
GROUPS = np.repeat(np.arange(3), SIZES)


def some_unknowns(seed: int, beta: float) -> Array:
    e = np.random.default_rng(seed).standard_normal(3)
    return np.append(e / np.linalg.norm(e), math.log1p((K - 1) * beta))


@pytest.mark.parametrize("beta", [-0.1, 0.0, 0.25])
def test_the_equations_of_a_family(beta: float) -> None:
    x = some_unknowns(1, beta)
    place = FAMILY.place(x, None)
    w = (x[:3] / np.sqrt(SIZES))[GROUPS]
    m = gram_root(K, beta) @ w
    np.testing.assert_allclose(place.u[GROUPS], m, atol=1e-14)
    np.testing.assert_allclose(FAMILY.unknowns(place.u, x[-1]), x, atol=1e-13)
    assert place.beta == pytest.approx(beta, abs=1e-15)
    assert place.tau == FAMILY.tau(place.beta) == pytest.approx(x[-1], abs=1e-15)
    # psi' over its largest coefficient
    slope = SLOPE / np.max(np.abs(SLOPE.coef))
    u, g = place.u, slope(place.u)
    tilt = (g[1] - g[0]) / (u[1] - u[0])
    second = ((g[2] - g[1]) / (u[2] - u[1]) - tilt) / (u[2] - u[0])
    value, jacobian = FAMILY._jet(x)
    first = (g[0] - tilt * u[0]) * (1.0 + (K - 1) * beta) + beta * tilt * m.sum()
    np.testing.assert_allclose(value, [first, second, 0.0], atol=1e-12)
    assert FAMILY._jet(np.append(1.1 * x[:3], x[-1]))[0][-1] == pytest.approx(0.105)
    h = 1e-5
    for i in range(4):
        step = h * np.eye(4)[i]
        slopes = (FAMILY._jet(x + step)[0] - FAMILY._jet(x - step)[0]) / (2 * h)
        np.testing.assert_allclose(jacobian[:, i], slopes, atol=1e-8)
    assert FAMILY.defect(x) == pytest.approx(max(abs(first), abs(second)), rel=1e-9)


@pytest.mark.parametrize("beta", [-0.1, 0.25])
def test_the_tests_of_a_place(beta: float) -> None:
    place = FAMILY.place(some_unknowns(2, beta), None)
    u, m = place.u, place.u[GROUPS]
    slope = SLOPE / np.max(np.abs(SLOPE.coef))
    outside = float(m @ slope(m))
    expected = {
        ("merge", (0, 1)): u[0] - u[1],
        ("merge", (0, 2)): u[0] - u[2],
        ("merge", (1, 2)): u[1] - u[2],
        **{("within", (i,)): outside - (1 - beta) * slope.deriv()(u[i]) for i in range(3)},
        ("outside", ()): outside,
    }
    found = {(t.kind, t.groups): v for t, v in zip(FAMILY.tests, place.tests, strict=True)}
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12)
    assert FAMILY.outside(place) == pytest.approx(outside)
    lone = Family(SLOPE.coef, 4, (3, 1))
    assert [(t.kind, t.groups) for t in lone.tests] == [
        ("merge", (0, 1)), ("within", (0,)), ("outside", ()),
    ]  # fmt: skip


EVEN = np.array([0.0, 1.0, 0.0, -0.7, 0.0, 0.9])


def test_points_that_mirror_themselves() -> None:
    u = np.array([0.4, -0.2, 0.2, -0.4])
    sizes = (2, 1, 1, 2)
    assert mirrored(sizes, u, 1e-9) == [3, 2, 1, 0]
    assert mirrored((2, 1, 1, 1), u, 1e-9) is None
    near = u + np.array([1e-3, 0.0, 0.0, 0.0])
    assert mirrored(sizes, near, 0.9e-3) is None
    assert mirrored(sizes, near, 1.1e-3) == [3, 2, 1, 0]
    assert mirrored((1, 1), np.array([0.0, 0.0]), 1e-9) is None
    assert groups_text((2, 1), np.array([0.25, -0.5])) == "overlaps 2 x 0.25, 1 x -0.5"
    family = family_of(EVEN, 6, sizes, u, 1e-9)
    assert family.symmetric
    half = math.sqrt(0.5)
    np.testing.assert_allclose(family.frame, [[half, 0], [0, half], [0, -half], [-half, 0]])
    assert not family_of(np.array([0.1, *EVEN[1:]]), 6, sizes, u, 1e-9).symmetric
    assert not family_of(EVEN, 6, (2, 1, 1, 1), u, 1e-9).symmetric
    # what leaves those points: the Hessian in the plane across
    place = family.place(np.append(np.array([0.6, 0.8]), math.log1p(5 * 0.1)), None)
    groups = np.repeat(np.arange(4), sizes)
    psi1 = Polynomial(EVEN)
    m, root = place.u[groups], gram_root(6, 0.1)
    matrix = float(m @ psi1(m)) * np.eye(6) - root @ np.diag(psi1.deriv()(m)) @ root
    away = np.zeros((6, 2))
    away[groups == 0, 0] = away[groups == 3, 0] = 0.5
    away[groups == 1, 1] = away[groups == 2, 1] = half
    expected = np.linalg.eigvalsh(away.T @ matrix @ away)
    mirrors = [v for t, v in zip(family.tests, place.tests, strict=True) if t.kind == "mirror"]
    np.testing.assert_allclose(mirrors, expected, atol=1e-12)


def on_curve(beta: float = 0.1) -> tuple[Family, Place]:
    """psi = u^3, groups of 2 and 5."""
    family = Family(np.array([0.0, 0.0, 3.0]), K, (SIZE, K - SIZE))
    lead, half = beta * (K - SIZE), 0.5 * (1.0 - beta)
    t = beta * SIZE / (half + math.sqrt(half * half - lead * beta * SIZE))
    place = family.at(family.unknowns(np.array([1.0, t]), family.tau(beta)), family.tau(beta))
    assert place is not None
    assert place.u[1] / place.u[0] == pytest.approx(t, rel=1e-13)
    return family, place


def test_places_along_a_curve() -> None:
    family, place = on_curve()
    assert family.defect(place.x) < 1e-14
    jacobian = family._jet(place.x)[1]
    assert np.max(np.abs(jacobian @ place.tangent)) < 1e-13
    assert np.linalg.norm(place.tangent) == pytest.approx(1.0)
    assert family.advance(place, 0.0) is place
    for length in (0.05, -0.05):
        there = family.advance(place, length)
        assert there is not None
        assert family.defect(there.x) < 1e-13
        assert (there.x - place.x) @ place.tangent == pytest.approx(length, abs=1e-13)
        assert there.tangent @ place.tangent > 0.9
        assert np.max(np.abs(family._jet(there.x)[1] @ there.tangent)) < 1e-12
    after, length = family.stride(place, 0.05, 1e-6)
    assert length == 0.05
    assert after.tangent @ place.tangent > 0.98
    after, length = family.stride(place, 1.6, 1e-6)
    assert length in {1.6 / 2**i for i in range(2, 12)}
    with pytest.raises(ArithmeticError, match=r"from beta = 0\.1, overlaps 2 x 0\.\d+, 5 x 0\.\d"):
        family.stride(place, 0.05, 0.06)
    # beta = 1 is out of reach; so are fixed points too far away
    assert family.correct(np.append(place.x[:-1], math.log(K)), np.eye(3)[2]) is None
    assert family.at(place.x, family.tau(0.2)) is None  # beyond the fold, at 0.137
    assert family.correct(place.x + np.array([0.5, 0.5, 0.0]), place.tangent) is None


def test_events_are_located() -> None:
    family, place = on_curve()
    if place.tangent[-1] < 0.0:
        place = replace(place, tangent=-place.tangent)
    fold = 1.0 / (1.0 + 2.0 * math.sqrt(SIZE * (K - SIZE)))
    here = place
    for _ in range(100):
        after, length = family.stride(here, 0.05, 1e-8)
        if after.tangent[-1] < 0.0:
            break
        here = after
    s, found = family.locate(here, 0.0, length, lambda p: float(p.tangent[-1]))
    assert 0.0 < s < length
    assert found.beta == pytest.approx(fold, rel=1e-14)
    assert abs(found.tangent[-1]) < 1e-12
    # beyond it there is nothing, however slowly Newton's method goes on
    for beyond in (1e-9, 1e-6, 1e-4, 1e-3):
        for away in (-0.1, -0.01, 0.01, 0.1):
            near = found.x + away * found.tangent
            assert family.at(near, found.tau + beyond) is None
    tau = 0.3 * here.tau + 0.7 * found.tau
    s, there = family.locate(here, 0.0, s, lambda p: p.tau - tau)
    assert there.tau == pytest.approx(tau, abs=1e-15)
    assert (there.x - here.x) @ here.tangent == pytest.approx(s, abs=1e-12)

    def travelled(p: Place) -> float:
        return float((p.x - here.x) @ here.tangent)

    # a function with a bend to either side takes few steps, as false position alone would not
    for bend in (80.0, -80.0):
        seen: list[float] = []

        def bent(p: Place, bend: float = bend, seen: list[float] = seen) -> float:
            seen.append(math.expm1(bend * (travelled(p) - 0.3 * length)))
            return seen[-1]

        s, _ = family.locate(here, 0.0, length, bent)
        assert s == pytest.approx(0.3 * length, abs=1e-14)
        assert len(seen) <= 20
    # a zero at an end, but for rounding
    assert family.locate(here, 0.0, length, lambda p: travelled(p) + 1e-9) == (0.0, here)
    s, end = family.locate(here, 0.0, length, lambda p: travelled(p) - length - 1e-9)
    assert s == length
    np.testing.assert_allclose(end.x, after.x, atol=1e-14)
