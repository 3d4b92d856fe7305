"""The arc sine without its leading Taylor terms, and derivatives. Knows NumPy only.

Interactions of functions with a kink or a jump are made of it; links without low degrees need it
near 0 to full relative accuracy.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Taylor terms that reach rounding for |u| <= 1/2, and that derivatives of high order need more.
_TERMS, _MORE = 25, 8


def taylor(degree: int) -> Array:
    """Return the Taylor coefficients of asin at 0 up to a degree, shape (degree + 1,)."""
    out = np.zeros(degree + 1)
    odd = np.arange(3.0, degree + 1, 2.0)
    out[1::2] = np.cumprod(np.concatenate([[1.0], (odd - 2.0) ** 2 / ((odd - 1.0) * odd)]))[
        : out[1::2].size
    ]
    return out


def arcsine(u: Array, order: int = 0, skip: int = 0) -> Array:
    """Return a derivative of asin(u) without its Taylor terms up to degree `skip`, |u| <= 1.

    Order -1 is the integral from 0, u asin(u) + sqrt(1 - u^2) - 1.
    """
    series = taylor(max(skip + 1, order) + 2 * _TERMS + _MORE * max(order, 0))
    series[: skip + 1] = 0.0
    series = np.asarray(poly.polyint(series) if order < 0 else poly.polyder(series, order))
    near = np.abs(u) <= 0.5
    out = np.empty_like(u)
    out[near] = poly.polyval(u[near], series)
    out[~near] = _closed(u[~near], order) - poly.polyval(u[~near], _lead(order, skip))
    return out


def _lead(order: int, skip: int) -> Array:
    series = taylor(skip)
    return np.asarray(poly.polyint(series) if order < 0 else poly.polyder(series, order))


def _closed(u: Array, order: int) -> Array:
    """Use (1 - u^2) f^(n + 2) = (2 n + 1) u f^(n + 1) + n^2 f^(n)."""
    inner = (1.0 - u) * (1.0 + u)
    if order < 0:
        return u * np.arcsin(u) + np.sqrt(inner) - 1.0
    if order == 0:
        return np.arcsin(u)
    with np.errstate(divide="ignore"):
        inverse = 1.0 / inner
        before, here = np.zeros_like(u), np.sqrt(inverse)
        for n in range(order - 1):
            before, here = here, ((2 * n + 1) * u * here + n * n * before) * inverse
    return here
