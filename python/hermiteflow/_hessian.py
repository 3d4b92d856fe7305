"""The Hessian of the correlation loss on the sphere, (11), and the kind of a fixed point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._checks import Array

KINDS = ("minimum", "saddle", "maximum", "degenerate")
#: Eigenvalues below this share of the scale are not told from zero.
ZERO = 1e-9


@dataclass(frozen=True, eq=False)
class Hessian:
    """The Riemannian Hessian (11) of the correlation loss of one neuron, on the tangent space.

    Parameters
    ----------
    eigenvalues : (r - 1,) or (r,), r the dimension of span(V)
        Ascending; for tangent vectors in the span of w and the index vectors, which has one
        dimension more than span(V) where w lies outside of it.
    outside_eigenvalue : float
        m . g, the eigenvalue for tangent vectors orthogonal to w and to span(V).
    outside_count : int or None
        How often the latter occurs, None for "at least once": d was not given.
    scale : float
        Size of the terms: eigenvalues below 1e-9 of it count as zero.

    References
    ----------
    docs/mathematics (11).
    """

    eigenvalues: Array
    outside_eigenvalue: float
    outside_count: int | None
    scale: float

    @property
    def distinct(self) -> tuple[tuple[float, int], ...]:
        """Distinct `eigenvalues`, ascending, with their multiplicities."""
        return distinct(self.eigenvalues, np.ones(self.eigenvalues.size, dtype=int), self.scale)

    @property
    def morse_index(self) -> int:
        """Number of negative `eigenvalues`."""
        return int(np.count_nonzero(self.eigenvalues < -ZERO * self.scale))

    @property
    def kind(self) -> str:
        """Either "minimum", "saddle", "maximum" or "degenerate"."""
        values = self.eigenvalues
        if self.outside_count != 0:
            values = np.append(values, self.outside_eigenvalue)
        low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
        return kind_of(low, high, ZERO * self.scale)

    def __repr__(self) -> str:
        inside = ", ".join(f"{value:.6g} x {count}" for value, count in self.distinct)
        times = "" if self.outside_count is None else f" x {self.outside_count}"
        return (
            f"Hessian({self.kind}, inside {inside or 'none'}, "
            f"outside {self.outside_eigenvalue:.6g}{times})"
        )


def distinct(values: Array, counts: NDArray[Any], scale: float) -> tuple[tuple[float, int], ...]:
    """Join eigenvalues that rounding alone tells apart: ascending values and multiplicities."""
    order = np.argsort(values)[counts[np.argsort(values)] > 0]
    if order.size == 0:
        return ()
    sorted_values = values[order]
    gaps = np.flatnonzero(np.diff(sorted_values) > 10 * ZERO * scale) + 1
    return tuple(
        (
            float(np.average(values[group], weights=counts[group].astype(float))),
            int(counts[group].sum()),
        )
        for group in np.split(order, gaps)
    )


def kind_of(low: float, high: float, zero: float) -> str:
    """Kind of a fixed point from its lowest and highest eigenvalue and what counts as zero."""
    if low > zero:
        return "minimum"
    if high < -zero:
        return "maximum"
    return "saddle" if low < -zero and high > zero else "degenerate"


def hessian(factor: Array, first: Array, second: Array, overlaps: Array, d: int | None) -> Hessian:
    """Return the Hessian at overlaps (k,) from a b psi' and a b psi'' there, each (k,).

    `factor` is L with L L^T = G, shape (k, rank).
    """
    rank = factor.shape[1]
    inside = np.linalg.lstsq(factor, overlaps, rcond=None)[0]
    if np.max(np.abs(factor @ inside - overlaps)) > 1e-6:
        raise ValueError("overlaps must lie in the range of the Gram matrix, got a point outside")
    length2 = float(inside @ inside)
    if length2 > 1.0 + 1e-6:
        raise ValueError(
            f"overlaps must be those of a unit vector, got a projection on span(V) of length "
            f"{np.sqrt(length2):.9g}"
        )
    if d is not None:
        d = _checks.integer(d, "d", low=max(rank, 2))
        if d == rank and length2 < 1.0 - 1e-6:
            raise ValueError(
                f"overlaps must be those of a unit vector, which lies in span(V) for d = {d}, got "
                f"one of length {np.sqrt(length2):.9g}"
            )
    along = float(overlaps @ first)
    # (z . v_j) vanishes for every tangent z where w = +-v_j, whatever psi'' is there.
    poles = ~np.isfinite(second) & (np.abs(overlaps) > 1.0 - 1e-9)
    curvature = np.where(poles, 0.0, second)
    if not (np.isfinite(curvature).all() and np.isfinite(first).all()):
        raise ValueError("psi' and psi'' must be finite at the overlaps, got inf: (11) is void")
    outer = max(1.0 - length2, 0.0)
    w = inside
    if outer > 1e-12:
        w = np.append(inside, np.sqrt(outer))
        factor = np.column_stack([factor, np.zeros(len(overlaps))])
    w = w / np.linalg.norm(w)
    matrix = along * np.eye(w.size) - factor.T @ (curvature[:, None] * factor)
    # A reflection takes w to the last axis; the other rows and columns are the tangent space.
    axis = w.copy()
    axis[-1] += np.copysign(1.0, w[-1])
    axis /= np.linalg.norm(axis)
    reflected = matrix - 2.0 * np.outer(axis, axis @ matrix)
    reflected -= 2.0 * np.outer(reflected @ axis, axis)
    eigenvalues = np.asarray(np.linalg.eigvalsh(reflected[:-1, :-1]), dtype=np.float64)
    count = None
    if d is not None:
        count = max(d - w.size, 0)
    scale = max(abs(along), float(np.max(np.abs(curvature))), 1e-300)
    return Hessian(_checks.frozen(eigenvalues), along, count, scale)
