"""Link functions: sums of Hermite polynomials and of functions known by name or as callables.

Knows nothing of interactions, targets or flows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e
from numpy.typing import ArrayLike

from . import _checks, _display
from ._activations import NAMES, Activation, evaluate, named, projected, slope_series
from ._checks import Array

#: A coefficient below this share of the norm counts as zero, and so it does with a callable, whose
#: coefficients come from quadrature.
NEGLIGIBLE, NEGLIGIBLE_BY_QUADRATURE = 1e-14, 1e-12

#: Highest degree of `hermite`, and up to which coefficients are listed.
MAX_DEGREE = 10_000

Part = tuple[Activation, float]


@dataclass(frozen=True, repr=False)
class Link(_display.Shown):
    """A link function sigma = sum_p c_p h_p, h_p = He_p / sqrt(p!).

    Made by `hermite`, `polynomial` or `link`, and by sums and multiples of links. Equal and
    hashed by content; picklable (a link made from a callable is evaluated through its Hermite
    series after unpickling, one known by name as before).

    Parameters
    ----------
    polynomial : tuple of float
        Normalised Hermite coefficients of the polynomial part.
    parts : tuple of (Activation, float)
        Other functions, and their factors.
    name : str
        How the link is shown.

    References
    ----------
    docs/mathematics, "Model".

    Examples
    --------
    >>> import hermiteflow as hf
    >>> sigma = hf.hermite({3: 1.0, 5: 0.2})
    >>> sigma.information_exponent
    3
    >>> sigma.coefficients(5)
    array([0. , 0. , 0. , 1. , 0. , 0.2])
    >>> (hf.link("relu") + 0.5 * hf.hermite(3)).without(1).information_exponent
    2
    """

    polynomial: tuple[float, ...]
    parts: tuple[Part, ...] = ()
    name: str = ""

    __array_ufunc__ = None  # an array times a link is an error, not an array of links

    def __post_init__(self) -> None:
        values = _checks.array(self.polynomial, "polynomial", ("degree + 1",))
        object.__setattr__(self, "polynomial", tuple(float(c) for c in values))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Link):
            return NotImplemented
        return (self.polynomial, self.parts) == (other.polynomial, other.parts)

    def __hash__(self) -> int:
        return hash((self.polynomial, self.parts))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is computed again."""
        return {key: self.__dict__[key] for key in ("polynomial", "parts", "name")}

    @property
    def _label(self) -> str:
        return _display.shorten(self.name) or self._formula()

    def _card(self) -> _display.Card:
        rows = [("name", _display.shorten(self.name))] if self.name else []
        rows += [
            ("series", self._formula()),
            ("degree", str(self.degree)),
            ("information_exponent", str(self.information_exponent)),
        ]
        if self.remainder > 0.0:
            rows.append(("remainder", f"{self.remainder:.2g}"))
        return _display.Card("Link", tuple(rows), small=True)

    def _formula(self) -> str:
        return _display.series(self.significant(), "h_{}".format)

    @cached_property
    def series(self) -> tuple[float, ...]:
        """Normalised Hermite coefficients c_0, c_1, ... as far as they are kept."""
        size = max(len(self.polynomial), *(len(part.series) for part, _ in self.parts), 1)
        total = np.zeros(size)
        for part, factor in self.parts:
            total[: len(part.series)] += factor * part.coefficients
        total[: len(self.polynomial)] += self.polynomial
        return tuple(total.tolist())

    @property
    def remainder(self) -> float:
        """Bound on E sigma'(X)^2 - sum_p p c_p^2 over the series; 0 for a polynomial."""
        return sum(abs(f) * math.sqrt(sum(part.beyond)) for part, f in self.parts) ** 2

    @property
    def norm(self) -> float:
        """The norm sqrt(E sigma(X)^2) of the series."""
        return math.hypot(*self.series)

    @property
    def degree(self) -> int:
        """Degree of the series."""
        return len(self.series) - 1

    def significant(self) -> Array:
        """Return the coefficients with those lost in rounding set to zero.

        They are below 1e-14 of the norm, or 1e-12 for a link with a callable.
        """
        values = np.array(self.series)
        exact = all(part.named for part, _ in self.parts)
        share = NEGLIGIBLE if exact else NEGLIGIBLE_BY_QUADRATURE
        values[np.abs(values) <= share * self.norm] = 0.0
        return values

    def kept(self) -> Array:
        """Return the significant coefficients and, of named functions, the small ones at the end.

        They count beside another link's that decay slowly; of a callable they are noise.
        """
        values = self.significant()
        if self.parts and all(part.named for part, _ in self.parts):
            end = int(np.flatnonzero(np.append(1.0, values))[-1])
            values[end:] = self.series[end:]
        return values

    def coefficients(self, degree: int) -> Array:
        """Return normalised Hermite coefficients c_0..c_degree, shape (degree + 1,).

        Of named functions they are right to 1e-15 of the largest; "relu" and "sign" are known up
        to degree 640, all others to where they vanish within rounding.

        Raises
        ------
        ValueError
            If the link is a truncated series and `degree` lies beyond it.
        """
        degree = _checks.integer(degree, "degree", low=0, high=MAX_DEGREE)
        if degree > self.degree and self.remainder > 0.0:
            raise ValueError(
                f"degree must be at most {self.degree}, where the series of {self._label} was "
                f"truncated, got {degree}"
            )
        out = np.zeros(degree + 1)
        count = min(degree, self.degree) + 1
        out[:count] = self.series[:count]
        return out

    @property
    def information_exponent(self) -> int | float:
        """Smallest p >= 1 with c_p != 0; `math.inf` for a constant."""
        nonzero = np.flatnonzero(self.significant()[1:])
        return int(nonzero[0]) + 1 if nonzero.size else math.inf

    def without(self, *degrees: int) -> Link:
        """Return the link with the coefficients of these degrees removed.

        Examples
        --------
        >>> import hermiteflow as hf
        >>> hf.polynomial([0, 0, 0, 1]).without(1) == hf.hermite({3: 6**0.5})
        True
        >>> hf.link("erf").without(1).information_exponent
        3
        """
        gone = {_checks.integer(p, "degrees", low=0) for p in degrees}
        most = max((p for p in gone if p <= self.degree), default=0)
        kept = np.zeros(max(len(self.polynomial), most + 1))
        kept[: len(self.polynomial)] = self.polynomial
        for p in gone & set(range(most + 1)):
            others = Link((0.0,), self.parts).series
            kept[p] = -others[p] if p < len(others) else 0.0
        label = ""
        if self.parts:
            label = f"{_bracketed(self._label)} without {', '.join(map(str, sorted(gone)))}"
        return Link(tuple(kept), self.parts, label)

    def __call__(self, x: ArrayLike) -> Array:
        """Return sigma(x), of the shape of x; infinite beyond what doubles hold.

        Raises
        ------
        TypeError
            If x does not hold real numbers.
        """
        points = _checks.points(x, "x")
        with np.errstate(over="ignore", invalid="ignore"):
            total = evaluate(np.array(self.polynomial), points)
            for part, factor in self.parts:
                if part.function is not None:
                    total = total + factor * part.function(points)
                else:
                    total = total + factor * evaluate(part.coefficients, points)
        return np.asarray(total, dtype=np.float64)

    def derivative(self, x: ArrayLike) -> Array:
        """Return sigma'(x), of the shape of x; infinite beyond what doubles hold.

        A link made from a callable is differentiated by a central difference of order 6.

        Raises
        ------
        ValueError
            If "sign" is part of the link: it jumps.
        TypeError
            If x does not hold real numbers.
        """
        points = _checks.points(x, "x")
        with np.errstate(over="ignore", invalid="ignore"):
            total = evaluate(slope_series(np.array(self.polynomial)), points)
            for part, factor in self.parts:
                total = total + factor * _derivative(part, points)
        return np.asarray(total)

    def __add__(self, other: Link) -> Link:
        if not isinstance(other, Link):
            return NotImplemented
        polynomial = np.zeros(max(len(self.polynomial), len(other.polynomial)))
        factors: dict[Activation, float] = {}
        for link in (self, other):
            polynomial[: len(link.polynomial)] += link.polynomial
            for part, factor in link.parts:
                factors[part] = factors.get(part, 0.0) + factor
        parts = tuple((part, factor) for part, factor in factors.items() if factor != 0.0)
        name = f"{self._label} + {other._label}" if parts or (self.name and other.name) else ""
        return Link(tuple(polynomial), parts, name.replace("+ -", "- "))

    def __mul__(self, factor: float) -> Link:
        if not isinstance(factor, int | float | np.floating | np.integer):
            return NotImplemented
        scale = _checks.real(factor, "factor")
        parts = tuple((part, scale * f) for part, f in self.parts if scale != 0.0)
        sign = "-" if scale == -1.0 else ("" if scale == 1.0 else f"{scale:g} ")
        name = f"{sign}{_bracketed(self.name)}" if self.name else ""
        return Link(tuple(scale * c for c in self.polynomial), parts, name)

    __rmul__ = __mul__

    def __neg__(self) -> Link:
        return -1.0 * self

    def __sub__(self, other: Link) -> Link:
        return self + (-other)


