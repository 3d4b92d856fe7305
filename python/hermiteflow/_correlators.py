"""Averages E[s(x1) t(x2)] over Gaussians of any covariance, and their derivatives.

The interaction (1) is the case of unit variances. For weights of any norm a link is a fixed
function of x, so what is known by name or as a polynomial has closed forms, and nothing else has.
Knows links only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._activations import Activation
from ._checks import Array
from .links import Link

#: Functions by name that have closed forms with each other and with polynomials.
CLOSED = ("relu", "erf", "sign")


class Averages(NamedTuple):
    """K = E[s(x1) t(x2)], and its derivatives in q11 = E[x1^2], q12 = E[x1 x2], q22 = E[x2^2]."""

    value: Array
    d11: Array
    d12: Array
    d22: Array


@dataclass(frozen=True)
class Correlator:
    """K(q11, q12, q22) = E[s(x1) t(x2)] for centred Gaussians of covariance (q11, q12; q12, q22).

    By Price's theorem dK/dq12 = E[s'(x1) t'(x2)] and dK/dq11 = E[s''(x1) t(x2)] / 2. Near
    |q12| = sqrt(q11 q22) the ReLU's derivatives are as well known as q11 q22 - q12^2 is.

    Parameters
    ----------
    first, second : Link
        s and t: sums of polynomials, "relu", "erf", and on one side "sign".

    Raises
    ------
    ValueError
        If a pair of their functions has no closed form.

    References
    ----------
    docs/squared (15).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> from hermiteflow._correlators import Correlator
    >>> square = hf.polynomial([0, 0, 1])  # E[x1^2 x2^2] = q11 q22 + 2 q12^2
    >>> float(Correlator(square, square)(2.0, 0.5, 3.0).value.round(12))
    6.5
    """

    first: Link
    second: Link

    def __post_init__(self) -> None:
        for link in (self.first, self.second):
            for part, _ in link.parts:
                if not (part.named and part.name in CLOSED):
                    raise ValueError(
                        "link and student must be sums of polynomials, 'relu' and 'erf' (the "
                        "teacher's 'sign' too) for weights of any norm, where no other function "
                        f"has its averages in closed form, got one with {part.name!r}"
                    )
        if all(any(p.name == "sign" for p, _ in link.parts) for link in (self.first, self.second)):
            raise ValueError("student must have a derivative, got a link with 'sign'")

    @property
    def needs_norm(self) -> tuple[bool, bool]:
        """Whether q11, and whether q22, must be positive: a kink or a jump at 0."""
        first, second = (
            any(part.name != "erf" for part, _ in link.parts) for link in (self.first, self.second)
        )
        return first, second

    def __call__(self, q11: ArrayLike, q12: ArrayLike, q22: ArrayLike) -> Averages:
        """Return K and its three derivatives, each of the shape that the arguments broadcast to.

        |q12| > sqrt(q11 q22), a matter of rounding, counts as equal.
        """
        one, both, two = (np.asarray(q, dtype=np.float64) for q in (q11, q12, q22))
        shape = np.broadcast_shapes(one.shape, both.shape, two.shape)
        total = np.zeros((4, *shape))

        def add(factor: float, terms: Averages) -> None:
            for i, term in enumerate(terms):
                total[i] += factor * term

        # A polynomial meets the other link, whole; what is left are pairs of functions by name.
        left, right = (np.array(link.polynomial) for link in (self.first, self.second))
        if np.any(left):
            add(1.0, _with_polynomial(left, _hermite(right), one, both, two))
            for part, factor in self.second.parts:
                add(factor, _with_polynomial(left, _MOMENTS[part.name], one, both, two))
        if np.any(right):
            for part, factor in self.first.parts:
                terms = _with_polynomial(right, _MOMENTS[part.name], two, both, one)
                add(factor, _swapped(terms))
        for s, f in self.first.parts:
            for t, g in self.second.parts:
                add(f * g, _pair(s, t, one, both, two))
        return Averages(*total)


def _swapped(terms: Averages) -> Averages:
    return Averages(terms.value, terms.d22, terms.d12, terms.d11)


# ------------------------------------------------------------------ with a polynomial

#: (count, q) -> T_n(q) / sqrt(n!) for n < count, T_n(q) = E[t^(n)(sqrt(q) X)], stacked in front.
Moments = Callable[[int, Array], Array]


def _hermite(series: Array) -> Moments:
    """T_n of a sum of c_p h_p, from E[He_2m(sqrt(q) X)] = (2m)! / (m! 2^m) (q - 1)^m.

    Near q = 0 these terms cancel where T_n has no low powers of q, as for x^p: see `_shifted`.
    """
    polyval = np.polynomial.polynomial.polyval

    def moments(count: int, q: Array) -> Array:
        out = np.zeros((count, *q.shape))
        for n in range(min(count, series.size)):
            weights = np.ones((series.size - n + 1) // 2)
            m = np.arange(weights.size - 1)
            weights[1:] = np.cumprod(np.sqrt((n + 2.0 * m + 1) * (n + 2.0 * m + 2)) / (2 * m + 2))
            row = weights * series[n::2]
            out[n] = polyval(q - 1.0, row)
            powers, bounds = _shifted(row)
            if not np.all(powers):
                better = polyval(q, bounds) < polyval(np.abs(q - 1.0), np.abs(row))
                out[n] = np.where(better, polyval(q, powers), out[n])
        return out

    return moments


def _shifted(row: Array) -> tuple[Array, Array]:
    """Powers of q in a polynomial in q - 1, 0 where rounding alone is left; sums of their sizes.

    The smaller of the two forms' sums of sizes tells which is the more exact at some q; with all
    powers there it is never that of q.
    """
    powers, bounds = np.zeros_like(row), np.zeros_like(row)
    for c in row[::-1]:  # Horner's rule: times q - 1, plus c
        powers[1:], powers[0] = powers[:-1] - powers[1:], c - powers[0]
        bounds[1:], bounds[0] = bounds[:-1] + bounds[1:], abs(c) + bounds[0]
    nothing = np.abs(powers) <= 64.0 * np.finfo(np.float64).eps * bounds
    return np.where(nothing, 0.0, powers), np.where(nothing, 0.0, bounds)


def _recurrence(count: int, first: Array, second: Array, shift: int, over: Array) -> Array:
    """T_n / sqrt(n!) from T_0 and T_1 by T_(n+2) = -(n - shift) T_n / over."""
    out = np.zeros((count, *over.shape))
    out[:2] = np.stack([first, second])[:count]
    for n in range(count - 2):
        out[n + 2] = out[n] * (shift - n) / over / math.sqrt((n + 1.0) * (n + 2.0))
    return out


# All of T_(n+2) = 2 dT_n/dq, the heat equation.
_MOMENTS: dict[str, Moments] = {
    "erf": lambda count, q: _recurrence(
        count, np.zeros_like(q), np.sqrt(2.0 / math.pi / (1.0 + q)), 0, 1.0 + q
    ),
    "sign": lambda count, q: _recurrence(
        count, np.zeros_like(q), np.sqrt(2.0 / math.pi / q), 0, q
    ),
    "relu": lambda count, q: _recurrence(
        count, np.sqrt(q / (2.0 * math.pi)), np.full_like(q, 0.5), 1, q
    ),
}  # fmt: skip


def _with_polynomial(
    series: Array, moments: Moments, q11: Array, q12: Array, q22: Array
) -> Averages:
    """K = sum_n q12^n S_n(q11) T_n(q22) / n!, which ends with the degree of the polynomial."""
    degree = int(np.flatnonzero(series)[-1])
    S, T = _hermite(series)(degree + 3, q11), moments(degree + 3, q22)
    value = d11 = d12 = d22 = np.zeros_like(q12)
    for n in range(degree, -1, -1):  # by Horner's rule in q12
        step = math.sqrt((n + 1.0) * (n + 2.0))
        value = value * q12 + S[n] * T[n]
        d12 = d12 * q12 + (n + 1.0) * S[n + 1] * T[n + 1]
        d11 = d11 * q12 + 0.5 * step * S[n + 2] * T[n]
        d22 = d22 * q12 + 0.5 * step * S[n] * T[n + 2]
    return Averages(value, d11, d12, d22)


# ------------------------------------------------------------------ functions by name


def _pair(s: Activation, t: Activation, q11: Array, q12: Array, q22: Array) -> Averages:
    if (s.name, t.name) in _PAIRS:
        return _PAIRS[s.name, t.name](q11, q12, q22)
    return _swapped(_PAIRS[t.name, s.name](q22, q12, q11))


def _determinant(q11: Array, q12: Array, q22: Array) -> Array:
    root = np.sqrt(q11 * q22)
    return np.asarray(np.maximum((root - q12) * (root + q12), 0.0))


def _relu_relu(q11: Array, q12: Array, q22: Array) -> Averages:
    """Return the arc-cosine kernel, acos u = atan2(sqrt(det), q12)."""
    root = np.sqrt(_determinant(q11, q12, q22))
    angle = (math.pi - np.arctan2(root, q12)) / (2.0 * math.pi)
    outer = root / (4.0 * math.pi)
    return Averages(root / (2.0 * math.pi) + q12 * angle, outer / q11, angle, outer / q22)


def _arcsine(one: Array, two: Array, q12: Array, rest: Array) -> Averages:
    """(2/pi) asin(q12 / sqrt(one two)), rest = one two - q12^2 > 0."""
    root = np.sqrt(rest)
    d12 = 2.0 / math.pi / root
    outer = -0.5 * q12 * d12
    return Averages(2.0 / math.pi * np.arctan2(q12, root), outer / one, d12, outer / two)


def _erf_erf(q11: Array, q12: Array, q22: Array) -> Averages:
    rest = 1.0 + q11 + q22 + _determinant(q11, q12, q22)
    return _arcsine(1.0 + q11, 1.0 + q22, q12, rest)


def _erf_sign(q11: Array, q12: Array, q22: Array) -> Averages:
    """Two signs, of x1 + Z and x2: erf(x / sqrt 2) = E sign(x + Z), Z ~ N(0, 1)."""
    rest = q22 + _determinant(q11, q12, q22)
    return _arcsine(1.0 + q11, q22, q12, rest)


def _line(q12: Array, q22: Array, scale: Array, slope: Array) -> Averages:
    """q12 scale(q22): the ReLU x/2 + |x|/2 shares with an odd function the part x/2 alone."""
    zero = np.zeros(np.broadcast_shapes(q12.shape, q22.shape))
    return Averages(q12 * scale, zero, scale, q12 * slope)


def _relu_erf(_: Array, q12: Array, q22: Array) -> Averages:
    scale = 1.0 / np.sqrt(2.0 * math.pi * (1.0 + q22))
    return _line(q12, q22, scale, -0.5 * scale / (1.0 + q22))


def _relu_sign(_: Array, q12: Array, q22: Array) -> Averages:
    scale = 1.0 / np.sqrt(2.0 * math.pi * q22)
    return _line(q12, q22, scale, -0.5 * scale / q22)


_PAIRS: dict[tuple[str, str], Callable[[Array, Array, Array], Averages]] = {
    ("relu", "relu"): _relu_relu,
    ("erf", "erf"): _erf_erf,
    ("erf", "sign"): _erf_sign,
    ("relu", "erf"): _relu_erf,
    ("relu", "sign"): _relu_sign,
}
