"""The interaction psi of two links, and its derivatives. Knows links only.

psi is a polynomial, plus what two ReLUs or two signs give in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import ArrayLike

from . import _checks, _display
from ._activations import Activation, named
from ._arcsine import arcsine
from ._checks import Array
from .links import Link, check_varies

#: Functions whose interaction with themselves has no short series.
_SINGULAR = ("relu", "sign")
#: Share of the largest term of psi' that is lost in its rounding.
ROUNDING = 1e-17


class Slope(NamedTuple):
    """psi'(u) = u^power P(u^stride) + arc A(u); A is asin without `arc_skip` Taylor terms."""

    power: int
    stride: int
    coefficients: Array
    arc: float
    arc_skip: int


class Closed(NamedTuple):
    """psi(u) = polynomial(u) + arc K(u) + jump S(u), |u| <= 1.

    K is the integral of asin, and S is asin, both without their Taylor terms up to degree `skip`,
    which the polynomial has: so nothing cancels near u = 0.
    """

    polynomial: Array
    arc: float
    jump: float
    skip: int


@dataclass(frozen=True, repr=False)
class Interaction(_display.Shown):
    """psi(u) = E[sigma(w.x) sigma*(v.x)] for unit vectors with w.v = u.

    By Mehler's formula psi(u) = sum_p c_p c*_p u^p. What two ReLUs give is summed in closed form,
    (sqrt(1 - u^2) + u (pi - acos u)) / (2 pi), and so is that of two signs, 2 asin(u) / pi; all
    else is a polynomial, to rounding or up to `tail`.

    Parameters
    ----------
    link : Link
        The teacher's link sigma*.
    student : Link, optional
        The student's link sigma; the same by default.

    References
    ----------
    docs/mathematics (1).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> psi = hf.Interaction(hf.hermite({3: 2.0}))
    >>> float(psi(0.5)), float(psi.derivative(0.5)), psi.information_exponent
    (0.5, 3.0, 3)
    """

    link: Link
    student: Link | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.link, Link):
            raise TypeError(f"link must be a Link, got {_checks.describe(self.link)}")
        if self.student is None:
            object.__setattr__(self, "student", self.link)
        if not isinstance(self.student, Link):
            raise TypeError(f"student must be a Link or None, got {_checks.describe(self.student)}")
        with np.errstate(over="ignore"):
            slope = self.coefficients * np.arange(self.coefficients.size)
        if not np.isfinite(slope).all():
            raise ValueError("link must have coefficients whose products are finite, got overflow")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is computed again."""
        return {"link": self.link, "student": self.student}

    def _card(self) -> _display.Card:
        rows = [
            ("psi", _display.series(self.coefficients, _display.power)),
            ("degree", "infinite" if self.singular else str(self.coefficients.size - 1)),
            ("information_exponent", str(self.information_exponent)),
        ]
        if self.tail > 1e-15 * self.scale:
            rows.append(("tail", f"{self.tail:.2g}"))
        return _display.Card("Interaction", tuple(rows), small=True)

    @property
    def coefficients(self) -> Array:
        """Coefficients c_p c*_p of u^p as far as they are kept, shape (degree + 1,)."""
        product = self._products[0]
        last = np.flatnonzero(product)
        return product[: int(last[-1]) + 1] if last.size else product[:1]

    @property
    def scale(self) -> float:
        """The largest coefficient of psi' in size, beside which `tail` is judged."""
        sizes = np.abs(self.coefficients * np.arange(self.coefficients.size))
        return float(np.max(sizes, initial=0.0))

    @cached_property
    def _products(self) -> tuple[Array, float]:
        """Products c_p c*_p of what is significant, and the bound on psi' of those that are not."""
        assert self.student is not None
        size = min(len(self.link.series), len(self.student.series))
        with np.errstate(over="ignore", invalid="ignore"):
            product: Array = self.link.kept()[:size] * self.student.kept()[:size]
            whole = np.array(self.link.series[:size]) * np.array(self.student.series[:size])
            sizes = np.arange(size) * np.abs(product)
            # the last terms, as far as they are lost beside the largest
            last = np.cumsum(sizes[::-1])[::-1]
            lost = (last <= ROUNDING * np.max(sizes, initial=0.0)) & np.isfinite(last)
            product[1:][lost[1:]] = 0.0  # not psi(0), which psi' does not have
            dropped = np.abs(whole - product)[1:] @ np.arange(1, size)
        return product, float(dropped)

    @cached_property
    def _pairs(self) -> list[tuple[Activation, Activation, float]]:
        """Terms of both links, polynomials too, and the product of their factors."""
        assert self.student is not None
        teacher, student = (
            [(Activation("", link.polynomial, (0.0, 0.0)), 1.0), *link.parts]
            for link in (self.link, self.student)
        )
        return [(s, t, f * g) for s, f in student for t, g in teacher]

    @property
    def singular(self) -> bool:
        """Whether psi' has a singularity at |u| = 1, so that `coefficients` do not give it."""
        return any(_is_singular(s, t) for s, t, _ in self._pairs)

    @property
    def information_exponent(self) -> int | float:
        """Smallest p >= 1 with c_p c*_p != 0; `math.inf` where there is none."""
        nonzero = np.flatnonzero(self.coefficients[1:])
        return int(nonzero[0]) + 1 if nonzero.size else math.inf

    @cached_property
    def tail(self) -> float:
        """Bound on |psi'(u)| of what is left out, for |u| <= 1: (1), by Parseval for sigma'.

        0 for polynomials and for closed forms; infinite where a series meets that of a sign.
        """
        total = self._products[1]
        for student, teacher, factor in self._pairs:
            if _is_singular(student, teacher):
                continue
            degree = min(len(student.series), len(teacher.series)) - 1
            left, right = student.left_out(degree), teacher.left_out(degree)
            both = (left > 0.0) & (right > 0.0)
            total += abs(factor) * float(np.sum(np.sqrt(left[both]) * np.sqrt(right[both])))
        return total

    @cached_property
    def closed(self) -> Closed:
        """The parts that psi is evaluated from."""
        product = self.coefficients
        if not self.singular:
            return Closed(product, 0.0, 0.0, 0)
        weights = dict.fromkeys(_SINGULAR, 0.0)
        size = self._products[0].size
        other = np.zeros(size)  # what does not come from the closed forms
        for student, teacher, factor in self._pairs:
            if _is_singular(student, teacher):
                weights[student.name] += factor
                continue
            both = min(len(student.series), len(teacher.series))
            other[:both] += factor * student.coefficients[:both] * teacher.coefficients[:both]
        whole, forms = self._products[0], np.zeros(size)
        for name, weight in weights.items():
            square = named(name).coefficients[:size] ** 2
            forms[: square.size] += weight * square
        # Up to `skip` the polynomial has all of psi: the lowest term, and those that cancel.
        first = np.flatnonzero(whole[1:])
        cancels = np.flatnonzero((other != 0.0) & (np.abs(whole) < 0.5 * np.abs(forms)))
        skip = max(1, int(first[0]) + 1 if first.size else 1, *cancels.tolist())
        polynomial = other
        polynomial[: skip + 1] = whole[: skip + 1]
        significant = np.flatnonzero(polynomial)
        last = int(significant[-1]) if significant.size else 0
        return Closed(
            polynomial[: last + 1],
            weights["relu"] / (2.0 * math.pi),
            weights["sign"] * 2.0 / math.pi,
            skip,
        )

    @property
    def slope(self) -> Slope:
        """The parts that psi' is evaluated from, as C++ takes them."""
        polynomial, arc, _, skip = self.closed
        whole = polynomial[1:] * np.arange(1, polynomial.size)
        nonzero = np.flatnonzero(whole)
        if nonzero.size == 0:  # the lowest term of psi is never left to the closed forms
            return Slope(1, 1, np.zeros(1), 0.0, 0)
        power = int(nonzero[0])
        rest = whole[power : int(nonzero[-1]) + 1]
        stride = 2 if rest.size > 1 and not np.any(rest[1::2]) else 1
        return Slope(power, stride, np.ascontiguousarray(rest[::stride]), arc, skip // 2)

    def reach(self, u: ArrayLike) -> Array:
        """Return a bound on |psi'| at |u| that no cancellation of terms lowers, shape of u."""
        polynomial, arc, jump, skip = self.closed
        size = np.minimum(np.abs(_checks.points(u, "u")), 1.0)
        slope = np.abs(polynomial[1:]) * np.arange(1, polynomial.size)
        total = poly.polyval(size, slope) if slope.size else np.zeros_like(size)
        if arc:
            total = total + abs(arc) * arcsine(size, 0, skip - 1)
        if jump:
            total = total + abs(jump) * arcsine(size, 1, skip)
        return np.asarray(total)

    def __call__(self, u: ArrayLike) -> Array:
        """Return psi(u) for |u| <= 1, of the shape of u."""
        return self.derivative(u, order=0)

    def derivative(self, u: ArrayLike, order: int = 1) -> Array:
        """Return the derivative of psi of this order at u, |u| <= 1, of the shape of u.

        Infinite at |u| = 1 from order 2 for two ReLUs, from order 1 for two signs.

        Raises
        ------
        ValueError
            If some |u| > 1 beyond rounding, or `order` is negative.
        """
        order = _checks.integer(order, "order", low=0)
        points = _checks.points(u, "u")
        outside = ~(np.abs(points) <= 1.0 + 1e-6)
        if np.any(outside):
            raise ValueError(
                "u must lie in [-1, 1]: it is an overlap of unit vectors, got "
                f"{points[outside].flat[0]:.9g}"
            )
        points = np.clip(points, -1.0, 1.0)
        polynomial, arc, jump, skip = self.closed
        total = poly.polyval(points, poly.polyder(polynomial, order) if order else polynomial)
        if arc:
            total = total + arc * arcsine(points, order - 1, skip - 1)
        if jump:
            total = total + jump * arcsine(points, order, skip)
        return np.asarray(total)


def _is_singular(student: Activation, teacher: Activation) -> bool:
    return student.named and student == teacher and student.name in _SINGULAR


def refuse_series(
    psi: Interaction, name: str, series: str, rtol: float, tail: float, scale: float, degree: int
) -> NoReturn:
    """Raise the ValueError of a truncated series that is not good enough, with what to do."""
    check_varies(psi.link, "link")
    check_varies(psi.student or psi.link, "student")
    beyond = f"{tail / scale:.2g} (relative)" if scale > 0.0 else f"{tail:.2g} and no term"
    raise ValueError(
        f"{name} must have a series of {series} that reaches the tolerance {rtol:g}, got a bound "
        f"of {beyond} on what lies beyond degree {degree}; give a larger rtol, the polynomial "
        "hf.hermite(dict(enumerate(link.coefficients(60)))) for the link, or where it "
        "is one a sum of functions by name, as hf.link('relu')"
    )
