"""Neurons in coordinates of span(W, V): inner products stay, also where the span is small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import Array, rotation, unit_rows
from squared_cases import close

import hermiteflow as hf
from hermiteflow import _coordinates
from hermiteflow._coordinates import of_order_parameters, of_weights, order_parameters


def _with_a_warning(**given: Array) -> hf.IndexVectors:
    with pytest.warns(UserWarning, match="has index vectors 0 and 2 that are (the same|opposite)"):
        return hf.IndexVectors(**given)


D = 12
TARGETS: dict[str, hf.Targets] = {
    "orthonormal": hf.Orthonormal(k=3),
    "equiangular": hf.Equiangular(k=3, beta=0.4),
    "vectors": hf.IndexVectors(rotation(D, 3)[:3]),
    "one vector twice": _with_a_warning(V=np.eye(3, D)[[0, 1, 0]]),
    "rank 2": _with_a_warning(
        gram=np.array([[1.0, 0.6, -1.0], [0.6, 1.0, -0.6], [-1.0, -0.6, 1.0]])
    ),
}
KINDS = (
    "the index vectors",
    "one v twice",
    "in the span",
    "one outside",
    "alike",
    "opposite",
    "any",
)


def weights_of(kind: str, V: Array) -> Array:
    """Three neurons in R^12."""
    rng = np.random.default_rng(5)
    inside = rng.normal(size=(3, V.shape[0])) @ V
    inside /= np.linalg.norm(inside, axis=1, keepdims=True)
    free = unit_rows(3, D, 6)
    return {
        "the index vectors": V[[0, 1, 2]],
        "one v twice": V[[0, 0, 1]],
        "in the span": inside,
        "one outside": np.stack([V[0], free[1], inside[2]]),
        "alike": free[[0, 0, 0]],
        "opposite": np.stack([free[0], -free[0], V[1]]),
        "any": free,
    }[kind].copy()


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_keep_their_inner_products(kind: str, name: str, unit: bool) -> None:
    targets = TARGETS[name]
    V = targets.vectors(D)
    W = weights_of(kind, V) * (1.0 if unit else np.array([[0.5], [1.0], [2.0]]))
    start = of_weights(targets, W, unit=unit)
    assert start.basis is not None
    close(start.basis @ start.basis.T, np.eye(start.basis.shape[0]), 1e-14)
    close(start.state @ start.basis, W, 1e-14)
    M, Q = order_parameters(targets, start.state, unit=unit)
    close(M, W @ V.T, 2e-14)
    close(Q, W @ W.T, 2e-14)
    with pytest.raises(AssertionError):
        close(M, (0.99 * W) @ V.T, 2e-14)
    again = of_order_parameters(targets, M, Q, unit=unit)
    back_m, back_q = order_parameters(targets, again.state, unit=unit)
    close(back_m, M, 1e-12)
    close(back_q, Q, 1e-12)


def test_a_basis_that_meets_itself_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: directions outside of V found from what V leaves of W, which may be nothing."""
    V = np.eye(3, D)
    good, original = of_weights(TARGETS["orthonormal"], V), np.linalg.qr

    def qr(a: Array, **_: Any) -> Any:
        rest = a[:, 3:] - a[:, :3] @ (a[:, :3].T @ a[:, 3:])
        fault = original(rest)
        return type(fault)(np.concatenate([a[:, :3], fault.Q], axis=1), fault.R)

    monkeypatch.setattr(_coordinates.np.linalg, "qr", qr)
    bad = of_weights(TARGETS["orthonormal"], V)
    monkeypatch.undo()
    close(order_parameters(TARGETS["orthonormal"], good.state)[0], np.eye(3), 1e-14)
    with pytest.raises(AssertionError):
        close(order_parameters(TARGETS["orthonormal"], bad.state)[0], np.eye(3), 1e-14)


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("name", TARGETS)
def test_a_run_from_the_teacher_rests_there(name: str, constrained: bool) -> None:
    """The first thing that one tries: weights equal to the index vectors, in R^d."""
    targets = TARGETS[name]
    flow = hf.SquaredFlow(targets, hf.link("erf"), constrained=constrained)
    V = targets.vectors(D)
    sol = hf.solve(flow, weights=V, t_end=5.0, save_at=[0.0])
    close(sol.trajectory[0], targets.gram, 1e-14)
    close(sol.weights, V, 1e-13)
    close(sol.loss, 0.0, 1e-14)
