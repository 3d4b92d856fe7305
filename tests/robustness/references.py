"""NumPy references, from docs/mathematics alone. W is (n, d), V (k, d), M (n, k), Q (n, n)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial, hermite_e
from numpy.typing import NDArray

Array = NDArray[np.float64]
Series = Mapping[int, float]


def doubles(value: Any) -> Array:
    """What the package should read."""
    with np.errstate(over="ignore"):
        return np.array(np.asarray(value), dtype=np.float64)


def close(found: Any, wanted: Any, rtol: float = 1e-11, atol: float = 1e-11) -> None:
    """Assert that values agree, and that shapes and types do; `atol` counts beside the largest."""
    left, right = np.asarray(found), np.asarray(wanted)
    assert left.shape == right.shape, f"shape {left.shape}, not {right.shape}"
    finite = np.abs(right[np.isfinite(right)])
    bound = atol * max(1.0, float(finite.max(initial=0.0)))
    np.testing.assert_allclose(left, right, rtol=rtol, atol=bound)


# ------------------------------------------------------------------ links


def hermite_sum(series: Series, x: Array, derivative: int = 0) -> Array:
    """sum_p c_p h_p(x), or a derivative of it, by numpy.polynomial."""
    coefficients = np.zeros(max(series) + 1)
    for p, c in series.items():
        coefficients[p] = c / math.sqrt(math.factorial(p))
    values = hermite_e.hermeder(coefficients, derivative) if derivative else coefficients
    return np.asarray(hermite_e.hermeval(x, values), dtype=np.float64)


def psi_of(student: Series, teacher: Series, derivative: int = 0) -> Callable[[Array], Array]:
    """psi(u) = sum_p c_p c*_p u^p, or a derivative of it."""
    degrees = range(max(*student, *teacher) + 1)
    product = Polynomial([student.get(p, 0.0) * teacher.get(p, 0.0) for p in degrees])
    return product.deriv(derivative) if derivative else product  # type: ignore[return-value]


def relu_psi(u: Array, derivative: int = 0) -> Array:
    """The arc-cosine kernel and its derivatives."""
    angle = math.pi - np.arccos(u)
    if derivative == 0:
        return np.asarray((np.sqrt(1.0 - u * u) + u * angle) / (2.0 * math.pi))
    if derivative == 1:
        return np.asarray(angle / (2.0 * math.pi))
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / (2.0 * math.pi * np.sqrt(1.0 - u * u)))


# ------------------------------------------------------------------ averages over x


def nodes(d: int, count: int = 14) -> tuple[Array, Array]:
    """Points (N, d) and weights (N,) of E over x ~ N(0, I_d), exact up to degree 2 count - 1."""
    x, w = hermite_e.hermegauss(count)
    w = w / w.sum()
    grid = np.stack(np.meshgrid(*[x] * d, indexing="ij"), axis=-1).reshape(-1, d)
    weights = np.prod(np.stack(np.meshgrid(*[w] * d, indexing="ij"), axis=-1), axis=-1)
    return grid, np.asarray(weights.ravel())


def loss_and_gradient(
    W: Array, V: Array, a: Array, b: Array, student: Series, teacher: Series, *,
    squared: bool, constrained: bool = True, sample: tuple[Array, Array] | None = None,
    labels: Array | None = None,
) -> tuple[float, Array]:  # fmt: skip
    """The loss (2) or (9) and its gradient in W, by a sum over points x and their weights."""
    x, weights = nodes(W.shape[1]) if sample is None else sample
    fields = x @ W.T
    truth = hermite_sum(teacher, x @ V.T) @ b if labels is None else labels
    output = hermite_sum(student, fields) @ a
    if squared:
        loss, error = 0.5 * float(weights @ (output - truth) ** 2), output - truth
    else:
        loss, error = -float(weights @ (output * truth)), -truth
    slopes = (weights * error)[:, None] * a * hermite_sum(student, fields, 1)
    gradient = slopes.T @ x
    if constrained:
        gradient = gradient - np.sum(gradient * W, axis=1, keepdims=True) * W
    return loss, np.asarray(gradient)


# ------------------------------------------------------------------ fields of overlaps


def overlap_field(M: Array, G: Array, a: Array, b: Array, slope: Callable[[Array], Array]) -> Array:
    """The right-hand side of (4)."""
    g = a[:, None] * b * slope(M)
    return np.asarray(g @ G - np.sum(M * g, axis=1, keepdims=True) * M)


def coupled_field(
    M: Array, Q: Array, G: Array, a: Array, b: Array,
    slope: Callable[[Array], Array], student_slope: Callable[[Array], Array],
) -> tuple[Array, Array]:  # fmt: skip
    """The right-hand side of (10)."""
    D = np.outer(a, b) * slope(M)
    C = np.outer(a, a) * student_slope(Q)
    np.fill_diagonal(C, 0.0)
    rho = np.sum(D * M, axis=1) - np.sum(C * Q, axis=1)
    dM = D @ G - C @ M - rho[:, None] * M
    half = D @ M.T - C @ Q - rho[:, None] * Q
    return dM, half + half.T


def squared_loss(
    M: Array, Q: Array, G: Array, a: Array, b: Array, student: Series, teacher: Series
) -> float:
    """The loss (9) of order parameters."""
    cross = a @ psi_of(student, teacher)(M) @ b
    own = a @ psi_of(student, student)(Q) @ a
    return float(0.5 * own - cross + 0.5 * (b @ psi_of(teacher, teacher)(G) @ b))


def unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def rk4(
    field: Callable[[Array], Array], y: Array, step: float, t_end: float, *, sphere: bool
) -> Array:
    """Classical Runge-Kutta of rows on the sphere; the last step is shortened."""
    done = 0.0
    count = max(math.ceil(t_end / step * (1.0 - 1e-9)), 0)
    for number in range(count):
        h = step if number < count - 1 else t_end - done
        k1 = field(y)
        k2 = field(y + h / 2 * k1)
        k3 = field(y + h / 2 * k2)
        k4 = field(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if sphere:
            y = unit(y)
        done += h
    return y
