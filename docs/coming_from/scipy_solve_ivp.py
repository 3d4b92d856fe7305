"""SciPy: one call of `solve_ivp` a neuron, with the level as an event."""

import numpy as np
from scipy.integrate import solve_ivp


def field(_t: float, m: np.ndarray) -> np.ndarray:
    """Return g - (m . g) m for psi = u^3 and orthonormal index vectors."""
    g = 3.0 * m * m
    return g - (m @ g) * m


def hitting_times(
    m0: np.ndarray, level: float = 0.5, rtol: float = 1e-8, t_end: float = 100.0
) -> np.ndarray:
    """Return when the largest overlap of each neuron first is `level`; NaN if not by t_end."""

    def passes(_t: float, m: np.ndarray) -> float:
        return float(np.abs(m).max()) - level

    passes.terminal = True  # type: ignore[attr-defined]
    times = np.full(len(m0), np.nan)
    for i, row in enumerate(m0):
        atol = 1e-3 * rtol * np.abs(row).max()  # the default, 1e-6, hides a small start
        sol = solve_ivp(field, (0.0, t_end), row, "DOP853", rtol=rtol, atol=atol, events=passes)
        if sol.t_events[0].size:
            times[i] = sol.t_events[0][0]
    return times


if __name__ == "__main__":
    d, k, n = 1000, 4, 8
    W = np.random.default_rng(0).standard_normal((n, d))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    V = np.eye(k, d)
    print(hitting_times(W @ V.T))
