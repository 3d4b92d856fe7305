"""The adaptive method: accuracy, events, statuses, batches."""

from __future__ import annotations

import math
import pickle
import warnings

import hermiteflow as hf
import numpy as np
import pytest
from oracles import Array, dop853, gram_vectors, hermite_coefficients, series, unit_rows

TIGHT = {"rtol": 1e-13, "atol": 1e-17}
MIXED = hf.hermite({2: 0.4, 3: 1.0, 4: 0.5})


def pure(p: int, k: int = 4, **options: object) -> hf.CorrelationFlow:
    return hf.CorrelationFlow(hf.Orthonormal(k=k), hf.hermite(p), **options)


def exact(p: int, m0: Array, t: Array | float, c: Array | float = 1.0) -> Array:
    """(7) for each row: (n, k), or (n, T, k)."""
    return np.array([hf.exact.orthonormal(p, c, row, t) for row in m0])


def close(first: Array, second: Array, atol: float = 1e-10) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=atol)


# ------------------------------------------------------------------ against exact solutions


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853"])
@pytest.mark.parametrize("p", [2, 3, 4, 5])
def test_the_exact_solution_is_met(p: int, method: str) -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=4), n=16, d=40, seed=p)
    escapes = np.array([hf.exact.orthonormal_hitting_time(p, 1.0, row, 0.5) for row in m0])
    median = float(np.median(escapes[np.isfinite(escapes)]))
    for t_end in median * np.array([0.1, 0.7, 1.0, 1.3]):
        sol = hf.solve(pure(p), overlaps=m0, t_end=t_end, method=method, **TIGHT)
        reference = exact(p, m0, t_end)
        assert np.all(sol.t_final == t_end)
        close(sol.overlaps, reference)
        faults = [exact(p, m0, t_end, c=-1.0), exact(p, m0, t_end, c=2.0)]
        for fault in faults:
            with pytest.raises(AssertionError):
                close(sol.overlaps, fault)


@pytest.mark.parametrize("p", [2, 3, 4, 5])
def test_trajectories_follow_the_exact_solution(p: int) -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=8, d=30, seed=20 + p)
    escapes = np.array([hf.exact.orthonormal_hitting_time(p, 1.0, row, 0.4) for row in m0])
    t = np.linspace(0.0, 1.2 * float(np.median(escapes[np.isfinite(escapes)])), 23)
    sol = hf.solve(pure(p, k=3), overlaps=m0, t_end=t[-1], save_at=t, rtol=1e-11, atol=1e-15)
    assert sol.trajectory.shape == (8, 23, 3)
    np.testing.assert_array_equal(sol.times, t)
    close(sol.trajectory, exact(p, m0, t), 1e-8)
    close(sol.trajectory[:, 0], m0, 1e-16)
    close(sol.trajectory[:, -1], sol.overlaps, 1e-12)
    with pytest.raises(AssertionError):  # saved one step too late
        close(sol.trajectory[:, 1:], exact(p, m0, t[:-1]), 1e-8)


def test_second_layers_and_target_weights_enter_the_exact_solution() -> None:
    a, b = np.array([1.0, 2.0, -1.0, 0.0]), np.array([1.0, 0.5, 2.0])
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=4, d=20, seed=3)
    flow = pure(4, k=3, second_layer=a, target_weights=b)
    sol = hf.solve(flow, overlaps=m0, t_end=1.5, **TIGHT)
    rows = [
        hf.exact.orthonormal(4, weight * b, row, 1.5) for weight, row in zip(a, m0, strict=True)
    ]
    close(sol.overlaps, np.array(rows))
    with pytest.raises(AssertionError):
        close(sol.overlaps, exact(4, m0, 1.5, c=b))
    with pytest.raises(AssertionError):
        close(sol.overlaps, np.array([hf.exact.orthonormal(4, w, row, 1.5)
                                      for w, row in zip(a, m0, strict=True)]))  # fmt: skip


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8, 1e-10])
def test_the_error_follows_the_tolerance(rtol: float) -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=4), n=16, d=100, seed=8)
    sol = hf.solve(pure(4), overlaps=m0, t_end=5.0, rtol=rtol)
    error = np.abs(sol.overlaps - exact(4, m0, 5.0)).max()
    assert error < 1e3 * rtol
    tighter = hf.solve(pure(4), overlaps=m0, t_end=5.0, rtol=rtol / 100)
    assert np.abs(tighter.overlaps - exact(4, m0, 5.0)).max() < error / 10
    assert tighter.steps.sum() > 1.3 * sol.steps.sum()


