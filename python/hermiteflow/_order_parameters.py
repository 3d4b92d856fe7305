"""What may be order parameters (M, Q), and which series of psi are good enough. No flows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import _checks
from ._checks import Array
from .interactions import Interaction, refuse_series
from .links import Link


def check_order_parameters(
    M: ArrayLike,
    Q: ArrayLike,
    k: int,
    *,
    unit: bool,
    positive: bool,
    names: tuple[str, str] = ("M", "Q"),
) -> tuple[Array, Array]:
    """Return M (n, k) and Q (n, n), which must be inner products of vectors.

    Parameters
    ----------
    M, Q : array_like
        Overlaps of the neurons with unit index vectors, and with each other.
    k : int
        Number of index vectors.
    unit : bool
        Whether neurons must have unit norm.
    positive : bool
        Whether they must have a norm above 0, where `unit` is False.
    names : (str, str)
        What the caller's user calls M and Q.
    """
    overlaps = _checks.array(M, names[0], ("n", k))
    n = overlaps.shape[0]
    students = _checks.array(Q, names[1], (n, n))
    norms = np.diag(students)
    if unit:
        worst = int(np.argmax(np.abs(norms - 1.0)))
        if abs(norms[worst] - 1.0) > _checks.UNIT_TOLERANCE:
            raise ValueError(
                f"{names[1]} must have a unit diagonal (within {_checks.UNIT_TOLERANCE:g}), got "
                f"{norms[worst]:.9g} at {worst}"
            )
    worst = int(np.argmin(norms))
    if norms[worst] < 0.0 or (positive and norms[worst] == 0.0):
        least = "positive" if positive else "non-negative"
        raise ValueError(
            f"{names[1]} must have a {least} diagonal, the squared norms of the weights, got "
            f"{norms[worst]:.9g} at {worst}"
        )
    size = max(1.0, float(np.max(norms)))
    if np.max(np.abs(students - students.T)) > 1e-9 * size:
        i, j = np.unravel_index(np.argmax(np.abs(students - students.T)), students.shape)
        raise ValueError(
            f"{names[1]} must be symmetric, got {students[i, j]:.9g} at {(int(i), int(j))} and "
            f"{students[j, i]:.9g} at {(int(j), int(i))}"
        )
    roots = np.sqrt(norms)
    for name, values, bound in (
        (names[0], overlaps, roots[:, None]),
        (names[1], students, roots[:, None] * roots),
    ):
        over = np.abs(values) - bound
        where = tuple(int(i) for i in np.unravel_index(np.argmax(over), over.shape))
        if over[where] > 1e-6 * size:
            raise ValueError(
                f"{name} must hold inner products, at most the product of the norms in size, got "
                f"{values[where]:.9g} at {where}"
            )
    return overlaps, students


def check_tail(
    name: str, series: str, psi: Interaction, degree: int, rtol: float, share: float = 1.0
) -> None:
    """Refuse a truncated series whose bound, times `share`, is above the tolerance."""
    tail = psi.tail * share
    # links with no degree in common: what rounding leaves of their coefficients
    rounding = 1e-14 * _slope_norm(psi.link) * _slope_norm(psi.student or psi.link)
    if tail > max(rtol, 1e-13) * psi.scale + rounding:
        refuse_series(psi, name, series, rtol, tail, psi.scale, degree)


def _slope_norm(link: Link) -> float:
    """Norm of the series of sigma', sqrt(sum_p p c_p^2)."""
    c = np.array(link.series)
    return float(np.linalg.norm(c * np.sqrt(np.arange(c.size))))
