"""Averages over Gaussians by quadrature that knows where functions have kinks.

Nothing here imports hermiteflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from oracles import Array, Function, gauss_hermite

REACH = 12.0


def _panels(edges: Array, order: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on each interval between neighbouring edges."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def pair_average(
    s: Function, t: Function, q11: float, q12: float, q22: float, *, halvings: int = 10
) -> float:
    """E[s(x1) t(x2)]: x2 outside, x1 given x2 inside, both cut where x1 or x2 is 0.

    Panels shrink towards x2 = 0: more halvings are for an x1 that is almost known from x2.
    """
    fine = REACH * 2.0 ** -np.arange(0.0, halvings, 0.5)
    z2, weights2 = _panels(np.concatenate([-fine, [0.0], fine[::-1]]), 16)
    x2 = math.sqrt(q22) * z2
    mean, width = q12 / q22 * x2, math.sqrt(max(q11 - q12 * q12 / q22, 0.0))
    if width == 0.0:
        inner = s(mean)
    else:
        nodes, weights = np.polynomial.legendre.leggauss(48)
        cut = np.clip(-mean / width, -REACH, REACH)
        inner = np.zeros_like(x2)
        for low, high in ((-REACH, cut), (cut, REACH)):
            half = 0.5 * (high - low)[:, None]
            z1 = 0.5 * (high + low)[:, None] + half * nodes
            values = s(mean[:, None] + width * z1) * np.exp(-0.5 * z1 * z1)
            inner += (half * values) @ weights / math.sqrt(2.0 * math.pi)
    density = np.exp(-0.5 * z2 * z2) / math.sqrt(2.0 * math.pi)
    return float(np.sum(weights2 * density * inner * t(x2)))


def plane_nodes(kinks: Array) -> tuple[Array, Array]:
    """Nodes (N, 2) and weights of N(0, I_2) in polar coordinates, cut along x . w = 0."""
    angles = np.arctan2(kinks[:, 0], -kinks[:, 1])
    around = np.sort(np.concatenate([angles, angles + math.pi, np.linspace(0, 2 * math.pi, 9)]))
    around = np.mod(around, 2 * math.pi)
    theta, turn = _panels(np.append(np.sort(around), 2 * math.pi), 20)
    r, weights = _panels(np.linspace(0.0, REACH, 9), 14)
    x = np.stack([np.outer(r, np.cos(theta)), np.outer(r, np.sin(theta))], axis=-1)
    measure = np.outer(weights * r * np.exp(-0.5 * r * r), turn) / (2.0 * math.pi)
    return x.reshape(-1, 2), measure.ravel()


def space_nodes(d: int, nodes: int) -> tuple[Array, Array]:
    """Product Gauss-Hermite rule of N(0, I_d), for smooth functions."""
    x, w = gauss_hermite(nodes)
    grid = np.stack(np.meshgrid(*[x] * d, indexing="ij"), axis=-1).reshape(-1, d)
    weights = w
    for _ in range(d - 1):
        weights = np.multiply.outer(weights, w)
    return grid, weights.ravel()


def squared_loss(
    rule: tuple[Array, Array], W: Array, V: Array, a: Array, b: Array, s: Function, t: Function
) -> float:
    """E[(f - f*)^2] / 2 by a rule for N(0, I_d)."""
    x, weights = rule
    error = s(x @ W.T) @ a - t(x @ V.T) @ b
    return float(0.5 * np.sum(weights * error * error))


def slope(of: Callable[[float], float], h: float) -> float:
    """Derivative at 0 by central differences, Richardson-extrapolated twice."""
    coarse, middle, fine = ((of(e) - of(-e)) / (2 * e) for e in (h, h / 2, h / 4))
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return (16 * second - first) / 15


def curvature(of: Callable[[float], float], h: float) -> float:
    """Second derivative at 0, Richardson-extrapolated twice."""
    here = of(0.0)
    coarse, middle, fine = ((of(e) + of(-e) - 2 * here) / e**2 for e in (h, h / 2, h / 4))
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return (16 * second - first) / 15


def every_slope(of: Callable[[Array], float], at: Array, h: float = 0.02) -> Array:
    """Euclidean gradient of a function of an array."""
    out = np.empty_like(at)
    for where in np.ndindex(*at.shape):
        unit = np.zeros_like(at)
        unit[where] = 1.0
        out[where] = slope(lambda e, unit=unit: of(at + e * unit), h)
    return out


def tangent_vectors(W: Array, seed: int) -> Array:
    z = np.random.default_rng(seed).standard_normal(W.shape)
    return z - np.sum(z * W, axis=1, keepdims=True) * W


def geodesic(W: Array, z: Array, s: float) -> Array:
    """Rows of W moved along great circles with velocity z."""
    speed = np.linalg.norm(z, axis=1, keepdims=True)
    return np.cos(s * speed) * W + np.sin(s * speed) * z / speed


def saad_solla_i3(C: Array, i: int, n: int, m: int) -> float:
    """E[g'(x_i) x_n g(x_m)] for g = erf(x / sqrt 2) and Gaussians of covariance C."""
    scale = (1 + C[i, i]) * (1 + C[m, m]) - C[i, m] ** 2
    return float(
        2 / math.pi / math.sqrt(scale)
        * (C[n, m] * (1 + C[i, i]) - C[i, n] * C[i, m]) / (1 + C[i, i])
    )  # fmt: skip


def saad_solla_field(M: Array, Q: Array, G: Array) -> tuple[Array, Array]:
    """The equations of the soft committee machine, a = b = 1, from I3 of students and teachers."""
    n, k = M.shape
    C = np.block([[Q, M], [M.T, G]])

    def pull(i: int, at: int) -> float:
        students: Sequence[int] = range(n)
        teachers: Sequence[int] = range(n, n + k)
        return sum(saad_solla_i3(C, i, at, m) for m in teachers) - sum(
            saad_solla_i3(C, i, at, m) for m in students
        )

    all_pulls = np.array([[pull(i, at) for at in range(n + k)] for i in range(n)])
    return all_pulls[:, n:], all_pulls[:, :n] + all_pulls[:, :n].T
