"""Runs of the squared loss that rest, leave the origin, or start with overlaps of rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import Array, rotation, unit_rows
from scipy.integrate import solve_ivp
from squared_cases import close

import hermiteflow as hf

P = hf.Orthonormal(k=3)
FREE: dict[str, Any] = {"constrained": False}
MODES: dict[str, dict[str, Any]] = {
    "sphere": {},
    "order parameters": {},
    "sphere, a": {"train_second_layer": True},
    "free": FREE,
    "free, a": {**FREE, "train_second_layer": True},
}


def run(flow: hf.SquaredFlow, d: int, seed: int, **options: Any) -> hf.SquaredSolution:
    M, Q = hf.random_order_parameters(flow.targets, n=3, d=d, seed=seed)
    return hf.solve(flow, overlaps=M, student_overlaps=Q, **options)


# ------------------------------------------------------------------ at rest


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["relu", "erf"])
def test_rest_is_no_failure_at_any_dimension(name: str, mode: str, method: str) -> None:
    """Small overlaps make small tolerances, and at rest rounding alone is above them."""
    flow = hf.SquaredFlow(P, hf.link(name), **MODES[mode])
    form = "order parameters" if mode == "order parameters" else "coordinates"
    attempts = []
    for d in (100, 10**6, 10**12, 10**18):
        sol = run(flow, d, 1, t_end=3000.0, method=method, form=form)
        assert sol.status == hf.Status.t_end
        attempts.append(sol.steps + sol.rejected)
    assert max(attempts[1:]) < 4 * attempts[0]


def test_a_fixed_point_is_not_left_by_a_wild_step() -> None:
    """A cubic field far away has forces, and rounding of them, of any size."""
    flow = hf.SquaredFlow(P, hf.hermite(3), **FREE)
    for seed in (1, 2):
        sol = run(flow, 100, seed, t_end=9000.0, method="dop853")
        assert sol.status == hf.Status.t_end
        close(sol.loss, 0.5, 1e-9)


@pytest.mark.parametrize(
    ("link", "d", "mode"),
    [
        (hf.link("erf"), 10**18, "sphere"),
        (hf.link("erf"), 10**18, "free"),
        (hf.hermite({2: 0.3, 4: 1.0}), 10**16, "sphere"),
    ],
)
@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_small_overlaps_keep_their_digits(link: hf.Link, d: int, mode: str, method: str) -> None:
    """Neurons that still search are as exact as the tolerance says, while others have arrived."""
    flow = hf.SquaredFlow(P, link, second_layer=0.5, **MODES[mode])
    events = {"hit": hf.HittingTime([1e-3, 0.1])}
    times = [
        run(flow, d, 3, t_end=300.0, rtol=rtol, events=events, method=method).events["hit"]
        for rtol in (1e-8, 1e-11)
    ]
    assert np.isfinite(times[1]).any()
    close(times[0], times[1], 0.0, 2e-7)
    other = run(flow, d, 4, t_end=300.0, events=events).events["hit"]
    with pytest.raises(AssertionError):
        close(other, times[1], 0.0, 2e-7)


# ------------------------------------------------------------------ the origin


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853"])
def test_weights_leave_the_origin(method: str) -> None:
    flow = hf.SquaredFlow(P, hf.link("erf"), second_layer=[1.0, -0.5, 0.7], **FREE)

    def right(pace: float) -> Array:
        answer = solve_ivp(
            lambda _, y: -pace * flow.gradient(y.reshape(3, 5)).ravel(), (0.0, 2.0), np.zeros(15),
            "DOP853", rtol=1e-12, atol=1e-14,
        )  # fmt: skip
        assert answer.success
        return answer.y[:, -1].reshape(3, 5)

    sol = hf.solve(flow, weights=np.zeros((3, 5)), t_end=2.0, method=method, rtol=1e-11)
    assert sol.status == hf.Status.t_end
    assert np.abs(sol.weights).max() > 0.1
    close(sol.weights, right(1.0), 1e-10)
    with pytest.raises(AssertionError):  # time as without the 1/2 of (9)
        close(sol.weights, right(2.0), 1e-10)


# ------------------------------------------------------------------ overlaps of rounding


def test_rounding_of_weights_is_no_scale() -> None:
    """Two neurons orthogonal to all v_j, in a rotated basis: overlaps of 1e-17 mean nothing."""
    axes = rotation(12, 0)
    W = axes[3:6].copy()
    W[0] = (axes[0] + axes[7]) / 2**0.5
    flow = hf.SquaredFlow(hf.IndexVectors(axes[:3]), hf.hermite(3), **FREE)
    assert 0.0 < np.abs(flow.overlaps(W)[1:]).max() < 1e-15
    sol = hf.solve(flow, weights=W, t_end=50.0)
    assert sol.status == hf.Status.t_end
    assert sol.steps < 5000
    hf.solve(flow, weights=W, t_end=0.1, atol=1e-12)  # no warning that atol hides them
    with pytest.warns(hf.SolveWarning, match="too large for starting overlaps") as caught:
        hf.solve(flow, weights=unit_rows(3, 12, 1), t_end=0.1, atol=0.1)
    assert caught[0].filename == __file__


def test_small_overlaps_that_are_exact_set_the_tolerance() -> None:
    flow = hf.SquaredFlow(P, hf.hermite(2), second_layer=0.1)
    W = np.zeros((2, 6))
    W[0, [0, 3]], W[1, [1, 4]] = [1e-20, 1.0], [2e-20, 1.0]
    M, Q = flow.overlaps(W), flow.student_overlaps(W)
    options: dict[str, Any] = {"t_end": 300.0, "events": {"hit": hf.HittingTime(0.1)}}
    of_weights = hf.solve(flow, weights=W, **options).events["hit"]
    wanted = hf.solve(flow, overlaps=M, student_overlaps=Q, rtol=1e-12, **options).events["hit"]
    close(of_weights, wanted, 0.0, 1e-7)
    with pytest.warns(hf.SolveWarning, match="too large"):
        coarse = hf.solve(flow, weights=W, atol=1e-9, **options).events["hit"]
    with pytest.raises(AssertionError):
        close(coarse, wanted, 0.0, 1e-7)


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_converged_at_large_dimension_needs_a_small_tol(method: str) -> None:
    """Three erfs meet at a saddle and leave it after a time of order log d."""
    flow, d = hf.SquaredFlow(P, hf.link("erf")), 10**18
    events = {"still": hf.Converged(tol=1e-11)}
    sol = run(flow, d, 2, t_end=1e4, method=method, events=events)
    assert sol.status == hf.Status.converged
    assert sol.loss < 1e-12
    assert flow.hessian_of(sol.overlaps, sol.student_overlaps).kind == "minimum"
    early = run(flow, d, 2, t_end=1e4, method=method, events={"still": hf.Converged(tol=1e-7)})
    assert early.loss > 0.01
    assert flow.hessian_of(early.overlaps, early.student_overlaps, d=d).kind == "saddle"
