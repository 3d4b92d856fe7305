"""Functions that are no polynomials: values, Hermite series, and what lies beyond them.

Named ones have closed forms or converge by the trapezoidal rule; any other is projected by
Gauss-Legendre quadrature. Knows NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

#: Highest degree of a named function's series, and of that of a callable.
MAX_DEGREE, MAX_CALLABLE_DEGREE = 640, 128
#: Larger values of a callable count as overflow.
_LARGEST = 1e290
_DENSITY_0 = 1.0 / math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Activation:
    """A function, its normalised Hermite coefficients, and the share of sigma' beyond them.

    Parameters
    ----------
    name : str
        One of `NAMES`, or any for a callable.
    series : tuple of float
        c_0..c_P.
    beyond : (even, odd)
        Sums of p c_p^2 over even and over odd p > P.
    named : bool
        Whether it is one of `NAMES`, and so known without its callable.
    function, slope : callable, optional
        sigma and sigma'; without them the series stands in.
    """

    name: str
    series: tuple[float, ...] = field(repr=False)
    beyond: tuple[float, float]
    named: bool = False
    function: Function | None = field(default=None, compare=False, repr=False)
    slope: Function | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., Activation], tuple[object, ...]]:
        """Leave the callable behind: it may not be picklable, and the series says it all."""
        if self.named:
            return named, (self.name,)
        return Activation, (self.name, self.series, self.beyond)

    @property
    def coefficients(self) -> Array:
        """The series as an array, shape (P + 1,)."""
        return np.array(self.series)

    def left_out(self, degree: int) -> Array:
        """Return the sums of p c_p^2 over even and over odd p > degree, shape (2,)."""
        p = np.arange(len(self.series))
        terms = np.where(p > degree, p * self.coefficients**2, 0.0)
        even, odd = float(terms[::2].sum()), float(terms[1::2].sum())
        return np.array([self.beyond[0] + even, self.beyond[1] + odd])


# ------------------------------------------------------------------ closed forms


def _at_zero(degree: int) -> Array:
    """h_0(0)..h_degree(0): h_(q + 2)(0) = -sqrt((q + 1)/(q + 2)) h_q(0)."""
    out = np.zeros(degree + 1)
    even = np.arange(0, degree - 1, 2)
    out[::2] = np.cumprod(np.concatenate([[1.0], -np.sqrt((even + 1.0) / (even + 2.0))]))
    return out


def _relu_series() -> Array:
    """From relu'' = delta: sqrt(p (p - 1)) c_p = phi(0) h_(p - 2)(0)."""
    p = np.arange(2, MAX_DEGREE + 1)
    tail = _DENSITY_0 * _at_zero(MAX_DEGREE - 2) / np.sqrt(p * (p - 1.0))
    return np.concatenate([[_DENSITY_0, 0.5], tail])


def _sign_series() -> Array:
    """From sign' = 2 delta: sqrt(p) c_p = 2 phi(0) h_(p - 1)(0)."""
    p = np.arange(1, MAX_DEGREE + 1)
    return np.concatenate([[0.0], 2.0 * _DENSITY_0 * _at_zero(MAX_DEGREE - 1) / np.sqrt(p)])


def _erf_series() -> Array:
    """From sigma' = sqrt(2/pi) exp(-x^2/2): sqrt(p) c_p = pi^(-1/2) 2^(-(p-1)/2) h_(p - 1)(0)."""
    p = np.arange(1, MAX_DEGREE + 1)
    tail = _at_zero(MAX_DEGREE - 1) * 2.0 ** (-0.5 * (p - 1)) / np.sqrt(math.pi * p)
    return np.concatenate([[0.0], tail])


def _gelu_series() -> Array:
    """From x (1 + erf(x/sqrt 2))/2 and x h_q = sqrt(q + 1) h_(q + 1) + sqrt(q) h_(q - 1)."""
    erf = np.append(_erf_series(), 0.0)
    p = np.arange(MAX_DEGREE + 1)
    out = 0.5 * np.sqrt(p + 1.0) * erf[1:]
    out[1:] += 0.5 * np.sqrt(p[1:]) * erf[:-2]
    out[1] += 0.5
    return np.asarray(out)