def check_varies(link: Link, name: str) -> None:
    """Refuse a constant, of which quadrature leaves rounding in all degrees."""
    if link.information_exponent == math.inf:
        raise ValueError(f"{name} must not be constant, got {link._formula()} within rounding")


def _bracketed(label: str) -> str:
    return f"({label})" if " " in label else label


def _derivative(part: Activation, x: Array) -> Array:
    """Return the derivative of a part at x."""
    if part.slope is not None:
        return part.slope(x)
    if part.named:
        raise ValueError(
            f"link must have a derivative, got one with {part.name!r}, which jumps at 0"
        )
    if part.function is None:
        return evaluate(slope_series(part.coefficients), x)
    h = 1e-2
    total = np.zeros_like(x)
    for j, weight in ((1, 45.0), (2, -9.0), (3, 1.0)):
        total = total + weight * (part.function(x + j * h) - part.function(x - j * h))
    return total / (60.0 * h)


def hermite(coefficients: int | Mapping[int, float]) -> Link:
    """Return h_p, or a sum of normalised Hermite polynomials from {degree: coefficient}.

    Raises
    ------
    ValueError, TypeError
        If a degree is not a non-negative integer, or a coefficient not finite.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> float(hf.hermite(2)(3.0))  # (x^2 - 1) / sqrt(2)
    5.65685424949238
    """
    if not isinstance(coefficients, Mapping):
        coefficients = {_checks.integer(coefficients, "coefficients", low=0, high=MAX_DEGREE): 1.0}
    if not coefficients:
        raise ValueError("coefficients must name at least one degree, got an empty mapping")
    pairs = {
        _checks.integer(p, "a degree of coefficients", low=0, high=MAX_DEGREE): _checks.real(
            c, f"coefficients[{p}]"
        )
        for p, c in coefficients.items()
    }
    series = np.zeros(max(pairs) + 1)
    for p, c in pairs.items():
        series[p] = c
    return Link(tuple(series))


