"""Random starts and random index vectors: exactly the law (6), at any d."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracles import Array, assert_law, assert_same_law, gaussian_starts, gram_vectors, unit_rows
from scipy import stats

import hermiteflow as hf

N = 4000


def equiangular(k: int, beta: float) -> Array:
    return (1 - beta) * np.eye(k) + beta


def law_6(G: Array, d: float, seed: int, *, freedom: float) -> Array:
    """m = L z / sqrt(|z|^2 + r), with the degrees of freedom of r as a parameter."""
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(G)
    keep = values > 1e-12 * values.max()
    z = rng.standard_normal((N, int(keep.sum())))
    r = rng.chisquare(freedom, N) if freedom > 0 else np.zeros(N)
    scale = np.sqrt(np.sum(z * z, axis=1) + r)[:, None]
    return (z / scale) @ (vectors[:, keep] * np.sqrt(values[keep])).T


CASES = {
    "orthonormal": (np.eye(3), 5),
    "equiangular": (equiangular(3, 0.4), 4),
    "negative beta": (equiangular(3, -0.4), 6),
    "general": (unit_rows(3, 4, 1) @ unit_rows(3, 4, 1).T, 4),
    "rank-deficient": (unit_rows(4, 2, 2) @ unit_rows(4, 2, 2).T, 5),
    "k > d": (unit_rows(5, 3, 3) @ unit_rows(5, 3, 3).T, 3),
    "rank = d": (np.eye(3), 3),
    "one": (np.eye(1), 2),
}


@pytest.mark.parametrize(("G", "d"), CASES.values(), ids=CASES.keys())
def test_overlaps_have_the_law_of_normalised_gaussians(G: Array, d: int) -> None:
    k, rank = len(G), np.linalg.matrix_rank(G)
    V = gram_vectors(G, d, 7)
    reference = gaussian_starts(V, N, 8)
    sample = hf.random_overlaps(hf.IndexVectors(gram=G), n=N, d=d, seed=3)
    assert sample.shape == (N, k)
    assert_same_law(sample, reference)
    assert_same_law(hf.random_overlaps(hf.IndexVectors(V), n=N, d=d, seed=4), reference)
    if d == rank:
        norms = np.einsum("ni,ij,nj->n", sample, np.linalg.pinv(G), sample)
        np.testing.assert_allclose(norms, 1.0, rtol=1e-12)
    # planted faults
    with pytest.raises(AssertionError):  # chi^2 with d, not d - rank, degrees of freedom
        assert_same_law(law_6(G, d, 9, freedom=d), reference)
    with pytest.raises(AssertionError):  # a factor 2
        assert_same_law(sample * math.sqrt(2), reference)
    if not np.allclose(G, np.eye(k)):
        identity = hf.random_overlaps(hf.Orthonormal(k=k), n=N, d=max(d, k), seed=3)
        with pytest.raises(AssertionError):  # missing G
            assert_same_law(identity, reference)
    assert_same_law(law_6(G, d, 9, freedom=d - rank), reference)


@pytest.mark.parametrize("beta", [0.0, 0.4, -0.4])
def test_structured_targets_have_the_law_of_their_gram_matrix(beta: float) -> None:
    targets = hf.Equiangular(k=3, beta=beta) if beta else hf.Orthonormal(k=3)
    sample = hf.random_overlaps(targets, n=N, d=5, seed=10)
    assert_same_law(sample, gaussian_starts(gram_vectors(equiangular(3, beta), 5, 11), N, 12))
    with pytest.raises(AssertionError):
        assert_same_law(sample, gaussian_starts(gram_vectors(equiangular(3, beta), 9, 11), N, 12))
    wrong = equiangular(3, 0.25 - beta)
    with pytest.raises(AssertionError):
        assert_same_law(sample, gaussian_starts(gram_vectors(wrong, 5, 11), N, 12))


@pytest.mark.parametrize(("k", "d"), [(1, 2), (2, 2), (3, 4), (4, 50)])
def test_overlaps_follow_the_beta_laws(k: int, d: int) -> None:
    m = hf.random_overlaps(hf.Orthonormal(k=k), n=N, d=d, seed=1)

    def follows(m: Array, d: int) -> None:
        for column in m.T:
            assert_law(column**2, stats.beta(0.5, (d - 1) / 2).cdf)
            assert stats.binomtest(int(np.sum(column > 0)), len(column)).pvalue > 1e-4
        if k < d:
            assert_law(np.sum(m**2, axis=1), stats.beta(k / 2, (d - k) / 2).cdf)

    follows(m, d)
    for fault in (2 * m, np.abs(m)):
        with pytest.raises(AssertionError):
            follows(np.clip(fault, -1, 1), d)
    with pytest.raises(AssertionError):
        follows(m, d + 2 if d < 10 else 2 * d)


@pytest.mark.parametrize("d", [10**4, 10**9, 10**12, 10**18])
def test_large_d(d: int) -> None:
    G = equiangular(3, 0.3)
    m = hf.random_overlaps(hf.Equiangular(k=3, beta=0.3), n=N, d=d, seed=2) * math.sqrt(d)

    def follows(m: Array) -> None:
        whitened = np.linalg.solve(np.linalg.cholesky(G), m.T).T
        for column in whitened.T:
            assert_law(column, stats.norm.cdf)
        assert_law(np.sum(whitened**2, axis=1), stats.chi2(3).cdf)

    follows(m)
    for fault in (m * math.sqrt(2), m * 1.1, -np.abs(m)):
        with pytest.raises(AssertionError):
            follows(fault)


@pytest.mark.parametrize("d", [1, 2, 3, 8])
def test_weights_are_uniform_on_the_sphere(d: int) -> None:
    W = hf.random_weights(n=N, d=d, seed=6)
    assert W.shape == (N, d)
    np.testing.assert_allclose(np.linalg.norm(W, axis=1), 1.0, rtol=1e-14)
    assert stats.binomtest(int(np.sum(W[:, 0] > 0)), N).pvalue > 1e-4
    if d == 1:
        return
    reference = unit_rows(N, d, 13)
    assert_same_law(W, reference)
    cube = np.random.default_rng(14).uniform(-1, 1, (N, d))
    with pytest.raises(AssertionError):  # uniform in the cube, then normalised
        assert_same_law(cube / np.linalg.norm(cube, axis=1, keepdims=True), reference)
    with pytest.raises(AssertionError):
        assert_same_law(np.abs(W), reference)


# ------------------------------------------------------------------ seeds


@pytest.mark.parametrize(
    "draw",
    [
        lambda n, seed: hf.random_overlaps(hf.Orthonormal(k=4), n=n, d=100, seed=seed),
        lambda n, seed: hf.random_overlaps(hf.Equiangular(k=4, beta=0.1), n=n, d=100, seed=seed),
        lambda n, seed: hf.random_weights(n=n, d=11, seed=seed),
    ],
    ids=["orthonormal", "equiangular", "weights"],
)
def test_row_i_depends_on_the_seed_and_i_alone(draw: object) -> None:
    rows = draw(700, 5)  # type: ignore[operator]
    for n in (1, 2, 255, 256, 257, 699):
        np.testing.assert_array_equal(draw(n, 5), rows[:n])  # type: ignore[operator]
    assert len(np.unique(rows[:, 0])) == 700
    others = draw(700, 6)  # type: ignore[operator]
    assert not np.any(others == rows)


def test_kinds_of_seed() -> None:
    def draw(seed: object) -> Array:
        return hf.random_overlaps(hf.Orthonormal(k=2), n=3, d=50, seed=seed)

    for make in (lambda: 7, lambda: np.random.SeedSequence(7), lambda: np.random.default_rng(7)):
        np.testing.assert_array_equal(draw(make()), draw(make()))
    np.testing.assert_array_equal(draw(7), draw(np.random.SeedSequence(7)))
    assert not np.any(draw(np.random.SeedSequence(7).spawn(1)[0]) == draw(7))
    generator = np.random.default_rng(7)
    assert not np.any(draw(generator) == draw(generator))
    assert not np.any(draw(None) == draw(None))
    assert not np.any(draw(2**70) == draw(2**70 + 1))
    for bad in (-1, 1.5, "seed"):
        with pytest.raises((TypeError, ValueError), match="seed"):
            draw(bad)


def uncorrelated(first: Array, second: Array) -> None:
    """All correlations of columns of two samples, and of their squares, are within noise."""
    for x, y in ((first, second), (first**2, second**2)):
        x, y = ((s - s.mean(0)) / s.std(0) for s in (x, y))  # noqa: PLW2901
        assert np.abs(x.T @ y / len(x)).max() < 5 / math.sqrt(len(x))


def test_different_functions_are_independent_at_the_same_seed() -> None:
    m = hf.random_overlaps(hf.Orthonormal(k=3), n=N, d=20, seed=1)
    W = hf.random_weights(n=N, d=20, seed=1)
    uncorrelated(m, W)
    uncorrelated(m, hf.random_overlaps(hf.Orthonormal(k=3), n=N, d=20, seed=2))
    with pytest.raises(AssertionError):
        uncorrelated(m, hf.random_overlaps(hf.Orthonormal(k=3), n=N, d=20, seed=1))
    seeds = range(500)
    gram = np.array([hf.random_index_vectors(k=3, d=4, seed=s).gram[[0, 0, 1], [1, 2, 2]]
                     for s in seeds])  # fmt: skip
    row = np.array(
        [hf.random_overlaps(hf.Orthonormal(k=3), n=1, d=4, seed=s, n_threads=1)[0] for s in seeds]
    )
    weight = np.array([hf.random_weights(n=1, d=4, seed=s, n_threads=1)[0] for s in seeds])
    for first, second in ((gram, row), (gram, weight), (row, weight)):
        uncorrelated(first, second)
    with pytest.raises(AssertionError):
        uncorrelated(gram, gram @ np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1.0]]))


def test_rows_are_independent() -> None:
    m = hf.random_overlaps(hf.Orthonormal(k=3), n=N + 1, d=20, seed=1)
    uncorrelated(m[:-1], m[1:])
    with pytest.raises(AssertionError):
        uncorrelated(m[:-1], m[1:] + 0.2 * m[:-1])


# ------------------------------------------------------------------ random index vectors


@pytest.mark.parametrize(("k", "d"), [(2, 2), (3, 4), (3, 9), (4, 3)])
def test_gram_matrix_of_random_index_vectors(k: int, d: int) -> None:
    draws = 1500
    upper = np.triu_indices(k, 1)

    def features(grams: Array) -> Array:
        minors = np.array([np.linalg.det(g[:2, :2]) for g in grams])
        determinants = np.linalg.det(grams[:, : min(k, d), : min(k, d)])
        return np.column_stack([grams[:, *upper], minors, determinants])

    sample = np.array([hf.random_index_vectors(k=k, d=d, seed=s).gram for s in range(draws)])
    vectors = unit_rows(draws * k, d, 15).reshape(draws, k, d)
    reference = vectors @ vectors.transpose(0, 2, 1)
    assert_same_law(features(sample), features(reference))
    for i, j in zip(*upper, strict=True):
        assert_law(sample[:, i, j] ** 2, stats.beta(0.5, (d - 1) / 2).cdf)
    longer = unit_rows(draws * k, d + 2, 16).reshape(draws, k, d + 2)
    with pytest.raises(AssertionError):
        assert_same_law(features(longer @ longer.transpose(0, 2, 1)), features(reference))
    with pytest.raises(AssertionError):
        assert_same_law(features(np.abs(sample)), features(reference))
    np.testing.assert_array_equal(sample, sample.transpose(0, 2, 1))
    np.testing.assert_array_equal(sample[:, range(k), range(k)], 1.0)


def test_random_index_vectors_are_targets() -> None:
    for k, d in ((5, 1000), (3, 3), (6, 4)):
        targets = hf.random_index_vectors(k=k, d=d, seed=0)
        assert (targets.k, targets.rank) == (k, min(k, d))
        V = targets.vectors(d)
        np.testing.assert_allclose(V @ V.T, targets.gram, atol=1e-14)
        np.testing.assert_array_equal(targets.gram, hf.random_index_vectors(k=k, d=d, seed=0).gram)
        assert not np.array_equal(targets.gram, hf.random_index_vectors(k=k, d=d, seed=1).gram)
    scaled = np.array([hf.random_index_vectors(k=2, d=10**18, seed=s).gram[0, 1] * 1e9
                       for s in range(1000)])  # fmt: skip
    assert_law(scaled, stats.norm.cdf)
    with pytest.raises(AssertionError):
        assert_law(scaled * 2, stats.norm.cdf)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hf.random_overlaps(hf.Orthonormal(k=3), n=2, d=2, seed=0), "d"),
        (lambda: hf.random_overlaps(hf.Orthonormal(k=3), n=0, d=5, seed=0), "n"),
        (lambda: hf.random_overlaps(hf.Orthonormal(k=3), n=-1, d=5, seed=0), "n"),
        (lambda: hf.random_weights(n=3, d=0, seed=0), "d"),
        (lambda: hf.random_index_vectors(k=0, d=5, seed=0), "k"),
        (lambda: hf.random_index_vectors(k=2, d=0, seed=0), "d"),
    ],
)
def test_bad_arguments(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^{words}\b.* must .*, got "):
        call()  # type: ignore[operator]
