"""Levels above 1, losses that a series does not give, progress on stderr: `solve`, squared loss."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import Array, unit_rows
from squared_cases import close

import hermiteflow as hf
from hermiteflow import _squared_solve

TWO = hf.Orthonormal(k=2)


# ------------------------------------------------------------------ levels of overlaps


def relu_of_weight(b: float, **options: Any) -> hf.SquaredFlow:
    return hf.SquaredFlow(
        hf.Orthonormal(k=1), hf.link("relu"), target_weights=[b], constrained=False, **options
    )


def times_of_one_relu(start: float, b: float, levels: Array, pace: float = 0.5) -> Array:
    """w = c v: L = (c - b)^2 / 4, so dc/dt = (b - c) / 2."""
    return np.log((b - start) / (b - levels)) / pace


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853", "rk4"])
def test_levels_above_one_are_met_in_time(method: str) -> None:
    levels, start, b = np.array([0.5, 1.0, 1.7, 2.9]), 0.2, 3.0
    options: dict[str, Any] = {"step": 0.002} if method == "rk4" else {"rtol": 1e-10}
    events = {"up": hf.HittingTime(levels)}
    sol = hf.solve(
        relu_of_weight(b), weights=[[start, 0.0]], t_end=20.0, method=method, events=events,
        **options,
    )  # fmt: skip
    close(sol.events["up"][0], times_of_one_relu(start, b, levels), 1e-8)
    with pytest.raises(AssertionError):  # time as without the 1/2 of (9)
        close(sol.events["up"][0], times_of_one_relu(start, b, levels, pace=1.0), 1e-8)
    never = hf.HittingTime(3.5)
    assert np.isnan(
        hf.solve(relu_of_weight(b), weights=[[start, 0.0]], t_end=20.0, events={"up": never})
        .events["up"]
    ).all()  # fmt: skip


def test_a_run_ends_at_a_level_above_one(tmp_path: Path) -> None:
    flow = relu_of_weight(3.0)
    stop = {"up": hf.HittingTime([0.9, 1.8], terminal=True)}
    sol = hf.solve(flow, weights=[[0.2, 0.0], [0.1, 0.0]], t_end=50.0, events=stop)
    assert sol.status == hf.Status.t_end  # two of them share b = 3
    sol = hf.solve(flow, weights=[[0.2, 0.0]], t_end=50.0, events=stop, rtol=1e-10)
    assert sol.status == hf.Status.event
    close(sol.t_final, times_of_one_relu(0.2, 3.0, np.array(1.8)), 1e-8)
    close(sol.overlaps, [[1.8]], 1e-8)
    assert hf.load(sol.save(tmp_path / "run.nc")) == sol
    high = hf.solve(flow, weights=[[2.0, 0.0]], t_end=1.0, events=stop)
    assert (high.t_final, high.status) == (0.0, hf.Status.event)


def test_levels_above_one_are_refused_on_the_sphere() -> None:
    events = {"up": hf.HittingTime([0.5, 1.5])}
    words = r"events\['up'\] must have levels of at most 1 .* got \(0.5, 1.5\)"
    W = unit_rows(2, 4, 1)
    for trained in (False, True):
        flow = hf.SquaredFlow(TWO, hf.link("relu"), train_second_layer=trained)
        with pytest.raises(ValueError, match=words):
            hf.solve(flow, weights=W, t_end=1.0, events=events)
    plain = hf.CorrelationFlow(TWO, hf.hermite(3))
    with pytest.raises(ValueError, match=words):
        hf.solve(plain, weights=W, events=events)
    with pytest.raises(ValueError, match=words):
        hf.solve_ensemble(plain, n=3, d=10, seed=0, events=events)
    with pytest.raises(ValueError, match="level must be positive"):
        hf.HittingTime([0.0, 1.5])
    with pytest.raises(ValueError, match="level must be finite"):
        hf.HittingTime(np.inf)


# ------------------------------------------------------------------ losses that are not known


def test_a_loss_that_the_series_does_not_give_is_nan(tmp_path: Path) -> None:
    """A jump meets a polynomial exactly, but not itself: the flow is right, the loss unknown."""
    jump = hf.link(lambda x: np.where(x > 1.0, 1.0, 0.0))
    flow = hf.SquaredFlow(TWO, jump, student=hf.hermite({1: 1.0, 2: 0.5}))
    W = unit_rows(3, 5, 1)
    with pytest.raises(ValueError, match=r"link must .* psi_tt"):
        flow.loss(W)
    sol = hf.solve(flow, weights=W, t_end=1.0, save_at=[0.5], rtol=1e-10)
    assert sol.success
    assert math.isnan(sol.loss)
    assert np.isnan(sol.losses).all()
    # the series of the jump is as good to this student
    series = hf.SquaredFlow(
        TWO, hf.hermite({1: jump.series[1], 2: jump.series[2]}), student=flow.student
    )
    close(sol.weights, hf.solve(series, weights=W, t_end=1.0, rtol=1e-10).weights, 1e-9)
    assert hf.load(sol.save(tmp_path / "run.nc")) == sol
    with pytest.raises(ValueError, match=r"link must .* psi_tt"):
        hf.solve(flow, weights=W, t_end=1.0, events={"low": hf.LossLevel(0.1)})
    with pytest.raises(ValueError, match=r"link must .* psi_tt"):
        hf.squared_minima(flow, 2, starts=2)


# ------------------------------------------------------------------ progress, large numbers


def test_progress_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    steps = _squared_solve._Steps(True, 10)
    assert steps.callback is not None
    steps.callback(3)
    steps.callback(7)
    steps.close()
    assert capsys.readouterr().err == "\r3 steps\r7 steps\n"
    quiet = _squared_solve._Steps(True, 10)
    quiet.close()
    assert capsys.readouterr().err == ""
    assert _squared_solve._Steps(False, 10).callback is None
    with pytest.raises(TypeError, match="progress must be True or False"):
        _squared_solve._Steps("yes", 10)  # type: ignore[arg-type]


def test_weights_near_overflow_are_refused() -> None:
    for size in (1e200, 1e151):
        with pytest.raises(ValueError, match=r"weights must have rows of norm at most 1e\+150"):
            hf.solve(relu_of_weight(1.0), weights=[[1.0, 0.0], [size, 0.0]], t_end=1.0)
    with pytest.raises(ValueError, match="weights must be finite"):
        hf.solve(relu_of_weight(1.0), weights=[[np.inf, 0.0]], t_end=1.0)


# ------------------------------------------------------------------ what Converged compares


@pytest.mark.parametrize("constrained", [True, False])
def test_converged_compares_gradient_and_force_of_both_layers(constrained: bool) -> None:
    """docs/squared: squares of dL/da, and of its two sums' sizes together, are added."""
    flow = hf.SquaredFlow(
        TWO, hf.link("erf"), second_layer=[0.6, 1.3], constrained=constrained,
        train_second_layer=True,
    )  # fmt: skip
    W, tol = unit_rows(2, 5, 8), 3e-3
    sol = hf.solve(flow, weights=W, t_end=1e4, rtol=1e-10, events={"still": hf.Converged(tol=tol)})
    assert sol.status == hf.Status.converged
    assert sol.t_final > 0.0
    W, a, b = sol.weights, sol.second_layer, flow.target_weights
    M, Q, V = sol.overlaps, sol.student_overlaps, TWO.vectors(5)
    teacher, students = flow._values(M, Q)
    D, C, _ = flow._pull(M, Q, a)
    if constrained:
        force2 = np.sum((D @ V - C @ W) ** 2, axis=1)
    else:
        norms, (first, second) = np.diag(Q), flow._correlators
        own = 2 * a * (first(norms[:, None], M, 1.0).d11 @ b)
        among = 2 * a * (second(norms[:, None], Q, norms).d11 @ a)
        pull, push = D @ V + own[:, None] * W, C @ W + among[:, None] * W
        force2 = (np.linalg.norm(pull, axis=1) + np.linalg.norm(push, axis=1)) ** 2
    moved2 = np.sum(flow.gradient(W, a) ** 2, axis=1) + flow.field(M, Q, a)[2] ** 2
    layer2 = (np.abs(teacher @ b) + np.abs(students @ a)) ** 2
    # the time is located to a hundredth of the speed
    close(np.sqrt(np.max(moved2 / (force2 + layer2))), tol, 0.0, 0.02)
    with pytest.raises(AssertionError):  # without the layer's force
        close(np.sqrt(np.max(moved2 / force2)), tol, 0.0, 0.02)
