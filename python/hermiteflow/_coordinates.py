"""Neurons in an orthonormal basis of span(W(0), V), whose first vectors span V. Knows no time.

The flow of any of our losses stays in that span, and so does each stage of a Runge-Kutta method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._checks import Array
from .targets import Targets

#: Joint Gram matrices of (M, Q) may have eigenvalues down to minus this.
INCONSISTENT = 1e-6
#: Eigenvalues below this share of n count as zero: rounding of n products.
_ZERO = 1e-15


@dataclass(frozen=True)
class Coordinates:
    """Weights W = state @ basis.

    Parameters
    ----------
    state : (n, r)
        Coordinates; those of V are [L, 0], L the targets' factor.
    basis : (r, d) or None
        Orthonormal rows; None where only order parameters are known.
    """

    state: Array
    basis: Array | None


def of_weights(targets: Targets, W: Array, *, unit: bool = True) -> Coordinates:
    """Return coordinates of weights (n, d), made unit vectors or not: r = min(d, n + rank(G))."""
    n, d = W.shape
    inside = targets._pseudo @ targets.vectors(d)  # orthonormal rows that span V
    rank = inside.shape[0]
    if d <= n + rank:
        outside = np.linalg.qr(inside.T, mode="complete").Q[:, rank:].T
    else:
        # all at once: reflections complete the basis where W lies in span(V), or neurons coincide
        outside = np.linalg.qr(np.concatenate([inside, W]).T).Q[:, rank:].T
    basis = np.ascontiguousarray(np.concatenate([inside, outside]))
    return Coordinates(_rows(W @ basis.T, unit), basis)


def of_order_parameters(targets: Targets, M: Array, Q: Array, *, unit: bool = True) -> Coordinates:
    """Return coordinates of neurons with order parameters M (n, k) and Q (n, n).

    Raises
    ------
    ValueError
        If no vectors have these inner products.
    """
    n = M.shape[0]
    inside = M @ targets._pseudo.T
    off = np.abs(inside @ targets.factor.T - M)
    size = max(1.0, float(np.max(np.diag(Q))))
    if np.max(off) > INCONSISTENT * size:
        row = int(np.argmax(off.max(axis=1)))
        raise ValueError(
            f"overlaps must lie in the range of the Gram matrix (rank {targets.rank} < k = "
            f"{targets.k}), got row {row} outside it by {np.max(off):.3g}"
        )
    values, vectors = np.linalg.eigh(Q - inside @ inside.T)
    if values[0] < -INCONSISTENT * size:
        what = "unit vectors" if unit else "vectors"
        raise ValueError(
            f"overlaps and student_overlaps must be inner products of {what}, got a joint "
            f"Gram matrix that is not positive semi-definite: Q - M G^+ M^T has the eigenvalue "
            f"{values[0]:.6g}"
        )
    keep = values > _ZERO * n * size
    outside = vectors[:, keep] * np.sqrt(values[keep])
    return Coordinates(_rows(np.concatenate([inside, outside], axis=1), unit), None)


def order_parameters(targets: Targets, state: Array, *, unit: bool = True) -> tuple[Array, Array]:
    """Return M and Q of states (..., n, r): symmetric, semi-definite; `unit`: of unit diagonal."""
    M = state[..., : targets.rank] @ targets.factor.T
    Q = state @ np.swapaxes(state, -1, -2)
    Q = 0.5 * (Q + np.swapaxes(Q, -1, -2))
    if not unit:
        return M, Q
    n = Q.shape[-1]
    Q[..., np.arange(n), np.arange(n)] = np.where(np.isnan(Q[..., 0, :]), np.nan, 1.0)
    return M, Q


def _rows(rows: Array, unit: bool) -> Array:
    if unit:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows)
