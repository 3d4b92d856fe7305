"""Runs of the squared loss: methods, forms and threads agree; orders; SciPy; events; failures."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from oracles import Array, rk4
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from squared_problems import KINDS, LINKS, Problem, make

from hermiteflow import _squared_engine as engine
from hermiteflow.solution import Status

ADAPTIVE = ["tsit5", "dopri5", "dop853"]
TIGHT: dict[str, Any] = {"method": "dop853", "rtol": 1e-13, "atol": 1e-15}


def both(problem: Problem, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The run in order parameters, and the one in coordinates."""
    system = problem.system
    return (
        engine.integrate(system, problem.M, problem.Q, **options),
        engine.integrate(system, problem.coordinates, **options),
    )


def parameters(problem: Problem, W: Array) -> tuple[Array, Array]:
    """M and Q of coordinates."""
    W = W @ problem.basis
    return W @ problem.V.T, W @ W.T


def scipy(problem: Problem, times: Array, **fault: float) -> Array:
    """W in R^d at the times, (T, n, d)."""
    shape = problem.W.shape

    def right(_: float, y: Array) -> Array:
        return problem.weight_rates(y.reshape(shape), **fault).ravel()

    answer = solve_ivp(
        right, (0.0, float(times[-1])), problem.W.ravel(), "DOP853", t_eval=times, rtol=1e-13,
        atol=1e-15,
    )  # fmt: skip
    assert answer.success
    return np.array([y.reshape(shape) for y in answer.y.T])


# ------------------------------------------------------------------ against others


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", KINDS)
def test_scipy_agrees_in_both_forms(kind: str, link: str) -> None:
    problem, times = make(link, kind, 5, 3), np.array([0.0, 0.3, 1.0, 2.0])
    first, second = both(problem, t_end=2.0, save_at=times, **TIGHT)
    W = scipy(problem, times)
    M = W @ problem.V.T
    bound = 1e-11 if link == "relu and erf" else 1e-12  # a kink where overlaps reach 1
    np.testing.assert_allclose(first["path"][0], M, rtol=0, atol=bound)
    np.testing.assert_allclose(first["path"][1], W @ W.transpose(0, 2, 1), rtol=0, atol=bound)
    np.testing.assert_allclose(second["path"][2] @ problem.basis, W, rtol=0, atol=bound)
    np.testing.assert_array_equal(first["path"][0][-1], first["state"][0])
    np.testing.assert_array_equal(second["path"][2][-1], second["state"][2])
    for fault in ({"sign": -1.0}, {"sign": 1.0 + 1e-9}):
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(
                first["path"][0], scipy(problem, times, **fault) @ problem.V.T, rtol=0, atol=bound
            )


@pytest.mark.parametrize("renormalize", [True, False])
@pytest.mark.parametrize("size", [(4, 4), (12, 5), (70, 6)])
@pytest.mark.parametrize("kind", KINDS)
def test_rk4_in_coordinates_is_rk4_in_all_dimensions(
    kind: str, size: tuple[int, int], renormalize: bool
) -> None:
    problem, step, count = make("mixed", kind, *size, near=0.3), 0.01, 7
    options = {"method": "rk4", "step": step, "t_end": count * step, "renormalize": renormalize}
    found = engine.integrate(problem.system, problem.coordinates, **options)
    assert (found["steps"], found["t"]) == (count, count * step)
    found = found["state"][2] @ problem.basis
    wanted = rk4(problem.weight_rates, problem.W, step, count, renormalize=renormalize)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    other = rk4(problem.weight_rates, problem.W, step * (1 + 1e-9), count, renormalize=True)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(4, 4), (8, 8), (3, 9), (20, 11)])
def test_rk4_in_order_parameters_is_that_of_numpy(size: tuple[int, int], isa: str) -> None:
    """Four and eight of each have steps of their own."""
    (n, k), step, count = size, 0.02, 9
    options: dict[str, Any] = {"method": "rk4", "step": step, "t_end": count * step}
    for kind, link in itertools.product(KINDS, LINKS):
        problem = make(link, kind, n, k, near=0.3)
        M, Q = problem.M, problem.Q

        def field(X: Array, problem: Problem = problem) -> Array:
            return np.hstack(problem.rates(X[:, :k], X[:, k:]))

        X = rk4(field, np.hstack([M, Q]), step, count)
        quick = engine.integrate(problem.system, M, Q, **options)
        watched = engine.integrate(problem.system, M, Q, tol=1e-300, **options)
        for found in (quick, watched):  # many steps at once, and step by step
            np.testing.assert_allclose(np.hstack(found["state"][:2]), X, rtol=0, atol=2e-13)
            np.testing.assert_array_equal(np.diag(found["state"][1]), np.ones(n))
            np.testing.assert_array_equal(found["state"][1], found["state"][1].T)
        other = rk4(field, np.hstack([M, Q]), step, count - 1)
        assert np.abs(other - X).max() > 1e-6


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_forms_are_one_flow(kind: str, link: str) -> None:
    for n, k in ((3, 2), (9, 12), (70, 4)):
        problem = make(link, kind, n, k)
        first, second = both(problem, t_end=0.5, **TIGHT)
        M, Q = parameters(problem, second["state"][2])
        np.testing.assert_allclose(first["state"][0], M, rtol=0, atol=1e-11)
        np.testing.assert_allclose(first["state"][1], Q, rtol=0, atol=1e-11)
        assert abs(first["loss"] - second["loss"]) < 1e-10 * (n + k) ** 2
        late, _ = both(problem, t_end=0.5 * (1 + 1e-7), **TIGHT)
        assert np.abs(late["state"][0] - M).max() > 1e-10


