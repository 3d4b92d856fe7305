"""The squared loss with weights of any norm, (15): differences, I3, balance of layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from averages import every_slope, plane_nodes, saad_solla_field, saad_solla_i3, slope
from oracles import Array, rk4, unit_rows
from squared_cases import (
    CASES,
    SCALES,
    V2,
    V6,
    W2,
    W6,
    A,
    B,
    Case,
    close,
    each_case,
    erf,
    in_the_plane,
    of_weights,
)

import hermiteflow as hf


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
