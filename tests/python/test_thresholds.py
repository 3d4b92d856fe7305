"""Thresholds in beta against closed forms, the Hessian at both sides, and the flow itself."""

import math
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow.landscape._rational import Polynomial
from hermiteflow.landscape._thresholds import _positive_zeros

LINKS = {
    "h3": hf.hermite(3),
    "h4": hf.hermite(4),
    "h3 + h4 / 2": hf.hermite({3: 1.0, 4: 0.5}),
    "h3 - h5": hf.hermite({3: 1.0, 5: -0.6}),
    "relu": hf.link("relu").without(1, 2),
    "relu, p* = 2": hf.link("relu").without(1) + 0.5 * hf.hermite(3),
    "tanh": hf.link("tanh").without(1),
    "cos": hf.link("cos"),
}
SIZES = (2, 3, 5, 10, 50, 1000)


def critical(p: int, k: int) -> float:
    return (p - 2) / (k + p - 2)


def fold(p: int, k: int) -> float:
    """The root t of P(t) = n t^(2p-2) P(1/t), by bisection; p = 3 and 4 have closed forms."""
    n = k - 1
    if p == 3:
        return 1 / (1 + 2 * math.sqrt(n))

    def excess(t: float) -> float:
        return sum(i * t**i - n * i * t ** (2 * p - 2 - i) for i in range(1, p - 1))

    low, high = 1e-9, 1.0
    if k == 2:
        low = high
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    t = high
    ratio = sum(t**i for i in range(1, p - 1)) / (1 + n * t ** (p - 1))
    return ratio / (1 + ratio)


def tie(p: int, k: int) -> float:
    t = (k - 1) ** (-2 / p)
    ratio = sum(t**i for i in range(1, p - 1)) / (1 + t ** (p / 2 - 1))
    return ratio / (1 + ratio)


@pytest.mark.parametrize("p", [3, 4, 5, 6])
@pytest.mark.parametrize("k", SIZES)
def test_pure_degrees_to_twelve_digits(p: int, k: int) -> None:
    link = hf.hermite(p)
    assert hf.critical_beta(link, k) == pytest.approx(critical(p, k), rel=1e-12)
    found = hf.fold_beta(link, k)
    assert found.beta == pytest.approx(fold(p, k), rel=1e-12)
    assert found.how == "vanish"
    if k > 2:
        assert hf.equal_loss_beta(link, k) == pytest.approx(tie(p, k), rel=1e-12)
        assert critical(p, k) < tie(p, k) < found.beta


def test_the_closed_form_of_degree_4() -> None:
    t = max(x.real for x in np.roots([9, 18, 0, -2, -1]) if abs(x.imag) < 1e-9)
    assert fold(4, 10) == pytest.approx(t * (2 + t) / (3 + 2 * t + t * t), rel=1e-12)
    assert tie(4, 10) == pytest.approx(1 / (1 + math.sqrt(9)), rel=1e-12)


@pytest.mark.parametrize("wrong", [critical, fold, tie])
def test_a_planted_fault_is_rejected(wrong: Any) -> None:
    """The twin: the formulas with k for k - 1 or p + 1 for p miss by far more than 1e-12."""
    right = {
        critical: hf.critical_beta,
        fold: lambda link, k: hf.fold_beta(link, k).beta,
        tie: hf.equal_loss_beta,
    }[wrong](hf.hermite(4), 10)
    for p, k in ((5, 10), (4, 11)):
        assert abs(wrong(p, k) / right - 1) > 1e-2


def average_kind(link: hf.Link, k: int, beta: float) -> str:
    targets = hf.Equiangular(k=k, beta=beta)
    m = math.sqrt((1 + (k - 1) * beta) / k)
    return hf.classify(hf.CorrelationFlow(targets, link), np.full(k, m)).kind


