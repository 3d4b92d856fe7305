"""Loss, gradient and field of the correlation flow against finite differences and Monte Carlo."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from oracles import (
    Array,
    field,
    finite_difference_gradient,
    gram_vectors,
    hermite_coefficients,
    loss,
    monte_carlo,
    series,
    unit_rows,
    weight_field,
)

import hermiteflow as hf

TEACHER = hf.hermite({1: 0.3, 2: -0.2, 3: 1.0, 4: 0.4})
STUDENT = hf.polynomial([0.1, 0.5, -0.3, 0.4])


@dataclass
class Case:
    V: Array
    n: int
    teacher: hf.Link = TEACHER
    student: hf.Link | None = None
    a: Array | None = None
    b: Array | None = None

    def __post_init__(self) -> None:
        k, d = self.V.shape
        self.W = unit_rows(self.n, d, seed=5)
        self.flow = hf.CorrelationFlow(
            hf.IndexVectors(self.V),
            self.teacher,
            student=self.student,
            second_layer=self.a,
            target_weights=self.b,
        )
        self.c = hermite_coefficients(self.teacher, 8) * hermite_coefficients(
            self.student or self.teacher, 8
        )
        self.weights = (
            np.ones(self.n) if self.a is None else self.a,
            np.ones(k) if self.b is None else self.b,
        )

    def loss(self, W: Array) -> float:
        return loss(W, self.V, series(self.c), *self.weights)


def equiangular(k: int, beta: float) -> Array:
    return (1 - beta) * np.eye(k) + beta


CASES = {
    "orthonormal": Case(gram_vectors(np.eye(3), 7, 1), 4),
    "equiangular": Case(gram_vectors(equiangular(4, 0.3), 6, 2), 5),
    "general": Case(unit_rows(4, 5, 3), 3),
    "k > d": Case(unit_rows(6, 3, 4), 4),
    "rank = d": Case(unit_rows(4, 4, 6), 2),
    "student": Case(unit_rows(3, 5, 7), 4, student=STUDENT),
    "weights": Case(
        unit_rows(3, 5, 8), 4, STUDENT, TEACHER,
        np.array([1.0, -2.0, 0.5, 0.0]), np.array([0.7, -1.0, 2.0]),
    ),
}  # fmt: skip
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def close(first: Array | float, second: Array | float, atol: float) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=atol)


@each_case
def test_loss_is_equation_2(case: Case) -> None:
    close(case.flow.loss(case.W), case.loss(case.W), 1e-12)
    close(case.flow.loss_of(case.flow.overlaps(case.W)), case.loss(case.W), 1e-12)
    for wrong in (-1.0, 2.0):
        with pytest.raises(AssertionError):
            close(wrong * case.flow.loss(case.W), case.loss(case.W), 1e-12)


@each_case
def test_gradient_is_the_slope_of_the_loss(case: Case) -> None:
    gradient = case.flow.gradient(case.W)
    assert gradient.shape == case.W.shape
    close(gradient, finite_difference_gradient(case.loss, case.W), 1e-9)
    close(gradient, finite_difference_gradient(case.flow.loss, case.W), 1e-9)
    for fault in (-gradient, 2 * gradient, gradient / case.n):
        with pytest.raises(AssertionError):
            close(fault, finite_difference_gradient(case.loss, case.W), 1e-9)


@each_case
def test_gradient_is_tangent_and_leaves_the_row_of_a_dead_neuron_alone(case: Case) -> None:
    gradient = case.flow.gradient(case.W)
    close(np.sum(gradient * case.W, axis=1), 0.0, 1e-14)
    euclidean = -(case.weights[0][:, None] * case.weights[1]
                  * series(case.c, 1)(case.W @ case.V.T)) @ case.V  # fmt: skip
    close(gradient[case.weights[0] == 0], 0.0, 0.0)
    with pytest.raises(AssertionError):  # the projection forgotten
        close(euclidean, gradient, 1e-9)


@each_case
def test_field_is_equation_4(case: Case) -> None:
    M, slope = case.W @ case.V.T, series(case.c, 1)
    G = case.V @ case.V.T
    close(case.flow.overlaps(case.W), M, 1e-14)
    close(case.flow.field(M), field(M, G, slope, *case.weights), 1e-13)
    close(case.flow.field(M), -case.flow.gradient(case.W) @ case.V.T, 1e-13)
    close(-case.flow.gradient(case.W), weight_field(case.W, case.V, slope, *case.weights), 1e-13)
    with pytest.raises(AssertionError):  # wrong sign
        close(case.flow.field(M), case.flow.gradient(case.W) @ case.V.T, 1e-13)
    if not np.allclose(G, np.eye(len(G))):
        with pytest.raises(AssertionError):  # missing G
            close(case.flow.field(M), field(M, np.eye(len(G)), slope, *case.weights), 1e-13)


@pytest.mark.parametrize("name", ["orthonormal", "k > d", "student", "weights"])
def test_loss_and_gradient_by_monte_carlo(name: str) -> None:
    case = CASES[name]
    student = case.student or case.teacher
    estimate = monte_carlo(
        case.W, case.V, *case.weights, student=student, student_slope=student.derivative,
        target=case.teacher, samples=200_000, seed=11,
    )  # fmt: skip

    def within_errors(value: float, gradient: Array) -> None:
        """All means within 5 standard errors, which are small beside what is measured."""
        mean, error, means, errors = estimate
        assert abs(value - mean) <= 5 * error
        assert np.all(np.abs(gradient - means) <= 5 * errors + 1e-15)
        assert np.linalg.norm(errors) < 0.2 * np.linalg.norm(means)

    value, gradient = case.flow.loss(case.W), case.flow.gradient(case.W)
    within_errors(value, gradient)
    for wrong in (-1.0, 2.0):
        with pytest.raises(AssertionError):
            within_errors(wrong * value, gradient)
        with pytest.raises(AssertionError):
            within_errors(value, wrong * gradient)


@pytest.mark.parametrize("k", [1, 2, 5, 17, 40])
def test_field_of_each_gram_structure(k: int) -> None:
    """O(k) paths for G = I and equiangular G, and the general one, are the same function."""
    beta, d = 0.2, k + 3
    M = unit_rows(9, d, 12)[:, :k]
    slope = series(hermite_coefficients(TEACHER, 8) ** 2, 1)
    b = np.linspace(0.5, 1.5, k)
    for G, targets in (
        (np.eye(k), hf.Orthonormal(k=k)),
        (equiangular(k, beta), hf.Equiangular(k=k, beta=beta)),
    ):
        reference = field(M, G, slope, np.ones(9), b)
        for same in (targets, hf.IndexVectors(gram=G)):
            flow = hf.CorrelationFlow(same, TEACHER, target_weights=b)
            close(flow.field(M), reference, 1e-13)
            with pytest.raises(AssertionError):
                close(flow.field(M), field(M, G, slope, np.ones(9), np.ones(k) * 1.01), 1e-13)


def test_rows_do_not_depend_on_each_other() -> None:
    case = CASES["general"]
    M = case.flow.overlaps(case.W)
    np.testing.assert_array_equal(case.flow.field(M)[1:2], case.flow.field(M[1:2]))


def test_rotations_and_permutations_change_nothing() -> None:
    case = CASES["general"]
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    rotated = hf.CorrelationFlow(hf.IndexVectors(case.V @ Q), TEACHER)
    close(rotated.loss(case.W @ Q), case.flow.loss(case.W), 1e-13)
    close(rotated.gradient(case.W @ Q), case.flow.gradient(case.W) @ Q, 1e-13)
    order = [2, 0, 3, 1]
    permuted = hf.CorrelationFlow(hf.IndexVectors(case.V[order]), TEACHER)
    close(permuted.gradient(case.W), case.flow.gradient(case.W), 1e-13)
    close(permuted.field(permuted.overlaps(case.W)),
          case.flow.field(case.flow.overlaps(case.W))[:, order], 1e-13)  # fmt: skip


def test_targets() -> None:
    close(hf.Orthonormal(k=3).gram, np.eye(3), 0.0)
    close(hf.Equiangular(k=3, beta=-0.2).gram, equiangular(3, -0.2), 1e-15)
    V = unit_rows(4, 3, 9)
    for targets, rank in (
        (hf.IndexVectors(V), 3),
        (hf.IndexVectors(gram=V @ V.T), 3),
        (hf.Equiangular(k=4, beta=0.5), 4),
        (hf.Orthonormal(k=4), 4),
    ):
        assert (targets.k, targets.rank) == (4, rank)
        for d in (rank,) if targets == hf.IndexVectors(V) else (rank, rank + 4):
            vectors = targets.vectors(d)
            assert vectors.shape == (4, d)
            close(vectors @ vectors.T, targets.gram, 1e-14)
        with pytest.raises(ValueError, match="d"):
            targets.vectors(rank - 1)
    close(hf.IndexVectors(V).vectors(3), V, 0.0)
    with pytest.raises(ValueError, match="d"):
        hf.IndexVectors(V).vectors(5)


def test_flows_are_values() -> None:
    for case in CASES.values():
        copy = pickle.loads(pickle.dumps(case.flow))
        assert copy == case.flow
        assert hash(copy) == hash(case.flow)
        np.testing.assert_array_equal(copy.gradient(case.W), case.flow.gradient(case.W))
    assert CASES["student"].flow != CASES["general"].flow


def test_bad_arguments() -> None:
    case = CASES["general"]
    with pytest.raises(ValueError, match="W must"):
        case.flow.loss(case.W[:, :4])
    with pytest.raises(ValueError, match="W must"):
        case.flow.gradient(case.W * (1 + 1e-5))
    with pytest.raises(ValueError, match="M must"):
        case.flow.field(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="second_layer"):
        hf.CorrelationFlow(hf.Orthonormal(k=2), TEACHER, second_layer=[1.0, np.nan])
    with pytest.raises(ValueError, match="target_weights"):
        hf.CorrelationFlow(hf.Orthonormal(k=2), TEACHER, target_weights=[1.0, 2.0, 3.0])
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), TEACHER, second_layer=[1.0, 2.0])
    with pytest.raises(ValueError, match="second_layer"):
        flow.field(np.zeros((3, 2)))
