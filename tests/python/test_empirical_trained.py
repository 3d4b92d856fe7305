"""A trained second layer on a stored sample: gradients, paths, ends, and the population limit."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from empirical_cases import CASES, LAYER_FAULTS, fast_gradient, layer_gradient, loss
from scipy.integrate import solve_ivp

import hermiteflow as hf

T2 = hf.Orthonormal(k=2)
D = 6
A = np.array([0.9, -0.7, 0.4])


def sample(N: int = 400, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, D)).astype(dtype)


def flow_of(constrained: bool = True, **options: Any) -> hf.EmpiricalFlow:
    return hf.EmpiricalFlow(
        T2, hf.link("tanh"), options.pop("X", sample()),
        **{"loss": "squared", "constrained": constrained, "second_layer": A,
           "train_second_layer": True, **options},
    )  # fmt: skip


def starts(constrained: bool = True) -> np.ndarray:
    W = hf.random_weights(n=3, d=D, seed=4)
    return W if constrained else W * np.linspace(0.5, 1.5, 3)[:, None]


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_in_a_is_that_of_the_formula(
    name: str, constrained: bool, dtype: Any, isa: str
) -> None:
    case, X, W = CASES[name], sample(N=111, dtype=dtype), starts(constrained)
    y = np.random.default_rng(3).standard_normal(111)
    flow = flow_of(constrained, X=X, y=y, student=case.link)
    for a in (A, 2.0 * A - 0.3):
        found = flow.layer_gradient(W, a)
        wanted = layer_gradient(case, X, y, W, a)
        scale = float(np.abs(wanted).max())
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * scale)
        assert flow.loss(W, a) == pytest.approx(loss(case, X, y, W, a, "squared"), rel=1e-12)
        np.testing.assert_allclose(
            flow.gradient(W, a),
            fast_gradient(case, X.astype(float), y, W, a, "squared", constrained),
            rtol=0, atol=1e-11,
        )  # fmt: skip
        for fault in LAYER_FAULTS:  # the twins
            wrong = layer_gradient(case, X, y, W, a, fault)
            with pytest.raises(AssertionError):
                np.testing.assert_allclose(found, wrong, rtol=0, atol=1e-12 * scale)
    np.testing.assert_array_equal(flow.layer_gradient(W), flow.layer_gradient(W, A))


def test_the_gradient_in_a_is_the_slope_of_the_loss() -> None:
    flow, W, h = flow_of(), starts(), 1e-4
    found = flow.layer_gradient(W)
    steps = h * np.eye(3)
    slopes = [(flow.loss(W, A + e) - flow.loss(W, A - e)) / (2.0 * h) for e in steps]
    np.testing.assert_allclose(found, slopes, rtol=1e-9)  # the loss is quadratic in a
    with pytest.raises(AssertionError):  # the twin: no factor 1/2 in the loss
        np.testing.assert_allclose(found, 2.0 * np.array(slopes), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 3, 8, 9, 24, 45])
def test_every_number_of_neurons_and_threads(n: int) -> None:
    X, case = sample(5000), CASES["tanh"]
    y, a = np.sin(X[:, 0]), np.linspace(-1.0, 1.0, n) + 0.1
    W = hf.random_weights(n=n, d=D, seed=1)
    flow = flow_of(X=X, y=y, second_layer=a)
    wanted = layer_gradient(case, X, y, W, a)
    found = flow.layer_gradient(W, n_threads=1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13 * max(1, n))
    assert np.array_equal(found, flow.layer_gradient(W, n_threads=2))
    # what a is trained or not does not change the rest
    plain = flow_of(X=X, y=y, second_layer=a, train_second_layer=False)
    assert np.array_equal(plain.gradient(W), flow.gradient(W))
    assert plain.loss(W) == flow.loss(W)


# ------------------------------------------------------------------ paths


def by_scipy(
    flow: hf.EmpiricalFlow, W: np.ndarray, t: float, times: Any = None, fault: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """W and a at t, or at `times`, by another integrator from NumPy's gradients."""
    case, n = CASES["tanh"], W.size

    def unit(rows: np.ndarray) -> np.ndarray:
        norms = np.linalg.norm(rows, axis=-1, keepdims=True)
        return rows / norms if flow.constrained else rows

    def rhs(_: float, state: np.ndarray) -> np.ndarray:
        rows, a = unit(state[:n].reshape(W.shape)), state[n:]
        of_w = fast_gradient(case, flow.X, flow.labels, rows, a, "squared", flow.constrained)
        of_a = fault * layer_gradient(case, flow.X, flow.labels, rows, a)
        return -np.concatenate([of_w.ravel(), of_a])

    start = np.concatenate([W.ravel(), flow.layer(len(W))])
    sol = solve_ivp(rhs, (0.0, t), start, method="DOP853", rtol=1e-12, atol=1e-14, t_eval=times)
    rows = unit(sol.y[:n].T.reshape(-1, *W.shape))
    layers = sol.y[n:].T
    return (rows, layers) if times is not None else (rows[-1], layers[-1])


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853", "rk4"])
@pytest.mark.parametrize("constrained", [True, False])
def test_paths_are_those_of_another_integrator(constrained: bool, method: str) -> None:
    flow, W = flow_of(constrained), starts(constrained)
    options: dict[str, Any] = {"step": 0.01} if method == "rk4" else {"rtol": 1e-11}
    sol = hf.solve(flow, weights=W, t_end=3.0, method=method, **options)
    rows, a = by_scipy(flow, W, 3.0)
    np.testing.assert_allclose(sol.weights, rows, rtol=0, atol=5e-9)
    np.testing.assert_allclose(sol.second_layer, a, rtol=0, atol=5e-9)
    assert np.abs(a - A).max() > 0.1
    assert sol.loss == pytest.approx(flow.loss(rows, a), abs=1e-8)
    norms = np.sqrt(np.sum(flow.gradient(rows, a) ** 2, axis=1) + flow.layer_gradient(rows, a) ** 2)
    np.testing.assert_allclose(sol.gradient_norms, norms, rtol=0, atol=1e-7)
    for fault in (0.0, -1.0, 1.02):  # the twins: a at rest, uphill, in another time unit
        _, wrong = by_scipy(flow, W, 3.0, fault=fault)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(sol.second_layer, wrong, rtol=0, atol=5e-9)


