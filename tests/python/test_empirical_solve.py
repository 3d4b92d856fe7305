"""`solve` on a stored sample: against SciPy, events, saved times, ends, and the population flow."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from empirical_cases import CASES, fast_gradient
from scipy.integrate import solve_ivp

import hermiteflow as hf

T2 = hf.Orthonormal(k=2)
A = np.array([1.0, -0.7, 0.4])
D = 6
LOSSES = [("correlation", True), ("squared", True), ("squared", False)]


def sample(N: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, D))


def flow_of(which: str = "squared", constrained: bool = True, **options: Any) -> hf.EmpiricalFlow:
    return hf.EmpiricalFlow(
        options.pop("targets", T2), hf.link("tanh"), options.pop("X", sample()), loss=which,
        constrained=constrained, **options,
    )  # fmt: skip


def starts(n: int = 3, constrained: bool = True) -> np.ndarray:
    W = hf.random_weights(n=n, d=D, seed=4)
    return W if constrained else W * np.linspace(0.5, 1.5, n)[:, None]


def by_scipy(
    flow: hf.EmpiricalFlow, W: np.ndarray, t: float, scale: float = 1.0, times: Any = None
) -> np.ndarray:
    """W at t, or at `times`, by another integrator from NumPy's gradient."""
    case, a = CASES["tanh"], flow.layer(len(W))

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        rows = y.reshape(W.shape)
        if flow.constrained:
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        slope = fast_gradient(case, flow.X, flow.labels, rows, a, flow.loss_name, flow.constrained)
        return -scale * slope.ravel()

    sol = solve_ivp(rhs, (0.0, t), W.ravel(), method="DOP853", rtol=1e-12, atol=1e-14,
                    t_eval=times)  # fmt: skip
    rows = sol.y.T.reshape(-1, *W.shape)
    if flow.constrained:
        rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    return rows if times is not None else rows[-1]


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853", "rk4"])
@pytest.mark.parametrize(("which", "constrained"), LOSSES)
def test_weights_are_those_of_another_integrator(
    which: str, constrained: bool, method: str
) -> None:
    flow, W = flow_of(which, constrained, second_layer=A), starts(constrained=constrained)
    options: dict[str, Any] = {"step": 0.01} if method == "rk4" else {"rtol": 1e-11}
    sol = hf.solve(flow, weights=W, t_end=3.0, method=method, **options)
    wanted = by_scipy(flow, W, 3.0)
    assert isinstance(sol, hf.EmpiricalSolution)
    np.testing.assert_allclose(sol.weights, wanted, rtol=0, atol=5e-9)
    np.testing.assert_allclose(sol.overlaps, wanted[:, :2], rtol=0, atol=5e-9)
    np.testing.assert_allclose(sol.student_overlaps, wanted @ wanted.T, rtol=0, atol=2e-8)
    assert sol.loss == pytest.approx(flow.loss(wanted), abs=1e-8)
    np.testing.assert_allclose(
        sol.gradient_norms, np.linalg.norm(flow.gradient(wanted), axis=1), rtol=0, atol=1e-7
    )
    with pytest.raises(AssertionError):  # the twin: another time unit
        np.testing.assert_allclose(sol.weights, by_scipy(flow, W, 3.0, 1.02), rtol=0, atol=5e-9)


def test_rk4_off_the_sphere() -> None:
    """`renormalize=False` leaves what RK4 of the field itself makes of |w|."""
    flow, W = flow_of(), starts()
    sol = hf.solve(flow, weights=W, t_end=0.5, method="rk4", step=0.05, renormalize=False)
    rows, case = W, CASES["tanh"]
    for _ in range(10):
        stages: list[np.ndarray] = []
        for weight in (0.0, 0.5, 0.5, 1.0):
            at = rows + (0.05 * weight * stages[-1] if stages else 0.0)
            stages.append(-fast_gradient(case, flow.X, flow.labels, at, np.ones(3), "squared"))
        rows = rows + 0.05 / 6 * (stages[0] + 2 * stages[1] + 2 * stages[2] + stages[3])
    np.testing.assert_allclose(sol.weights, rows, rtol=0, atol=1e-13)
    on = hf.solve(flow, weights=W, t_end=0.5, method="rk4", step=0.05)
    assert np.max(np.abs(on.weights - rows)) > 1e-12  # the twin: put back on the sphere


V = np.random.default_rng(8).standard_normal((3, D))
V /= np.linalg.norm(V, axis=1, keepdims=True)


