"""Adaptive Gauss-Legendre quadrature, and the integral of docs/mathematics (8) on [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]


def time_on_unit_interval(
    speed: Callable[[Array], Array], sign: float, ends: tuple[float, float], *, singular: bool
) -> float:
    """Integrate du / (speed(sign u) (1 - u^2)) over `ends`, in [0, 1]; singular: infinite at 1."""
    near, far = ends
    middle = min(max(0.5, near), far)

    def plain(u: Array) -> Array:
        return 1.0 / (speed(sign * u) * (1.0 - u) * (1.0 + u))

    def small(v: Array) -> Array:  # v = log(u / near)
        u = near * np.exp(v)
        return u * plain(u)

    def towards_one(y: Array) -> Array:  # y = atanh u - atanh middle
        return 1.0 / speed(sign * np.tanh(start + y))

    def into_one(w: Array) -> Array:  # w = sqrt(1 - u) - sqrt(1 - far)
        u = 1.0 - (end + w) ** 2
        return 2.0 * np.sqrt(1.0 - u) * plain(u)

    # Lengths free of cancellation: the ends may be close to each other, or to 1.
    if near < np.finfo(np.float64).tiny:
        total = adaptive(plain, middle)
    else:
        total = adaptive(small, math.log1p((middle - near) / near))
    if singular:
        end = math.sqrt(1.0 - far)
        return total + adaptive(into_one, (far - middle) / (end + math.sqrt(1.0 - middle)))
    start = math.atanh(middle)
    span = far - middle
    length = 0.5 * (math.log1p(span / (1.0 + middle)) + math.log1p(span / (1.0 - far)))
    return total + adaptive(towards_one, length)


def adaptive(f: Callable[[Array], Array], length: float) -> float:
    """Integrate f over [0, length], halving panels until 16 and 2 x 16 Gauss nodes agree.

    Return inf where they never do: at a pole of the integrand.
    """
    if length <= 0.0:
        return 0.0
    nodes, weights = legendre.leggauss(16)

    def panels(low: Array, high: Array) -> Array:
        half = 0.5 * (high - low)
        with np.errstate(divide="ignore", over="ignore"):
            values = f(low[:, None] + half[:, None] * (1.0 + nodes))
        total: Array = half * (values @ weights)
        return total

    edges = np.linspace(0.0, length, 9)
    low, high = edges[:-1], edges[1:]
    done = 0.0
    for _ in range(40):  # further, u could not be told from its neighbours
        middle = 0.5 * (low + high)
        once, twice = panels(low, high), panels(low, middle) + panels(middle, high)
        agree = np.abs(once - twice) <= 1e-14 * (done + twice.sum())
        done += math.fsum(twice[agree].tolist())
        low = np.concatenate([low[~agree], middle[~agree]])
        high = np.concatenate([middle[~agree], high[~agree]])
        if low.size == 0:
            return done
    return math.inf
