"""RK4 of (10) for erf and G = I in Numba, the right-hand side written in four ways.

- `arrays`: the equations as NumPy has them, compiled;
- `loops`: loops over the entries, one row of [M | Q] at a time, the columns along the registers,
  nothing allocated;
- `loops, fixed sizes`: the same for one n and k, which the compiler knows: twice as fast at
  n = k = 4, no faster at 8, slower at 32;
- `dots`: loops for what is elementwise, and BLAS for the three products.

All with fastmath, on one thread; psi'(u) = 2 / (pi sqrt(4 - u^2)) in closed form, which LLVM turns
into vector square roots and divisions.
"""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray
SLOPE = 2.0 / np.pi


@njit(fastmath=True, error_model="numpy", inline="always")
def _rk4(rates, X, k, step, steps):  # type: ignore[no-untyped-def]
    n, width = X.shape
    T, Y = np.empty((n, width)), np.empty((max(k, n), n))
    Z, F, total = np.empty((n, width)), np.empty((n, width)), np.empty((n, width))
    for _ in range(steps):
        rates(X, k, F, T, Y)
        for i in range(n):
            for c in range(width):
                total[i, c] = F[i, c]
                Z[i, c] = X[i, c] + 0.5 * step * F[i, c]
        rates(Z, k, F, T, Y)
        for i in range(n):
            for c in range(width):
                total[i, c] += 2.0 * F[i, c]
                Z[i, c] = X[i, c] + 0.5 * step * F[i, c]
        rates(Z, k, F, T, Y)
        for i in range(n):
            for c in range(width):
                total[i, c] += 2.0 * F[i, c]
                Z[i, c] = X[i, c] + step * F[i, c]
        rates(Z, k, F, T, Y)
        for i in range(n):
            for c in range(width):
                X[i, c] += step / 6.0 * (total[i, c] + F[i, c])


@njit(fastmath=True, error_model="numpy")
def _weigh(X, k, T):  # type: ignore[no-untyped-def]
    """T = [D | -C], with -rho on the diagonal of -C; a = b = 1."""
    n, width = X.shape
    for i in range(n):
        for j in range(k):
            u = min(max(X[i, j], -1.0), 1.0)
            T[i, j] = SLOPE / np.sqrt(4.0 - u * u)
        for c in range(k, width):
            u = min(max(X[i, c], -1.0), 1.0)
            T[i, c] = -SLOPE / np.sqrt(4.0 - u * u)
        T[i, k + i] = 0.0
        rho = 0.0
        for c in range(width):
            rho += T[i, c] * X[i, c]
        T[i, k + i] = -rho


@njit(fastmath=True, error_model="numpy")
def _loops(X, k, F, T, Y):  # type: ignore[no-untyped-def]
    n, width = X.shape
    _weigh(X, k, T)
    for j in range(k):
        for i in range(n):
            Y[j, i] = X[i, j]
    for i in range(n):
        for j in range(k):
            F[i, j] = T[i, j]
        for c in range(k, width):
            F[i, c] = 0.0
        for j in range(k):
            factor = T[i, j]
            for m in range(n):
                F[i, k + m] += factor * Y[j, m]
        for m in range(n):
            factor = T[i, k + m]
            for c in range(width):
                F[i, c] += factor * X[m, c]
    for i in range(n):
        F[i, k + i] = 0.0
        for m in range(i):
            both = F[i, k + m] + F[m, k + i]
            F[i, k + m] = both
            F[m, k + i] = both


@njit(fastmath=True, error_model="numpy")
def _dots(X, k, F, T, Y):  # type: ignore[no-untyped-def]
    n = X.shape[0]
    _weigh(X, k, T)
    D, C = np.ascontiguousarray(T[:, :k]), np.ascontiguousarray(T[:, k:])
    pulled = np.dot(D, np.ascontiguousarray(X[:, :k]).T)
    dragged = np.dot(C, X)
    for i in range(n):
        for j in range(k):
            F[i, j] = D[i, j] + dragged[i, j]
        for m in range(n):
            pulled[i, m] += dragged[i, k + m]
    for i in range(n):
        for m in range(n):
            F[i, k + m] = pulled[i, m] + pulled[m, i]
        F[i, k + i] = 0.0


