"""reduce=False, all d coordinates by code of its own, against overlaps: docs/mathematics (5)."""

from __future__ import annotations

import numpy as np
import pytest

import hermiteflow as hf

LINKS = [hf.hermite(3), hf.hermite({2: 0.4, 3: 1.0, 4: 0.5})]


def vectors(k: int, d: int) -> np.ndarray:
    rows = np.random.default_rng(k).normal(size=(k, d))
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def same(found: hf.Solution, reference: hf.Solution) -> None:
    assert found.weights is not None
    assert reference.weights is not None
    np.testing.assert_allclose(found.weights, reference.weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.overlaps, reference.overlaps, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853"])
@pytest.mark.parametrize("link", LINKS)
def test_adaptive_steps_are_the_same(link: hf.Link, method: str) -> None:
    V, W = vectors(4, 30), hf.random_weights(n=6, d=30, seed=1)
    layer = [1.0, -0.7, 2.0, 1.0, 0.3, 1.0]
    flow = hf.CorrelationFlow(
        hf.IndexVectors(V), link, second_layer=layer, target_weights=[1.0, 0.5, 2.0, -1.0]
    )
    for rtol in (1e-5, 1e-10):
        options = {"weights": W, "t_end": 0.5, "method": method, "rtol": rtol}
        full = hf.solve(flow, reduce=False, **options)
        reduced = hf.solve(flow, **options)
        same(full, reduced)
        np.testing.assert_array_equal(full.steps, reduced.steps)
        # planted fault: another link's strength, a missing weight
        for fault in (
            hf.CorrelationFlow(hf.IndexVectors(V), 1.01 * link, second_layer=layer),
            hf.CorrelationFlow(hf.IndexVectors(V), link, second_layer=layer),
        ):
            with pytest.raises(AssertionError):
                same(full, hf.solve(fault, **options))


def test_what_the_full_space_does_not_take() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    W = hf.random_weights(n=2, d=5, seed=0)
    with pytest.raises(ValueError, match="finite t_end"):
        hf.solve(flow, weights=W, reduce=False)
    with pytest.raises(ValueError, match="no save_at"):
        hf.solve(flow, weights=W, reduce=False, t_end=1.0, save_at=[0.5])
    with pytest.raises(ValueError, match="weights must be given"):
        hf.solve(flow, overlaps=[[0.1, 0.2]], reduce=False, t_end=1.0)
