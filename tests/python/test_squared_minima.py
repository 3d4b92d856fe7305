"""Local minima of the squared loss: another minimiser stays, sharing is counted, all is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import hermiteflow as hf
from hermiteflow._coordinates import of_order_parameters
from hermiteflow.landscape import _squared_minima


def lowest_nearby(flow: hf.SquaredFlow, M: Any, Q: Any, seed: int) -> float:
    """Loss that BFGS reaches in weights of one more dimension, from a small step away."""
    W = of_order_parameters(flow.targets, np.asarray(M), np.asarray(Q)).state
    rng = np.random.default_rng(seed)
    start = np.pad(W, ((0, 0), (0, 1))) + 1e-4 * rng.normal(size=(W.shape[0], W.shape[1] + 1))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rows = flat.reshape(start.shape)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return flow.loss(rows / norms), (flow.gradient(rows / norms) / norms).ravel()

    return float(minimize(loss, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-9}).fun)


@pytest.mark.parametrize(
    ("link", "k", "n"), [(hf.hermite(3), 2, 2), (hf.hermite(3), 3, 3), (hf.link("erf"), 3, 3)]
)
def test_another_minimiser_stays(link: hf.Link, k: int, n: int) -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=k), link)
    found = hf.squared_minima(flow, n, starts=12, seed=0)
    assert found.unfinished <= 1
    assert sum(end.count for end in found) == found.starts - found.unfinished
    assert [end.loss for end in found] == sorted(end.loss for end in found)
    for end in found:
        assert end.morse_index == 0
        for seed in range(3):
            low = lowest_nearby(flow, end.overlaps, end.student_overlaps, seed)
            assert low > end.loss - 1e-7
        assert flow.loss_of(end.overlaps, end.student_overlaps) == pytest.approx(end.loss, abs=1e-9)
    # the twin: all neurons at the average, a fixed point from which the loss falls
    M, Q = np.full((n, k), 1 / np.sqrt(k)), np.ones((n, n))
    assert flow.hessian_of(M, Q).kind == "saddle"
    assert min(lowest_nearby(flow, M, Q, s) for s in range(3)) < flow.loss_of(M, Q) - 1e-3


def test_the_teacher_is_found_and_named() -> None:
    flow = hf.SquaredFlow(hf.Equiangular(k=3, beta=0.2), hf.hermite(3))
    found = hf.squared_minima(flow, 3, starts=12, seed=1)
    best = found[0]
    assert best.kind == "minimum"
    assert best.sharing == (1, 1, 1)
    assert abs(best.loss) < 1e-12
    np.testing.assert_allclose(np.sort(best.overlaps.max(axis=1)), 1.0, atol=1e-7)
    others = [end for end in found if end.loss > 0.1]
    assert all(max(end.sharing) >= 2 for end in others)
    assert sum(map(sum, (end.sharing for end in found))) == 3 * len(found)
    text = repr(found)
    assert text.startswith("SquaredMinima of 12 starts, ")
    assert "1 1 1" in text
    assert repr(best).startswith("SquaredMinimum(minimum, loss=")
    assert found[:1] == (best,)


def test_more_neurons_than_index_vectors_share_them() -> None:
    """erf: with n > k the loss is 0 on a continuum, which is one entry."""
    flow = hf.SquaredFlow(hf.Orthonormal(k=3), hf.link("erf"))
    found = hf.squared_minima(flow, 5, starts=8, seed=0)
    (one,) = found
    assert (one.sharing, one.kind, one.count) == ((3, 1, 1), "degenerate", 8)
    assert abs(one.loss) < 1e-9
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.link("erf"), second_layer=0.5)
    calls: list[tuple[int, int]] = []
    again = hf.squared_minima(
        flow, 4, starts=3, seed=0, t_end=0.1, progress=lambda *at: calls.append(at)
    )
    assert (len(again), again.unfinished) == (0, 3)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_bad_input() -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    plain: Any = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    with pytest.raises(TypeError, match="flow must be a SquaredFlow"):
        hf.squared_minima(plain, 2)
    for change, words in (
        ({"starts": 0}, "starts must be"),
        ({"d": 1}, "d must be at least"),
        ({"t_end": np.inf}, "t_end must be finite"),
    ):
        with pytest.raises(ValueError, match=words):
            hf.squared_minima(flow, 2, **{"seed": 0, **change})
    for options in ({"constrained": False}, {"train_second_layer": True}):
        other = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3), **options)
        with pytest.raises(ValueError, match=r"flow must have constrained=True .* Hessian"):
            hf.squared_minima(other, 2, progress=lambda *_: pytest.fail("a run began"))
    with pytest.raises(TypeError, match="progress must be True or False"):
        hf.squared_minima(flow, 2, progress="yes")  # type: ignore[arg-type]


def test_given_index_vectors_have_a_dimension() -> None:
    """Vectors in R^3 of rank 2: d is 3, and not n + rank(G)."""
    V = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]])
    given, known = (
        hf.SquaredFlow(targets, hf.hermite(3))
        for targets in (hf.IndexVectors(V), hf.IndexVectors(gram=V @ V.T))
    )
    found = hf.squared_minima(given, 2, starts=4, seed=1)
    same = hf.squared_minima(known, 2, starts=4, seed=1, d=3)
    assert repr(found) == repr(same)
    assert repr(found) != repr(hf.squared_minima(known, 2, starts=4, seed=1))


def ended(loss: float, overlaps: list[list[float]], norms: float = 1e-9) -> Any:
    return SimpleNamespace(
        loss=loss, overlaps=np.array(overlaps), gradient_norms=np.array([0.0, norms])
    )


def test_runs_of_one_loss_and_one_sharing_are_one_end() -> None:
    """Within 1e-6 of the loss, or of 1 if it is less; the lowest of a group decides."""
    both, one = [[0.9, 0.1], [-0.2, 0.8]], [[0.9, 0.1], [-0.8, 0.2]]
    assert _squared_minima._sharing(np.array(both)) == (1, 1)
    assert _squared_minima._sharing(np.array(one)) == (2, 0)
    runs = [
        ended(0.5 + 0.9e-6, both), ended(0.5, both), ended(0.5, one), ended(0.5 + 1.1e-6, both),
        ended(100.0, one), ended(100.0 + 0.9e-4, one), ended(100.0 + 1.1e-4, one),
    ]  # fmt: skip
    groups = _squared_minima._grouped(runs)
    found = sorted((group[0].loss, len(group)) for group in groups)
    assert found == [(0.5, 1), (0.5, 2), (0.5 + 1.1e-6, 1), (100.0, 2), (100.0 + 1.1e-4, 1)]


def test_an_end_is_the_run_that_came_closest() -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    here, Q = np.eye(2), np.eye(2)
    runs = [ended(1e-9, [[0.99, 0.1], [0.0, 1.0]], 1e-5), ended(3e-13, np.eye(2).tolist(), 1e-9)]
    for run in runs:
        run.student_overlaps = Q
    end = _squared_minima._end(flow, runs, None)
    np.testing.assert_array_equal(end.overlaps, here)
    assert (end.kind, end.count, end.loss, end.sharing) == ("minimum", 2, 3e-13, (1, 1))
    assert not end.overlaps.flags.writeable
    # a maximum of the loss is where a run was held up, too
    held = hf.SquaredFlow(hf.Orthonormal(k=1), hf.hermite(3))
    top = ended(2.0, [[-1.0]])
    top.student_overlaps = np.eye(1)
    assert held.hessian_of([[-1.0]], [[1.0]], d=2).kind == "maximum"
    assert _squared_minima._end(held, [top], 2).kind == "saddle"
    ends = hf.SquaredMinima((end, replace(end, loss=0.25, kind="saddle", count=12)), 15, 1)
    assert repr(ends).splitlines() == [
        "SquaredMinima of 15 starts, 1 unfinished",
        "          loss  starts  kind        neurons at each index vector",
        "             0       2  minimum     1 1",
        "          0.25      12  saddle      1 1",
    ]
    assert repr(ends[1]) == "SquaredMinimum(saddle, loss=0.25, sharing=(1, 1), count=12)"
    assert len({ends, end}) == 2  # of arrays no content is compared


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    hf.squared_minima(flow, 2, starts=2, seed=0, progress=True)
    assert capsys.readouterr().err.endswith("\r2 of 2 starts (100 %)\n")
