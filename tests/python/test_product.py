"""Products with W, V and G at sizes around every block: against NumPy, and row by row."""

from __future__ import annotations

import numpy as np
import pytest

import hermiteflow as hf

SHAPES = [
    (1, 1, 1), (1, 3, 5), (7, 8, 9), (8, 23, 24), (9, 24, 25), (9, 25, 191), (17, 2, 192),
    (31, 47, 193), (40, 48, 256), (33, 49, 257), (385, 5, 300), (400, 13, 513), (3, 260, 600),
]  # fmt: skip


def make(n: int, k: int, d: int) -> tuple[hf.CorrelationFlow, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n + 7 * k + 11 * d)
    V = rng.normal(size=(k, d))
    V /= np.linalg.norm(V, axis=1)[:, None]
    flow = hf.CorrelationFlow(hf.IndexVectors(V), hf.hermite({2: 0.3, 3: 1.0}))
    return flow, V, hf.random_weights(n=n, d=d, seed=1)


@pytest.mark.parametrize(("n", "k", "d"), SHAPES)
def test_overlaps_and_gradient_are_those_of_numpy(n: int, k: int, d: int) -> None:
    flow, V, W = make(n, k, d)
    m = W @ V.T
    g = flow.interaction.derivative(m)
    want = (m * g).sum(axis=1, keepdims=True) * W - g @ V
    scale = np.abs(g).sum(axis=1).max() + 1.0
    np.testing.assert_allclose(flow.overlaps(W), m, rtol=0, atol=1e-14)
    np.testing.assert_allclose(flow.gradient(W), want, rtol=0, atol=4e-15 * scale)
    if n > 1:  # a row taken for another is seen
        assert np.abs(flow.gradient(np.roll(W, 1, axis=0)) - want).max() > 1e-6


@pytest.mark.parametrize(("n", "k", "d"), [shape for shape in SHAPES if shape[0] > 8])
def test_a_row_has_bits_of_its_own(n: int, k: int, d: int) -> None:
    flow, _, W = make(n, k, d)
    options = {"method": "rk4", "step": 0.1, "t_end": 0.3, "reduce": False}
    whole = hf.solve(flow, weights=W, n_threads=1, **options).weights
    gradient, overlaps = flow.gradient(W, n_threads=1), flow.overlaps(W, n_threads=1)
    assert whole is not None
    for part in (slice(0, 1), slice(n - 3, n), slice(2, 2 + n // 2)):
        np.testing.assert_array_equal(flow.gradient(W[part], n_threads=2), gradient[part])
        np.testing.assert_array_equal(flow.overlaps(W[part], n_threads=2), overlaps[part])
        alone = hf.solve(flow, weights=W[part], n_threads=2, **options).weights
        np.testing.assert_array_equal(alone, whole[part])


@pytest.mark.parametrize("k", [1, 2, 11, 12, 13, 24, 25, 60])
def test_a_general_gram_is_the_same_product(k: int) -> None:
    """RK4 of (4) in NumPy."""
    targets = hf.random_index_vectors(k=k, d=2 * k, seed=2)
    flow = hf.CorrelationFlow(hf.IndexVectors(gram=targets.gram), hf.hermite(3))
    m0 = hf.random_overlaps(targets, n=19, d=2 * k, seed=3)
    step, count = 0.05, 7

    def numpy(G: np.ndarray) -> np.ndarray:
        def field(x: np.ndarray) -> np.ndarray:
            g = 3.0 * x * x
            return g @ G - (x * g).sum(axis=1, keepdims=True) * x

        m = m0
        for _ in range(count):
            a = field(m)
            b = field(m + step / 2 * a)
            c = field(m + step / 2 * b)
            m = m + step / 6 * (a + 2 * b + 2 * c + field(m + step * c))
        return m

    found = hf.solve(
        flow, overlaps=m0, method="rk4", step=step, t_end=step * count, renormalize=False
    ).overlaps
    np.testing.assert_allclose(found, numpy(targets.gram), rtol=0, atol=1e-14)
    if k > 1:  # a column of G left out is seen
        less = targets.gram.copy()
        less[:, -1] = 0.0
        assert np.abs(found - numpy(less)).max() > 1e-6