def _exponential_series(factor: float, signs: tuple[int, ...]) -> Array:
    """c_p = factor * signs[p mod 4] / sqrt(p!)."""
    p = np.arange(1, MAX_DEGREE + 1)
    sizes = np.concatenate([[1.0], np.cumprod(1.0 / np.sqrt(p))])
    return np.asarray(factor * sizes * np.array(signs)[np.arange(MAX_DEGREE + 1) % 4])


# ------------------------------------------------------------------ functions analytic in a strip


def _projected(function: Function, parity: int, degree: int = 0, part: float = 0.0) -> Array:
    """Hermite series of an even (0) or odd (1) function, plus `part` h_degree.

    By the trapezoidal rule, exact to rounding for poles at |Im x| >= pi/2.
    """
    step = 1.0 / 32.0
    x = np.arange(-20.0, 20.0 + step, step)
    # phi h_p by its recurrence, in halves that neither overflow nor underflow: sqrt(phi) h_p
    half = np.exp(-0.25 * x * x) * math.sqrt(_DENSITY_0)
    weighted = function(x) * half * step
    out = np.zeros(MAX_DEGREE + 1)
    before, here = np.zeros_like(x), half
    for p in range(MAX_DEGREE + 1):
        if p > 0:
            before, here = here, (x * here - math.sqrt(p - 1) * before) / math.sqrt(p)
        if p % 2 == parity:
            out[p] = float(np.sum(weighted * here))
    out[degree] += part
    return out


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))


def _erf(x: Array) -> Array:
    values = [math.erf(v) for v in (np.ravel(x) / math.sqrt(2.0)).tolist()]
    return np.array(values, dtype=np.float64).reshape(np.shape(x))


def _bell(x: Array) -> Array:
    return np.asarray(np.exp(-0.5 * x * x))


def _silu_slope(x: Array) -> Array:
    s = _sigmoid(x)
    return s + x * s * (1.0 - s)


# ------------------------------------------------------------------ functions by name


@dataclass(frozen=True)
class _Recipe:
    """sigma, sigma', the series to MAX_DEGREE, and what tells how much lies beyond it.

    `energy` is E sigma'(X)^2 from the even and from the odd degrees of sigma. Without it the series
    must end before MAX_DEGREE within rounding, and one that does not is refused.
    """

    function: Function
    slope: Function | None
    series: Callable[[], Array]
    energy: tuple[float, float] | None = None


_RECIPES = {
    "relu": _Recipe(  # relu' = 1/2 + sign/2
        lambda x: np.maximum(x, 0.0), lambda x: np.heaviside(x, 0.0), _relu_series, (0.25, 0.25)
    ),
    "erf": _Recipe(_erf, lambda x: 2.0 * _DENSITY_0 * _bell(x), _erf_series),
    "tanh": _Recipe(
        np.tanh,
        lambda x: np.asarray(1.0 / np.cosh(np.minimum(np.abs(x), 300.0)) ** 2),
        lambda: _projected(np.tanh, 1),
    ),
    "sigmoid": _Recipe(
        _sigmoid,
        lambda x: _sigmoid(x) * _sigmoid(-x),
        lambda: _projected(lambda x: 0.5 * np.tanh(0.5 * x), 1, 0, 0.5),
    ),
    "softplus": _Recipe(
        lambda x: np.logaddexp(0.0, x),
        _sigmoid,
        lambda: _projected(lambda x: np.log(2.0 * np.cosh(0.5 * x)), 0, 1, 0.5),
    ),
    "gelu": _Recipe(
        lambda x: 0.5 * x * (1.0 + _erf(x)),
        lambda x: 0.5 * (1.0 + _erf(x)) + _DENSITY_0 * x * _bell(x),
        _gelu_series,
    ),
    "silu": _Recipe(
        lambda x: x * _sigmoid(x),
        _silu_slope,
        lambda: _projected(lambda x: 0.5 * x * np.tanh(0.5 * x), 0, 1, 0.5),
    ),
    "sign": _Recipe(np.sign, None, _sign_series, (0.0, math.inf)),
    "cos": _Recipe(
        np.cos, lambda x: -np.sin(x), lambda: _exponential_series(math.exp(-0.5), (1, 0, -1, 0))
    ),
    "sin": _Recipe(np.sin, np.cos, lambda: _exponential_series(math.exp(-0.5), (0, 1, 0, -1))),
    "exp": _Recipe(np.exp, np.exp, lambda: _exponential_series(math.exp(0.5), (1, 1, 1, 1))),
}
#: Functions that are known by name.
NAMES = tuple(_RECIPES)


