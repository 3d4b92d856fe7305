"""Every kind of bad input gives one error that names the argument; unusual good input works."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

import hermiteflow as hf

T2 = hf.Orthonormal(k=2)
FLOW = hf.CorrelationFlow(T2, hf.hermite(3))
W = hf.random_weights(n=3, d=4, seed=0)
M = hf.random_overlaps(T2, n=3, d=50, seed=0)
NAN_W = np.where(np.arange(12).reshape(3, 4) == 5, np.nan, W)
SKEW = [[1.0, 0.5], [0.2, 1.0]]
INDEFINITE = [[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]


def _solve(**options: object) -> hf.Solution:
    return hf.solve(FLOW, **{"overlaps": M, **options})  # type: ignore[arg-type]


BAD: list[tuple[type[Exception], str, Callable[[], object]]] = [
    # NaN, inf, shapes, norms
    (ValueError, "W must be finite, got nan", lambda: FLOW.gradient(NAN_W)),
    (ValueError, "overlaps must be finite, got inf", lambda: _solve(overlaps=[[np.inf, 0.0]])),
    (ValueError, "M must have shape (n, 2), got (3, 3)", lambda: FLOW.field(np.zeros((3, 3)))),
    (ValueError, "W must have shape (n, d), got (4,)", lambda: FLOW.loss(W[0])),
    (ValueError, "rows of unit norm", lambda: FLOW.loss(1.001 * W)),
    (ValueError, "V must have rows of unit norm", lambda: hf.IndexVectors([[1.0, 0.1]])),
    (ValueError, "overlaps must be those of unit vectors", lambda: _solve(overlaps=[[0.9, 0.9]])),
    (ValueError, "exactly one of overlaps and weights", lambda: _solve(weights=W)),
    (ValueError, "exactly one of overlaps and weights", lambda: _solve(overlaps=None)),
    # empty, complex, object, ragged, strings
    (ValueError, "not be empty", lambda: _solve(overlaps=np.zeros((0, 2)))),
    (TypeError, "M must hold real numbers", lambda: FLOW.field(1j * M)),
    (TypeError, "M must hold real numbers", lambda: FLOW.field(M.astype(object))),
    (TypeError, "M must hold real numbers", lambda: FLOW.field([["a", "b"]])),
    (TypeError, "M must hold real numbers", lambda: FLOW.field(np.zeros((2, 2), dtype=bool))),
    (ValueError, "ragged", lambda: FLOW.field([[0.1], [0.1, 0.2]])),
    (TypeError, "masked", lambda: FLOW.field(np.ma.masked_array(M))),
    # index vectors
    (ValueError, "beta must be a number in (-0.5, 1)", lambda: hf.Equiangular(k=3, beta=-0.5)),
    (ValueError, "beta must be a number in (-0.5, 1)", lambda: hf.Equiangular(k=3, beta=1.0)),
    (ValueError, "k must be an integer of at least 1", lambda: hf.Orthonormal(k=0)),
    (ValueError, "k must be an integer", lambda: hf.Orthonormal(k=2.5)),  # type: ignore[arg-type]
    (TypeError, "k must be an integer", lambda: hf.Orthonormal(k="2")),  # type: ignore[arg-type]
    (ValueError, "gram must be symmetric", lambda: hf.IndexVectors(gram=SKEW)),
    (ValueError, "unit diagonal", lambda: hf.IndexVectors(gram=np.diag([1.0, 2.0]))),
    (ValueError, "positive semi-definite", lambda: hf.IndexVectors(gram=INDEFINITE)),
    (ValueError, "exactly one of V and gram", hf.IndexVectors),
    (ValueError, "d must be at least rank(G) = 2", lambda: T2.vectors(1)),
    (ValueError, "d must be at least", lambda: hf.random_overlaps(T2, n=1, d=1, seed=0)),
    (ValueError, "d must be 4, the dimension of V", lambda: hf.IndexVectors(W).vectors(5)),
    (
        ValueError,
        "W must have shape (n, d) with d >= rank(G) = 2, got (1, 1)",
        lambda: FLOW.loss([[1.0]]),
    ),
    # starts
    (ValueError, "at most 1000000000000000000", lambda: hf.random_overlaps(T2, n=1, d=10**19)),
    (ValueError, "n must be", lambda: hf.random_weights(n=0, d=3)),
    (ValueError, "seed must be", lambda: hf.random_weights(n=1, d=3, seed=-1)),
    (TypeError, "seed must be", lambda: hf.random_weights(n=1, d=3, seed="x")),  # type: ignore[arg-type]
    (TypeError, "targets must be", lambda: hf.random_overlaps(3, n=1, d=3)),  # type: ignore[arg-type]
    # links and flows
    (ValueError, "coefficients", lambda: hf.hermite({})),
    (ValueError, "coefficients", lambda: hf.hermite({-1: 1.0})),
    (ValueError, "coefficients", lambda: hf.polynomial([1.0, np.nan])),
    (TypeError, "function must be", lambda: hf.link(3)),  # type: ignore[arg-type]
    (ValueError, "overflow", lambda: hf.Interaction(hf.hermite({3: 1e160}))),
    (ValueError, "vectorised", lambda: hf.link(lambda x: 1.0)),
    (ValueError, "order must be", lambda: hf.Interaction(hf.hermite(3)).derivative(0.1, order=-1)),
    (ValueError, "u must lie in [-1, 1]", lambda: hf.Interaction(hf.hermite(3))(1.1)),
    (TypeError, "link must be", lambda: hf.CorrelationFlow(T2, 3)),  # type: ignore[arg-type]
    (
        ValueError,
        "target_weights must have shape (2,), got (3,)",
        lambda: hf.CorrelationFlow(T2, hf.hermite(3), target_weights=np.ones(3)),
    ),
    (
        ValueError,
        "second_layer must have one entry for each of the n = 3",
        lambda: hf.CorrelationFlow(T2, hf.hermite(3), second_layer=np.ones(2)).loss(W),
    ),
    # solve
    (ValueError, "did you mean 'tsit5'", lambda: _solve(method="tsit")),
    (ValueError, "step must be a number in (0", lambda: _solve(method="rk4", step=-0.1, t_end=1)),
    (ValueError, "step must be given", lambda: _solve(method="rk4", t_end=1.0)),
    (ValueError, "step must only be given", lambda: _solve(step=0.1)),
    (ValueError, "rtol must not be given", lambda: _solve(method="rk4", step=0.1, rtol=1e-6)),
    (ValueError, "rtol must be", lambda: _solve(rtol=0.0)),
    (ValueError, "atol must be", lambda: _solve(atol=-1.0)),
    (ValueError, "t_end must be", lambda: _solve(t_end=-1.0)),
    (ValueError, "t_end must be", lambda: _solve(t_end=np.nan)),
    (ValueError, "save_at must be strictly increasing", lambda: _solve(save_at=[2.0, 1.0])),
    (ValueError, "save_at must end", lambda: _solve(save_at=[2.0], t_end=1.0)),
    (ValueError, "level must be positive", lambda: hf.HittingTime(0.0)),
    (ValueError, "levels of at most 1", lambda: _solve(events={"x": hf.HittingTime(1.5)})),
    (ValueError, "level", lambda: hf.HittingTime([0.5, 0.1])),
    (ValueError, "tol must be", lambda: hf.Converged(tol=0.0)),
    (ValueError, "tol must be", lambda: hf.Converged(tol=1e-15)),
    (ValueError, "tol must be", lambda: hf.Converged(tol=0.1)),
    (TypeError, "t_end must be a number", lambda: hf.solve(FLOW, overlaps=M, t_end="3")),
    (
        TypeError,
        "events must have names that are str, got",
        lambda: hf.solve(FLOW, overlaps=M, events={1: hf.HittingTime(0.5)}),
    ),
    (
        ValueError,
        "at least 1e-60, got 3e-70",
        lambda: hf.solve(
            hf.CorrelationFlow(T2, hf.hermite(3), second_layer=[1e-70]), overlaps=[[0.1, 0.2]]
        ),
    ),
    (TypeError, "events['x'] must be", lambda: _solve(events={"x": 0.5})),
    (TypeError, "events must map", lambda: _solve(events=[hf.Converged()])),
    (ValueError, "max_steps must be", lambda: _solve(max_steps=0)),
    (ValueError, "n_threads must be", lambda: _solve(n_threads=0)),
    (TypeError, "renormalize must be", lambda: _solve(renormalize=1)),
    (TypeError, "flow must be", lambda: hf.solve(3, overlaps=M)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("error", "words", "call"), BAD, ids=[words for _, words, _ in BAD])
def test_bad_input(error: type[Exception], words: str, call: Callable[[], object]) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        call()
    assert "got" in str(caught.value) or "must" in str(caught.value)
    assert "\n" not in str(caught.value)


FORMS: dict[str, Callable[[np.ndarray], object]] = {
    "list": lambda x: x.tolist(),
    "Fortran order": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x: x[:, ::-1].copy()[:, ::-1],
    "big-endian": lambda x: x.astype(">f8"),
    "float32": lambda x: x.astype(np.float32),
    "subclass": lambda x: x.view(type("Sub", (np.ndarray,), {})),
}


@pytest.mark.parametrize("form", FORMS)
def test_unusual_arrays_work(form: str) -> None:
    change = FORMS[form]
    tolerance = 1e-5 if form == "float32" else 0.0
    options: dict[str, object] = {"t_end": 1.0}
    pairs = [
        (FLOW.gradient, W),
        (FLOW.field, M),
        (lambda x: hf.solve(FLOW, overlaps=x, **options).overlaps, M),  # type: ignore[arg-type]
        (lambda x: hf.solve(FLOW, weights=x, **options).weights, W),  # type: ignore[arg-type]
        (lambda x: hf.IndexVectors(x).gram, W),
    ]
    for function, value in pairs:
        given = change(value)
        np.testing.assert_allclose(function(given), function(value), rtol=0, atol=tolerance)


def test_arguments_are_never_written_to() -> None:
    weights, overlaps = W.copy(), M.copy()
    weights.flags.writeable = overlaps.flags.writeable = False
    hf.solve(FLOW, weights=weights, t_end=1.0)
    hf.solve(FLOW, overlaps=overlaps, t_end=1.0)
    hf.solve(FLOW, weights=weights, t_end=1.0, method="rk4", step=0.1, reduce=False)
    FLOW.gradient(weights)
    np.testing.assert_array_equal(weights, W)
    np.testing.assert_array_equal(overlaps, M)


def test_more_vectors_than_dimensions_are_legal() -> None:
    targets = hf.random_index_vectors(k=5, d=3, seed=0)
    assert targets.rank == 3
    m0 = hf.random_overlaps(targets, n=4, d=3, seed=0)
    sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite(4)), overlaps=m0)
    assert sol.success


def test_a_large_atol_warns() -> None:
    with pytest.warns(hf.SolveWarning, match=re.escape("1/sqrt(d)")):
        hf.solve(FLOW, overlaps=[[1e-6, 2e-6]], atol=1e-6, t_end=1.0)


def test_an_overflow_is_a_status_of_that_neuron() -> None:
    flow = hf.CorrelationFlow(T2, hf.hermite({3: 1e10}), second_layer=[1e-20, 1e300])
    with pytest.warns(hf.SolveWarning, match="1 non_finite"):
        sol = hf.solve(flow, overlaps=[[0.1, 0.2], [0.1, 0.2]], t_end=1e-3)
    assert list(sol.status) == [hf.Status.t_end, hf.Status.non_finite]
