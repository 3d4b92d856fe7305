"""Random (M, Q): jointly the law of normalised Gaussian vectors, at any dimension."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracles import Array, assert_law, assert_same_law, gram_vectors, unit_rows
from scipy import stats

import hermiteflow as hf
from hermiteflow import _memory

DRAWS = 1500
Pair = tuple[Array, Array]


def equiangular(k: int, beta: float) -> Array:
    return (1 - beta) * np.eye(k) + beta


def drawn(targets: hf.Targets, n: int, d: int, first: int = 0, draws: int = DRAWS) -> Pair:
    """M (draws, n, k) and Q (draws, n, n) of many seeds."""
    seeds = range(first, first + draws)
    pairs = [hf.random_order_parameters(targets, n=n, d=d, seed=s, n_threads=1) for s in seeds]
    return np.array([M for M, _ in pairs]), np.array([Q for _, Q in pairs])


def direct(V: Array, n: int, seed: int) -> Pair:
    """The same from normalised Gaussian vectors of R^d."""
    d = V.shape[1]
    W = unit_rows(DRAWS * n, d, seed).reshape(DRAWS, n, d)
    return W @ V.T, W @ W.transpose(0, 2, 1)


def by_factor(G: Array, n: int, freedom: int, seed: int) -> Pair:
    """(14) with the degrees of freedom of the Wishart matrix as a parameter."""
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(G)
    keep = values > 1e-12 * values.max()
    L = vectors[:, keep] * np.sqrt(values[keep])
    z = rng.standard_normal((DRAWS, n, L.shape[1]))
    y = rng.standard_normal((DRAWS, n, freedom))
    g = np.concatenate([z, y], axis=2)
    norms = np.linalg.norm(g, axis=2)[:, :, None]
    w = g / norms
    return (z / norms) @ L.T, w @ w.transpose(0, 2, 1)


def functionals(pair: Pair) -> Array:
    """Functions of (M, Q) that see each alone and both together."""
    M, Q = pair
    n = Q.shape[1]
    upper = Q[:, *np.triu_indices(n, 1)]
    product = np.einsum("sij,slj->sil", M, M)
    parts = [M.reshape(len(M), -1), upper, upper**2, np.linalg.det(Q)[:, None]]
    parts += [np.linalg.det(Q[:, :2, :2])[:, None], (upper.sum(1) * M.sum((1, 2)))[:, None]]
    # where students lean together they lean to the same side of the teachers
    parts += [product[:, 0, 1:] * Q[:, 0, 1:], np.linalg.eigvalsh(Q - 0.5 * product)]
    return np.concatenate(parts, axis=1)


CASES = {
    "orthonormal": (np.eye(2), 3, 5),
    "equiangular": (equiangular(3, 0.4), 3, 6),
    "rank-deficient": (unit_rows(4, 2, 2) @ unit_rows(4, 2, 2).T, 3, 5),
    "d < n + rank": (np.eye(2), 5, 4),
    "d < n": (equiangular(2, -0.5), 6, 3),
    "d = rank": (np.eye(3), 4, 3),
}
each_case = pytest.mark.parametrize(("G", "n", "d"), CASES.values(), ids=CASES.keys())


@each_case
def test_law_of_normalised_gaussians(G: Array, n: int, d: int) -> None:
    targets, rank = hf.IndexVectors(gram=G), int(np.linalg.matrix_rank(G))
    sample = drawn(targets, n, d)
    reference = functionals(direct(gram_vectors(G, d, 7), n, 8))
    assert_same_law(functionals(sample), reference)
    assert_same_law(functionals(by_factor(G, n, d - rank, 9)), reference)
    M, Q = sample
    shuffled = np.roll(Q, 1, axis=0)
    flipped = Q.copy()
    flipped[:, 0, 1:] *= -1
    flipped[:, 1:, 0] *= -1
    faults = [
        by_factor(G, n, d, 9),  # d, not d - rank, degrees of freedom
        by_factor(G, n, d - rank + 1, 9),
        (M, shuffled),  # M and Q independent of each other
        (M, flipped),
        (M, 0.5 * Q + 0.5 * np.eye(n)),
    ]
    for fault in faults:
        with pytest.raises(AssertionError):
            assert_same_law(functionals(fault), reference)


@each_case
def test_they_are_inner_products_of_unit_vectors(G: Array, n: int, d: int) -> None:
    targets, k = hf.IndexVectors(gram=G), len(G)
    for seed in range(20):
        M, Q = hf.random_order_parameters(targets, n=n, d=d, seed=seed)
        assert (M.shape, Q.shape) == ((n, k), (n, n))
        np.testing.assert_array_equal(Q, Q.T)
        np.testing.assert_array_equal(np.diag(Q), 1.0)
        joint = np.linalg.eigvalsh(np.block([[Q, M], [M.T, targets.gram]]))
        rank = min(d, n + targets.rank)
        assert joint[0] > -1e-13
        assert np.sum(joint > 1e-10) == rank
        planted = np.linalg.eigvalsh(np.block([[Q, 1.5 * M], [1.5 * M.T, targets.gram]]))
        if d <= n + targets.rank - 1:
            assert planted[0] < -1e-10


@pytest.mark.parametrize("d", [10**6, 10**12, 10**18])
def test_law_at_large_d(d: int) -> None:
    """All entries are independent normals of variance 1/d; norms and moments follow."""
    beta = 0.3
    M, Q = drawn(hf.Equiangular(k=2, beta=beta), 3, d, draws=1000)
    whitened = np.linalg.solve(np.linalg.cholesky(equiangular(2, beta)), M.transpose(0, 2, 1))
    entries = np.concatenate([whitened.reshape(1000, -1), Q[:, [0, 0, 1], [1, 2, 2]]], axis=1)

    def follows(scaled: Array) -> None:
        for column in scaled.T:
            assert_law(column, stats.norm.cdf)
        assert_law(np.sum(scaled**2, axis=1), stats.chi2(scaled.shape[1]).cdf)
        correlations = scaled.T @ scaled / len(scaled) - np.eye(scaled.shape[1])
        assert np.abs(correlations).max() < 5 * math.sqrt(2 / len(scaled))

    follows(entries * math.sqrt(d))
    mixed = entries.copy()
    mixed[:, -1] = mixed[:, -2]
    for fault in (entries * math.sqrt(2 * d), np.abs(entries) * math.sqrt(d), mixed * math.sqrt(d)):
        with pytest.raises(AssertionError):
            follows(fault)


@pytest.mark.parametrize("d", [4, 9, 100])
def test_exact_moments(d: int) -> None:
    """E Q^2 = 1/d; E[(sum_j M_0j M_1j) Q_01] = k/d^2; E[Q_01 Q_12 Q_20] = 1/d^2."""
    M, Q = drawn(hf.Orthonormal(k=2), 3, d, draws=3000)

    def within(values: Array, mean: float) -> None:
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - mean) < 5 * error
        assert abs(values.mean() - mean) < 0.5 * abs(mean)

    squares = Q[:, 0, 1] ** 2
    within(squares, 1 / d)
    within(M[:, 0, 0] ** 2, 1 / d)
    with pytest.raises(AssertionError):
        within(2 * squares, 1 / d)
    if d < 50:  # small means need small noise
        aligned = np.einsum("sj,sj,s->s", M[:, 0], M[:, 1], Q[:, 0, 1])
        within(aligned, 2 / d**2)
        within(Q[:, 0, 1] * Q[:, 1, 2] * Q[:, 2, 0], 1 / d**2)
        independent = np.einsum("sj,sj,s->s", M[:, 0], M[:, 1], np.roll(Q[:, 0, 1], 1))
        with pytest.raises(AssertionError):
            within(independent, 2 / d**2)


@pytest.mark.parametrize("d", [3, 6, 10**9])
def test_seeds(d: int) -> None:
    targets = hf.Orthonormal(k=3)

    def draw(seed: object, n: int = 5) -> Array:
        return np.hstack(hf.random_order_parameters(targets, n=n, d=d, seed=seed))

    for make in (lambda: 7, lambda: np.random.SeedSequence(7), lambda: np.random.default_rng(7)):
        np.testing.assert_array_equal(draw(make()), draw(make()))
    np.testing.assert_array_equal(draw(7), draw(np.random.SeedSequence(7)))
    assert not np.any(draw(7)[:, :3] == draw(8)[:, :3])
    generator = np.random.default_rng(7)
    assert not np.any(draw(generator)[:, :3] == draw(generator)[:, :3])
    # neuron i does not depend on n
    few, many = draw(7), draw(7, n=40)
    np.testing.assert_allclose(many[:5, : 3 + 5], few, atol=1e-15)
    for threads in (1, 2):
        M, Q = hf.random_order_parameters(targets, n=40, d=d, seed=7, n_threads=threads)
        np.testing.assert_array_equal(np.hstack([M, Q]), many)


def test_streams_differ_from_those_of_other_starts() -> None:
    targets = hf.Orthonormal(k=3)
    M = np.array([hf.random_order_parameters(targets, n=1, d=9, seed=s)[0][0] for s in range(500)])
    alone = np.array([hf.random_overlaps(targets, n=1, d=9, seed=s)[0] for s in range(500)])
    plain = np.array([np.random.default_rng(s).standard_normal(3) for s in range(500)])
    for other in (alone, plain):
        assert abs(np.corrcoef(M[:, 0], other[:, 0])[0, 1]) < 5 / math.sqrt(500)
    with pytest.raises(AssertionError):
        assert abs(np.corrcoef(M[:, 0], M[:, 0])[0, 1]) < 5 / math.sqrt(500)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("n must be", {"n": 0, "d": 5}),
        ("d must be", {"n": 2, "d": 2}),
        ("d must be", {"n": 2, "d": 10**19}),
        ("seed must be", {"n": 2, "d": 5, "seed": -1}),
    ],
)
def test_bad_arguments(words: str, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=words):
        hf.random_order_parameters(hf.Orthonormal(k=3), **options)
    with pytest.raises(TypeError, match="targets must be index vectors"):
        hf.random_order_parameters(3, n=2, d=5)  # type: ignore[arg-type]


def test_too_many_neurons_for_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused at once, with numbers, before anything is drawn."""
    targets = hf.Orthonormal(k=3)
    with pytest.raises(ValueError, match=r"n must have few .* got n = 10000000, which takes 24000"):
        hf.random_order_parameters(targets, n=10**7, d=10**9)
    monkeypatch.setattr(_memory, "default_limit", lambda: 24 * 100**2)
    hf.random_order_parameters(targets, n=100, d=10**9)
    with pytest.raises(ValueError, match=r"240000 bytes, got n = 101, which takes 244824 bytes"):
        hf.random_order_parameters(targets, n=101, d=10**9)
    flow, W = hf.SquaredFlow(targets, hf.hermite(3)), hf.random_weights(n=101, d=4, seed=0)
    for call in (flow.student_overlaps, flow.loss, flow.gradient, flow.hessian):
        with pytest.raises(ValueError, match="W must have few enough neurons"):
            call(W)


def test_a_flow_takes_them() -> None:
    targets = hf.Orthonormal(k=4)
    flow = hf.SquaredFlow(targets, hf.hermite(3))
    for d in (4, 9, 10**18):
        M, Q = hf.random_order_parameters(targets, n=6, d=d, seed=0)
        dM, dQ = flow.field(M, Q)
        assert np.isfinite(dM).all()
        np.testing.assert_allclose(np.diag(dQ), 0.0, atol=1e-12)
        assert flow.loss_of(M, Q) > 0.0
