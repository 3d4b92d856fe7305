"""Loss, residual and Hessian (11) of points given by groups of equal overlaps, many at once.

In the basis of group indicators the Hessian falls apart: within a group of s overlaps u it has
s - 1 eigenvalues lambda - (1 - beta) psi''(u), and between the r groups there are r - 1 more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import NDArray

from hermiteflow._hessian import KINDS, ZERO

from ._intervals import Array
from ._problem import Problem

#: Largest residual of a fixed point: |dm/dt| over the size of the terms of G g.
RESIDUAL = 1e-14


@dataclass(frozen=True)
class Spectrum:
    """Of N points: see `FixedPoints` for the fields."""

    loss: Array
    outside: Array
    residual: Array
    eigenvalues: Array
    counts: NDArray[np.int64]
    scale: Array

    def extremes(self, *, outside: bool) -> tuple[Array, Array]:
        """Return the lowest and the highest eigenvalue, those outside of span(V) if asked."""
        there = self.counts > 0
        low = np.min(np.where(there, self.eigenvalues, np.inf), axis=1, initial=np.inf)
        high = np.max(np.where(there, self.eigenvalues, -np.inf), axis=1, initial=-np.inf)
        if outside:
            low, high = np.minimum(low, self.outside), np.maximum(high, self.outside)
        return low, high

    def kinds(self, *, outside: bool) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
        """Return kinds, with the eigenvalue outside of span(V) if asked, and Morse indices."""
        zero = ZERO * self.scale
        low, high = self.extremes(outside=outside)
        kind = np.full(self.loss.size, KINDS[3], dtype="<U10")
        kind[(low < -zero) & (high > zero)] = KINDS[1]
        kind[low > zero] = KINDS[0]
        kind[high < -zero] = KINDS[2]
        negative = (self.eigenvalues < -zero[:, None]) * self.counts
        return kind, negative.sum(axis=1)


def spectra(problem: Problem, values: Array, sizes: NDArray[np.int64]) -> Spectrum:
    """Return the spectra of points with overlaps and sizes of groups (N, R), padded with 0."""
    there = sizes > 0
    u, s = np.where(there, values, 0.0), sizes.astype(np.float64)
    psi, slope = problem.psi, problem.slope
    pull = poly.polyval(u, slope)
    curvature: Array = np.asarray(poly.polyval(u, poly.polyder(slope)), dtype=np.float64)
    beta = problem.beta
    along: Array = np.sum(s * u * pull, axis=1)
    force = (1.0 - beta) * pull + beta * np.sum(s * pull, axis=1, keepdims=True)
    defect = np.sqrt(np.sum(s * (force - along[:, None] * u) ** 2, axis=1))
    terms = np.where(there, poly.polyval(np.abs(u), np.abs(slope)), 0.0)  # before they cancel
    terms = (1.0 - beta) * terms + abs(beta) * np.sum(s * terms, axis=1, keepdims=True)
    size = np.sqrt(np.sum(s * terms**2, axis=1))
    residual = defect / np.where(size > 0.0, size, 1.0)
    bends = np.max(np.abs(np.where(there, curvature, 0.0)), axis=1, initial=0.0)
    between, between_counts = _between(problem, u, s, along, curvature)
    return Spectrum(
        loss=0.0 - np.sum(s * poly.polyval(u, psi), axis=1),
        outside=along,
        residual=residual,
        eigenvalues=np.concatenate([along[:, None] - (1.0 - beta) * curvature, between], axis=1),
        counts=np.concatenate([np.maximum(sizes - 1, 0), between_counts], axis=1),
        scale=np.maximum(np.maximum(np.abs(along), bends), 1e-300),
    )


def _between(
    problem: Problem, u: Array, s: Array, along: Array, curvature: Array
) -> tuple[Array, NDArray[np.int64]]:
    """Eigenvalues of the directions that keep the groups, (N, R), and which of them exist."""
    count, width = u.shape
    narrow, wide = problem.roots
    shift = (wide - narrow) / problem.k
    roots = np.sqrt(s)
    # the unit vector w in the basis of normalised indicators, from m = G^(1/2) w
    mean = np.sum(s * u, axis=1, keepdims=True) / wide
    unit = roots * (u - shift * mean) / narrow
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-300)
    inverse = np.where(s > 0.0, 1.0 / np.where(s > 0.0, roots, 1.0), 0.0)
    # (z . v) in each group for z in that basis
    frame = narrow * inverse[:, :, None] * np.eye(width) + shift * roots[:, None, :]
    matrix = -np.einsum("nij,ni,nik->njk", frame, s * curvature, frame)
    matrix += along[:, None, None] * np.eye(width)
    # Off the tangent space, and for groups that are not there, push eigenvalues out of the way; no
    # farther than it takes, for the others are rounded at the size of the largest.
    far = 4.0 * np.abs(matrix).sum(axis=(1, 2))
    project = np.eye(width) - unit[:, :, None] * unit[:, None, :]
    matrix = project @ matrix @ project + far[:, None, None] * (unit[:, :, None] * unit[:, None, :])
    matrix += (far[:, None] * (s == 0.0))[:, :, None] * np.eye(width)
    values = np.linalg.eigvalsh(matrix) if count else np.zeros((0, width))
    exists = np.arange(width) < np.sum(s > 0.0, axis=1, keepdims=True) - 1
    return values, exists.astype(np.int64)