@pytest.mark.parametrize(("method", "order"), [("rk4", 4)])
def test_the_order_of_fixed_steps(method: str, order: int) -> None:
    problem = make("mixed", "equiangular", 4, 3)
    exact = both(problem, t_end=1.0, **TIGHT)
    errors = []
    for step in (1 / 20, 1 / 40):
        found = both(problem, method=method, step=step, t_end=1.0)
        errors.append(
            [np.abs(f["state"][i] - e["state"][i]).max() for i, f, e in
             zip((0, 2), found, exact, strict=True)]
        )  # fmt: skip
    np.testing.assert_allclose(np.log2(np.divide(errors[0], errors[1])), order, atol=0.3)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_errors_follow_the_tolerance(method: str) -> None:
    problem, t_end = make("erf", "identity", 6, 4), 2.0
    exact = both(problem, t_end=t_end, **TIGHT)
    for rtol in (1e-5, 1e-7, 1e-9):
        options = {"method": method, "rtol": rtol, "atol": 1e-2 * rtol}
        found = both(problem, t_end=t_end, **options)
        late = both(problem, t_end=t_end * (1.0 + 200.0 * rtol), **options)
        for i, f, e, other in zip((0, 2), found, exact, late, strict=True):
            assert np.abs(f["state"][i] - e["state"][i]).max() < 2 * rtol
            assert np.abs(other["state"][i] - e["state"][i]).max() > 2 * rtol


@pytest.mark.parametrize("method", [*ADAPTIVE, "rk4"])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_bit(kind: str, method: str) -> None:
    problem, times = make("mixed", kind, 75, 6, near=0.2), np.array([0.013, 0.05])
    options = {"method": method, "step": 0.01, "t_end": 0.05, "save_at": times, "rtol": 1e-6}
    alone, many = (both(problem, threads=threads, **options) for threads in (1, 3))
    for one, other in zip(alone, many, strict=True):
        for key in ("state", "path"):
            for x, y in zip(one[key], other[key], strict=True):
                np.testing.assert_array_equal(x, y)
        assert one["loss"] == other["loss"]


# ------------------------------------------------------------------ events


@pytest.mark.parametrize("method", [*ADAPTIVE, "rk4"])
@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_met_where_dense_roots_say(kind: str, method: str) -> None:
    problem, levels = make("h3", kind, 4, 3, near=0.8, seed=4), np.array([0.5, 0.7, 0.75])
    times = np.linspace(0.0, 6.0, 1201)
    answer = solve_ivp(
        lambda _, y: problem.weight_rates(y.reshape(problem.W.shape)).ravel(), (0.0, 6.0),
        problem.W.ravel(), "DOP853", dense_output=True, rtol=1e-12, atol=1e-14,
    )  # fmt: skip

    def top(t: float, i: int) -> float:
        W = answer.sol(t).reshape(problem.W.shape)
        return float(np.abs(W[i] @ problem.V.T).max())

    wanted = np.full((4, 3), np.nan)
    for i in range(4):
        tops = np.array([top(t, i) for t in times])
        for j, level in enumerate(levels):
            above = np.flatnonzero(tops >= level)
            if above.size:
                p = int(above[0])
                wanted[i, j] = 0.0 if p == 0 else brentq(
                    lambda t, i=i, level=level: top(t, i) - level, times[p - 1], times[p]
                )  # fmt: skip
    assert np.isfinite(wanted).sum() > 5
    options = {"method": method, "step": 2e-3, "rtol": 1e-10, "atol": 1e-13, "t_end": 6.0}
    for found in both(problem, levels=levels, **options):
        np.testing.assert_allclose(found["hits"], wanted, rtol=0, atol=1e-7)
    later = wanted + 1e-6
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found["hits"], later, rtol=0, atol=1e-7)


@pytest.mark.parametrize("method", [*ADAPTIVE, "rk4"])
def test_levels_of_the_loss(method: str) -> None:
    problem = make("erf", "identity", 4, 4, ones=True, seed=3)
    start = engine.rates(problem.system, problem.M, problem.Q).loss
    losses = start * np.array([2.0, 0.5, 0.2])
    options = {"method": method, "step": 0.01, "rtol": 1e-10, "atol": 1e-13, "losses": losses}
    for found in both(problem, t_end=200.0, losses_terminal=True, **options):
        assert found["status"] == Status.event
        assert found["loss_times"][0] == 0.0
        assert found["t"] == found["loss_times"][2]
        np.testing.assert_allclose(found["loss"], losses[2], rtol=1e-8)
    times = found["loss_times"][1:]
    saved, _ = both(problem, t_end=200.0, save_at=times, **TIGHT)
    np.testing.assert_allclose(saved["path_loss"], losses[1:], rtol=1e-7)
    assert np.all(np.abs(saved["path_loss"] / (1.0001 * losses[1:]) - 1.0) > 1e-7)


