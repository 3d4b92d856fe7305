"""The adaptive methods: accuracy, batches, values, bad options."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from oracles import Array, dop853, gram_vectors, hermite_coefficients, series, unit_rows

import hermiteflow as hf

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
        (
            {"weights": np.eye(2), "overlaps": None, "reduce": False, "save_at": [0.5]},
            "reduce=False",
        ),
        ({"method": "tsit6"}, r"method .*did you mean"),
        ({"step": 0.1}, "step"),
        ({"n_threads": 0}, "n_threads"),
        ({"events": {"x": 3.0}}, "events"),
    ],
)
def test_bad_options(options: dict[str, object], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        hf.solve(pure(3, k=2), **{"overlaps": [[0.1, 0.2]], "t_end": 1.0, **options})
