"""`solve` with weights of any norm and with a trained second layer: SciPy, NumPy, conservation."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import Array, rk4, unit_rows
from scipy.integrate import solve_ivp
from squared_cases import CASES, SCALES, V6, W6, A, B, Case, close, each_case

import hermiteflow as hf
from hermiteflow import _coordinates
from hermiteflow import _squared_engine as engine
from hermiteflow._squared_solve import system

MODES = {
    "free": {"constrained": False},
    "free, a": {"constrained": False, "train_second_layer": True},
    "sphere, a": {"train_second_layer": True},
}
each_mode = pytest.mark.parametrize("mode", MODES)
TIMES = np.array([0.0, 0.2, 0.8])
TIGHT: dict[str, Any] = {"method": "dop853", "rtol": 1e-12, "t_end": 0.8, "save_at": TIMES}


def start_of(flow: hf.SquaredFlow) -> Array:
    return W6 if flow.constrained else SCALES * W6


def right_hand_side(
    flow: hf.SquaredFlow, *, drift: float = 1.0, diagonal: float = 1.0, pace: float = 1.0
) -> Callable[[Array], Array]:
    """d(W, a)/dt in R^d for y = [W, a], (n, d + 1); the keywords plant faults."""

    def right(y: Array) -> Array:
        W, a = y[:, :-1], y[:, -1]
        if flow.constrained:
            W = W / np.linalg.norm(W, axis=1, keepdims=True)
        V = flow.targets.vectors(W.shape[1])
        M, Q = W @ V.T, W @ W.T
        if flow.constrained:
            np.fill_diagonal(Q, 1.0)
        D, C, s = flow._pull(M, Q, a)
        C = C - (1 - diagonal) * np.diag(np.diag(C))
        rate = D @ V - C @ W - drift * s[:, None] * W
        da = np.zeros(a.size)
        if flow.train_second_layer:
            da = pace * flow.field(M, Q, a)[2]
        return np.hstack([rate, da[:, None]])

    return right


def scipy(right: Callable[[Array], Array], y: Array, times: Array) -> Array:
    """y at the times, (T, *y.shape)."""
    answer = solve_ivp(
        lambda _, x: right(x.reshape(y.shape)).ravel(), (0.0, float(times[-1])), y.ravel(),
        "DOP853", t_eval=times, rtol=1e-12, atol=1e-14,
    )  # fmt: skip
    assert answer.success
    return np.array([x.reshape(y.shape) for x in answer.y.T])


# ------------------------------------------------------------------ against others


@each_mode
@each_case
def test_scipy_agrees_in_all_dimensions(case: Case, mode: str) -> None:
    flow = case.flow(V6, **MODES[mode])
    W = start_of(flow)
    sol = hf.solve(flow, weights=W, **TIGHT)
    path = scipy(right_hand_side(flow), np.hstack([W, case.a[:, None]]), TIMES)
    wanted, layers = path[:, :, :-1], path[:, :, -1]
    bound = 1e-9
    close(sol.weights, wanted[-1], bound)
    close(sol.trajectory, wanted @ V6.T, bound)
    close(sol.student_trajectory, wanted @ wanted.transpose(0, 2, 1), bound)
    close(sol.second_layer, layers[-1], bound)
    if flow.train_second_layer:
        close(sol.layer_trajectory, layers, bound)
    else:
        assert sol.layer_trajectory is None
        np.testing.assert_array_equal(sol.second_layer, case.a)
    close(sol.loss, flow.loss_of(sol.overlaps, sol.student_overlaps, sol.second_layer), 1e-12)
    close(sol.losses[-1], sol.loss, 1e-14)
    # planted: the sign of s, no term l = i, a at twice the pace
    faults = [{"pace": 2.0}] if flow.train_second_layer else []
    if not flow.constrained:
        faults += [{"drift": -1.0}, {"diagonal": 0.0}]
    for fault in faults:
        if fault == {"drift": -1.0} and case is CASES["h3"]:
            fault = {"drift": 0.9}  # noqa: PLW2901 - the other sign blows up
        y = np.hstack([W, case.a[:, None]])
        other = scipy(right_hand_side(flow, **fault), y, TIMES[:2])[-1, :, :-1]
        with pytest.raises(AssertionError):
            close(sol.trajectory[1], other @ V6.T, 1e-6)


@each_mode
@pytest.mark.parametrize("name", ["erf", "relu", "h3", "mixed"])
def test_scipy_agrees_in_order_parameters(name: str, mode: str) -> None:
    """The closed equations of (M, Q, a) by `field`, and starts given as (M, Q)."""
    case = CASES[name]
    flow = case.flow(V6, **MODES[mode])
    W = start_of(flow)
    M, Q = flow.overlaps(W), flow.student_overlaps(W)

    def right(y: Array, pace: float = 1.0) -> Array:
        rates = flow.field(y[:, :2], y[:, 2:5], y[:, 5])
        da = pace * rates[2] if flow.train_second_layer else np.zeros(3)
        return np.hstack([rates[0], rates[1], da[:, None]])

    if flow.constrained:  # SciPy's stages leave the sphere, where `field` refuses them
        inside = right

        def right(y: Array, pace: float = 1.0) -> Array:
            Q = y[:, 2:5].copy()
            np.fill_diagonal(Q, 1.0)
            return inside(np.hstack([y[:, :2], Q, y[:, 5:]]), pace)

    sol = hf.solve(flow, overlaps=M, student_overlaps=Q, **TIGHT)
    assert sol.form == "span"
    assert sol.weights is None
    y = np.hstack([M, Q, case.a[:, None]])
    wanted = scipy(right, y, TIMES)[-1]
    found = np.hstack([sol.overlaps, sol.student_overlaps, sol.second_layer[:, None]])
    close(found, wanted, 1e-9)
    with pytest.raises(AssertionError):  # time with a factor 2, as without the 1/2 of (9)
        close(found, scipy(lambda y: 2 * right(y), y, TIMES)[-1], 1e-9)


def core_on_sphere(y: Array) -> Array:
    """h3 on the sphere as the core writes it off the sphere: |u| at most 1, along w / |w|."""
    W, a = y[:, :-1], y[:, -1]
    M, Q = np.clip(W @ V6.T, -1, 1), np.clip(W @ W.T, -1, 1)
    np.fill_diagonal(Q, 1.0)
    C = 3 * np.outer(a, a) * Q**2
    np.fill_diagonal(C, 0.0)
    pull = 3 * a[:, None] * M**2 @ V6 - C @ W
    along = np.sum(pull * W, axis=1) / np.sum(W * W, axis=1)
    return np.hstack([pull - along[:, None] * W, ((M**3).sum(1) - Q**3 @ a)[:, None]])


@each_mode
@each_case
def test_rk4_is_rk4_in_all_dimensions(case: Case, mode: str) -> None:
    flow = case.flow(V6, **MODES[mode])
    W, step, count = start_of(flow), 0.01, 8
    options: dict[str, Any] = {"method": "rk4", "step": step, "t_end": count * step}
    sol = hf.solve(flow, weights=W, renormalize=False, **options)
    assert sol.steps == count
    right = core_on_sphere if flow.constrained else right_hand_side(flow)
    if flow.constrained and case is not CASES["h3"]:
        assert np.abs(np.diag(sol.student_overlaps) - 1).max() < 1e-6
        return
    y = np.hstack([W, case.a[:, None]])
    found = np.hstack([sol.weights, sol.second_layer[:, None]])
    close(found, rk4(right, y, step, count), 1e-12)
    for other in (rk4(right, y, step * (1 + 1e-8), count), rk4(right, y, step, count - 1)):
        with pytest.raises(AssertionError):
            close(found, other, 1e-12)


SIZES = [(1, 1), (4, 4), (8, 8), (9, 7), (33, 20), (65, 3), (3, 66)]


@each_mode
@each_case
def test_rates_of_many_sizes(case: Case, mode: str, isa: str) -> None:
    """The core's right-hand side, loss and gradient against NumPy, for every Gram matrix."""
    rng = np.random.default_rng(5)
    for n, k in SIZES:
        d = n + k + 2
        rank = max(k - 1, 1)  # G is singular and otherwise well conditioned
        V = np.eye(k, rank) + 0.3 / np.sqrt(k) * unit_rows(k, rank, 3)
        V /= np.linalg.norm(V, axis=1, keepdims=True)
        for targets in (
            hf.Orthonormal(k=k), hf.Equiangular(k=k, beta=0.3),
            hf.IndexVectors(np.pad(V, ((0, 0), (0, d - V.shape[1])))),
        ):  # fmt: skip
            flow = hf.SquaredFlow(
                targets, case.teacher, student=case.student,
                second_layer=rng.uniform(0.5, 1.5, n) * rng.choice([-1, 1], n),
                target_weights=rng.uniform(0.5, 1.5, k), **MODES[mode],
            )  # fmt: skip
            W = unit_rows(n, d, 7)
            if not flow.constrained:
                W = W * rng.uniform(0.6, 1.3, n)[:, None]
            start = _coordinates.of_weights(targets, W, unit=flow.constrained)
            found = engine.rates(system(flow, n), start.state)
            gradient = flow.gradient(W)
            bound = 1e-13 * (n + k) * (1 + np.abs(gradient).max())
            close(found.W @ start.basis, -gradient, bound)
            close(found.loss, flow.loss(W), 1e-14 * (n + k) ** 2)
            square = np.sum(gradient**2, axis=1)
            if flow.train_second_layer:
                da = flow.field(flow.overlaps(W), flow.student_overlaps(W))[-1]
                close(found.a, da, bound)
                square = square + da**2
                with pytest.raises(AssertionError):
                    close(-found.a, da, bound)
            close(found.gradient_norms, np.sqrt(square), bound)
            with pytest.raises(AssertionError):
                close(found.W @ start.basis, gradient, bound)