@pytest.mark.parametrize("which", ["correlation", "squared"])
@pytest.mark.parametrize(
    "targets", [T2, hf.Equiangular(k=3, beta=0.3), hf.IndexVectors(V)], ids=["I", "beta", "V"]
)
def test_saved_times_and_hits(targets: hf.Targets, which: str) -> None:
    """Index vectors in any position: overlaps, Q and losses on the way, and first times."""
    flow, W = flow_of(which, targets=targets), starts()
    times, levels = np.linspace(0.0, 4.0, 9), [0.5, 0.6, 0.7]
    sol = hf.solve(flow, weights=W, t_end=4.0, rtol=1e-11, save_at=times,
                   events={"hit": hf.HittingTime(levels)})  # fmt: skip
    path = by_scipy(flow, W, 4.0, times=times)
    vectors = targets.vectors(D)
    np.testing.assert_allclose(sol.trajectory, path @ vectors.T, rtol=0, atol=2e-8)
    Q = path @ np.swapaxes(path, 1, 2)
    np.testing.assert_allclose(sol.student_trajectory, Q, rtol=0, atol=2e-8)
    np.testing.assert_allclose(sol.losses, [flow.loss(rows) for rows in path], rtol=0, atol=2e-8)
    fine = np.linspace(0.0, 4.0, 4001)
    top = np.abs(by_scipy(flow, W, 4.0, times=fine) @ vectors.T).max(axis=2)
    found = sol.events["hit"]
    assert np.isfinite(found).any()
    for neuron, column in np.ndindex(found.shape):
        above = np.flatnonzero(top[:, neuron] >= levels[column])
        if above.size == 0:
            assert np.isnan(found[neuron, column])
        else:
            assert fine[max(above[0] - 1, 0)] <= found[neuron, column] <= fine[above[0]]
    if targets is not T2:  # the twin: index vectors along the axes
        assert not np.allclose(sol.trajectory, path[:, :, : targets.k], rtol=0, atol=2e-8)


def test_loss_levels_and_terminal_events() -> None:
    flow, W = flow_of(), starts(2)
    whole = hf.solve(flow, weights=W, t_end=40.0, rtol=1e-10, save_at=np.linspace(0, 40, 401))
    level = 0.3 * float(whole.losses[0])
    sol = hf.solve(flow, weights=W, t_end=40.0, rtol=1e-10,
                   events={"low": hf.LossLevel(level, terminal=True)})  # fmt: skip
    assert sol.status is hf.Status.event
    assert sol.t_final == sol.events["low"]
    assert sol.loss == pytest.approx(level, rel=1e-9)
    place = int(np.argmax(whole.losses <= level))
    assert whole.times[place - 1] <= sol.t_final <= whole.times[place]
    hit = hf.solve(
        flow, weights=W[:1], t_end=40.0, events={"m": hf.HittingTime(0.7, terminal=True)}
    )
    assert np.max(np.abs(hit.overlaps)) == pytest.approx(0.7, abs=1e-7)


@pytest.mark.parametrize(("which", "constrained"), LOSSES)
def test_converged(which: str, constrained: bool) -> None:
    """At a rest point; for the squared loss at the teacher, where all forces cancel."""
    targets = hf.Orthonormal(k=1)
    flow = flow_of(which, constrained, targets=targets)
    W = starts(1, constrained)
    sol = hf.solve(flow, weights=W, t_end=1e4, rtol=1e-10, events={"still": hf.Converged(1e-8)})
    assert sol.status is hf.Status.converged
    assert sol.t_final == sol.events["still"] < 1e3
    assert sol.gradient_norms[0] < 1e-7
    if which == "squared":
        np.testing.assert_allclose(sol.weights, [[1.0, 0, 0, 0, 0, 0]], rtol=0, atol=1e-5)
        assert sol.loss < 1e-12
    else:  # the twin: the sample's own rest point is not the teacher
        assert np.linalg.norm(sol.weights - np.eye(1, D)) > 1e-3


def force(flow: hf.EmpiricalFlow, W: np.ndarray, own: float = 1.0) -> np.ndarray:
    """What `Converged` holds gradients against, by its definition: norms (n,)."""
    case, a = CASES["tanh"], flow.layer(len(W))
    u = flow.X @ W.T
    value, slope, y = case.value(u), case.slope(u), flow.labels[:, None]
    pull = (a * y * slope).T @ flow.X / len(u)
    if flow.loss_name == "correlation":
        return np.linalg.norm(pull, axis=1)
    push = (a * (value @ a)[:, None] * slope).T @ flow.X / len(u)
    if not flow.constrained:
        return np.linalg.norm(pull, axis=1) + np.linalg.norm(push, axis=1)
    along = own * np.mean(a**2 * value * slope * u, axis=0)
    return np.linalg.norm(pull - push + along[:, None] * W, axis=1)


@pytest.mark.parametrize(("which", "constrained"), LOSSES)
def test_what_gradients_are_held_against(which: str, constrained: bool) -> None:
    flow, W = flow_of(which, constrained, second_layer=A), starts(constrained=constrained)
    still = {"still": hf.Converged(1e-2)}
    sol = hf.solve(flow, weights=W, t_end=1e4, rtol=1e-10, events=still)
    assert sol.status is hf.Status.converged
    end = sol.weights
    assert end is not None

    def worst(own: float = 1.0) -> float:
        return float(np.max(np.linalg.norm(flow.gradient(end), axis=1) / force(flow, end, own)))

    # the place within the last step is found to two digits
    assert worst() == pytest.approx(1e-2, rel=0.02)
    if which == "squared" and constrained:  # the twin: with the neuron's push on itself
        assert worst(own=0.0) != pytest.approx(1e-2, rel=0.02)