@njit(fastmath=True, error_model="numpy")
def _arrays(X, k, F, T, Y):  # type: ignore[no-untyped-def]
    n = X.shape[0]
    M, Q = np.ascontiguousarray(X[:, :k]), np.ascontiguousarray(X[:, k:])
    D = SLOPE / np.sqrt(4.0 - np.clip(M, -1.0, 1.0) ** 2)
    C = SLOPE / np.sqrt(4.0 - np.clip(Q, -1.0, 1.0) ** 2)
    np.fill_diagonal(C, 0.0)
    rho = (D * M).sum(axis=1) - (C * Q).sum(axis=1)
    for i in range(n):
        C[i, i] = rho[i]
    half = np.dot(D, M.T) - np.dot(C, Q)
    F[:, :k] = D - np.dot(C, M)
    F[:, k:] = half + half.T


@njit(fastmath=True, error_model="numpy")
def _solve_loops(X, k, step, steps):  # type: ignore[no-untyped-def]
    _rk4(_loops, X, k, step, steps)


@njit(fastmath=True, error_model="numpy")
def _solve_dots(X, k, step, steps):  # type: ignore[no-untyped-def]
    _rk4(_dots, X, k, step, steps)


@njit(fastmath=True, error_model="numpy")
def _solve_arrays(X, k, step, steps):  # type: ignore[no-untyped-def]
    _rk4(_arrays, X, k, step, steps)


def fixed(n, k):  # type: ignore[no-untyped-def]
    """Compile the loops for n neurons and k index vectors alone."""
    width = n + k

    @njit(fastmath=True, error_model="numpy", inline="always")
    def rates(X, F, T, Y):  # type: ignore[no-untyped-def]
        for i in range(n):
            for c in range(width):
                u = min(max(X[i, c], -1.0), 1.0)
                T[i, c] = SLOPE / np.sqrt(4.0 - u * u)
            for c in range(k, width):
                T[i, c] = -T[i, c]
            T[i, k + i] = 0.0
            rho = 0.0
            for c in range(width):
                rho += T[i, c] * X[i, c]
            T[i, k + i] = -rho
        for j in range(k):
            for i in range(n):
                Y[j, i] = X[i, j]
        for i in range(n):
            for j in range(k):
                F[i, j] = T[i, j]
            for c in range(k, width):
                F[i, c] = 0.0
            for j in range(k):
                for m in range(n):
                    F[i, k + m] += T[i, j] * Y[j, m]
            for m in range(n):
                for c in range(width):
                    F[i, c] += T[i, k + m] * X[m, c]
        for i in range(n):
            F[i, k + i] = 0.0
            for m in range(i):
                both = F[i, k + m] + F[m, k + i]
                F[i, k + m] = both
                F[m, k + i] = both

    @njit(fastmath=True, error_model="numpy")
    def run(X, k_here, step, steps):  # type: ignore[no-untyped-def]
        T, Y = np.empty((n, width)), np.empty((k, n))
        Z, F, total = np.empty((n, width)), np.empty((n, width)), np.empty((n, width))
        for _ in range(steps):
            rates(X, F, T, Y)
            for i in range(n):
                for c in range(width):
                    total[i, c] = F[i, c]
                    Z[i, c] = X[i, c] + 0.5 * step * F[i, c]
            rates(Z, F, T, Y)
            for i in range(n):
                for c in range(width):
                    total[i, c] += 2.0 * F[i, c]
                    Z[i, c] = X[i, c] + 0.5 * step * F[i, c]
            rates(Z, F, T, Y)
            for i in range(n):
                for c in range(width):
                    total[i, c] += 2.0 * F[i, c]
                    Z[i, c] = X[i, c] + step * F[i, c]
            rates(Z, F, T, Y)
            for i in range(n):
                for c in range(width):
                    X[i, c] += step / 6.0 * (total[i, c] + F[i, c])

    return run


WAYS = {"loops": _solve_loops, "loops and BLAS": _solve_dots, "arrays": _solve_arrays}


def ways(n: int, k: int) -> dict[str, object]:
    """Return the four ways to compute at one size."""
    return {**WAYS, "loops, fixed sizes": fixed(n, k)}


def solve(way, M: Array, Q: Array, step: float, steps: int) -> Array:  # type: ignore[no-untyped-def]
    """Return [M | Q] after `steps` steps; a = b = 1."""
    X = np.ascontiguousarray(np.hstack([M, Q]))
    way(X, M.shape[1], step, steps)
    return X
