"""A stored sample: the gradient of the loss on it, against NumPy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

import hermiteflow as hf

from . import machine
from .measure import Contest, Side, timed
from .peers import numpy_empirical
from .problems import Array, largest_difference


def reference(X: Array, y: Array, w: Array) -> Array:
    """The gradient of one neuron in extended precision, block by block."""
    force, along, row = np.zeros(w.size, dtype=np.longdouble), np.longdouble(0), w.astype("g")
    for first in range(0, X.shape[0], 1000):
        at = X[first : first + 1000].astype(np.longdouble)
        fields = at @ row
        weights = np.where(fields > 0, y[first : first + 1000], 0).astype(np.longdouble)
        force += weights @ at
        along += weights @ fields
    return np.asarray((along * row - force) / X.shape[0], dtype=np.float64)


def gradient(small: bool, n: int, dtype: Any) -> Contest:
    """flow.gradient(W) of the correlation loss, ReLU; both sides sum in double precision."""
    N, d = (3_000, 100) if small else (100_000, 1_000)
    X = np.random.default_rng(0).standard_normal((N, d), dtype=dtype)
    flow = hf.EmpiricalFlow(hf.Orthonormal(k=2), hf.link("relu"), X)
    W, y = hf.random_weights(n=n, d=d, seed=0), flow.labels
    exact = reference(X, y, W[0])
    pool = ThreadPoolExecutor(machine.threads())

    def peer(block: int, threaded: bool) -> Array:
        if not threaded:
            return numpy_empirical.gradient(X, y, W, block, None)
        with machine.blas_threads(1):
            return numpy_empirical.gradient(X, y, W, block, pool)

    ways = [(block, threaded) for block in numpy_empirical.BLOCKS for threaded in (True, False)]
    if small:
        ways = ways[:1]
    best = min(ways, key=lambda way: min(timed(partial(peer, *way)) for _ in "12"))
    how = "on threads" if best[1] else "BLAS's threads"

    def error(found: Array) -> float:
        return largest_difference(found[0], exact) / float(np.max(np.abs(exact)))

    name = np.dtype(dtype).name
    return Contest(
        f"EmpiricalFlow.gradient(W), N = {N:,}, d = {d:,}, n = {n}, {name}",
        "of one neuron, largest, relative to the largest entry",
        Side("gradient", lambda: flow.gradient(W), error(flow.gradient(W))),
        Side(f"NumPy, {best[0]} samples at once, {how}", partial(peer, *best), error(peer(*best))),
        work=4.0 * N * n * d,
    )