def test_a_run_stops_at_the_last_neurons_last_level() -> None:
    problem = make("h3", "identity", 3, 3, near=1.5, seed=2, ones=True)
    levels = np.array([0.8, 0.9])
    for found in both(problem, t_end=50.0, levels=levels, levels_terminal=True, save_at=levels):
        if found["status"] == Status.event:
            assert np.isfinite(found["hits"]).all()
            assert found["t"] == np.max(found["hits"])
    one = make("h3", "identity", 1, 1, near=0.5)
    found, moved = both(one, t_end=50.0, levels=levels, levels_terminal=True, rtol=1e-11)
    assert found["status"] == moved["status"] == Status.event
    assert found["t"] == found["hits"][0, 1]
    np.testing.assert_allclose(abs(found["state"][0]), 0.9, rtol=1e-9)
    np.testing.assert_allclose(abs(moved["state"][2][0, 0]), 0.9, rtol=1e-9)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_convergence_stops_where_all_gradients_are_small(method: str) -> None:
    problem, tol = make("erf", "identity", 3, 3, ones=True, near=2.0, seed=1), 1e-5
    for found in both(problem, method=method, rtol=1e-12, atol=1e-14, t_end=np.inf, tol=tol):
        assert found["status"] == Status.converged
        assert found["t"] == found["converged"]
        assert 0.99 < largest_share(found) / tol < 1.01
    again, _ = both(problem, t_end=0.9 * found["t"], **TIGHT)
    assert largest_share(again) > 1.2 * tol


def largest_share(found: dict[str, Any]) -> float:
    """Largest |grad_i| / |F_i|, F_i = sum_j D_ij v_j - sum_l C_il w_l; for erf and a = b = 1."""
    M, Q, W, _ = found["state"]
    if W.size:
        M, Q = W[:, :3], W @ W.T
    slope = [2 / (np.pi * np.sqrt(4 - u * u)) for u in (M, Q)]
    np.fill_diagonal(slope[1], 0.0)
    rho = (slope[0] * M).sum(axis=1) - (slope[1] * Q).sum(axis=1)
    norms = found["gradient_norms"]
    return float(np.max(norms / np.sqrt(norms**2 + rho**2)))


def test_neurons_that_still_search_have_not_converged() -> None:
    """Near the start all gradients are tiny, and so are all forces."""
    problem = make("h3", "identity", 3, 3)
    rng = np.random.default_rng(0)
    W = np.zeros((3, 6))
    W[:, 3:] = np.eye(3)
    W[:, :3] = 1e-6 * rng.uniform(0.5, 1.0, (3, 3))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    found = engine.integrate(problem.system, W, t_end=1.0, tol=1e-3, atol=1e-20)
    assert found["gradient_norms"].max() < 1e-10
    assert found["status"] == Status.t_end
    assert np.isnan(found["converged"])


def test_what_lies_behind_the_end_is_not_told() -> None:
    problem = make("erf", "identity", 4, 4)
    for found in both(problem, t_end=0.5, save_at=np.array([0.0, 0.5, 0.7])):
        path = found["path"][0 if found["path"][0].size else 2]
        assert np.isfinite(path[:2]).all()
        assert np.isnan(path[2]).all()
        assert np.isnan(found["path_loss"][2])
        assert found["status"] == Status.t_end


# ------------------------------------------------------------------ failures


def test_too_few_steps_and_a_field_that_overflows() -> None:
    problem = make("erf", "identity", 4, 4)
    for found in both(problem, t_end=100.0, max_steps=3):
        assert found["status"] == Status.max_steps
        assert found["steps"] + found["rejected"] == 3
    huge = make("h3", "identity", 4, 4)
    huge.system.second_layer[:] = 1e200
    for method in ("tsit5", "rk4"):
        for found in both(huge, t_end=1.0, method=method, step=0.1):
            assert found["status"] in (Status.non_finite, Status.step_too_small)


@pytest.mark.parametrize("n", [6, 80])
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_a_run_can_be_stopped(method: str, n: int) -> None:
    seen = []

    def report(done: int) -> None:
        seen.append(done)
        raise RuntimeError("enough")

    problem = make("erf", "identity", n, 4)
    for state in ((problem.M, problem.Q), (problem.coordinates,)):
        with pytest.raises(RuntimeError, match="enough"):
            engine.integrate(
                problem.system, *state, method=method, step=1e-7, t_end=1e6, rtol=1e-13,
                atol=1e-16, max_steps=10**12, progress=report,
            )  # fmt: skip
    assert len(seen) == 2
    assert max(seen) > 0