# ------------------------------------------------------------------ what the flow keeps


@pytest.mark.parametrize("teacher", ["relu", "erf", "sign"])
def test_relu_layers_stay_balanced(teacher: str) -> None:
    """|w_i|^2 - a_i^2 does not change: its rate is 0 to rounding, along the flow to `rtol`."""
    flow = hf.SquaredFlow(
        hf.IndexVectors(V6), hf.link(teacher), student=hf.link("relu"), second_layer=A,
        target_weights=B, constrained=False, train_second_layer=True,
    )  # fmt: skip
    W = SCALES * W6
    state = _coordinates.of_weights(flow.targets, W, unit=False).state
    rate = engine.rates(system(flow, 3), state)
    radial = 2 * np.sum(rate.W * state, axis=1)
    close(radial, 2 * A * rate.a, 2e-15)
    with pytest.raises(AssertionError):
        close(radial, 4 * A * rate.a, 2e-15)
    before, times = np.sum(W * W, axis=1) - A**2, np.linspace(0.5, 5.0, 10)
    for rtol, bound in ((1e-6, 1e-5), (1e-11, 1e-10)):
        sol = hf.solve(flow, weights=W, t_end=5.0, rtol=rtol, save_at=times)
        norms = np.diagonal(sol.student_trajectory, axis1=1, axis2=2)
        kept = norms - sol.layer_trajectory**2
        close(kept, np.broadcast_to(before, kept.shape), bound)
        assert np.abs(norms[-1] - np.sum(W * W, axis=1)).max() > 0.05
        with pytest.raises(AssertionError):
            close(norms - 0.999 * sol.layer_trajectory**2, kept, bound)


