"""What a converged neuron has reached: a minimum by its own Hessian, and whose orbit it ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracles import Array, gram_vectors, series
from scipy import integrate, optimize

import hermiteflow as hf

ADAPTIVE = ["tsit5", "dopri5", "dop853"]


def fold(p: int, k: int) -> float:
    """beta of the fold for p = 3 and 4, from the equations of the (1, k - 1) family."""
    n = k - 1
    if p == 3:
        return 1.0 / (1.0 + 2.0 * math.sqrt(n))
    t = optimize.brentq(lambda x: n * x**3 * (2 + x) - 1 - 2 * x, 1e-9, 1.0, xtol=1e-15)
    ratio = (t + t * t) / (1.0 + n * t**3)
    assert math.isclose(ratio / (1 + ratio), t * (2 + t) / (3 + 2 * t + t * t), rel_tol=1e-12)
    return float(ratio / (1.0 + ratio))


def hessian_spectrum(m: Array, G: Array, c: Array, a: float, b: Array) -> Array:
    """Eigenvalues of (11) on the tangent space within span(V), and m . g, in NumPy alone."""
    k = len(G)
    V = gram_vectors(G, k, 3)
    w, *_ = np.linalg.lstsq(V, m, rcond=None)
    w = w / np.linalg.norm(w)
    here = V @ w
    pull, curvature = a * b * series(c, 1)(here), a * b * series(c, 2)(here)
    tangent = np.linalg.svd(w[None])[2][1:]
    inner = here @ pull * np.eye(k - 1) - tangent @ V.T @ np.diag(curvature) @ V @ tangent.T
    return np.append(np.linalg.eigvalsh(inner), here @ pull)


# ------------------------------------------------------------------ minima only

LINKS = {
    "h3": {3: 1.0},
    "h4": {4: 1.0},
    "h3 h4 h6": {3: 1.0, 4: 0.7, 6: 0.3},
    "h1 h3": {1: 0.2, 3: 1.0},
}
GRAMS = {
    "identity": np.eye(4),
    "beta 0.1": 0.9 * np.eye(4) + 0.1,
    "beta 0.5": 0.5 * np.eye(4) + 0.5,
    "beta -0.2": 1.2 * np.eye(4) - 0.2,
    "general": hf.random_index_vectors(k=4, d=9, seed=1).gram,
}


@pytest.mark.parametrize("gram", GRAMS)
@pytest.mark.parametrize("link", LINKS)
def test_every_end_is_a_minimum_by_its_own_hessian(link: str, gram: str) -> None:
    G, b = GRAMS[gram], np.array([1.0, 0.8, 1.2, 1.0])
    targets = {
        "identity": hf.Orthonormal(k=4),
        "beta 0.1": hf.Equiangular(k=4, beta=0.1),
        "beta 0.5": hf.Equiangular(k=4, beta=0.5),
        "beta -0.2": hf.Equiangular(k=4, beta=-0.2),
    }.get(gram, hf.IndexVectors(gram=G))
    flow = hf.CorrelationFlow(targets, hf.hermite(LINKS[link]), target_weights=b)
    m0 = hf.random_overlaps(targets, n=80, d=10**4, seed=4)
    m0[1::4] = 0.2 * G.sum(axis=1) / G.sum() ** 0.5 * (1 + 1e-10 * m0[1::4])  # at the average
    m0 = m0[m0.max(axis=1) > 0.0]
    sol = hf.solve(flow, overlaps=m0)
    done = sol.status == hf.Status.converged
    assert done.sum() > 40
    c = np.zeros(7)
    for p, x in LINKS[link].items():
        c[p] = x * x
    for m in sol.overlaps[done]:
        spectrum = hessian_spectrum(m, G, c, 1.0, b)
        assert spectrum.min() > -1e-5 * np.abs(spectrum).max()


def test_the_spectrum_tells_saddles() -> None:
    """The judge of the test above: the saddle of two vectors, a maximum and a minimum."""
    c, one = np.array([0, 0, 0, 1.0]), np.ones(3)
    saddle = hessian_spectrum(np.array([0.5**0.5, 0.5**0.5, 0.0]), np.eye(3), c, 1.0, one)
    assert (saddle < -0.1).sum() == 1
    assert np.all(hessian_spectrum(np.array([1.0, 0, 0]), np.eye(3), c, 1.0, one) > 0.1)
    assert np.all(hessian_spectrum(np.array([-1.0, 0, 0]), np.eye(3), c, 1.0, one) < -0.1)


# ------------------------------------------------------------------ saddles and ghosts


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("p", [3, 4, 5])
def test_a_saddle_is_passed_from_1e_12_of_its_stable_manifold(p: int, method: str) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(p))
    for base in ([0.2, 0.2, 0.05], [0.2, 0.2, 0.2], [1e-6, 1e-6, 1e-7]):
        passage = []
        for near in (1e-6, 1e-12):
            m0 = np.array([base, base])
            m0[0, 0] *= 1 + near
            m0[1, 1] *= 1 + near
            sol = hf.solve(flow, overlaps=m0, method=method)
            assert np.all(sol.status == hf.Status.converged)
            np.testing.assert_array_equal(sol.index, [0, 1])
            assert np.all(sol.kind == "index")
            passage.append(sol.t_final[0])
        if base[0] > 0.1:  # it lingers for log(1 / distance) / rate, with a rate of order p
            assert passage[1] > passage[0] + 0.5 * math.log(1e6) / (p * (p - 1))


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize(("p", "k"), [(3, 3), (3, 10), (4, 3), (4, 10)])
def test_a_ghost_one_per_cent_above_the_fold_is_left_for_the_average(
    p: int, k: int, method: str
) -> None:
    beta, slow = fold(p, k), []
    for factor in (1.01, 1.001, 0.99):
        targets = hf.Equiangular(k=k, beta=factor * beta)
        flow = hf.CorrelationFlow(targets, hf.hermite(p))
        sol = hf.solve(flow, overlaps=targets.gram[:2], method=method)
        assert np.all(sol.status == hf.Status.converged)
        if factor < 1.0:
            assert np.all(sol.kind == "index")
            np.testing.assert_array_equal(sol.index, [0, 1])
            assert np.all(np.abs(sol.overlaps).max(axis=1) < 0.99)
            continue
        assert np.all(sol.index == -1)
        assert np.all(sol.kind == "average")
        average = math.sqrt((1 + (k - 1) * factor * beta) / k)
        np.testing.assert_allclose(sol.overlaps, average, atol=2e-4)
        slow.append(sol.t_final[0])
    # the passage of a ghost takes a time of order (beta - beta_fold)^-1/2
    assert 1.8 < slow[1] / slow[0] < 3.4


# ------------------------------------------------------------------ the index by its orbit


def limit(m: Array, beta: float, p: int) -> Array:
    """Where (4) leads from m, by SciPy."""

    def right(_: float, m: Array) -> Array:
        g = p * m ** (p - 1)
        return (1 - beta) * g + beta * g.sum() - (m @ g) * m

    way = integrate.solve_ivp(right, (0.0, 300.0), m, "DOP853", rtol=1e-11, atol=1e-13)
    return way.y[:, -1]


@pytest.mark.parametrize(("p", "k"), [(3, 4), (4, 6)])
def test_an_index_is_the_orbit_of_its_vector(p: int, k: int) -> None:
    """Near the fold no minimum has an overlap of 0.99, and some random starts reach the average."""
    beta = 0.95 * fold(p, k)
    targets = hf.Equiangular(k=k, beta=beta)
    m0 = hf.random_overlaps(targets, n=150, d=40, seed=6)
    m0 = m0[m0.max(axis=1) > 0.1]
    sol = hf.solve(hf.CorrelationFlow(targets, hf.hermite(p)), overlaps=m0)
    assert np.all(sol.status == hf.Status.converged)
    vectors = np.array([limit(v, beta, p) for v in targets.gram])
    average = np.full(k, math.sqrt((1 + (k - 1) * beta) / k))
    assert vectors.max() < 0.99
    names = {"index": 0, "average": 0}
    expected = []
    for m in m0:
        end = limit(m, beta, p)
        end = end * np.sign(end[np.argmax(np.abs(end))])
        near = np.abs(vectors - end).max(axis=1)
        is_average = np.abs(end - average).max() < 1e-4
        assert is_average != (near.min() < 1e-4)
        expected.append(-1 if is_average else int(np.argmin(near)))
        names["average" if is_average else "index"] += 1
    assert min(names.values()) > 0
    np.testing.assert_array_equal(sol.index, expected)
    np.testing.assert_array_equal(sol.kind == "average", np.array(expected) == -1)
    np.testing.assert_array_equal(sol.kind == "index", np.array(expected) >= 0)
    by_overlap = np.where(np.abs(sol.overlaps).max(axis=1) > 0.99, expected, -1)
    with pytest.raises(AssertionError):  # the rule "overlap > 0.99" finds none
        np.testing.assert_array_equal(by_overlap, expected)


# ------------------------------------------------------------------ loose tolerances


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("p", [3, 4, 5, 6])
def test_a_loose_tolerance_converges_to_the_same_minima(p: int, method: str) -> None:
    for targets in (hf.Orthonormal(k=10), hf.Equiangular(k=10, beta=0.05)):
        m0 = hf.random_overlaps(targets, n=200, d=10**6, seed=3)
        flow = hf.CorrelationFlow(targets, hf.hermite(p))
        loose = hf.solve(flow, overlaps=m0, rtol=1e-3, method=method)
        tight = hf.solve(flow, overlaps=m0, rtol=1e-9, method=method)
        assert np.all(loose.status == tight.status)
        assert np.all(loose.success)
        done = tight.status == hf.Status.converged
        same = np.mean(loose.index[done] == tight.index[done])
        assert same > 0.97  # starts near the boundary of two basins may change sides
        agree = done & (loose.index == tight.index) & (tight.index >= 0)
        gap = np.abs(np.abs(loose.overlaps) - np.abs(tight.overlaps)).max(axis=1)
        assert gap[agree].max() < 1e-4


@pytest.mark.parametrize("rtol", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853"])
@pytest.mark.parametrize("p", [2, 3])
def test_every_rtol_converges(p: int, method: str, rtol: float) -> None:
    for targets in (hf.Equiangular(k=10, beta=0.05), hf.random_index_vectors(k=10, d=200, seed=1)):
        m0 = np.abs(hf.random_overlaps(targets, n=200, d=10**6, seed=3))
        flow = hf.CorrelationFlow(targets, hf.hermite(p))
        sol = hf.solve(flow, overlaps=m0, rtol=rtol, method=method, max_steps=20_000)
        assert np.all(sol.status == hf.Status.converged)