@pytest.mark.parametrize("name", LINKS)
def test_the_hessian_changes_at_the_critical_beta(name: str) -> None:
    for k in (3, 8):
        for beta in hf.critical_beta(LINKS[name], k, all_roots=True):
            kinds = {average_kind(LINKS[name], k, beta + shift) for shift in (-1e-6, 1e-6)}
            assert kinds == {"minimum", "saddle"}
        first = hf.critical_beta(LINKS[name], k)
        assert average_kind(LINKS[name], k, first - 1e-6) == "saddle"
        assert average_kind(LINKS[name], k, first + 1e-6) == "minimum"


@pytest.mark.parametrize("name", LINKS)
def test_the_flow_agrees_on_both_sides_of_the_fold(name: str) -> None:
    k = 10
    beta, _ = hf.fold_beta(LINKS[name], k)
    for factor, kind in ((0.99, "index"), (1.01, "average")):
        targets = hf.Equiangular(k=k, beta=factor * beta)
        sol = hf.solve(hf.CorrelationFlow(targets, LINKS[name]), overlaps=targets.gram[:2])
        assert list(sol.status) == [hf.Status.converged] * 2
        assert list(sol.kind) == [kind] * 2
        assert list(sol.index) == ([0, 1] if kind == "index" else [-1, -1])


@pytest.mark.parametrize("a", [0.09, -0.09, 0.36, -0.36])
def test_folds_where_index_vectors_are_no_fixed_points(a: float) -> None:
    """psi = a u + u^3, of which v_1 is no fixed point. The pair of k = 2 meets the average where
    m (a + 3 m^2) = (1 - m^2) 6 m with 2 m^2 = 1 + beta: beta = 1/3 - 2 a/9.
    """
    size = math.sqrt(abs(a))
    teacher, student = (
        hf.hermite({1: size, 3: 1.0}),
        hf.hermite({1: math.copysign(size, a), 3: 1.0}),
    )
    psi = hf.Interaction(teacher, student)
    assert hf.fold_beta(psi, 2).beta == pytest.approx(1 / 3 - 2 * a / 9, rel=1e-12)
    assert hf.fold_beta(psi, 2).beta != pytest.approx(1 / 3 + 2 * a / 9, rel=1e-3)
    if a == -0.36:  # of more index vectors these lose stability first
        return
    beta, how = hf.fold_beta(psi, 5)
    assert how == "vanish"
    for factor, kind in ((0.99, "index"), (1.01, "average")):
        targets = hf.Equiangular(k=5, beta=factor * beta)
        flow = hf.CorrelationFlow(targets, teacher, student=student)
        assert list(hf.solve(flow, overlaps=targets.gram[:1]).kind) == [kind]


@pytest.mark.parametrize("name", LINKS)
def test_the_flow_agrees_on_both_sides_of_the_critical_beta(name: str) -> None:
    k = 10
    beta = hf.critical_beta(LINKS[name], k)
    rng = np.random.default_rng(0)
    for factor, stays in ((0.95, False), (1.05, True)):
        targets = hf.Equiangular(k=k, beta=factor * beta)
        near = np.full(k, 1.0) + 1e-4 * rng.standard_normal((5, k))
        start = near / np.sqrt(targets.squared_projection(near))[:, None] * (1 - 1e-9)
        sol = hf.solve(hf.CorrelationFlow(targets, LINKS[name]), overlaps=start)
        assert bool(sol.success)
        assert np.all((sol.kind == "average") == stays)


def two_values(slope: Any, k: int, t: Any) -> tuple[Any, Any]:
    """The beta and the overlap x at which (x, t x, ..., t x) is fixed: docs/mathematics."""
    mp = mpmath.mp

    def ratio(x: Any) -> Any:
        y = t * x
        gx, gy = slope(x), slope(y)
        return (y * gx - x * gy) / ((x - y) * (gx + (k - 1) * gy))

    def defect(x: Any) -> Any:
        beta = ratio(x) / (1 + ratio(x))
        gamma = beta / (1 + (k - 1) * beta)
        total = x + (k - 1) * t * x
        return (x * x + (k - 1) * (t * x) ** 2 - gamma * total**2) / (1 - beta) - 1

    x = mp.findroot(defect, (mp.mpf("0.8"), mp.mpf(1)), solver="illinois")
    return ratio(x) / (1 + ratio(x)), x