@each_mode
@each_case
def test_the_loss_falls_as_the_gradient_says(case: Case, mode: str) -> None:
    flow = case.flow(V6, **MODES[mode])
    h, times = 1e-4, np.linspace(0.0, 1.0, 41)
    sol = hf.solve(flow, weights=start_of(flow), t_end=1.0, rtol=1e-10, save_at=times)
    assert np.all(np.diff(sol.losses) < 0.0)
    close(sol.losses[0], flow.loss(start_of(flow)), 1e-13)
    around = [0.3 - h, 0.3, 0.3 + h]
    sol = hf.solve(flow, weights=start_of(flow), t_end=1.0, rtol=1e-13, save_at=around)
    here = hf.solve(flow, weights=start_of(flow), t_end=0.3, rtol=1e-13)
    slope = (sol.losses[2] - sol.losses[0]) / (2 * h)
    square = np.sum(here.gradient_norms**2)
    assert abs(slope + square) < 1e-5 * (1 + square)
    assert abs(slope + 0.5 * square) > 1e-5 * (1 + square)  # the twin: no factor 1/2 in (9)


@each_mode
@pytest.mark.parametrize("name", ["erf", "relu", "h4 + h2"])
def test_neurons_have_no_order(name: str, mode: str) -> None:
    case, order = CASES[name], [2, 0, 1]
    flow = case.flow(V6, **MODES[mode])
    turned = hf.SquaredFlow(
        hf.IndexVectors(V6), case.teacher, student=case.student, second_layer=case.a[order],
        target_weights=case.b, **MODES[mode],
    )  # fmt: skip
    W = start_of(flow)
    first = hf.solve(flow, weights=W, t_end=1.0, rtol=1e-10)
    second = hf.solve(turned, weights=W[order], t_end=1.0, rtol=1e-10)
    close(second.weights, first.weights[order], 1e-9)
    close(second.second_layer, first.second_layer[order], 1e-9)
    close(second.loss, first.loss, 1e-9)
    wrong = hf.solve(flow, weights=W[order], t_end=1.0, rtol=1e-10)
    with pytest.raises(AssertionError):
        close(wrong.weights, first.weights[order], 1e-9)


