"""SciPy's `solve_ivp` on (4) for psi = u^3, G = I, neuron by neuron, in one process.

Tried, in ms a neuron (k = 50, d = 1e6, to convergence) at the tolerance that gives hitting times to
1e-8, on a busy core: field in NumPy, RK45 9.2, DOP853 6.2, LSODA 7.9; field compiled by Numba, RK45
7.5, DOP853 5.5, LSODA 5.5. All neurons as one system: twice as long, as the worst neuron sets the
steps of all. So the field and the test of convergence are compiled where Numba is there, and the
best of the three methods runs, each at the loosest tolerance that reaches our accuracy. SciPy has
no threads here: a pool of processes would divide its times by at most the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

Array = np.ndarray

METHODS = ("RK45", "DOP853", "LSODA")


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        from numba import njit
    except ImportError:
        return function
    compiled: Callable[..., Any] = njit(fastmath=True)(function)
    return compiled


@_compiled
def field(_t: float, m: Array) -> Array:
    """Return g - (m . g) m with g = 3 m^2."""
    g = 3.0 * m * m
    return g - np.dot(m, g) * m


@_compiled
def _unsteadiness(m: Array) -> float:
    g = 3.0 * m * m
    slope = g - np.dot(m, g) * m
    return np.dot(slope, slope) - 1e-12 * np.dot(g, g)  # type: ignore[no-any-return]


def steady(_t: float, m: Array) -> float:
    """Negative once |dm/dt| <= 1e-6 |g|, our test of convergence."""
    return float(_unsteadiness(m))


def passes(_t: float, m: Array) -> float:
    """Zero where the largest overlap passes 1/2."""
    return float(np.abs(m).max() - 0.5)


steady.terminal = True  # type: ignore[attr-defined]
passes.terminal = True  # type: ignore[attr-defined]


def _run(row: Array, rtol: float, method: str, event: Callable[..., float]) -> Any:
    atol = 1e-3 * rtol * float(np.abs(row).max())
    return solve_ivp(field, (0.0, 1e12), row, method, rtol=rtol, atol=atol, events=event)


def solve(m0: Array, rtol: float, method: str) -> Array:
    """Return the overlaps (n, k) of converged neurons."""
    return np.array([_run(row, rtol, method, steady).y[:, -1] for row in m0])


def hitting_times(m0: Array, rtol: float, method: str) -> Array:
    """Return the times (n,) at which the largest overlap passes 1/2, NaN if it never does."""
    found = [_run(row, rtol, method, passes).t_events[0] for row in m0]
    return np.array([times[0] if len(times) else np.nan for times in found])