@cache
def named(name: str) -> Activation:
    """Return one of `NAMES`."""
    return _completed(name, _RECIPES[name])


def _completed(name: str, recipe: _Recipe) -> Activation:
    """Return a recipe's function with its series, and what lies beyond it.

    Raises
    ------
    ValueError
        If the series goes on and the recipe has no energy, or less than the series holds.
    """
    series = recipe.series()
    sizes = np.abs(series)
    beyond = np.zeros(2)
    if recipe.energy is None:
        last = int(np.flatnonzero(sizes > 1e-16 * np.max(sizes))[-1])
        if last >= MAX_DEGREE - 1:  # an odd or even function skips one
            raise ValueError(
                f"the recipe of {name!r} must have its energy (E sigma'^2 of even and of odd "
                f"degrees), or a series that ends before degree {MAX_DEGREE}, got "
                f"{sizes[last] / np.max(sizes):.1e} of the largest coefficient at degree {last}"
            )
        series = series[: last + 1]
    else:
        terms = np.arange(series.size) * series**2
        kept = np.array([np.sum(terms[::2]), np.sum(terms[1::2])])
        beyond = np.array(recipe.energy) - kept
        rounding = 1e-13 * float(np.sum(kept))
        if np.any(beyond < -rounding):
            raise ValueError(
                f"the recipe of {name!r} must have an energy (E sigma'^2 of even and of odd "
                f"degrees) of at least {kept[0]:.6g} and {kept[1]:.6g}, which its series has, got "
                f"{recipe.energy[0]:.6g} and {recipe.energy[1]:.6g}"
            )
        beyond[beyond <= rounding] = 0.0
    return Activation(
        name,
        tuple(series.tolist()),
        (float(beyond[0]), float(beyond[1])),
        True,
        recipe.function,
        recipe.slope,
    )


# ------------------------------------------------------------------ any function


def projected(function: Callable[[Array], object], name: str) -> Activation:
    """Return a vectorised real function with its series up to MAX_CALLABLE_DEGREE.

    Raises
    ------
    ValueError
        If its values are not finite and of the shape of its argument, if panels of width 1/8 do
        not resolve it, or if it grows so fast that its norm is not found.
    """
    series, total = _by_panels(function, order=16)
    # on the same panels, so that a kink at any of their edges is no defect
    coarse, _ = _by_panels(function, order=11)
    norm = float(np.linalg.norm(series))
    defect = float(np.max(np.abs(series - coarse)))
    if defect > 1e-9 * max(norm, 1e-300):
        raise ValueError(
            "function must be smooth between multiples of 1/8, where alone it may have kinks and "
            f"jumps, got coefficients that change by {defect:.1e} between two quadratures (norm "
            f"{norm:.3g}); shift a kink onto such a multiple, or add functions known by name"
        )
    significant = np.flatnonzero(np.abs(series) > 1e-16 * norm)
    series = series[: int(significant[-1]) + 1] if significant.size else series[:1]
    terms = np.arange(series.size) * series**2
    beyond = total - [terms[::2].sum(), terms[1::2].sum()]
    finite = float(total[np.isfinite(total)].sum())
    beyond[beyond <= 1e-12 * max(finite, 1e-300)] = 0.0
    return Activation(
        name,
        tuple(series.tolist()),
        (float(beyond[0]), float(beyond[1])),
        function=lambda x: np.asarray(function(x), dtype=np.float64),
    )


def _called(function: Callable[[Array], object], x: Array) -> object:
    """Return function(x), or tell that a function of one number must be vectorised."""
    try:
        return function(x)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"function must be vectorised and real: for shape {x.shape} it raised "
            f"{type(error).__name__} ({error}); np.vectorize(function, otypes=[float]) takes arrays"
        ) from error


