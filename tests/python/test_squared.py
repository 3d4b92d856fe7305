"""Loss (9), gradient, field (10) and their like at any norm, against quadrature and differences."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from averages import (
    geodesic,
    slope,
    space_nodes,
    squared_loss,
    tangent_vectors,
)
from oracles import Array, finite_difference_gradient, rk4, unit_rows
from squared_cases import (
    CASES,
    MIX,
    SCALES,
    V2,
    V6,
    W2,
    W6,
    Case,
    close,
    each_case,
    in_the_plane,
    of_weights,
)

import hermiteflow as hf

# ------------------------------------------------------------------ the loss (9)


@each_case
def test_loss_by_quadrature(case: Case) -> None:
    flow, expected = case.flow(V2), in_the_plane(case)(W2)
    close(flow.loss(W2), expected, 1e-12, 1e-12)
    M, Q, G = W2 @ V2.T, W2 @ W2.T, V2 @ V2.T
    for gram in (Q, G):  # asin(1 - 1e-16) is 1e-8 below asin(1)
        np.fill_diagonal(gram, 1.0)
    close(flow.loss_of(M, Q), expected, 1e-12, 1e-12)
    psi, ss, tt = flow.interaction, flow.student_interaction, flow.teacher_interaction
    cross, among, constant = case.a @ psi(M) @ case.b, case.a @ ss(Q) @ case.a, tt(G)
    constant = case.b @ constant @ case.b
    close(0.5 * among - cross + 0.5 * constant, expected, 1e-12, 1e-12)
    for fault in (
        among - 2 * cross + constant,  # without the factor 1/2
        0.5 * among + cross + 0.5 * constant,
        0.5 * among - cross,  # the teacher forgotten
        0.5 * case.a @ (ss(Q) - np.diag(np.diag(ss(Q)))) @ case.a - cross + 0.5 * constant,
    ):
        with pytest.raises(AssertionError):
            close(fault, expected, 1e-12, 1e-12)


@pytest.mark.parametrize("name", ["h3", "h4 + h2", "erf", "mixed"])
def test_loss_by_gauss_hermite_in_three_dimensions(name: str) -> None:
    case, W, V = CASES[name], unit_rows(3, 3, 25), unit_rows(2, 3, 26)
    expected = squared_loss(space_nodes(3, 40), W, V, case.a, case.b, case.s, case.t)
    atol = 1e-7 if name == "erf" else 1e-12
    close(case.flow(V).loss(W), expected, atol)
    with pytest.raises(AssertionError):
        close(case.flow(V).loss(W), 2 * expected, atol)


@each_case
def test_loss_and_gradient_by_monte_carlo(case: Case) -> None:
    flow, rng, batches = case.flow(V6), np.random.default_rng(27), 10
    direction = flow.gradient(W6)
    direction /= np.linalg.norm(direction)
    values, slopes = [], []
    for _ in range(batches):
        x = rng.standard_normal((20_000, 6))
        error = case.s(x @ W6.T) @ case.a - case.t(x @ V6.T) @ case.b
        values.append(0.5 * error**2)
        prime = (flow.student or flow.link).derivative(x @ W6.T)
        slopes.append(error * ((prime * (x @ direction.T)) @ case.a))

    def within_errors(value: float, sample: list[Array]) -> None:
        draws = np.concatenate(sample)
        error = float(draws.std() / math.sqrt(draws.size))
        assert abs(value - draws.mean()) <= 5 * error < 0.5 * abs(draws.mean())

    within_errors(flow.loss(W6), values)
    along = float(np.sum(flow.gradient(W6) * direction))
    within_errors(along, slopes)
    for fault, sample in ((2 * flow.loss(W6), values), (-along, slopes), (2 * along, slopes)):
        with pytest.raises(AssertionError):
            within_errors(fault, sample)


# ------------------------------------------------------------------ gradient and field (10)


@each_case
def test_gradient_is_the_slope_of_the_loss(case: Case) -> None:
    expected = finite_difference_gradient(in_the_plane(case), W2, h=0.01)
    gradient = case.flow(V2).gradient(W2)
    close(gradient, expected, 1e-7)
    for fault in (-gradient, 2 * gradient, gradient / 3):
        with pytest.raises(AssertionError):
            close(fault, expected, 1e-7)


@each_case
def test_gradient_along_geodesics(case: Case) -> None:
    flow, z = case.flow(V6), tangent_vectors(W6, 29)
    gradient = flow.gradient(W6)
    close(np.sum(gradient * W6, axis=1), 0.0, 1e-13)
    along = slope(lambda e: flow.loss(geodesic(W6, z, e)), 0.01)
    close(float(np.sum(gradient * z)), along, 1e-8)
    correlation = hf.CorrelationFlow(
        hf.IndexVectors(V6), case.teacher, student=case.student,
        second_layer=case.a, target_weights=case.b,
    )  # fmt: skip
    with pytest.raises(AssertionError):  # the neurons' coupling forgotten
        close(float(np.sum(correlation.gradient(W6) * z)), along, 1e-8)


@each_case
def test_field_is_that_of_the_weights(case: Case) -> None:
    flow = case.flow(V6)
    M, Q = flow.overlaps(W6), flow.student_overlaps(W6)
    dM, dQ = flow.field(M, Q)
    want_M, want_Q = of_weights(-flow.gradient(W6), W6, V6)
    close(dM, want_M, 1e-13)
    close(dQ, want_Q, 1e-13)
    close(np.diag(dQ), 0.0, 1e-13)
    for fault in (
        of_weights(flow.gradient(W6), W6, V6),
        (want_M, 0.5 * want_Q),  # the transpose forgotten
        of_weights(-flow.gradient(W6), W6, V6 @ np.diag([1, 1, 1, 1, 1, 0.9])),
    ):
        with pytest.raises(AssertionError):
            close(np.hstack([dM, dQ]), np.hstack(fault), 1e-13)


@each_case
@pytest.mark.parametrize("constrained", [True, False])
def test_loss_falls_by_the_squared_gradient(case: Case, constrained: bool) -> None:
    """dL/dt = -|grad|^2 along the field of (M, Q, a), and so with a trained."""
    flow = case.flow(V6, constrained=constrained, train_second_layer=True)
    W = W6 if constrained else SCALES * W6
    M, Q = flow.overlaps(W), flow.student_overlaps(W)
    dM, dQ, da = flow.field(M, Q, case.a)
    rate = slope(lambda e: flow.loss_of(M + e * dM, Q + e * dQ, case.a + e * da), 1e-3)
    squares = float(np.sum(flow.gradient(W) ** 2) + da @ da)
    close(rate, -squares, 1e-6 * squares)
    for fault in (squares, -2 * squares, -squares + float(da @ da)):
        with pytest.raises(AssertionError):
            close(rate, fault, 1e-6 * squares)


@each_case
def test_weights_and_order_parameters_take_the_same_path(case: Case) -> None:
    """RK4 of both, in small steps; the loss falls at each."""

    def velocity(w: Array) -> Array:
        return -flow.gradient(w / np.linalg.norm(w, axis=1, keepdims=True))

    flow = case.flow(V6)
    n, W, step = 3, W6.copy(), 2e-3
    y = np.hstack([flow.overlaps(W), flow.student_overlaps(W)])
    losses = [flow.loss(W)]
    for _ in range(20):
        W = rk4(velocity, W, step, 1, renormalize=True)
        y = rk4(lambda y: np.hstack(flow.field(y[:, :-n], y[:, -n:])), y, step, 1)
        losses.append(flow.loss(W))
    close(flow.overlaps(W), y[:, :-n], 1e-7)
    close(flow.student_overlaps(W), y[:, -n:], 1e-7)
    assert np.all(np.diff(losses) < 0.0)


@each_case
@pytest.mark.parametrize("constrained", [True, False])
def test_permutations_and_rotations(case: Case, constrained: bool) -> None:
    flow = case.flow(V6, constrained=constrained, train_second_layer=True)
    W, order = W6 if constrained else SCALES * W6, [2, 0, 1]
    M, Q = flow.overlaps(W), flow.student_overlaps(W)
    dM, dQ, da = flow.field(M, Q)
    moved = flow.field(M[order], Q[np.ix_(order, order)], case.a[order])
    for got, want in zip(moved, (dM[order], dQ[np.ix_(order, order)], da[order]), strict=True):
        close(got, want, 1e-14)
    close(flow.loss(W[order], case.a[order]), flow.loss(W), 1e-13)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    turned = case.flow(V6 @ turn, constrained=constrained)
    close(turned.gradient(W @ turn), flow.gradient(W) @ turn, 1e-13)
    with pytest.raises(AssertionError):
        close(moved[0], dM, 1e-14)


@pytest.mark.parametrize("constrained", [True, False])
def test_the_teacher_is_at_rest(constrained: bool) -> None:
    for link in (hf.hermite(MIX), hf.link("erf"), hf.link("relu")):
        flow = hf.SquaredFlow(hf.IndexVectors(V6), link, constrained=constrained)
        close(flow.loss(V6), 0.0, 1e-14)
        close(flow.gradient(V6), 0.0, 1e-14)


# ------------------------------------------------------------------ as values; what is refused


def test_flows_are_values() -> None:
    seen = set()
    for case in CASES.values():
        for options in ({}, {"constrained": False}, {"train_second_layer": True}):
            flow = case.flow(V6, **options)
            copy = pickle.loads(pickle.dumps(flow))
            assert copy == flow
            assert hash(copy) == hash(flow)
            np.testing.assert_array_equal(copy.gradient(W6), flow.gradient(W6))
            seen.add(flow)
    assert len(seen) == 3 * len(CASES)
    one = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    assert one != hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    with pytest.raises(AttributeError):
        one.constrained = False  # type: ignore[misc]
    text = repr(one)
    assert "E[(f - f*)^2] / 2" in text
    assert len(text.splitlines()) <= 18
    assert max(map(len, text.splitlines())) <= 80


def test_bad_arguments() -> None:
    flow = CASES["h3"].flow(V6)
    M, Q = flow.overlaps(W6), flow.student_overlaps(W6)
    for bad, words in (
        ((M[:, :1], Q), r"M must have shape \(n, 2\)"),
        ((M, Q[:2, :2]), r"Q must have shape \(3, 3\)"),
        ((M, 1.01 * Q), "Q must have a unit diagonal"),
        ((M, Q + np.triu(np.full((3, 3), 0.1), 1)), "Q must be symmetric"),
        ((M + 2.0, Q), "M must hold inner products"),
        ((M, np.full((3, 3), 1.1) - 0.1 * np.eye(3)), "Q must hold inner products"),
        ((M, Q, [1.0, 2.0]), "second_layer must have shape"),
    ):
        for call in (flow.loss_of, flow.field):
            with pytest.raises(ValueError, match=words):
                call(*bad)
    with pytest.raises(ValueError, match="W must have rows of unit norm"):
        flow.loss(2.0 * W6)
    with pytest.raises(ValueError, match="student must have a derivative"):
        hf.SquaredFlow(hf.Orthonormal(k=2), hf.link("sign"))
    with pytest.raises(TypeError, match="constrained must be True or False"):
        hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3), constrained=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="second_layer must have one entry"):
        hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3), second_layer=[1, 2]).field(M, Q)


def test_truncated_series_are_refused() -> None:
    def leaky(x: Array) -> Array:
        return np.maximum(x, 0.1 * x)

    kinked, W = hf.link(leaky), unit_rows(3, 4, 1)
    two = hf.Orthonormal(k=2)
    both = hf.SquaredFlow(two, kinked)
    with pytest.raises(ValueError, match=r"link and student must .* psi' .* got a bound of .*relu"):
        both.loss(W)
    # psi is exact beside a polynomial teacher, psi_ss is not
    student = hf.SquaredFlow(two, hf.hermite(3), student=kinked)
    for call in (student.loss, student.gradient):
        with pytest.raises(ValueError, match=r"student must .* psi_ss' .* beyond degree 128"):
            call(W)
    with pytest.raises(ValueError, match="reaches the tolerance 0"):
        student.check_series(1e-4)
    student.check_series(1.0)
    for wrong in (math.nan, -1.0, "1e-8"):
        with pytest.raises((ValueError, TypeError), match="rtol must be a number"):
            student.check_series(wrong)  # type: ignore[arg-type]
    # of psi_tt the loss alone needs values
    teacher = hf.SquaredFlow(two, kinked, student=hf.hermite({1: 1.0, 2: 0.5}))
    assert np.isfinite(teacher.gradient(W)).all()
    with pytest.raises(ValueError, match=r"link must .* psi_tt"):
        teacher.loss(W)
    same = 0.9 * hf.link("relu") + 0.1 * hf.hermite(1)
    assert np.isfinite(hf.SquaredFlow(two, same).loss(W))
