"""What a search of fixed points is made of: forces, Newton's method, landmarks, refusals."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow.landscape import _points as search

Array = NDArray[np.float64]

GRAM = np.array([[1.0, 0.4, -0.2], [0.4, 1.0, 0.1], [-0.2, 0.1, 1.0]])
WEIGHTS = np.array([1.0, -0.5, 2.0])
SKEW = hf.CorrelationFlow(
    hf.IndexVectors(gram=GRAM), hf.hermite({3: 1.0, 4: 0.5}), target_weights=WEIGHTS
)


def slope(m: Array) -> Array:
    """psi' of u^3 + u^4/4."""
    return 3.0 * m**2 + m**3


def units(n: int, dimension: int, seed: int = 0) -> Array:
    w = np.random.default_rng(seed).standard_normal((n, dimension))
    return np.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))


@pytest.mark.parametrize("a", [1.0, -0.3])
def test_forces_and_residuals_by_hand(a: float) -> None:
    sphere = search._Sphere(SKEW, a)
    L = sphere.factor
    np.testing.assert_allclose(L @ L.T, GRAM, atol=1e-14)
    w = units(5, 3)
    force, residual, along = sphere.forces(w)
    for row, f, r, out in zip(w, force, residual, along, strict=True):
        m = L @ row
        g = a * WEIGHTS * slope(m)
        assert out == pytest.approx(m @ g, rel=1e-12)
        np.testing.assert_allclose(f, L.T @ g - (m @ g) * row, atol=1e-13)
        terms = np.abs(a * WEIGHTS) * (3.0 * m**2 + np.abs(m) ** 3)
        size = np.linalg.norm(np.abs(L).T @ terms)
        assert r == pytest.approx(np.linalg.norm(f) / size, rel=1e-12)
    nothing = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), target_weights=[0.0, 0.0])
    assert search._Sphere(nothing, 1.0).forces(units(1, 2))[1].tolist() == [0.0]


def test_newtons_method_finds_what_is_near() -> None:
    """h3, orthonormal: (1, 1, 0)/sqrt(2) and its like, quadratically; lengths do not matter."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    sphere = search._Sphere(flow, 1.0)
    exact = sphere.inverse @ (np.array([1.0, 1.0, 0.0]) / math.sqrt(2.0))
    near = exact + 0.05 * units(6, 3)
    points, residuals = sphere.newton(np.concatenate([near, 3.0 * near]))
    np.testing.assert_allclose(points, np.tile(exact, (12, 1)), atol=1e-14)
    assert np.max(residuals) <= 1e-15
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-15)
    np.testing.assert_array_equal(sphere.forces(points)[1], residuals)
    # from anywhere: what it calls good is good
    points, residuals = search._Sphere(SKEW, 1.0).newton(units(100, 3, seed=1))
    good = residuals <= search.RESIDUAL
    assert good.mean() > 0.9
    m = points[good] @ search._Sphere(SKEW, 1.0).factor.T
    g = WEIGHTS * slope(m)
    np.testing.assert_allclose(g @ GRAM, np.sum(m * g, axis=1, keepdims=True) * m, atol=1e-13)


def test_newtons_steps_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step from far away: along that of the whole Hessian, and no longer than 0.3."""
    monkeypatch.setattr(search, "_STEPS", 2)
    sphere = search._Sphere(SKEW, 1.0)
    L, start = sphere.factor, units(40, 3, seed=2)
    points, _ = sphere.newton(start)
    lengths = []
    for w, found in zip(start, points, strict=True):
        m = L @ w
        g = WEIGHTS * slope(m)
        hessian = (m @ g) * np.eye(3) - L.T @ np.diag(WEIGHTS * (6.0 * m + 3.0 * m**2)) @ L
        basis = np.linalg.svd(w[None])[2][1:]
        step = basis.T @ np.linalg.solve(basis @ hessian @ basis.T, basis @ (L.T @ g))
        length = float(np.linalg.norm(step))
        moved = w + step * min(1.0, 0.3 / length)
        moved /= np.linalg.norm(moved)
        before, after = sphere.forces(np.array([w, moved]))[1]
        np.testing.assert_allclose(found, moved if after < before else w, atol=1e-11)
        lengths.append(length)
    assert min(lengths) < 0.3 < max(lengths)


