"""RK4 of (4) for psi = u^3 and any G, in NumPy: the products with G by BLAS, the rest in place.

Tried, with n = 1e4, k = 200, in seconds for 5 steps on two cores whose GEMM reaches 104 GF/s, where
the products alone would take 0.154:

- all neurons at once, in place, with BLAS's threads: 0.405; tiles of 5000, 2500 neurons: 0.41,
  0.47, smaller ones are slower still;
- tiles of 100, 250, 500 neurons on two Python threads with one BLAS thread each: 0.231, 0.208,
  0.206; of 1000 and 2500 slower.

The last, with 250 neurons a tile, is what runs as `solve` (the caller holds BLAS to one thread).
`plain` is what one writes from the textbook.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np

Array = np.ndarray

TILE = 250


def _tile(m: Array, gram: Array, step: float, steps: int) -> Array:
    m = m.copy()
    g, slope, y, total = (np.empty_like(m) for _ in range(4))
    column = np.empty((m.shape[0], 1))
    row = column[:, 0]
    h = 3.0 * step

    def field(x: Array) -> None:  # slope = (G g - (x . g) x) / 3 with g = 3 x^2
        np.multiply(x, x, out=g)
        np.einsum("ij,ij->i", x, g, out=row)
        np.matmul(g, gram, out=slope)
        np.multiply(x, column, out=g)
        np.subtract(slope, g, out=slope)

    for _ in range(steps):
        field(m)
        np.multiply(slope, h / 6.0, out=total)
        for ahead, share in ((0.5, 1.0 / 3.0), (0.5, 1.0 / 3.0), (1.0, 1.0 / 6.0)):
            np.multiply(slope, h * ahead, out=y)
            y += m
            field(y)
            np.multiply(slope, h * share, out=g)
            total += g
        m += total
    return m


def plain(m: Array, gram: Array, step: float, steps: int) -> Array:
    """Return the overlaps after `steps` steps, by arrays of all neurons."""

    def field(x: Array) -> Array:
        g = 3.0 * x * x
        return g @ gram - np.einsum("ij,ij->i", x, g)[:, None] * x

    for _ in range(steps):
        k1 = field(m)
        k2 = field(m + 0.5 * step * k1)
        k3 = field(m + 0.5 * step * k2)
        k4 = field(m + step * k3)
        m = m + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return m


def solve(m: Array, gram: Array, step: float, steps: int, pool: Executor | None = None) -> Array:
    """Return the overlaps after `steps` steps."""
    parts = [m[first : first + TILE] for first in range(0, m.shape[0], TILE)]
    run = pool.map if pool is not None else map
    return np.concatenate(list(run(lambda part: _tile(part, gram, step, steps), parts)))