@pytest.mark.parametrize(
    ("link", "slope", "t"),
    [
        (
            hf.link("relu").without(1, 2),
            lambda u: (mpmath.asin(u) - u) / (2 * mpmath.pi),
            (0.2, 0.35),
        ),
        (
            hf.link("erf").without(1),
            lambda u: 2 / (mpmath.pi * mpmath.sqrt(4 - u * u)) - 1 / mpmath.pi,
            (0.25, 0.4),
        ),
        (hf.hermite(5), lambda u: 5 * u**4, (0.3, 0.5)),
    ],
    ids=["relu", "erf", "h5"],
)
def test_folds_of_closed_forms_by_mpmath(link: hf.Link, slope: Any, t: Any) -> None:
    """beta of the family as a function of t = y/x is largest at the fold."""
    k = 10
    with mpmath.workdps(40):

        def rate(at: Any) -> Any:
            h = mpmath.mpf(10) ** -12
            return (two_values(slope, k, at + h)[0] - two_values(slope, k, at - h)[0]) / (2 * h)

        top = mpmath.findroot(rate, tuple(map(mpmath.mpf, t)), solver="anderson", tol=1e-30)
        exact = float(two_values(slope, k, top)[0])
        other = float(two_values(slope, k + 1, top)[0])
    found, how = hf.fold_beta(link, k)
    assert how == "vanish"
    assert found == pytest.approx(exact, rel=1e-12)
    assert found != pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("name", ["h3", "h4", "h3 + h4 / 2", "relu", "tanh"])
def test_losses_are_equal_where_they_are_said_to_be(name: str) -> None:
    k = 8
    beta = hf.equal_loss_beta(LINKS[name], k)
    targets = hf.Equiangular(k=k, beta=beta)
    flow = hf.CorrelationFlow(targets, LINKS[name])
    end = hf.solve(flow, overlaps=targets.gram[:1], rtol=1e-12).overlaps[0]
    m = math.sqrt((1 + (k - 1) * beta) / k)
    losses = [-float(np.sum(flow.interaction(x))) for x in (end, np.full(k, m))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_a_double_zero_is_found_beside_a_single_one() -> None:
    """(x - 1/4)(x - 1/2)^2: what intervals leave undecided, Sturm's theorem settles."""
    found = _positive_zeros(Polynomial([Fraction(-1, 16), Fraction(1, 2), Fraction(-5, 4), 1]))
    assert len(found) == 2
    for at, exact in zip(found, (Fraction(1, 4), Fraction(1, 2)), strict=True):
        assert abs(at - exact) <= Fraction(1, 2**79)


@pytest.mark.parametrize("function", [hf.critical_beta, hf.fold_beta, hf.equal_loss_beta])
def test_bad_input(function: Any) -> None:
    with pytest.raises(ValueError, match="k must be at least 2"):
        function(hf.hermite(3), 1)
    with pytest.raises(TypeError, match="link"):
        function("h3", 5)
    with pytest.raises(ValueError, match="known to 1e-13, got one that leaves out up to"):
        function(hf.link(np.abs), 5)
    with pytest.raises(ValueError, match="psi' = 0"):
        function(hf.Interaction(hf.hermite(3), student=hf.hermite(4)), 5)


def test_no_threshold_is_an_error_that_says_why() -> None:
    with pytest.raises(ValueError, match="for every beta"):
        hf.critical_beta(hf.hermite(1), 5)
    with pytest.raises(ValueError, match="minima at beta = 0"):
        hf.fold_beta(hf.hermite(2), 5)