def _by_panels(function: Callable[[Array], object], order: int) -> tuple[Array, Array]:
    """Coefficients by Gauss-Legendre quadrature, and sums of p c_p^2 over even and odd p."""
    panel, reach = 0.125, 32.0
    nodes, weights = legendre.leggauss(order)
    edges = np.arange(-reach, reach, panel)
    x = edges[:, None] + 0.5 * panel * (1.0 + nodes)
    with np.errstate(over="ignore", invalid="ignore"):
        value = np.asarray(_called(function, x))
    if value.shape != x.shape or value.dtype.kind not in "fiub":
        raise ValueError(
            f"function must be vectorised and real: for shape {x.shape} it returned "
            f"shape {value.shape} and dtype {value.dtype}"
        )
    value = value.astype(np.float64)
    if not np.isfinite(value[np.abs(x) < 8.0]).all():
        raise ValueError("function must be finite on [-8, 8], got NaN or inf there")
    # panels around 0 without NaN and overflow; half of the density on each factor of a product
    good = np.all(np.abs(np.where(np.isfinite(value), value, np.inf)) < _LARGEST, axis=1)
    centre = edges.size // 2
    first = int(np.flatnonzero(~np.append(False, good[:centre]))[-1])
    last = centre + int(np.argmin(np.append(good[centre:], False)))
    kept = slice(max(first, edges.size - last), min(last, edges.size - first))
    x, value = x[kept], value[kept]
    root = np.sqrt(np.exp(-0.5 * x * x) * _DENSITY_0 * (0.5 * panel) * weights)
    with np.errstate(over="ignore"):
        energy = np.sum((value * root) ** 2, axis=1)
    if not energy[0] + energy[-1] <= 1e-12 * energy.sum() < _LARGEST:
        raise ValueError(
            "function must have a finite E sigma(X)^2 that is found within what doubles hold, "
            f"got {energy[0] + energy[-1]:.2g} of {energy.sum():.2g} near |x| = {x[-1, -1]:.3g}"
        )
    # derivative of the interpolant on each panel
    inverse = np.linalg.inv(legendre.legvander(nodes, order - 1))
    slope = np.stack(
        [legendre.legval(nodes, legendre.legder(row)) for row in np.eye(order)], axis=1
    )
    derivative = value @ (slope @ inverse).T * (2.0 / panel)
    mirrored = derivative[::-1, ::-1]  # at -x
    halves = [0.5 * (derivative - mirrored), 0.5 * (derivative + mirrored)]  # of even, odd sigma
    energies = np.array([float(np.sum((root * half) ** 2)) for half in halves])
    # a jump between panels: sigma' has a delta there, of infinite energy
    ends = value @ (legendre.legvander(np.array([-1.0, 1.0]), order - 1) @ inverse).T
    jump, at = ends[1:, 0] - ends[:-1, 1], x[1:, 0]
    size = np.max(np.abs(value), axis=1)
    norm = math.sqrt(float(energy.sum()))
    real = np.abs(jump) > 1e-7 * np.maximum(size[1:], size[:-1])
    jump = np.where(real & (np.abs(jump) * np.exp(-0.25 * at * at) > 1e-10 * norm), jump, 0.0)
    for parity, half_jump in enumerate((jump - jump[::-1], jump + jump[::-1])):
        if np.any(np.abs(half_jump) > 1e-6 * np.abs(jump).max(initial=0.0)):
            energies[parity] = math.inf
    series = np.empty(MAX_CALLABLE_DEGREE + 1)
    before, here, weighted = np.zeros_like(x), root, root * value
    for p in range(series.size):
        if p > 0:
            before, here = here, (x * here - math.sqrt(p - 1) * before) / math.sqrt(p)
        series[p] = np.sum(weighted * here)
    return series, energies


# ------------------------------------------------------------------ series


def slope_series(series: Array) -> Array:
    """Return Hermite coefficients of sigma': h_p' = sqrt(p) h_(p-1)."""
    return (series * np.sqrt(np.arange(series.size)))[1:] if series.size > 1 else np.zeros(1)


def evaluate(series: Array, x: Array) -> Array:
    """Return the sum of a normalised Hermite series by the three-term recurrence.

    Where its terms overflow, x lies beyond all zeros and the last term says the sign.
    """
    before, here = np.zeros_like(x), np.ones_like(x)
    total = series[0] * here
    for p in range(1, series.size):
        before, here = here, (x * here - math.sqrt(p - 1) * before) / math.sqrt(p)
        if series[p] != 0.0:
            total = total + series[p] * here
    lost = np.isnan(total) & ~np.isnan(x)
    if np.any(lost):
        last = int(np.flatnonzero(series)[-1])
        total = np.where(lost, series[last] * np.inf * np.sign(x) ** last, total)
    return np.asarray(total)