# ------------------------------------------------------------------ against SciPy


GRAMS = {
    "equiangular": 0.8 * np.eye(4) + 0.2,
    "general": unit_rows(4, 6, 3) @ unit_rows(4, 6, 3).T,
    "k > d": unit_rows(5, 3, 4) @ unit_rows(5, 3, 4).T,
}


@pytest.mark.parametrize("name", GRAMS)
def test_scipy_agrees(name: str) -> None:
    G = GRAMS[name]
    k, d = len(G), 3 if name == "k > d" else 12
    student = hf.polynomial([0.1, 0.4, 0.3, 0.5])
    slope = series(hermite_coefficients(MIXED, 8) * hermite_coefficients(student, 8), 1)
    a, b = np.array([1.0, 0.7, -0.5, 1.5]), np.linspace(0.6, 1.2, k)
    V, W = gram_vectors(G, d, 5), unit_rows(4, d, 6)
    flow = hf.CorrelationFlow(
        hf.IndexVectors(V), MIXED, student=student, second_layer=a, target_weights=b
    )
    t = np.array([0.0, 0.5, 1.0, 2.0])
    reference = dop853(W @ V.T, G, slope, a, b, t=t)
    for start in ({"overlaps": W @ V.T}, {"weights": W}):
        sol = hf.solve(flow, t_end=2.0, **start, **TIGHT)
        close(sol.overlaps, reference[:, -1])
        if "weights" in start:
            close(np.linalg.norm(sol.weights, axis=1), 1.0, 1e-10)
            close(sol.weights @ V.T, reference[:, -1])
    for fault in (
        dop853(W @ V.T, np.eye(k), slope, a, b, t=t),  # missing G
        dop853(W @ V.T, G, slope, np.abs(a), b, t=t),
        dop853(W @ V.T, G, slope, a, b, t=2 * t),
    ):
        with pytest.raises(AssertionError):
            close(sol.overlaps, fault[:, -1])


# ------------------------------------------------------------------ events


def test_hitting_times() -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=2), n=24, d=60, seed=1)
    levels = [0.1, 0.5, 0.9, 0.999]
    for p in (3, 4):
        sol = hf.solve(
            pure(p, k=2), overlaps=m0, t_end=60.0, rtol=1e-11, atol=1e-15,
            events={"rise": hf.HittingTime(levels), "half": hf.HittingTime(0.5)},
        )  # fmt: skip
        assert sol.events["rise"].shape == (24, 4)
        assert sol.events["half"].shape == (24,)
        times = np.array([[hf.exact.orthonormal_hitting_time(p, 1.0, row, x) for x in levels]
                          for row in m0])  # fmt: skip
        times[times > 60.0] = math.nan
        assert 0 < np.isnan(times).sum() < times.size  # trapped, or too slow

        def same(found: Array, reference: Array) -> None:
            np.testing.assert_allclose(found, reference, rtol=1e-8, atol=0)

        same(sol.events["rise"], times)
        same(sol.events["half"], times[:, 1])
        for fault in (2 * times, times[:, ::-1], np.nan_to_num(times)):
            with pytest.raises(AssertionError):
                same(sol.events["rise"], fault)


