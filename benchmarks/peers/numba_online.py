"""One-pass gradient descent, fused: random numbers, fields and updates in compiled loops."""

from __future__ import annotations

import math

import numba
import numpy as np

from ..problems import Array


@numba.njit(fastmath=True)
def step(W: Array, k: int, x: Array, rate: float) -> None:
    """One step of the squared loss, h_3, V = (e_1 .. e_k), a = b = 1, in place."""
    n, d = W.shape
    fields = np.zeros(n)
    for i in range(n):
        total = 0.0
        for j in range(d):
            total += W[i, j] * x[j]
        fields[i] = total
    root = 1.0 / math.sqrt(6.0)
    error = 0.0
    for j in range(k):
        error += root * (x[j] * x[j] - 3.0) * x[j]
    for i in range(n):
        error -= root * (fields[i] * fields[i] - 3.0) * fields[i]
    for i in range(n):
        pull = rate * error * root * 3.0 * (fields[i] * fields[i] - 1.0)
        keep = 1.0 - pull * fields[i]
        square = 0.0
        for j in range(d):
            w = keep * W[i, j] + pull * x[j]
            W[i, j] = w
            square += w * w
        scale = 1.0 / math.sqrt(square)
        for j in range(d):
            W[i, j] *= scale


@numba.njit(fastmath=True)
def solve(W: Array, k: int, steps: int, rate: float, rng: np.random.Generator) -> Array:
    """Return weights after so many steps on fresh samples."""
    W = W.copy()
    x = np.empty(W.shape[1])
    for _ in range(steps):
        for j in range(x.size):
            x[j] = rng.standard_normal()
        step(W, k, x, rate)
    return W
