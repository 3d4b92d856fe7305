"""Problems, what their solutions are, and how many operations they take. psi = u^p throughout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import hermiteflow as hf

Array = np.ndarray

LEVEL = 0.5


@dataclass(frozen=True)
class Starts:
    """Neurons at random starts, G = I."""

    n: int
    k: int
    d: int
    p: int = 3
    seed: int = 0

    @cached_property
    def flow(self) -> hf.CorrelationFlow:
        """The correlation flow of h_p."""
        return hf.CorrelationFlow(hf.Orthonormal(k=self.k), hf.hermite(self.p))

    @cached_property
    def overlaps(self) -> Array:
        """Starts (n, k)."""
        return hf.random_overlaps(self.flow.targets, n=self.n, d=self.d, seed=self.seed)

    def hitting_times(self, count: int) -> Array:
        """Times of the first `count` neurons, exactly, by (7); inf if never."""
        rows = self.overlaps[:count]
        return np.array([hf.exact.orthonormal_hitting_time(self.p, 1.0, m, LEVEL) for m in rows])


def relative_error(found: Array, exact: Array) -> float:
    """Root mean square of relative errors; infinite if one side hits where the other does not."""
    never = ~np.isfinite(exact)
    if found.shape != exact.shape or np.any(np.isfinite(found) == never):
        return float("inf")
    if never.all():
        return 0.0
    return float(np.sqrt(np.mean((found[~never] / exact[~never] - 1.0) ** 2)))


def loosest(error_at: Callable[[float], float], wanted: float) -> tuple[float, float]:
    """Return the loosest rtol whose error is at most `wanted`, and its error.

    From a ladder of four rungs a decade, by bisection; the tightest rung if none is good enough.
    """
    ladder = 10.0 ** -np.arange(3.0, 12.51, 0.25)
    low, high = 0, ladder.size - 1
    best = error_at(float(ladder[high]))
    while low < high:
        middle = (low + high) // 2
        error = error_at(float(ladder[middle]))
        if error <= wanted:
            high, best = middle, error
        else:
            low = middle + 1
    return float(ladder[high]), best


def overlaps_at(starts: Starts, t: float, count: int) -> Array:
    """Overlaps of the first `count` neurons at time t, exactly, by (7)."""
    return np.array([hf.exact.orthonormal(starts.p, 1.0, m, t) for m in starts.overlaps[:count]])


def reference_rk4(m: Array, gram: Array, t: float, steps: int) -> Array:
    """RK4 of (4), psi = u^3, any G, in extended precision: slow, for a few neurons."""
    m, gram = m.astype(np.longdouble), gram.astype(np.longdouble)
    h = np.longdouble(t) / steps

    def field(x: Array) -> Array:
        g = 3 * x * x
        return g @ gram - (x * g).sum(axis=1, keepdims=True) * x

    for _ in range(steps):
        a = field(m)
        b = field(m + h / 2 * a)
        c = field(m + h / 2 * b)
        m = m + h / 6 * (a + 2 * b + 2 * c + field(m + h * c))
    return m.astype(np.float64)


def largest_difference(found: Array, exact: Array) -> float:
    """Largest absolute difference; infinite for another shape or a NaN."""
    if found.shape != exact.shape:
        return float("inf")
    worst = float(np.max(np.abs(found - exact)))
    return worst if np.isfinite(worst) else float("inf")


def rk4_operations(k: int, *, general: bool = False) -> float:
    """Operations of one RK4 step of one neuron, psi = u^3, as the equations have them.

    For each overlap: each of 4 stages takes m m and 3 (m m) (1 operation each), m . g and
    g - (m . g) m (2 each, a multiply-add); 3 stages take m + c dm (2); the sum of the 4 slopes
    takes 4 multiply-adds: 38. A general G adds 2 k for each overlap and stage.
    """
    return (38.0 + (8.0 * k if general else 0.0)) * k