def polynomial(coefficients: Sequence[float]) -> Link:
    """Return the link c_0 + c_1 x + c_2 x^2 + ... from its monomial coefficients.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> hf.polynomial([0, 0, 1]).coefficients(2).round(12)  # x^2 = 1 + sqrt(2) h_2
    array([1.        , 0.        , 1.41421356])
    """
    monomials = _checks.array(coefficients, "coefficients", ("degree + 1",))
    series = np.asarray(hermite_e.poly2herme(monomials), dtype=np.float64)
    degrees = range(series.size)  # p! fits a double up to 170
    scale = np.array(
        [
            math.sqrt(math.factorial(p)) if p <= 170 else math.exp(0.5 * math.lgamma(p + 1))
            for p in degrees
        ]
    )
    return Link(tuple(series * scale))


def link(function: str | Link | Callable[[Array], ArrayLike]) -> Link:
    """Return the link of a function: one known by name, or any vectorised real callable.

    Known by name are "relu", "erf" (erf(x/sqrt 2)), "tanh", "sigmoid", "softplus", "gelu", "silu",
    "sign", "cos", "sin" and "exp", with their coefficients to rounding; "relu" and "sign", whose
    series converge slowly, have interactions with themselves in closed form.

    Of a callable, which may have kinks and jumps at multiples of 1/8 only, coefficients are found
    up to degree 128 by Gauss-Legendre quadrature. Where they fall slowly, as at kinks, solvers
    refuse what is not known to their tolerance (docs/choosing): write max(x, 0) + 0.1 min(x, 0) as
    a sum, say, ``0.9 * hf.link("relu") + 0.1 * hf.hermite(1)``.

    Raises
    ------
    TypeError
        If `function` is neither text, callable nor a link.
    ValueError
        If the name is not known; if a callable does not take arrays and return finite values of
        their shape, or has features that the quadrature does not resolve.

    References
    ----------
    docs/mathematics, "Interaction".

    Examples
    --------
    >>> import numpy as np, hermiteflow as hf
    >>> hf.link("relu").coefficients(4).round(6)
    array([ 0.398942,  0.5     ,  0.282095,  0.      , -0.081434])
    >>> sine = hf.link(np.sin)
    >>> bool(np.isclose(sine.coefficients(1)[1], np.exp(-0.5)))
    True
    """
    if isinstance(function, Link):
        return function
    if isinstance(function, str):
        part = named(_checks.choice(function, "function", NAMES))
    elif callable(function):
        part = projected(function, getattr(function, "__name__", "function"))
    else:
        raise TypeError(
            "function must be a name, a Link or a vectorised callable, "
            f"got {_checks.describe(function)}"
        )
    return Link((0.0,), ((part, 1.0),), part.name)
