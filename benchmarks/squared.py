"""The squared loss: right-hand sides of (10) within steps of RK4, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import hermiteflow as hf
from hermiteflow import _squared_engine as engine

from . import machine
from .measure import Contest, Side, timed
from .problems import Array, largest_difference

EXTRA = "pip install 'hermiteflow[bench]'"
STEP = 0.01


def start(n: int) -> tuple[engine.System, Array, Array]:
    """Return n = k, erf, G = I, a = b = 1, and order parameters of random neurons, d = 2 n."""
    slope = engine.law(hf.Interaction(hf.link("erf")))
    system = engine.System("identity", n, slope, slope, np.ones(n), np.ones(n))
    W = hf.random_weights(n=n, d=2 * n, seed=0)
    Q = W @ W.T
    Q = 0.5 * (Q + Q.T)
    np.fill_diagonal(Q, 1.0)
    return system, np.ascontiguousarray(W[:, :n]), Q


def ours(system: engine.System, M: Array, Q: Array, steps: int) -> Array:
    """Return [M | Q] after so many steps."""
    found = engine.integrate(
        system, M, Q, method="rk4", step=STEP, t_end=steps * STEP, max_steps=steps
    )
    return np.hstack(found["state"][:2])


def reference(M: Array, Q: Array, steps: int) -> Array:
    """RK4 of (10) in extended precision."""
    k = M.shape[1]

    def field(X: Array) -> Array:
        m, q = X[:, :k], X[:, k:]
        D, C = (2 / (np.longdouble(np.pi) * np.sqrt(4 - u * u)) for u in (m, q))
        np.fill_diagonal(C, 0)
        rho = ((D * m).sum(1) - (C * q).sum(1))[:, None]
        half = D @ m.T - C @ q - rho * q
        return np.hstack([D - C @ m - rho * m, half + half.T])

    X, h = np.hstack([M, Q]).astype(np.longdouble), np.longdouble(STEP)
    for _ in range(steps):
        a = field(X)
        b = field(X + h / 2 * a)
        c = field(X + h / 2 * b)
        X = X + h / 6 * (a + 2 * b + 2 * c + field(X + h * c))
    return X.astype(np.float64)


def numpy_rk4(M: Array, Q: Array, steps: int) -> Array:
    """Return [M | Q] after so many steps, in NumPy as one writes it."""
    k = M.shape[1]

    def field(X: Array) -> Array:
        m, q = X[:, :k], X[:, k:]
        slope = 2.0 / (np.pi * np.sqrt(4.0 - np.clip(X, -1.0, 1.0) ** 2))
        D, C = slope[:, :k], slope[:, k:]
        np.fill_diagonal(C, 0.0)
        rho = ((D * m).sum(1) - (C * q).sum(1))[:, None]
        half = D @ m.T - C @ q - rho * q
        return np.hstack([D - C @ m - rho * m, half + half.T])

    X = np.hstack([M, Q])
    for _ in range(steps):
        a = field(X)
        b = field(X + 0.5 * STEP * a)
        c = field(X + 0.5 * STEP * b)
        X = X + STEP / 6.0 * (a + 2.0 * b + 2.0 * c + field(X + STEP * c))
    return X


def rates(small: bool, n: int, peer: str = "numba") -> Contest:
    """Steps of RK4 in order parameters, against the fastest of four ways in Numba, or NumPy."""
    steps, judged = max(100, (200_000 if small else 200_000_000) // (n + 6) ** 3), 20
    system, M, Q = start(n)
    exact = reference(M, Q, judged)

    def side(name: str, run: Callable[[int], Array], scale: float = 1.0) -> Side:
        error = largest_difference(run(judged), exact)
        return Side(name, partial(run, int(steps / scale)), error, scale=scale)

    contest = partial(
        Contest,
        f"squared loss, erf, n = k = {n}, {4 * steps:,} right-hand sides in RK4",
        f"order parameters after {judged} steps, largest",
        side("rk4", lambda count: ours(system, M, Q, count)),
    )
    if peer == "numpy":
        return contest(side("NumPy", lambda count: numpy_rk4(M, Q, count), scale=10.0))
    try:
        from .peers import numba_squared
    except ImportError as error:
        return contest(None, missing=f"peer missing: {error.name or 'numba'} ({EXTRA})")

    def numba(way: object, count: int) -> Array:
        with machine.blas_threads(1):
            return numba_squared.solve(way, M, Q, STEP, count)

    ways = numba_squared.ways(n, n)
    for way in ways.values():
        numba(way, 1)  # compiles
    best = min(ways, key=lambda name: min(timed(partial(numba, ways[name], steps)) for _ in "12"))
    return contest(side(f"Numba, {best}", partial(numba, ways[best])))
