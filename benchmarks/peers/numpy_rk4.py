"""RK4 of (4) for psi = u^3, G = I, in plain NumPy: arrays of all neurons, no loop over them.

What one writes from the textbook, kept as such: `numpy_tiled` is NumPy at its fastest. Tried:
`einsum` for m . g (a third quicker than a sum of products), no powers (`m**2` and `m * m` are the
same in NumPy, `m**3` is twenty times slower than products).
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def field(m: Array) -> Array:
    """Return g - (m . g) m with g = 3 m^2."""
    g = 3.0 * m * m
    return g - np.einsum("ij,ij->i", m, g)[:, None] * m


def solve(m: Array, step: float, steps: int) -> Array:
    """Return the overlaps after `steps` steps."""
    for _ in range(steps):
        k1 = field(m)
        k2 = field(m + 0.5 * step * k1)
        k3 = field(m + 0.5 * step * k2)
        k4 = field(m + step * k3)
        m = m + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return m
