"""The right-hand side of the squared loss against the equations in NumPy, for all that it is."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import Array
from squared_problems import KINDS, LINKS, Problem, make

import hermiteflow as hf
from hermiteflow import _squared_engine as engine

SIZES = [(1, 1), (2, 3), (4, 4), (5, 3), (8, 8), (9, 7), (16, 17), (33, 20), (65, 3), (3, 66)]
NARROW = 2e-14


def close(found: Array, wanted: Array, scale: float) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=NARROW * scale)


def size(problem: Problem) -> float:
    """How large the terms are whose rounding is left."""
    D, C = problem.forces(problem.M, problem.Q)
    return 1.0 + float(max(np.abs(D).sum(1).max(), np.abs(C).sum(1).max()))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", KINDS)
def test_order_parameters_move_as_the_equations_say(kind: str, link: str, isa: str) -> None:
    for n, k in SIZES:
        problem = make(link, kind, n, k)
        M, Q, scale = problem.M, problem.Q, size(problem)
        found = engine.rates(problem.system, M, Q)
        dM, dQ = problem.rates(M, Q)
        close(found.M, dM, scale)
        close(found.Q, dQ, scale)
        np.testing.assert_array_equal(np.diag(found.Q), np.zeros(n))
        np.testing.assert_array_equal(found.Q, found.Q.T)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", KINDS)
def test_coordinates_move_as_in_all_dimensions(kind: str, link: str, isa: str) -> None:
    for n, k in SIZES:
        problem = make(link, kind, n, k)
        found = engine.rates(problem.system, problem.coordinates)
        close(found.W @ problem.basis, problem.weight_rates(problem.W), size(problem))


@pytest.mark.parametrize("fault", [{"sign": -1.0}, {"drag": 0.999}, {"both": -1.0}])
def test_a_planted_fault_in_order_parameters_is_rejected(fault: dict[str, float]) -> None:
    problem = make("erf", "equiangular", 5, 3)
    found = engine.rates(problem.system, problem.M, problem.Q)
    dM, dQ = problem.rates(problem.M, problem.Q, **fault)
    both = np.hstack([found.M, found.Q])
    with pytest.raises(AssertionError):
        close(both, np.hstack([dM, dQ]), size(problem))


@pytest.mark.parametrize("fault", [{"sign": -1.0}, {"drag": 0.999}])
def test_a_planted_fault_in_coordinates_is_rejected(fault: dict[str, float]) -> None:
    problem = make("mixed", "general", 5, 3)
    found = engine.rates(problem.system, problem.coordinates)
    with pytest.raises(AssertionError):
        close(found.W @ problem.basis, problem.weight_rates(problem.W, **fault), size(problem))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients(kind: str, link: str) -> None:
    for n, k in SIZES:
        problem = make(link, kind, n, k)
        M, Q = problem.M, problem.Q
        norms = np.linalg.norm(problem.weight_rates(problem.W), axis=1)
        loss, scale = problem.loss(M, Q), size(problem)
        for found in (
            engine.rates(problem.system, M, Q), engine.rates(problem.system, problem.coordinates)
        ):  # fmt: skip
            bound = 1e-14 * (np.abs(problem.a).sum() + np.abs(problem.b).sum()) ** 2
            assert abs(found.loss - loss) < bound
            assert abs(found.loss - problem.loss(M, Q, half=0.501)) > bound
            # a square root of a difference of terms of this size
            np.testing.assert_allclose(found.gradient_norms, norms, rtol=1e-11, atol=1e-7 * scale)
            assert np.abs(found.gradient_norms - 1.001 * norms).max() > 1e-5 * norms.max()


def test_the_gradient_is_that_of_the_loss() -> None:
    """Finite differences of (9) along the field: dL/dt = -sum |grad_i|^2."""
    problem, h = make("relu and erf", "general", 6, 4), 1e-5
    W, rate = problem.W, problem.weight_rates(problem.W)

    def loss(t: float) -> float:
        moved = W + t * rate
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        return engine.rates(problem.system, moved @ problem.basis.T).loss

    norms = engine.rates(problem.system, problem.coordinates).gradient_norms
    slope = (loss(h) - loss(-h)) / (2 * h)
    assert abs(slope + np.sum(norms**2)) < 1e-8
    assert abs(slope + 0.5 * np.sum(norms**2)) > 1e-3


@pytest.mark.parametrize("name", ["erf", "tanh", "gelu", "sigmoid", "softplus", "cos", "exp"])
def test_fewer_terms_are_the_same_slope(name: str) -> None:
    psi = hf.Interaction(hf.link(name))
    law, u = engine.law(psi), np.linspace(-1.0, 1.0, 501)
    x = u * u if law.stride == 2 else u
    short = u**law.power * np.polynomial.polynomial.polyval(x, law.coefficients)
    full = np.polynomial.polynomial.polyval(u, np.polynomial.polynomial.polyder(psi.coefficients))
    bound = 1e-15 * np.abs(full).max()
    np.testing.assert_allclose(short, full, rtol=0, atol=bound)
    assert law.coefficients.size < psi.coefficients.size / 1.2
    less = u**law.power * np.polynomial.polynomial.polyval(
        x, law.coefficients[: law.coefficients.size // 2]
    )
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(less, full, rtol=0, atol=bound)


@pytest.mark.parametrize("link", ["erf", "h3"])
def test_stages_outside_the_sphere_are_clamped(link: str) -> None:
    problem = make(link, "identity", 4, 4)
    M, Q = problem.M, problem.Q
    M[0, 0], Q[1, 2], Q[2, 1] = 1.5, -1.2, -1.2
    found = engine.rates(problem.system, M, Q)
    inside = make(link, "identity", 4, 4)
    D, C = inside.forces(np.clip(M, -1, 1), np.clip(Q, -1, 1))
    rho = (D * M).sum(1) - (C * Q).sum(1)
    close(found.M, D - C @ M - rho[:, None] * M, 10 * size(problem))
    free, _ = problem.forces(M, Q)
    assert np.abs(free - D).max() > 1e-3


def test_shapes_are_checked() -> None:
    problem = make("erf", "general", 4, 3)
    M, Q, W = problem.M, problem.Q, problem.coordinates
    for state, other, text in (
        (M[:3], Q, r"M must have shape \(4, 3\), got \(3, 3\)"),
        (M, Q[:3], r"Q must have shape \(4, 4\), got \(3, 4\)"),
        (W[:, :1], None, r"W must have at least 2 columns, the rank of G, got \(4, 1\)"),
    ):
        with pytest.raises(ValueError, match=text):
            engine.rates(problem.system, state, other)
        with pytest.raises(ValueError, match=text):
            engine.integrate(problem.system, state, other, t_end=1.0)
    with pytest.raises(ValueError, match="step must be"):
        engine.integrate(problem.system, W, method="rk4", t_end=1.0)
    with pytest.raises(ValueError, match="atol must be"):
        engine.integrate(problem.system, W, atol=0.0, t_end=1.0)
