"""The gradient of the correlation loss on a stored sample in NumPy, for sigma = max(x, 0).

-(1/N) (C^T X - diag(C . F) W), F = X W^T, C = y sigma'(F), by blocks of samples that stay in the
cache, with sums in double precision: float32 is converted block by block. Blocks on Python's
threads with one BLAS thread each, or one after the other with BLAS's own threads; how many samples
a block has is chosen by measuring.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

Array = np.ndarray

BLOCKS = (64, 128, 256, 512, 1024, 4096)


def _sum(X: Array, y: Array, W: Array, begin: int, end: int, block: int) -> tuple[Array, Array]:
    n, d = W.shape
    force, along, part = np.zeros((n, d)), np.zeros(n), np.empty((n, d))
    rows = np.empty((block, d))
    for first in range(begin, end, block):
        last = min(first + block, end)
        at = X[first:last]
        if at.dtype != np.float64:
            at = rows[: last - first]
            np.copyto(at, X[first:last])
        fields = at @ W.T
        weights = (fields > 0.0) * y[first:last, None]
        np.matmul(weights.T, at, out=part)
        force += part
        np.multiply(weights, fields, out=weights)
        along += weights.sum(axis=0)
    return force, along


def gradient(X: Array, y: Array, W: Array, block: int, pool: ThreadPoolExecutor | None) -> Array:
    """Return the Riemannian gradient (n, d); with a pool, BLAS must be held to one thread."""
    N = X.shape[0]
    if pool is None:
        parts = [_sum(X, y, W, 0, N, block)]
    else:
        cuts = np.linspace(0, N, pool._max_workers + 1).astype(int)
        parts = list(pool.map(lambda cut: _sum(X, y, W, *cut, block), pairwise(cuts)))
    force, along = (sum(values) for values in zip(*parts, strict=True))
    return (along[:, None] * W - force) / N