def test_convergence_of_free_weights_is_that_of_the_population() -> None:
    """The same tolerance stops at about the same time."""
    X = np.random.default_rng(1).standard_normal((100_000, D))
    link, targets = hf.link("erf"), hf.Orthonormal(k=1)
    W = np.array([[0.42, 0.56, 0.0, 0.0, 0.0, 0.0]])
    options: dict[str, Any] = {"t_end": 1e3, "rtol": 1e-6}
    options["events"] = {"still": hf.Converged(1e-2)}
    population = hf.SquaredFlow(targets, link, constrained=False)
    exact = hf.solve(population, weights=W, **options).t_final
    flow = hf.EmpiricalFlow(targets, link, X, loss="squared", constrained=False)
    assert hf.solve(flow, weights=W, **options).t_final == pytest.approx(exact, rel=0.03)
    options["events"] = {"still": hf.Converged(5e-3)}  # the twin: a force twice as large
    assert hf.solve(flow, weights=W, **options).t_final != pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("which", ["correlation", "squared"])
def test_follows_the_population_flow(which: str) -> None:
    """Time unit and all: at N = 1e5 the overlaps are near those of the population flow."""
    X = np.random.default_rng(1).standard_normal((100_000, D))
    W, times = starts(2), [0.5, 1.0, 2.0]
    kind = hf.CorrelationFlow if which == "correlation" else hf.SquaredFlow
    exact = hf.solve(kind(T2, hf.link("erf")), weights=W, t_end=2.0, save_at=times).trajectory
    if which == "correlation":
        exact = np.swapaxes(exact, 0, 1)  # one path a neuron there
    flow = hf.EmpiricalFlow(T2, hf.link("erf"), X, loss=which)
    found = hf.solve(flow, weights=W, t_end=2.0, save_at=times).trajectory
    assert np.max(np.abs(found - exact)) < 0.01
    wrong = hf.solve(flow, weights=W, t_end=2.2, save_at=np.multiply(times, 1.1)).trajectory
    assert np.max(np.abs(wrong - exact)) > 0.01  # the twin: another time unit


def test_labels_that_are_given() -> None:
    """Labels of another teacher: found by the squared loss, and overlaps are with the targets."""
    X, hidden = sample(4000), np.eye(1, D, k=4)
    y = np.tanh(X @ hidden[0])
    flow = flow_of(X=X, y=y)
    sol = hf.solve(flow, weights=[[0.0, 0.0, 0.0, 0.6, 0.8, 0.0]], t_end=200.0)
    np.testing.assert_allclose(sol.weights, hidden, rtol=0, atol=1e-6)
    np.testing.assert_allclose(sol.overlaps, 0.0, atol=1e-6)
    assert np.array_equal(flow.labels, y)


def test_threads_do_not_matter() -> None:
    X, W = sample(20_000), starts(8)
    flow = flow_of(X=X)
    options: dict[str, Any] = {"t_end": 1.0, "save_at": [0.5], "rtol": 1e-6}
    first, second = (hf.solve(flow, weights=W, n_threads=n, **options) for n in (1, 2))
    assert first == second
    assert first != hf.solve(flow, weights=W, **{**options, "rtol": 1e-7})  # the twin


def test_shown_and_pickled() -> None:
    flow = flow_of()
    sol = hf.solve(flow, weights=starts(2), t_end=1.0, events={"low": hf.LossLevel(1e-3)})
    assert repr(sol).startswith("EmpiricalSolution of 2 neurons, k = 2, by tsit5 in R^d\n")
    assert "N = 400, d = 6, loss 'squared'" in repr(sol)
    assert "EmpiricalFlow on the sphere, L = (1/2N) sum (f - y)^2" in repr(flow)
    assert "N = 400, d = 6, float64" in flow._repr_html_()
    again = pickle.loads(pickle.dumps(sol))
    assert again == sol
    assert hash(again) == hash(sol)
    assert again.flow == flow
    assert again.flow != flow_of(X=sample(seed=1))
    assert flow != flow_of("correlation")


def test_a_flow_that_blows_up_ends_with_a_status() -> None:
    """Free weights under a step of RK4 far too long."""
    flow = hf.EmpiricalFlow(T2, hf.hermite(3), sample(), loss="squared", constrained=False)
    with pytest.warns(hf.SolveWarning, match="non_finite"):
        sol = hf.solve(flow, weights=3.0 * starts(), t_end=100.0, method="rk4", step=1.0)
    assert sol.status is hf.Status.non_finite
    with pytest.warns(hf.SolveWarning, match="max_steps"):
        assert hf.solve(flow, weights=starts(), t_end=100.0, max_steps=2).steps <= 2
