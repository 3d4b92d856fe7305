"""NumPy: RK4 with a fixed step for all neurons at once, and a look at every step."""

import numpy as np


def field(m: np.ndarray) -> np.ndarray:
    """Return g - (m . g) m for psi = u^3 and orthonormal index vectors."""
    g = 3.0 * m * m
    return g - np.sum(m * g, axis=1, keepdims=True) * m


def hitting_times(
    m: np.ndarray, level: float = 0.5, step: float = 0.01, t_end: float = 100.0
) -> np.ndarray:
    """Return when the largest overlap of each neuron first is `level`; NaN if not by t_end."""
    times = np.full(len(m), np.nan)
    t, top = 0.0, np.abs(m).max(axis=1)
    while t < t_end and np.isnan(times).any():
        k1 = field(m)
        k2 = field(m + step / 2 * k1)
        k3 = field(m + step / 2 * k2)
        k4 = field(m + step * k3)
        m = m + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        new = np.abs(m).max(axis=1)
        hit = np.isnan(times) & (new >= level)
        times[hit] = t + step * (level - top[hit]) / (new - top)[hit]  # a straight line
        t, top = t + step, new
    return times


if __name__ == "__main__":
    d, k, n = 1000, 4, 8
    W = np.random.default_rng(0).standard_normal((n, d))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    V = np.eye(k, d)
    print(hitting_times(W @ V.T))
