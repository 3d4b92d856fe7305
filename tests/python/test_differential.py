"""`solve` of every loss and method against SciPy's DOP853 at 1e-12 on averages over inputs.

The reference knows no psi: it averages (f - f*) sigma'(w.x) x over a product rule of
Gauss-Hermite nodes in R^d, which is exact for the polynomials here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
from oracles import Array, gauss_hermite, hermite_value, unit_rows
from scipy.integrate import solve_ivp

import hermiteflow as hf

D, N, K, T_END = 5, 2, 2, 0.8
TEACHER, STUDENT = {2: 0.5, 3: 1.0}, {1: 0.2, 2: 0.7, 3: 0.6}
V, W = unit_rows(K, D, 1), unit_rows(N, D, 2)
A, B = np.array([0.9, -0.6]), np.array([1.1, 0.7])
METHODS = ("tsit5", "dopri5", "dop853", "rk4")
#: |error| of the methods and of the reference beside each other.
BOUND = 2e-11


def evaluate(link: dict[int, float], x: Array, slope: bool = False) -> Array:
    """sigma(x), or sigma'(x) by h_p' = sqrt(p) h_(p-1)."""
    if slope:
        return sum(c * p**0.5 * hermite_value(p - 1, x) for p, c in link.items())
    return sum(c * hermite_value(p, x) for p, c in link.items())


@cache
def nodes() -> tuple[Array, Array]:
    """Points (5^d, d) and weights; five in each direction are exact up to degree 9."""
    x, w = gauss_hermite(5)
    points = np.array(list(itertools.product(x, repeat=D)))
    return points, np.array([np.prod(p) for p in itertools.product(w, repeat=D)])


@dataclass(frozen=True)
class Case:
    """Which loss falls, and one thing that may be wrong with it."""

    squared: bool = False
    constrained: bool = True
    trained: bool = False
    fault: str = ""

    def flow(self) -> hf.CorrelationFlow | hf.SquaredFlow:
        options: dict[str, Any] = {
            "student": hf.hermite(STUDENT), "second_layer": A, "target_weights": B,
        }  # fmt: skip
        if not self.squared:
            return hf.CorrelationFlow(hf.IndexVectors(V), hf.hermite(TEACHER), **options)
        return hf.SquaredFlow(
            hf.IndexVectors(V), hf.hermite(TEACHER), constrained=self.constrained,
            train_second_layer=self.trained, **options,
        )  # fmt: skip

    def right(self, y: Array) -> Array:
        """Rates of (w_i, a_i), shape (n, d + 1)."""
        rows, a, (x, weights) = y[:, :D], y[:, D], nodes()
        inputs = x @ rows.T
        error = -evaluate(TEACHER, x @ V.T) @ B
        if self.squared:
            share = 1.0 - 1e-6 * (self.fault == "student")
            error = error + share * evaluate(STUDENT, inputs) @ a
        mass = (weights * error)[:, None]
        slope = (mass * evaluate(STUDENT, inputs, slope=True)).T @ x * a[:, None]
        if self.constrained:
            slope -= np.sum(slope * rows, axis=1, keepdims=True) * rows
        change = -(mass * evaluate(STUDENT, inputs)).sum(axis=0) * self.trained
        factor = 1.0 + 1e-9 * (self.fault == "pace")
        return np.hstack([-factor * slope, change[:, None]])

    @cache  # noqa: B019 - the cases are few and frozen
    def reference(self) -> Array:
        start = np.hstack([W, A[:, None]])
        answer = solve_ivp(
            lambda _, y: self.right(y.reshape(start.shape)).ravel(), (0.0, T_END), start.ravel(),
            "DOP853", rtol=1e-12, atol=1e-14,
        )  # fmt: skip
        assert answer.success
        return np.asarray(answer.y[:, -1].reshape(start.shape))


CASES = {
    "correlation": Case(),
    "squared": Case(squared=True),
    "squared, a trained": Case(squared=True, trained=True),
    "squared, free": Case(squared=True, constrained=False),
    "squared, free, a trained": Case(squared=True, constrained=False, trained=True),
}


def agree(found: Array, wanted: Array) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=BOUND)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_every_method_follows_dop853(name: str, method: str) -> None:
    case = CASES[name]
    flow, chosen = case.flow(), {"method": method, "t_end": T_END}
    chosen |= {"step": 5e-4} if method == "rk4" else {"rtol": 1e-13, "atol": 1e-16}
    starts: list[dict[str, Any]] = [{"weights": W}]
    if case.squared:
        starts.append({"overlaps": W @ V.T, "student_overlaps": W @ W.T})
    else:
        starts += [{"weights": W, "reduce": False}, {"overlaps": W @ V.T}]
    reference = case.reference()
    rows, layer = reference[:, :D], reference[:, D]
    faults = [Case(case.squared, case.constrained, case.trained, "pace").reference()[:, :D]]
    if case.squared:
        other = Case(case.squared, case.constrained, case.trained, "student")
        faults.append(other.reference()[:, :D])
    for start in starts:
        sol = hf.solve(flow, **start, **chosen)
        agree(sol.overlaps, rows @ V.T)
        if "weights" in start:
            agree(sol.weights, rows)
        if case.squared:
            agree(sol.student_overlaps, rows @ rows.T)
            agree(sol.second_layer, layer)
        for fault in faults:
            with pytest.raises(AssertionError):
                agree(sol.overlaps, fault @ V.T)


# ------------------------------------------------------------------ at one state


def loss(case: Case, y: Array) -> float:
    """-E[f f*], or E[(f - f*)^2] / 2, by the same nodes: products of degree 6."""
    x, weights = nodes()
    teacher = evaluate(TEACHER, x @ V.T) @ B
    student = evaluate(STUDENT, x @ y[:, :D].T) @ y[:, D]
    each = 0.5 * (student - teacher) ** 2 if case.squared else -student * teacher
    return float(weights @ each)


@pytest.mark.parametrize("name", CASES)
def test_losses_gradients_and_fields_are_averages(name: str) -> None:
    case = CASES[name]
    flow, y = case.flow(), np.hstack([W, A[:, None]])
    rates = case.right(y)
    found = flow.gradient(W)
    if isinstance(found, tuple):
        np.testing.assert_allclose(found[1], -rates[:, D], rtol=0, atol=1e-13)
        found = found[0]
    np.testing.assert_allclose(found, -rates[:, :D], rtol=0, atol=1e-13)
    assert flow.loss(W) == pytest.approx(loss(case, y), rel=1e-13)
    np.testing.assert_allclose(flow.overlaps(W), W @ V.T, rtol=0, atol=1e-15)
    dM = rates[:, :D] @ V.T
    if isinstance(flow, hf.SquaredFlow):
        M, Q = W @ V.T, W @ W.T
        np.testing.assert_allclose(flow.student_overlaps(W), Q, rtol=0, atol=1e-15)
        assert flow.loss_of(M, Q) == pytest.approx(loss(case, y), rel=1e-13)
        dQ = rates[:, :D] @ W.T
        moved = flow.field(M, Q)
        np.testing.assert_allclose(moved[0], dM, rtol=0, atol=1e-13)
        np.testing.assert_allclose(moved[1], dQ + dQ.T, rtol=0, atol=1e-13)
    else:
        np.testing.assert_allclose(flow.field(W @ V.T), dM, rtol=0, atol=1e-13)
    wrong = Case(not case.squared, case.constrained, case.trained)  # the other loss
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, -wrong.right(y)[:, :D], rtol=0, atol=1e-3)
    assert flow.loss(W) != pytest.approx(loss(wrong, y), rel=1e-3)


def test_the_hessian_of_a_neuron_bends_the_loss_along_geodesics() -> None:
    """(11) away from fixed points, in all tangent directions of R^d."""
    case, w = CASES["correlation"], W[:1]
    flow = hf.CorrelationFlow(
        hf.IndexVectors(V), hf.hermite(TEACHER), student=hf.hermite(STUDENT),
        second_layer=A[0], target_weights=B,
    )  # fmt: skip
    basis = np.linalg.svd(w)[2][1:]

    def bend(z: Array) -> float:
        """Second derivative at 0 of the loss along the geodesic towards z, to h^6."""
        size = np.linalg.norm(z)

        def along(t: float) -> float:
            moved = np.cos(t * size) * w + np.sin(t * size) * z / size
            return loss(case, np.hstack([moved, A[:1, None]]))

        h, middle = 2e-2, along(0.0)
        table = ((1, 3 / 2), (2, -3 / 20), (3, 1 / 90))
        return sum(c * (along(j * h) + along(-j * h) - 2 * middle) for j, c in table) / h**2

    matrix = np.diag([bend(z) for z in basis])
    for i, j in itertools.combinations(range(D - 1), 2):
        both = bend(basis[i] + basis[j]) - bend(basis[i] - basis[j])
        matrix[i, j] = matrix[j, i] = both / 4
    wanted = np.linalg.eigvalsh(matrix)
    hessian = flow.hessian((w @ V.T)[0], d=D)
    outside = np.full(hessian.outside_count, hessian.outside_eigenvalue)
    found = np.sort(np.append(hessian.eigenvalues, outside))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8)
    assert hessian.morse_index == np.count_nonzero(hessian.eigenvalues < 0)
    assert sum(count for _, count in hessian.distinct) == hessian.eigenvalues.size
    for wrong in (-wanted[::-1], wanted + hessian.outside_eigenvalue):  # a sign; a term too much
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(found, wrong, rtol=0, atol=1e-3)


def test_minima_of_a_diagram_are_roots() -> None:
    """Degree 3, k = 4: the lowest minimum, by the quadratic for t = y / x of its family."""
    k, betas = 4, [0.05, 0.12, 0.18]
    ds = hf.bifurcation_diagram(hf.hermite(3), k, betas)

    def lowest(beta: float, others: int) -> float:
        """Loss -(x^3 + n y^3) / |m|^3 where m = (x, y, ..., y), |m|^2 = m^T G^-1 m."""
        with mpmath.workdps(30):
            ratio, b = mpmath.mpf(beta) / (1 - mpmath.mpf(beta)), mpmath.mpf(beta)
            t = (1 - mpmath.sqrt(1 - 4 * others * ratio**2)) / (2 * others * ratio)
            total, squares = 1 + others * t, 1 + others * t**2
            size = (squares - b / (1 + (k - 1) * b) * total**2) / (1 - b)
            return float(-(1 + others * t**3) / size ** mpmath.mpf(1.5))

    minima = ds.loss.where(ds.kind == "minimum").min("branch")
    wanted = [lowest(beta, k - 1) for beta in betas]
    np.testing.assert_allclose(minima.values, wanted, rtol=1e-12)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(minima.values, [lowest(b, k) for b in betas], rtol=1e-6)


@pytest.mark.parametrize("p", [2, 3, 4])
def test_exact_hitting_times_are_those_of_dop853(p: int) -> None:
    """The first time at which some |m_j| of (4) reaches a level, by SciPy's own events."""
    c, m0 = np.array([1.0, 0.4, 1.5]), np.array([0.21, -0.25, 0.15])

    def right(_: float, m: Array, factor: float = 1.0) -> Array:
        g = factor * c * p * m ** (p - 1)
        return g - (m @ g) * m

    def time(level: float, factor: float = 1.0) -> float:
        def reached(_: float, m: Array, __: float = 0.0) -> float:
            return float(np.max(np.abs(m)) - level)

        reached.terminal = True  # type: ignore[attr-defined]
        answer = solve_ivp(
            right, (0.0, 1e3), m0, "DOP853", events=reached, args=(factor,), rtol=1e-12, atol=1e-15
        )
        return float(answer.t_events[0][0])

    for level in (0.3, 0.6, 0.9):
        found = hf.exact.orthonormal_hitting_time(p, c, m0, level)
        assert found == pytest.approx(time(level), rel=1e-9)
        assert found != pytest.approx(time(level, 1.0 + 1e-6), rel=1e-9)