def test_terminal_events_stop_each_neuron_on_its_own() -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=12, d=50, seed=2)
    events = {"half": hf.HittingTime(0.5, terminal=True)}
    sol = hf.solve(pure(4, k=3), overlaps=m0, events=events, save_at=np.linspace(0, 40, 81))
    assert np.all(sol.status == hf.Status.event)
    np.testing.assert_array_equal(sol.t_final, sol.events["half"])
    close(np.abs(sol.overlaps).max(axis=1), np.full(12, 0.5), 1e-6)
    for i in range(12):
        after = sol.times > sol.t_final[i]
        assert np.all(np.isnan(sol.trajectory[i][after]))
        assert np.all(np.isfinite(sol.trajectory[i][~after]))
    at_once = hf.solve(pure(4, k=3), overlaps=[[0.6, 0.0, 0.0]], events=events)
    assert at_once.events["half"][0] == 0.0
    assert at_once.t_final[0] == 0.0
    np.testing.assert_array_equal(at_once.overlaps, [[0.6, 0.0, 0.0]])


@pytest.mark.parametrize("d", [100, 10**6, 10**12, 10**18])
@pytest.mark.parametrize("p", [3, 4])
def test_the_plateau_is_never_convergence(p: int, d: int) -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=5), n=40, d=d, seed=4)
    m0 = m0[m0.max(axis=1) > 0] if p % 2 else m0
    sol = hf.solve(pure(p, k=5), overlaps=m0)
    assert np.all(sol.status == hf.Status.converged)
    assert np.all(sol.success)
    nearest = np.argmax(np.abs(m0) if p % 2 == 0 else m0, axis=1)

    def found(index: Array) -> None:
        np.testing.assert_array_equal(sol.index, index)
        size = np.abs(sol.overlaps[np.arange(len(m0)), index])
        close(size, np.ones(len(m0)), 1e-5)

    found(nearest)
    with pytest.raises(AssertionError):
        found((nearest + 1) % 5)
    escape = [hf.exact.orthonormal_hitting_time(p, 1.0, row, 0.99) for row in m0]
    assert np.all(sol.t_final > (1 - 1e-6) * np.array(escape))


@pytest.mark.parametrize("p", [3, 4, 5])
def test_a_saddle_is_never_convergence(p: int) -> None:
    """Two equal overlaps lead into a saddle; a difference of 1e-9 leads past it."""
    flow = pure(p, k=3)
    tie = np.array([[0.2, 0.2, 0.05], [0.2, 0.2, 0.2]])
    stuck = hf.solve(flow, overlaps=tie, t_end=60.0)
    assert np.all(stuck.status == hf.Status.t_end)
    assert np.all(stuck.index == -1)
    saddles = np.array([[1, 1, 0], np.ones(3)]) / np.sqrt([[2], [3]])
    close(stuck.overlaps, saddles, 1e-6)
    with pytest.warns(hf.SolveWarning):
        endless = hf.solve(flow, overlaps=tie, max_steps=2000)
    assert not np.any(endless.status == hf.Status.converged)
    past = hf.solve(flow, overlaps=tie + np.array([1e-9, 0.0, 0.0]))
    assert np.all(past.status == hf.Status.converged)
    assert np.all(past.index == 0)
    close(past.overlaps[:, 0], np.ones(2), 1e-5)


def test_p_2_ends_on_its_degenerate_sphere() -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=10, d=1000, seed=5)
    sol = hf.solve(pure(2, k=3), overlaps=m0)
    close(sol.overlaps, m0 / np.linalg.norm(m0, axis=1, keepdims=True), 1e-5)
    assert np.all(sol.index == -1)
    assert np.all(sol.status == hf.Status.converged)


def test_average_minimum_of_equiangular_vectors_has_no_index() -> None:
    targets = hf.Equiangular(k=4, beta=0.7)
    flow = hf.CorrelationFlow(targets, hf.hermite(3))
    average = math.sqrt((1 + 3 * 0.7) / 4)
    m0 = average * 0.3 * np.array([[1.0, 1.01, 0.99, 1.0], [1.2, 1.0, 0.9, 1.0]])
    sol = hf.solve(flow, overlaps=m0)
    assert np.all(sol.status == hf.Status.converged)
    assert np.all(sol.index == -1)
    close(sol.overlaps, np.full((2, 4), average), 1e-5)


