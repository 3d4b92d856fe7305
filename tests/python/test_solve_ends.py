"""How neurons end: events, convergence, plateaus and saddles, trapped neurons, failures."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from oracles import Array, dop853, hermite_coefficients, series

import hermiteflow as hf

MIXED = hf.hermite({2: 0.4, 3: 1.0, 4: 0.5})


def pure(p: int, k: int, **options: object) -> hf.CorrelationFlow:
    return hf.CorrelationFlow(hf.Orthonormal(k=k), hf.hermite(p), **options)


def close(first: Array, second: Array, atol: float) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=atol)


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
        close(sol.overlaps, [[root]], max(1e-7, 0.01 * rtol))
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
    first = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(1))  # only the average attracts
    sol = hf.solve(first, overlaps=[[0.0, 0.0]])
    assert sol.status[0] == hf.Status.converged
    assert sol.kind[0] == "average"


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