def test_climbs_go_uphill() -> None:
    sphere = search._Sphere(SKEW, 1.0)
    start = units(30, 3, seed=3)
    ends = sphere.ascend(start)
    np.testing.assert_allclose(np.linalg.norm(ends, axis=1), 1.0, atol=1e-14)

    def loss(w: Array) -> Array:
        m = w @ sphere.factor.T
        return np.asarray(-(m**3 + m**4 / 4.0) @ WEIGHTS)

    assert np.all(loss(ends) > loss(start))
    assert np.median(sphere.forces(ends)[1]) < 0.1 * np.median(sphere.forces(start)[1])
    assert np.max(np.abs(sphere.ascend(ends) - ends)) < 0.5
    # where nothing pulls, nothing moves
    still = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
    np.testing.assert_allclose(search._Sphere(still, 1.0).ascend(np.eye(3)), np.eye(3), atol=1e-15)


def test_landmarks_are_sums_and_differences_of_two() -> None:
    L = np.linalg.cholesky(GRAM)
    expected = [s * row for s in (1, -1) for row in [*L, L.sum(axis=0)]]
    for i, j in combinations(range(3), 2):
        expected += [L[i] + L[j], L[i] - L[j], -L[i] - L[j], L[j] - L[i]]
    found = search._landmarks(L)
    assert sorted(map(tuple, found.round(9).tolist())) == sorted(
        tuple(np.round(row, 9).tolist()) for row in expected
    )
    # of opposite index vectors no sum is left
    opposite = search._landmarks(np.array([[1.0], [-1.0]]))
    assert sorted(opposite[:, 0].tolist()) == [-2.0, -1.0, -1.0, 1.0, 1.0, 2.0]
    pairs = 20 * 19 // 2
    assert len(search._landmarks(np.eye(23))) == 2 * 23 + 4 * pairs + 2


def test_ends_of_the_flow_are_minima() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3), second_layer=-2.0)
    sphere = search._Sphere(flow, -2.0)
    start = sphere.inverse @ np.array([[0.9, 0.3, 0.1], [-0.9, -0.3, -0.2], [-0.1, -0.9, 0.2]]).T
    ends = search._flow_ends(flow, start.T / np.linalg.norm(start.T, axis=1)[:, None], sphere)
    m = ends @ sphere.factor.T
    # with all overlaps positive to the average, else to the opposite of an index vector
    expected = [np.full(3, 3**-0.5), [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
    np.testing.assert_allclose(m, expected, atol=1e-4)
    quiet = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))  # a start that never escapes
    away = search._Sphere(quiet, 1.0)
    assert len(search._flow_ends(quiet, away.inverse.T @ np.eye(2) * -1.0, away)) == 0


def test_each_point_is_kept_once() -> None:
    points = np.array([[1.0, 0.0], [1.0, 0.9e-6], [1.0, 1.1e-6], [0.0, 1.0], [1.0, 1e-9]])
    residuals = np.array([1e-15, 1e-15, 1e-14, 2e-14, 0.0])
    kept, own = search._distinct(points, residuals)
    assert kept.tolist() == [[1.0, 0.0], [1.0, 1.1e-6]]
    assert own.tolist() == [1e-15, 1e-14]
    assert len(search._distinct(points[:0], residuals[:0])[0]) == 0


# ------------------------------------------------------------------ classify


def test_each_row_is_a_neuron_with_a_second_layer() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), second_layer=[1.0, -1.0])
    first, second = hf.classify(flow, [[0.99, 0.05], [0.99, 0.05]])
    assert (first.kind, second.kind) == ("minimum", "maximum")
    assert (first.loss, second.loss) == (-1.0, 1.0)
    plain = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    (one,) = hf.classify(plain, [[0.99, 0.05]])
    assert one.kind == hf.classify(plain, [0.99, 0.05]).kind == "minimum"
    with pytest.raises(TypeError, match="flow must be a CorrelationFlow"):
        hf.classify("h3", [1.0])  # type: ignore[arg-type]