@each_mode
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_threads_do_not_change_a_bit(method: str, mode: str) -> None:
    options: dict[str, Any] = {"step": 0.01} if method == "rk4" else {"rtol": 1e-6}
    for name in ("erf", "relu", "mixed"):
        case = CASES[name]
        flow = hf.SquaredFlow(
            hf.Equiangular(k=5, beta=0.2), case.teacher, student=case.student,
            second_layer=0.1, **MODES[mode],
        )  # fmt: skip
        W = unit_rows(75, 90, 1) * (1.0 if flow.constrained else 0.8)
        runs = [
            hf.solve(flow, weights=W, t_end=0.05, method=method, save_at=[0.02, 0.05],
                     n_threads=threads, **options)
            for threads in (1, 3)
        ]  # fmt: skip
        assert runs[0] == runs[1]
        other = hf.solve(flow, weights=W[::-1].copy(), t_end=0.05, method=method,
                         save_at=[0.02, 0.05], **options)  # fmt: skip
        assert other != runs[0]


# ------------------------------------------------------------------ events and values


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", ["erf", "relu"])
def test_events(name: str, trained: bool) -> None:
    """Started beside the teacher, which both layers find: pull and push cancel there."""
    flow = hf.SquaredFlow(
        hf.Orthonormal(k=2), hf.link(name), second_layer=[0.9, 1.1] if trained else None,
        constrained=False, train_second_layer=trained,
    )  # fmt: skip
    W = np.eye(2, 6) * 0.4 + 0.05 * unit_rows(2, 6, 3)
    levels, falls = [0.5, 0.7], [0.05, 0.01]
    events = {
        "hit": hf.HittingTime(levels),
        "low": hf.LossLevel(falls),
        "still": hf.Converged(tol=1e-7),
    }
    sol = hf.solve(flow, weights=W, t_end=1e5, events=events, rtol=1e-10)
    assert sol.status == hf.Status.converged
    assert sol.t_final == sol.events["still"] > 1.0
    assert sol.loss < 1e-9
    assert sol.gradient_norms.max() < 1e-6
    times = sol.events["low"]
    again = hf.solve(flow, weights=W, t_end=1e3, save_at=times, rtol=1e-10)
    close(again.losses, falls, 1e-8)
    hits = sol.events["hit"]
    assert hits.shape == (2, 2)
    first = np.sort(hits.ravel())
    again = hf.solve(flow, weights=W, t_end=1e3, save_at=first, rtol=1e-10)
    for i, j in np.ndindex(2, 2):
        at = int(np.argmin(np.abs(first - hits[i, j])))
        close(np.abs(again.trajectory[at, i]).max(), levels[j], 1e-7)
    stop = {"low": hf.LossLevel(0.02, terminal=True)}
    ended = hf.solve(flow, weights=W, t_end=1e5, events=stop, rtol=1e-10, save_at=[0.0, 1e5])
    assert ended.status == hf.Status.event
    close(ended.loss, 0.02, 1e-8)
    assert np.isnan(ended.trajectory[1]).all()
    assert np.isnan(ended.student_trajectory[1]).all()
    if trained:
        assert np.isnan(ended.layer_trajectory[1]).all()
        np.testing.assert_array_equal(ended.layer_trajectory[0], [0.9, 1.1])


