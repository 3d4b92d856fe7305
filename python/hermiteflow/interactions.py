"""The interaction psi of two links, and its derivatives. Knows links only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import ArrayLike

from . import _checks, _display
from ._checks import Array
from .links import Link


@dataclass(frozen=True, repr=False)
class Interaction(_display.Shown):
    """psi(u) = E[sigma(w.x) sigma*(v.x)] for unit vectors with w.v = u.

    By Mehler's formula psi(u) = sum_p c_p c*_p u^p.

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

    def _card(self) -> _display.Card:
        rows = [
            ("psi", _display.series(self.coefficients, _display.power)),
            ("degree", str(self.coefficients.size - 1)),
            ("information_exponent", str(self.information_exponent)),
        ]
        if self.tail > 0.0:
            rows.append(("tail", f"{self.tail:.2g}"))
        return _display.Card("Interaction", tuple(rows), small=True)

    @property
    def coefficients(self) -> Array:
        """Coefficients c_p c*_p of u^p, shape (degree + 1,)."""
        assert self.student is not None
        teacher, student = self.link.significant(), self.student.significant()
        size = min(teacher.size, student.size)
        with np.errstate(over="ignore"):
            product: Array = teacher[:size] * student[:size]
        last = np.flatnonzero(product)
        return product[: int(last[-1]) + 1] if last.size else product[:1]

    @property
    def information_exponent(self) -> int | float:
        """Smallest p >= 1 with c_p c*_p != 0; `math.inf` where there is none."""
        nonzero = np.flatnonzero(self.coefficients[1:])
        return int(nonzero[0]) + 1 if nonzero.size else math.inf

    @property
    def tail(self) -> float:
        """Bound on |psi'(u)| of what a truncated series leaves out, for |u| <= 1 (Parseval)."""
        assert self.student is not None
        return math.sqrt(self._left_out(self.link)) * math.sqrt(self._left_out(self.student))

    def _left_out(self, link: Link) -> float:
        assert self.student is not None
        kept = min(self.link.significant().size, self.student.significant().size)
        beyond = np.array(link.series[kept:]) ** 2 * np.arange(kept, max(kept, len(link.series)))
        return link.remainder + float(np.sum(beyond))

    def __call__(self, u: ArrayLike) -> Array:
        """Return psi(u) for |u| <= 1, of the shape of u."""
        return self.derivative(u, order=0)

    def derivative(self, u: ArrayLike, order: int = 1) -> Array:
        """Return the derivative of psi of this order at u, |u| <= 1, of the shape of u.

        Raises
        ------
        ValueError
            If some |u| > 1 beyond rounding, or `order` is negative.
        """
        order = _checks.integer(order, "order", low=0)
        points = np.asarray(u)
        if points.dtype.kind not in "fiu":
            raise TypeError(f"u must hold real numbers, got dtype {points.dtype}")
        points = points.astype(np.float64)
        if not np.all(np.abs(points) <= 1.0 + 1e-6):
            raise ValueError("u must lie in [-1, 1]: it is an overlap of unit vectors")
        coefficients = poly.polyder(self.coefficients, order) if order else self.coefficients
        return np.asarray(poly.polyval(np.clip(points, -1.0, 1.0), coefficients))