def test_what_is_no_unit_vector_is_refused() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    assert hf.classify(flow, [1.0 + 0.9e-6, 0.0]).kind == "minimum"
    with pytest.raises(ValueError, match=r"in \[-1, 1\], got 1\.000002"):
        hf.classify(flow, [1.000002, 0.0])
    close = math.sqrt(0.5)
    assert hf.classify(flow, [close + 0.6e-6, close + 0.6e-6]).kind == "saddle"
    with pytest.raises(ValueError, match=r"a projection on span\(V\) of length 1\.000002"):
        hf.classify(flow, [close + 1.5e-6, close + 1.5e-6])
    # three index vectors in a plane, the third half-way: other overlaps belong to no vector
    gram = np.array([[1.0, 0.0, close], [0.0, 1.0, close], [close, close, 1.0]])
    plane = hf.CorrelationFlow(hf.IndexVectors(gram=gram), hf.hermite(3))
    assert hf.classify(plane, gram[2] + [0.0, 0.0, -0.9e-6]).kind == "minimum"
    with pytest.raises(ValueError, match=r"a projection on span\(V\) of length 0\.9"):
        hf.classify(plane, gram[2] + [0.0, 0.0, -0.1])


def test_points_where_nothing_pulls_are_fixed_as_they_are() -> None:
    """psi' = 3 u^2 + 4 u^3 vanishes at -3/4, so that these overlaps are fixed for d > k."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite({3: 1.0, 4: 1.0}))
    point = hf.classify(flow, [-0.75, 0.0])
    assert point.overlaps.tolist() == [-0.75, 0.0]
    assert (point.residual, point.outside_eigenvalue) == (0.0, 0.0)
    assert point.loss == pytest.approx(0.75**3 - 0.75**4, abs=1e-15)
    # off that by little, something pulls: near this point there is none on the sphere
    with pytest.raises(ValueError, match="overlaps must lie near a fixed point"):
        hf.classify(flow, [-0.74, 0.3])
    plain = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    with pytest.raises(ValueError, match=r"whose projection on span\(V\) has length 0\.0009"):
        hf.classify(plain, [9e-4, 0.0])
    assert hf.classify(plain, [0.9, 0.0]).kind == "minimum"


def test_how_far_newton_may_go() -> None:
    """The distance from the start, which is not brought to length 1, is at most 0.2."""
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    assert hf.classify(flow, [0.801, 0.0]).kind == "minimum"
    with pytest.raises(ValueError, match=r"at a distance of 0\.201 \(at most 0\.2\)"):
        hf.classify(flow, [0.799, 0.0])


# ------------------------------------------------------------------ the whole search


def test_what_a_search_returns() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    found = hf.find_fixed_points(flow, n_starts=1)
    assert found.starts == 1 + 10  # landmarks: 4 + 4 + 2
    assert (len(found), found.degenerate, found.rank, found.symmetric) == (6, 0, 2, True)
    losses = [point.loss for point in found]
    assert losses == sorted(losses)
    exact = {(1.0, 0.0), (0.0, 1.0), (0.70711, 0.70711)}
    exact |= {(-x + 0.0, -y + 0.0) for x, y in exact}
    assert {tuple((p.overlaps.round(5) + 0.0).tolist()) for p in found} == exact
    assert all(p.overlaps.flags.writeable is False for p in found)
    again = hf.find_fixed_points(flow, n_starts=1, seed=1)
    assert len(again) == 6
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="n_starts must be an integer"):
            hf.find_fixed_points(flow, n_starts=wrong)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, got -1"):
        hf.find_fixed_points(flow, seed=-1)
    apart = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), target_weights=[1.0, 2.0])
    assert not hf.find_fixed_points(apart, n_starts=1).symmetric
    assert not hf.find_fixed_points(SKEW, n_starts=1).symmetric
    flat = hf.find_fixed_points(hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(2)), n_starts=3)
    assert len(flat) == 0
    assert flat.degenerate > 0
    # for d = 2 nothing lies outside of span(V)
    kinds = {d: sorted(p.kind for p in hf.find_fixed_points(flow, n_starts=1, d=d)) for d in (2, 3)}
    assert kinds[2] == ["maximum"] * 3 + ["minimum"] * 3
    assert kinds[3] == ["maximum"] * 2 + ["minimum"] * 2 + ["saddle"] * 2


def test_all_points_of_a_skew_landscape() -> None:
    """As many as a dense scan of the sphere finds by Newton's method of its own."""
    found = hf.find_fixed_points(SKEW, n_starts=60)
    assert not found.surely_incomplete
    sphere = search._Sphere(SKEW, 1.0)
    points, residuals = sphere.newton(units(4000, 3, seed=9))
    every, _ = search._distinct(points, residuals)
    mine = np.array([p.overlaps for p in found])
    for m in every @ sphere.factor.T:
        assert np.min(np.max(np.abs(mine - m), axis=1)) < 1e-6
    assert len(found) >= len(every) > 6