def test_a_solution_is_a_value() -> None:
    flow = CASES["erf"].flow(V6, **MODES["free, a"])
    W = SCALES * W6
    seen: list[tuple[int, int]] = []
    sol = hf.solve(flow, weights=W, t_end=0.5, progress=lambda *done: seen.append(done))
    assert sol == pickle.loads(pickle.dumps(sol)) == hf.solve(flow, weights=W, t_end=0.5)
    assert hash(sol) == hash(hf.solve(flow, weights=W, t_end=0.5))
    assert sol.second_layer.shape == (3,)
    assert sol.layer_trajectory.shape == (0, 3)
    np.testing.assert_array_equal(flow.second_layer, A)  # where it started
    still = hf.solve(CASES["erf"].flow(V6, constrained=False), weights=W, t_end=0.5)
    assert still != sol


@each_mode
@pytest.mark.parametrize("saved", [[], [0.1, 0.5]])
def test_solutions_are_saved_whole(mode: str, saved: list[float], tmp_path: Path) -> None:
    flow = CASES["erf"].flow(V6, **MODES[mode])
    sol = hf.solve(flow, weights=start_of(flow), t_end=0.5, save_at=saved or None)
    path = tmp_path / "run.nc"
    sol.save(path)
    assert hf.load(path) == sol
    assert dataclasses.replace(sol, second_layer=2 * sol.second_layer) != sol


# ------------------------------------------------------------------ bad input


def test_bad_input() -> None:
    W = SCALES * W6
    for mode in MODES.values():
        flow = CASES["relu"].flow(V6, **mode)
        with pytest.raises(ValueError, match="form must be 'coordinates' where weights are free"):
            hf.solve(flow, weights=start_of(flow), t_end=1.0, form="order parameters")
    flow = CASES["relu"].flow(V6, **MODES["free"])
    zero = W.copy()
    zero[1] = 0.0
    with pytest.raises(ValueError, match=r"weights must have rows of positive norm.*in row 1"):
        hf.solve(flow, weights=zero, t_end=1.0)
    with pytest.raises(ValueError, match="student_overlaps must have a positive diagonal"):
        hf.solve(flow, overlaps=zero @ V6.T, student_overlaps=zero @ zero.T, t_end=1.0)
    smooth = hf.solve(CASES["erf"].flow(V6, **MODES["free"]), weights=zero, t_end=1.0)
    assert smooth.success
    assert np.abs(smooth.weights[1]).max() > 0.1
    with pytest.raises(ValueError, match="must be inner products of vectors"):
        hf.solve(flow, overlaps=W @ V6.T, student_overlaps=np.diag(np.diag(W @ W.T)) * 0.5, t_end=1)
    with pytest.raises(ValueError, match="weights must have rows of unit norm"):
        hf.solve(CASES["relu"].flow(V6, **MODES["sphere, a"]), weights=2 * W6, t_end=1.0)
    with pytest.raises(ValueError, match="closed form, got one with 'tanh'"):
        hf.SquaredFlow(hf.Orthonormal(k=2), hf.link("tanh"), constrained=False)
    state = np.ones((3, 3))
    with pytest.raises(ValueError, match="Q must be None where weights are free"):
        engine.rates(system(flow, 3), state[:, :2], state)
