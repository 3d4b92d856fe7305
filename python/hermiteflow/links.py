"""Link functions: a Hermite series of normalised coefficients, and the function itself.

Knows nothing of interactions, targets or flows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e, legendre
from numpy.typing import ArrayLike

from . import _checks, _display
from ._checks import Array

#: A coefficient below this share of the norm counts as zero.
NEGLIGIBLE = 1e-12
#: Highest degree of a link that is given as a function.
MAX_DEGREE = 128

Function = Callable[[Array], Array]


@dataclass(frozen=True, repr=False)
class Link(_display.Shown):
    """A link function sigma = sum_p c_p h_p, h_p = He_p / sqrt(p!).

    Made by `hermite`, `polynomial` or `link`, and by sums and multiples of links. Equal and
    hashed by content; picklable (a link made from a callable is evaluated through its Hermite
    series after unpickling).

    Parameters
    ----------
    series : tuple of float
        Normalised Hermite coefficients c_0, c_1, ...
    remainder : float
        E sigma'(X)^2 - sum_p p c_p^2 over the series, 0 for a polynomial.
    name : str
        How the link is shown.

    References
    ----------
    docs/mathematics, section 1.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> sigma = hf.hermite({3: 1.0, 5: 0.2})
    >>> sigma.information_exponent
    3
    >>> sigma.coefficients(5)
    array([0. , 0. , 0. , 1. , 0. , 0.2])
    """

    series: tuple[float, ...]
    remainder: float = 0.0
    name: str = field(default="", compare=False)
    function: Function | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        values = _checks.array(self.series, "series", ("degree + 1",))
        object.__setattr__(self, "series", tuple(float(c) for c in values))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the callable behind: it may not be picklable, and the series says it all."""
        return {**self.__dict__, "function": None}

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

    @property
    def norm(self) -> float:
        """The norm sqrt(E sigma(X)^2) of the series."""
        return math.hypot(*self.series)

    @property
    def degree(self) -> int:
        """Degree of the series."""
        return len(self.series) - 1

    def significant(self) -> Array:
        """Return the coefficients with those below 1e-12 of the norm set to zero."""
        values = np.array(self.series)
        values[np.abs(values) <= NEGLIGIBLE * self.norm] = 0.0
        return values

    def coefficients(self, degree: int) -> Array:
        """Return normalised Hermite coefficients c_0..c_degree, shape (degree + 1,).

        Raises
        ------
        ValueError
            If the link is a truncated series and `degree` lies beyond it.
        """
        degree = _checks.integer(degree, "degree", low=0)
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
        """
        gone = {_checks.integer(p, "degrees", low=0) for p in degrees}
        series = tuple(0.0 if p in gone else c for p, c in enumerate(self.series))
        label = f"{self.name or self._formula()} without {', '.join(map(str, sorted(gone)))}"
        removed = Link(tuple(c if p in gone else 0.0 for p, c in enumerate(self.series)))
        function = self.function
        kept = None if function is None else lambda x: function(x) - removed(x)
        return replace(self, series=series, function=kept, name=label if self.remainder > 0 else "")

    def __call__(self, x: ArrayLike) -> Array:
        """Return sigma(x), of the shape of x."""
        points = np.asarray(x, dtype=np.float64)
        if self.function is not None:
            return np.asarray(self.function(points), dtype=np.float64)
        return _evaluate(np.array(self.series), points)

    def derivative(self, x: ArrayLike) -> Array:
        """Return sigma'(x), of the shape of x.

        A link made from a callable is differentiated by a central difference of order 6.
        """
        points = np.asarray(x, dtype=np.float64)
        if self.function is not None:
            h = 1e-2
            weights = ((1, 45.0), (2, -9.0), (3, 1.0))
            total = np.zeros_like(points)
            for j, weight in weights:
                total = total + weight * (self(points + j * h) - self(points - j * h))
            return total / (60.0 * h)
        return _evaluate(self._derivative_series(), points)

    def _derivative_series(self) -> Array:
        """Hermite coefficients of sigma': h_p' = sqrt(p) h_(p-1)."""
        series = np.array(self.series)
        return (series * np.sqrt(np.arange(series.size)))[1:] if series.size > 1 else np.zeros(1)

    def __add__(self, other: Link) -> Link:
        if not isinstance(other, Link):
            return NotImplemented
        size = max(len(self.series), len(other.series))
        left, right = np.zeros(size), np.zeros(size)
        left[: len(self.series)] = self.series
        right[: len(other.series)] = other.series
        remainder = (math.sqrt(self.remainder) + math.sqrt(other.remainder)) ** 2
        function: Function | None = None
        if self.function is not None or other.function is not None:
            function = lambda x: self(x) + other(x)  # noqa: E731
        name = f"{self.name} + {other.name}" if self.name and other.name else ""
        return Link(tuple(left + right), remainder, name, function)

    def __mul__(self, factor: float) -> Link:
        if not isinstance(factor, int | float | np.floating | np.integer):
            return NotImplemented
        scale = _checks.real(factor, "factor")
        function: Function | None = None
        if self.function is not None:
            function = lambda x: scale * self(x)  # noqa: E731
        name = f"{scale:g} ({self.name})" if self.name else ""
        series = tuple(scale * c for c in self.series)
        return Link(series, scale**2 * self.remainder, name, function)

    __rmul__ = __mul__

    def __neg__(self) -> Link:
        return -1.0 * self

    def __sub__(self, other: Link) -> Link:
        return self + (-other)


def _evaluate(series: Array, x: Array) -> Array:
    """Sum of a normalised Hermite series by the three-term recurrence."""
    before, here = np.zeros_like(x), np.ones_like(x)
    total = series[0] * here
    for p in range(1, series.size):
        before, here = here, (x * here - math.sqrt(p - 1) * before) / math.sqrt(p)
        if series[p] != 0.0:
            total = total + series[p] * here
    return np.asarray(total)


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
        coefficients = {_checks.integer(coefficients, "coefficients", low=0, high=10_000): 1.0}
    if not coefficients:
        raise ValueError("coefficients must name at least one degree, got an empty mapping")
    pairs = {
        _checks.integer(p, "a degree of coefficients", low=0, high=10_000): _checks.real(
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


def link(function: Link | Callable[[Array], ArrayLike]) -> Link:
    """Return the link of a vectorised real function, by Gauss-Legendre quadrature.

    The function may have kinks at multiples of 1/8. Coefficients are found up to degree 128.

    Raises
    ------
    TypeError
        If `function` is neither callable nor a link.
    ValueError
        If it does not return finite values of the shape of its argument, or if it has features
        that the quadrature does not resolve.

    Examples
    --------
    >>> import numpy as np, hermiteflow as hf
    >>> sine = hf.link(np.sin)
    >>> bool(np.isclose(sine.coefficients(1)[1], np.exp(-0.5)))
    True
    """
    if isinstance(function, Link):
        return function
    if not callable(function):
        raise TypeError(
            f"function must be a Link or a vectorised callable, got {_checks.describe(function)}"
        )
    series, remainder = _project(function, panel=0.125)
    coarse, _ = _project(function, panel=0.25)
    norm = float(np.linalg.norm(series))
    defect = float(np.max(np.abs(series - coarse)))
    if defect > 1e-9 * max(norm, 1e-300):
        raise ValueError(
            f"function must be resolved by panels of width 1/8, got coefficients that change by "
            f"{defect:.1e} between two quadratures (norm {norm:.3g})"
        )
    significant = np.flatnonzero(np.abs(series) > 1e-16 * norm)
    series = series[: int(significant[-1]) + 1] if significant.size else series[:1]
    tail = remainder - float(np.sum(np.arange(series.size) * series**2))
    tail = tail if tail > 1e-12 * max(remainder, 1e-300) else 0.0
    name = getattr(function, "__name__", "function")
    return Link(tuple(series), tail, name, lambda x: np.asarray(function(x), dtype=np.float64))


def _project(function: Callable[[Array], ArrayLike], panel: float) -> tuple[Array, float]:
    """Coefficients up to MAX_DEGREE, and E sigma'(X)^2."""
    order, reach = 16, 32.0
    nodes, weights = legendre.leggauss(order)
    edges = np.arange(-reach, reach, panel)
    x = edges[:, None] + 0.5 * panel * (1.0 + nodes)
    value = np.asarray(function(x))
    if value.shape != x.shape or value.dtype.kind not in "fiub":
        raise ValueError(
            f"function must be vectorised and real: for shape {x.shape} it returned "
            f"shape {value.shape} and dtype {value.dtype}"
        )
    value = value.astype(np.float64)
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    inner = np.abs(x) < 8.0
    if not np.isfinite(value[inner]).all():
        raise ValueError("function must be finite on [-8, 8], got NaN or inf there")
    with np.errstate(over="ignore", invalid="ignore"):
        weight = np.where(np.isfinite(value), density * (0.5 * panel) * weights, 0.0)
    value = np.where(np.isfinite(value), value, 0.0)
    # derivative of the interpolant on each panel
    basis = legendre.legvander(nodes, order - 1)
    slope = np.stack(
        [legendre.legval(nodes, legendre.legder(row)) for row in np.eye(order)], axis=1
    )
    derivative = value @ (slope @ np.linalg.inv(basis)).T * (2.0 / panel)
    series = np.empty(MAX_DEGREE + 1)
    before, here = np.zeros_like(x), np.ones_like(x)
    for p in range(MAX_DEGREE + 1):
        if p > 0:
            before, here = here, (x * here - math.sqrt(p - 1) * before) / math.sqrt(p)
        series[p] = np.sum(weight * value * here)
    return series, float(np.sum(weight * derivative**2))
