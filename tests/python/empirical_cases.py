"""Losses and gradients on a stored sample in plain NumPy, with planted faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import erf

import hermiteflow as hf


def _series(*terms: tuple[int, float]) -> tuple[Any, Any]:
    """sum_p c_p He_p / sqrt(p!), and its derivative, by NumPy's own polynomials."""
    from math import factorial

    size = max(p for p, _ in terms) + 1
    coefficients = np.zeros(size)
    for p, c in terms:
        coefficients[p] = c / np.sqrt(factorial(p))
    of = np.polynomial.hermite_e.HermiteE(coefficients)
    return of, of.deriv()


class Case(NamedTuple):
    link: hf.Link
    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]


CASES = {
    "relu": Case(hf.link("relu"), lambda u: np.maximum(u, 0.0), lambda u: (u > 0.0).astype(float)),
    "erf": Case(
        hf.link("erf"),
        lambda u: erf(u / np.sqrt(2.0)),
        lambda u: np.sqrt(2.0 / np.pi) * np.exp(-0.5 * u * u),
    ),
    "tanh": Case(hf.link("tanh"), np.tanh, lambda u: 1.0 - np.tanh(u) ** 2),
    "callable": Case(
        hf.link(lambda u: u * np.exp(-0.25 * u * u)),
        lambda u: u * np.exp(-0.25 * u * u),
        lambda u: (1.0 - 0.5 * u * u) * np.exp(-0.25 * u * u),
    ),
    "polynomial": Case(
        hf.hermite({0: 0.3, 2: 0.5, 3: 0.8}), *_series((0, 0.3), (2, 0.5), (3, 0.8))
    ),
    "sum": Case(
        hf.hermite(3) + 0.5 * hf.link("tanh"),
        lambda u: (u**3 - 3.0 * u) / np.sqrt(6.0) + 0.5 * np.tanh(u),
        lambda u: 3.0 * (u**2 - 1.0) / np.sqrt(6.0) + 0.5 * (1.0 - np.tanh(u) ** 2),
    ),
}

#: What is planted in the reference, so that a comparison with it must fail.
FAULTS = ("sign", "no 1/N", "no projection", "no a_i", "no residual")


def loss(case: Case, X: np.ndarray, y: np.ndarray, W: np.ndarray, a: np.ndarray, of: str) -> float:
    outputs = sum(a_i * case.value(X.astype(float) @ w) for a_i, w in zip(a, W, strict=True))
    if of == "squared":
        return float(0.5 * np.mean((outputs - y) ** 2))
    return -float(np.mean(y * outputs))


def gradient(
    case: Case,
    X: np.ndarray,
    y: np.ndarray,
    W: np.ndarray,
    a: np.ndarray,
    of: str,
    *,
    constrained: bool = True,
    fault: str = "",
) -> np.ndarray:
    """The gradient, sample by sample as the formula reads."""
    rows = X.astype(float)
    out = np.zeros_like(W)
    for x, target in zip(rows, y, strict=True):
        fields = W @ x
        e = target - a @ case.value(fields) if of == "squared" else target
        if fault == "no residual":
            e = target if of == "squared" else target - a @ case.value(fields)
        for i, w in enumerate(W):
            along = x - fields[i] * w if constrained and fault != "no projection" else x
            weight = 1.0 if fault == "no a_i" else a[i]
            out[i] -= weight * e * case.slope(fields[i]) * along
    out = out if fault == "no 1/N" else out / len(rows)
    return -out if fault == "sign" else out


def fast_gradient(
    case: Case,
    X: np.ndarray,
    y: np.ndarray,
    W: np.ndarray,
    a: np.ndarray,
    of: str,
    constrained: bool = True,
) -> np.ndarray:
    """The same by matrix products, for integrators."""
    fields = X @ W.T
    e = y - case.value(fields) @ a if of == "squared" else y
    out = -((a * e[:, None] * case.slope(fields)).T @ X) / len(X)
    return out - np.sum(out * W, axis=1, keepdims=True) * W if constrained else out


def layer_gradient(
    case: Case, X: np.ndarray, y: np.ndarray, W: np.ndarray, a: np.ndarray, fault: str = ""
) -> np.ndarray:
    """The gradient of the squared loss in a: (1/N) sum_s (f(x_s) - y_s) sigma(w_i . x_s)."""
    values = case.value(X.astype(float) @ W.T)
    e = values @ a - y
    if fault == "no residual":
        e = -y
    if fault == "slope":
        values = case.slope(X.astype(float) @ W.T)
    out = e @ values
    out = out * a if fault == "a_i" else out
    out = out if fault == "no 1/N" else out / len(X)
    return -out if fault == "sign" else out


#: What is planted in it.
LAYER_FAULTS = ("sign", "no 1/N", "no residual", "slope", "a_i")
