"""Loss (9), gradient, field (10) and their like at any norm, against quadrature and differences."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from averages import (
    every_slope,
    geodesic,
    plane_nodes,
    saad_solla_field,
    saad_solla_i3,
    slope,
    space_nodes,
    squared_loss,
    tangent_vectors,
)
from oracles import Array, finite_difference_gradient, hermite_value, rk4, unit_rows
from scipy import special

import hermiteflow as hf

Function = Callable[[Array], Array]


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def erf(x: Array) -> Array:
    return np.asarray(special.erf(x / math.sqrt(2)))


def series(pairs: dict[int, float]) -> Function:
    return lambda x: np.asarray(sum(c * hermite_value(p, x) for p, c in pairs.items()))


@dataclass
class Case:
    """A pair of links, as links and as functions of NumPy alone; a, b; three neurons, k = 2."""

    teacher: hf.Link
    student: hf.Link | None
    t: Function
    s: Function
    a: Array
    b: Array
    smooth: bool = True

    def flow(self, V: Array, **options: bool) -> hf.SquaredFlow:
        return hf.SquaredFlow(
            hf.IndexVectors(V), self.teacher, student=self.student,
            second_layer=self.a, target_weights=self.b, **options,
        )  # fmt: skip


ONES, A, B = np.ones(3), np.array([1.2, -0.7, 0.5]), np.array([0.8, -1.1])
MIX = {0: 0.3, 1: -0.4, 2: 0.5, 3: 0.6, 4: -0.2}
CASES = {
    "h3": Case(hf.hermite(3), None, series({3: 1.0}), series({3: 1.0}), ONES, np.ones(2)),
    "h4 + h2": Case(
        hf.hermite({2: 0.5, 4: 1.0}), hf.hermite({2: -0.8, 3: 0.7, 4: 0.4}),
        series({2: 0.5, 4: 1.0}), series({2: -0.8, 3: 0.7, 4: 0.4}), A, B,
    ),
    "erf": Case(hf.link("erf"), None, erf, erf, A, B),
    "relu, erf": Case(hf.link("erf"), hf.link("relu"), erf, relu, A, B, smooth=False),
    "relu": Case(hf.link("relu"), None, relu, relu, A, B, smooth=False),
    "mixed": Case(hf.hermite(MIX), hf.polynomial([0.1, 0.5, -0.3, 0.4]), series(MIX),
                  lambda x: 0.1 + 0.5 * x - 0.3 * x**2 + 0.4 * x**3, A, B),
    "erf, sign": Case(hf.link("sign"), hf.link("erf"), np.sign, erf, A, B, smooth=False),
}  # fmt: skip
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
#: Links with closed forms at any norm: all of them.
W2, V2 = unit_rows(3, 2, 21), unit_rows(2, 2, 22)
W6, V6 = unit_rows(3, 6, 23), unit_rows(2, 6, 24)
SCALES = np.array([0.6, 1.3, 0.9])[:, None]


def close(first: object, second: object, atol: float, rtol: float = 0.0) -> None:
    np.testing.assert_allclose(first, second, rtol=rtol, atol=atol)


def in_the_plane(case: Case, V: Array = V2) -> Callable[..., float]:
    """(W, a) -> E[(f - f*)^2] / 2 in R^2, cut along the kinks."""

    def loss(W: Array, a: Array = case.a) -> float:
        rule = plane_nodes(np.concatenate([W, V]))
        return squared_loss(rule, W, V, a, case.b, case.s, case.t)

    return loss


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


def of_weights(dW: Array, W: Array, V: Array) -> tuple[Array, Array]:
    return dW @ V.T, dW @ W.T + W @ dW.T


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


# ------------------------------------------------------------------ weights of any norm


@each_case
def test_free_gradient_is_the_slope_of_the_loss(case: Case) -> None:
    """In W and in a, against quadrature in the plane."""
    W, loss = SCALES * W2, in_the_plane(case)
    flow = case.flow(V2, constrained=False, train_second_layer=True)
    close(flow.loss(W), loss(W), 1e-12, 1e-12)
    in_weights = every_slope(loss, W)
    in_layer = every_slope(lambda a: loss(W, a), case.a)
    gradient = flow.gradient(W)
    dM, dQ, da = flow.field(W @ V2.T, W @ W.T)
    close(gradient, in_weights, 2e-6)
    close(da, -in_layer, 1e-9)
    close(np.hstack([dM, dQ]), np.hstack(of_weights(-gradient, W, V2)), 1e-12)
    # planted faults: sign, factor, the term l = i, the norm held fixed
    own = np.zeros_like(W)
    for i in range(3):
        q = float(W[i] @ W[i])
        norm = flow._correlators[1]
        rate = slope(lambda e, q=q, of=norm: of(q + e, q + e, q + e).value, 1e-3)
        own[i] = case.a[i] ** 2 * rate * W[i]
    radial = np.sum(gradient * W, axis=1, keepdims=True) / np.sum(W * W, axis=1, keepdims=True)
    held = gradient - radial * W
    for fault in (-gradient, 2 * gradient, gradient - own, gradient + own, held):
        with pytest.raises(AssertionError):
            close(fault, in_weights, 2e-6)
    for wrong in (in_layer, -2 * in_layer):
        with pytest.raises(AssertionError):
            close(da, wrong, 1e-9)


def test_free_flow_projected_is_the_constrained_one() -> None:
    for case in CASES.values():
        free = case.flow(V6, constrained=False).gradient(W6)
        tangent = free - np.sum(free * W6, axis=1, keepdims=True) * W6
        close(tangent, case.flow(V6).gradient(W6), 1e-12)
        with pytest.raises(AssertionError):
            close(free, case.flow(V6).gradient(W6), 1e-12)


def test_committee_machine() -> None:
    """The classical equations of two layers of erf, from averages I3 checked by quadrature."""
    C = unit_rows(3, 2, 31) * np.array([[0.8], [1.4], [1.1]])
    x, weights = plane_nodes(C)
    fields = x @ C.T
    prime = math.sqrt(2 / math.pi) * np.exp(-0.5 * fields**2)
    for i, n, m in ((0, 1, 2), (0, 0, 1), (2, 1, 1), (1, 1, 1)):
        average = float(np.sum(weights * prime[:, i] * fields[:, n] * erf(fields[:, m])))
        close(saad_solla_i3(C @ C.T, i, n, m), average, 1e-12)
        with pytest.raises(AssertionError):
            close(saad_solla_i3(C @ C.T, i, n, m), 2 * average, 1e-12)
    W = SCALES * W6
    M, Q, G = W @ V6.T, W @ W.T, V6 @ V6.T
    flow = hf.SquaredFlow(hf.IndexVectors(V6), hf.link("erf"), constrained=False)
    got = np.hstack(flow.field(M, Q))
    close(got, np.hstack(saad_solla_field(M, Q, G)), 1e-13)
    for fault in ((M, Q, np.eye(2)), (M, Q * 1.01, G), (-M, Q, G)):
        with pytest.raises(AssertionError):
            close(got, np.hstack(saad_solla_field(*fault)), 1e-13)


@pytest.mark.parametrize("teacher", ["relu", "erf", "sign"])
def test_balance_of_relu_layers(teacher: str) -> None:
    """|w_i|^2 - a_i^2 does not change."""
    flow = hf.SquaredFlow(
        hf.IndexVectors(V6), hf.link(teacher), student=hf.link("relu"), target_weights=B,
        constrained=False, train_second_layer=True,
    )  # fmt: skip
    W = SCALES * W6
    y = np.hstack([W @ V6.T, W @ W.T, A[:, None]])

    def field(y: Array) -> Array:
        dM, dQ, da = flow.field(y[:, :2], y[:, 2:5], y[:, 5])
        return np.hstack([dM, dQ, da[:, None]])

    def change(velocity: Array) -> Array:
        return np.diag(velocity[:, 2:5]) - 2 * y[:, 5] * velocity[:, 5]

    close(change(field(y)), 0.0, 1e-14)
    fault = field(y)
    fault[:, 5] *= 2
    with pytest.raises(AssertionError):
        close(change(fault), 0.0, 1e-14)
    end = rk4(field, y, 5e-3, 200)
    close(np.diag(end[:, 2:5]) - end[:, 5] ** 2, np.diag(y[:, 2:5]) - y[:, 5] ** 2, 1e-9)
    assert np.abs(end - y).max() > 0.05
    assert flow.loss_of(end[:, :2], end[:, 2:5], end[:, 5]) < flow.loss_of(y[:, :2], y[:, 2:5], A)


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


def test_norms_of_free_weights() -> None:
    flow = CASES["relu"].flow(V6, constrained=False)
    with pytest.raises(ValueError, match="Q must have a positive diagonal"):
        flow.gradient(np.zeros((3, 6)))
    smooth = CASES["mixed"].flow(V6, constrained=False)
    assert np.isfinite(smooth.gradient(np.zeros((3, 6)))).all()
    with pytest.raises(ValueError, match="Q must have a non-negative diagonal"):
        smooth.field(np.zeros((3, 2)), -np.eye(3))
    for name in ("tanh", "cos", "gelu"):
        with pytest.raises(ValueError, match=f"closed form, got one with '{name}'"):
            hf.SquaredFlow(hf.Orthonormal(k=2), hf.link(name), constrained=False)


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
    # of psi_tt the loss alone needs values
    teacher = hf.SquaredFlow(two, kinked, student=hf.hermite({1: 1.0, 2: 0.5}))
    assert np.isfinite(teacher.gradient(W)).all()
    with pytest.raises(ValueError, match=r"link must .* psi_tt"):
        teacher.loss(W)
    same = 0.9 * hf.link("relu") + 0.1 * hf.hermite(1)
    assert np.isfinite(hf.SquaredFlow(two, same).loss(W))