def test_saved_times_levels_and_the_end() -> None:
    flow, W, times = flow_of(), starts(), np.linspace(0.0, 3.0, 7)
    start = flow.loss(W)
    events = {"low": hf.LossLevel([0.5 * start, 0.1 * start]), "hit": hf.HittingTime(0.6)}
    sol = hf.solve(flow, weights=W, t_end=3.0, rtol=1e-11, save_at=times, events=events)
    rows, layers = by_scipy(flow, W, 3.0, times=times)
    assert sol.layer_trajectory is not None
    np.testing.assert_allclose(sol.layer_trajectory, layers, rtol=0, atol=2e-8)
    np.testing.assert_array_equal(sol.layer_trajectory[0], A)
    np.testing.assert_allclose(sol.trajectory, rows[:, :, :2], rtol=0, atol=2e-8)
    wanted = [flow.loss(w, a) for w, a in zip(rows, layers, strict=True)]
    np.testing.assert_allclose(sol.losses, wanted, rtol=0, atol=2e-8)
    wrong = [flow.loss(w) for w in rows]  # the twin: losses with a as it started
    assert not np.allclose(sol.losses[1:], wrong[1:], rtol=0, atol=2e-8)
    for when, level in zip(sol.events["low"], (0.5, 0.1), strict=True):
        if np.isfinite(when):
            at, a = by_scipy(flow, W, float(when))
            assert flow.loss(at, a) == pytest.approx(level * start, rel=1e-6)
    assert np.isfinite(sol.events["low"][0])


@pytest.mark.parametrize("constrained", [True, False])
def test_a_student_of_the_teachers_kind_finds_it(constrained: bool) -> None:
    """With labels of the model a loss of 0 is there to be found, at a = b."""
    teacher = {"target_weights": [1.0, -0.5], "second_layer": [0.6, -0.6]}
    flow = flow_of(constrained, **teacher)
    W = np.eye(2, D) + 0.1 * hf.random_weights(n=2, d=D, seed=1)
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    sol = hf.solve(flow, weights=W, t_end=3000.0, events={"still": hf.Converged(1e-7)})
    assert sol.status is hf.Status.converged
    np.testing.assert_allclose(sol.second_layer, [1.0, -0.5], atol=2e-5)
    np.testing.assert_allclose(sol.overlaps, np.eye(2), atol=2e-5)
    assert sol.loss < 1e-11
    # the relative speed of (w_i, a_i), and not of w_i alone, is what Converged looks at
    assert (sol.gradient_norms < 1e-6).all()


def test_it_tends_to_the_population_flow() -> None:
    W = starts()
    exact = hf.solve(
        hf.SquaredFlow(T2, hf.link("tanh"), second_layer=A, train_second_layer=True),
        weights=W, t_end=2.0,
    )  # fmt: skip
    distances = []
    for N in (1000, 64_000):
        runs = [hf.solve(flow_of(X=sample(N, seed)), weights=W, t_end=2.0) for seed in range(6)]
        off = [np.abs(run.second_layer - exact.second_layer).max() for run in runs]
        distances.append(np.median(off))
    assert distances[1] < 0.02
    assert 3.0 < distances[0] / distances[1] < 20.0  # sqrt(64) = 8
    still = np.abs(A - exact.second_layer).max()
    assert still > 5.0 * distances[1]  # the twin: a that does not move


# ------------------------------------------------------------------ objects


def test_values_files_and_bits(tmp_path: Path) -> None:
    flow, W = flow_of(X=sample(20_000)), starts()
    options: dict[str, Any] = {"weights": W, "t_end": 1.0, "save_at": [0.5]}
    sol = hf.solve(flow, n_threads=1, **options)
    assert sol == hf.solve(flow, n_threads=2, **options)
    assert flow != flow_of(X=flow.X, train_second_layer=False)
    assert pickle.loads(pickle.dumps(sol)) == sol
    again = hf.load(sol.save(tmp_path / "run.nc"), sample=flow.X)
    assert again == sol
    assert isinstance(again, hf.EmpiricalSolution)
    assert again.flow.train_second_layer
    assert hf.solve(again.flow, **options) == sol
    plain = hf.solve(flow, weights=W, t_end=0.5)
    assert hf.load(plain.save(tmp_path / "plain.nc")) == plain
    assert "W and a" in repr(flow)


def test_bad_input_is_named() -> None:
    W = starts()
    for words, call in (
        (
            "train_second_layer must be False with loss='correlation'",
            lambda: flow_of(loss="correlation"),
        ),
        ("second_layer must have shape (3,), got (2,)", lambda: flow_of().loss(W, [1.0, 2.0])),
        ("second_layer must be finite", lambda: flow_of().gradient(W, [1.0, 2.0, np.nan])),
        (
            "train_second_layer must be True for a gradient in a, got False",
            lambda: flow_of(train_second_layer=False).layer_gradient(W),
        ),
        ("W must give a finite loss, got an overflow", lambda: flow_of().loss(W, [1e200, 0, 0])),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            call()
    with pytest.raises(TypeError, match="train_second_layer must be True or False, got 1"):
        flow_of(train_second_layer=1)