def test_a_zero_of_the_slope_attracts() -> None:
    """psi' vanishes at u < 0, where |dm/dt| and |G g| die together: t_end is still reached."""
    root = -0.11075563
    c = hermite_coefficients(MIXED, 4) ** 2
    assert abs(series(c, 1)(root)) < 1e-8
    assert series(c, 2)(root) < 0
    flow = hf.CorrelationFlow(hf.Orthonormal(k=1), MIXED)
    for rtol in (1e-4, 1e-8):
        sol = hf.solve(flow, overlaps=[[-0.05]], t_end=500.0, rtol=rtol)
        assert sol.status[0] == hf.Status.t_end
        close(sol.overlaps, [[root]], 1e-7)
        assert sol.steps[0] < 5000


def test_a_first_degree_pulls_away_from_zero() -> None:
    """With p* = 1 the plateau m = 0 is no fixed point, however small the start."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite({1: 0.5, 3: 1.0}))
    slope = series([0.0, 0.25, 0.0, 1.0], 1)
    reference = dop853(np.zeros((1, 2)), np.eye(2), slope, np.ones(1), np.ones(2), t=[0.0, 1.0])
    for size in (1e-3, 1e-9, 1e-100, 0.0):
        m0 = np.array([[size, -size / 2]])
        sol = hf.solve(flow, overlaps=m0, t_end=1.0)
        assert sol.status[0] == hf.Status.t_end
        close(sol.overlaps, reference[:, -1], 1e-6 + 4 * size)
    assert np.all(hf.solve(flow, overlaps=[[0.0, 0.0]]).status == hf.Status.converged)


@pytest.mark.parametrize("p", [3, 4, 5])
def test_a_fixed_point_is_kept(p: int) -> None:
    """A maximum (-v_1 for odd p), a saddle, a minimum: an exact start stays, for any time."""
    points = np.array([[-1.0, 0.0], [0.5**0.5, 0.5**0.5], [1.0, 0.0]])
    sol = hf.solve(pure(p, k=2), overlaps=points, t_end=1e4)
    assert np.all(sol.status == hf.Status.t_end)
    close(sol.overlaps, points, 1e-6)


# ------------------------------------------------------------------ statuses


@pytest.mark.parametrize("p", [3, 5])
def test_trapped_neurons_never_escape(p: int) -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=64, d=10**6, seed=6)
    trapped = np.all(m0 < 0, axis=1)
    assert 2 <= trapped.sum() <= 20
    sol = hf.solve(pure(p, k=3), overlaps=m0)

    def right(lost: Array) -> None:
        np.testing.assert_array_equal(sol.status == hf.Status.no_escape, lost)
        np.testing.assert_array_equal(sol.status == hf.Status.converged, ~lost)
        np.testing.assert_array_equal(sol.index == -1, lost)

    right(trapped)
    with pytest.raises(AssertionError):
        right(np.all(m0 > 0, axis=1))
    assert not np.any(hf.solve(pure(4, k=3), overlaps=m0).status == hf.Status.no_escape)
    # a target weight or second layer of the other sign frees them
    free = hf.solve(pure(p, k=3, second_layer=-np.ones(64)), overlaps=m0)
    np.testing.assert_array_equal(free.status == hf.Status.no_escape, np.all(m0 > 0, axis=1))


def test_failures_come_back_with_one_warning() -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=6, d=100, seed=7)
    with pytest.warns(hf.SolveWarning, match="6.*max_steps") as record:
        sol = hf.solve(pure(4, k=3), overlaps=m0, max_steps=3)
    assert len(record) == 1
    assert np.all(sol.status == hf.Status.max_steps)
    assert np.all(sol.steps <= 3)
    assert not np.any(sol.success)
    assert sol.overlaps.shape == (6, 3)
    assert all(isinstance(status.message, str) and status.message for status in hf.Status)
    names = {
        "converged",
        "t_end",
        "event",
        "no_escape",
        "max_steps",
        "step_too_small",
        "non_finite",
    }
    assert names <= {status.name for status in hf.Status}


def test_success_without_a_warning() -> None:
    m0 = hf.random_overlaps(hf.Orthonormal(k=3), n=6, d=100, seed=7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sol = hf.solve(pure(4, k=3), overlaps=m0, t_end=1.0)
    assert np.all(sol.success)
    assert np.all(sol.status == hf.Status.t_end)
    assert sol.weights is None
    for name, shape in (("t_final", (6,)), ("overlaps", (6, 3)), ("status", (6,)), ("steps", (6,)),
                        ("index", (6,)), ("rejected", (6,))):  # fmt: skip
        assert getattr(sol, name).shape == shape


# ------------------------------------------------------------------ batches


@pytest.mark.parametrize("name", ["orthonormal", "equiangular", "general"])
def test_bits_do_not_depend_on_threads_or_batch(name: str) -> None:
    targets = {
        "orthonormal": hf.Orthonormal(k=7),
        "equiangular": hf.Equiangular(k=7, beta=0.1),
        "general": hf.random_index_vectors(k=7, d=30, seed=0),
    }[name]
    flow = hf.CorrelationFlow(targets, hf.hermite({3: 1.0, 4: 0.5}))
    m0 = hf.random_overlaps(targets, n=130, d=10_000, seed=1)
    options = {"events": {"hit": hf.HittingTime([0.2, 0.5])}, "t_end": 500.0, "rtol": 1e-7}

    def run(rows: slice, n_threads: int) -> list[Array]:
        sol = hf.solve(flow, overlaps=m0[rows], n_threads=n_threads, **options)
        return [sol.overlaps, sol.t_final, sol.events["hit"], sol.status, sol.steps, sol.index]

    whole = run(slice(None), 1)
    for rows in (slice(None), slice(0, 1), slice(3, 20), slice(0, 130, 7), slice(None, None, -1)):
        for n_threads in (1, 2):
            for part, full in zip(run(rows, n_threads), whole, strict=True):
                np.testing.assert_array_equal(part, full[rows])


def test_solutions_are_values() -> None:
    flow = hf.CorrelationFlow(hf.Equiangular(k=3, beta=0.1), MIXED)
    W = hf.random_weights(n=4, d=20, seed=0)
    options = {"t_end": 3.0, "save_at": [1.0, 2.0], "events": {"hit": hf.HittingTime(0.4)}}
    sol = hf.solve(flow, weights=W, **options)
    copy = pickle.loads(pickle.dumps(sol))
    for name in ("overlaps", "weights", "t_final", "trajectory", "times", "status", "index"):
        np.testing.assert_array_equal(getattr(copy, name), getattr(sol, name))
    np.testing.assert_array_equal(copy.events["hit"], sol.events["hit"])
    for event in (hf.HittingTime([0.1, 0.2], terminal=False), hf.Converged(tol=1e-7)):
        assert pickle.loads(pickle.dumps(event)) == event
        assert hash(pickle.loads(pickle.dumps(event))) == hash(event)
    again = hf.solve(flow, weights=W, **options)
    np.testing.assert_array_equal(again.overlaps, sol.overlaps)
    with pytest.raises(AttributeError):
        sol.overlaps = None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overlaps": None}, "overlaps"),
        ({"weights": np.eye(2)}, "overlaps"),
        ({"overlaps": np.zeros((2, 3))}, "overlaps"),
        ({"overlaps": [[0.1, math.nan]]}, "overlaps"),
        ({"overlaps": [[0.9, 0.9]]}, "overlaps"),
        ({"overlaps": np.zeros((0, 2))}, "overlaps"),
        ({"t_end": -1.0}, "t_end"),
        ({"t_end": math.nan}, "t_end"),
        ({"rtol": 0.0}, "rtol"),
        ({"rtol": -1e-6}, "rtol"),
        ({"atol": -1e-6}, "atol"),
        ({"max_steps": 0}, "max_steps"),
        ({"save_at": [2.0, 1.0]}, "save_at"),
        ({"save_at": [-1.0]}, "save_at"),
        ({"weights": np.eye(2), "overlaps": None, "reduce": False}, "reduce=False"),
        ({"method": "tsit6"}, r"method .*did you mean"),
        ({"step": 0.1}, "step"),
        ({"n_threads": 0}, "n_threads"),
        ({"events": {"x": 3.0}}, "events"),
    ],
)
def test_bad_options(options: dict[str, object], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        hf.solve(pure(3, k=2), **{"overlaps": [[0.1, 0.2]], "t_end": 1.0, **options})
