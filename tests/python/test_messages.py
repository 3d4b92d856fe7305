"""Errors that say what was meant: other packages' names, overlaps for weights, wrong widths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate

import hermiteflow as hf
from hermiteflow import _core
from hermiteflow._request import _OF_SCIPY

LINK = hf.hermite(3)
ORTHONORMAL = hf.CorrelationFlow(hf.Orthonormal(k=3), LINK)
WIDE = hf.IndexVectors(np.eye(3, 40))
CORRELATION = hf.CorrelationFlow(WIDE, LINK)
SQUARED = hf.SquaredFlow(WIDE, LINK)
FREE = hf.SquaredFlow(WIDE, LINK, constrained=False)
W41 = np.eye(2, 41)
M0 = [[0.1, 0.2, 0.3]]


def message(call: Callable[[], object], error: type[Exception] = ValueError) -> str:
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


# ------------------------------------------------------------------ names of methods


def same_method(scipys: str, ours: str) -> bool:
    """Whether a method of SciPy has the weights of one of ours."""
    both = getattr(integrate, scipys).B, np.asarray(_core.tableau(ours)["b"])
    # stages of weight 0 at the end are for the error and for dense output
    stages = max(b.size for b in both)
    theirs, here = (np.pad(b, (0, stages - b.size)) for b in both)
    return bool(np.allclose(theirs, here, rtol=0, atol=1e-14))


def test_scipys_methods_are_ours_of_those_names() -> None:
    pairs = {theirs: ours for theirs, ours in _OF_SCIPY.items() if ours is not None}
    assert pairs.keys() == {"RK45", "DOP853"}
    assert all(same_method(theirs, ours) for theirs, ours in pairs.items())
    # planted: what was suggested for RK45, and another method of the same order
    assert not same_method("RK45", "rk4")
    assert not same_method("RK45", "tsit5")
    # the others are none of ours
    assert not any(same_method("RK23", ours) for ours in _core.METHODS)


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("RK45", "; SciPy's RK45 is 'dopri5' here"),
        ("rk45", "; SciPy's rk45 is 'dopri5' here"),
        ("DOP853", "; SciPy's DOP853 is 'dop853' here"),
        ("RK23", "; SciPy's RK23 has no counterpart here"),
        ("LSODA", "; SciPy's LSODA has no counterpart here"),
        ("RK4", "; did you mean 'rk4'?"),
        ("euler", ""),
    ],
)
def test_a_method_of_scipy_is_named(method: str, told: str) -> None:
    X = np.random.default_rng(0).standard_normal((50, 40))
    empirical = hf.EmpiricalFlow(WIDE, LINK, X)
    wanted = f"method must be one of 'rk4', 'dopri5', 'tsit5', 'dop853', got {method!r}{told}"
    W = np.eye(2, 40)
    for flow in (CORRELATION, SQUARED, empirical):
        assert message(lambda f=flow: hf.solve(f, weights=W, t_end=1.0, method=method)) == wanted
    ensemble = lambda: hf.solve_ensemble(CORRELATION, n=2, d=40, method=method)  # noqa: E731
    assert message(ensemble) == wanted


# ------------------------------------------------------------------ overlaps, and widths


def test_overlaps_that_are_given_for_weights() -> None:
    told = "; the loss of overlaps, shape (n, k = 3), is loss_of(overlaps)"
    text = message(lambda: ORTHONORMAL.loss(M0))
    assert text.startswith("W must have rows of unit norm (within 1e-06), got norm 0.37")
    assert text.endswith(told)
    width = "W must have shape (n, 40), for V has shape (3, 40), got (1, 3)"
    assert message(lambda: CORRELATION.loss(M0)) != width
    assert message(lambda: CORRELATION.loss([[0.6, 0.8, 0.0]])) == width + told


@pytest.mark.parametrize(
    "W", [[[0.1, 0.2]], [0.1, 0.2, 0.3], [[0.1, 0.2, np.nan]], [[0.1], [1, 2]]]
)
def test_what_cannot_be_overlaps_is_not_told_of_as_such(W: object) -> None:
    assert "loss_of" not in message(lambda: ORTHONORMAL.loss(W))  # type: ignore[arg-type]
    square = hf.CorrelationFlow(hf.IndexVectors(np.eye(3)), LINK)  # d = k: weights all the same
    assert "loss_of" not in message(lambda: square.loss(M0))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("weights", lambda: hf.solve(CORRELATION, weights=W41)),
        ("weights", lambda: hf.solve(CORRELATION, weights=W41, t_end=1.0, reduce=False)),
        ("weights", lambda: hf.solve(SQUARED, weights=W41, t_end=1.0)),
        ("weights", lambda: hf.solve(FREE, weights=W41, t_end=1.0)),
        ("weights", lambda: hf.online_sgd(
            CORRELATION, weights=W41, steps=1, learning_rate=1e-3, seed=0)),
        ("W", lambda: CORRELATION.loss(W41)),
        ("W", lambda: CORRELATION.gradient(W41)),
        ("W", lambda: CORRELATION.overlaps(W41)),
        ("W", lambda: SQUARED.loss(W41)),
        ("W", lambda: SQUARED.gradient(W41)),
        ("W", lambda: SQUARED.hessian(W41)),
        ("W", lambda: FREE.gradient(W41)),
        ("X", lambda: hf.EmpiricalFlow(WIDE, LINK, np.ones((2, 41)))),
    ],
)  # fmt: skip
def test_a_wrong_width_names_the_array(name: str, call: Callable[[], object]) -> None:
    rows = "N" if name == "X" else "n"
    wanted = f"{name} must have shape ({rows}, 40), for V has shape (3, 40), got (2, 41)"
    assert message(call) == wanted


def test_too_narrow_weights_name_the_array() -> None:
    wanted = "must have shape (n, d) with d >= rank(G) = 3, got (1, 2)"
    assert message(lambda: ORTHONORMAL.gradient([[0.6, 0.8]])) == f"W {wanted}"
    narrow = lambda: hf.solve(ORTHONORMAL, weights=[[0.6, 0.8]])  # noqa: E731
    assert message(narrow) == f"weights {wanted}"
    # Q = W W^T needs no index vectors, so no width
    np.testing.assert_array_equal(SQUARED.student_overlaps(W41), np.eye(2))


def test_a_loss_level_says_for_which_flows_it_is() -> None:
    told = "; a LossLevel is for a SquaredFlow, or an EmpiricalFlow of the squared loss"
    text = message(lambda: hf.LossLevel(-0.5))
    assert text == f"level must be positive and decreasing, got -0.5 (float){told}"
    level = {"low": hf.LossLevel(0.1)}
    given = lambda: hf.solve(ORTHONORMAL, overlaps=M0, events=level)  # noqa: E731
    assert message(given, TypeError).endswith(told)
    other = lambda: hf.solve(ORTHONORMAL, overlaps=M0, events={"low": 3})  # type: ignore  # noqa
    assert "LossLevel" not in message(other, TypeError)
