"""The Hessian of the squared loss on a product of spheres, (16), and the kind of a fixed point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._checks import Array
from ._hessian import ZERO, distinct, kind_of

#: Largest n (d - 1): a dense matrix of 512 MB.
MAX_SIZE = 8192


@dataclass(frozen=True, eq=False)
class SquaredHessian:
    """The Riemannian Hessian of the squared loss (9) of all neurons, on their tangent spaces.

    Parameters
    ----------
    matrix : (n (r - 1), n (r - 1))
        In the coordinates of `basis`, neuron after neuron; r = d, or the dimension of the span of
        all weights and index vectors where only order parameters are known.
    basis : (n, r, r - 1)
        For each neuron orthonormal columns that are orthogonal to w_i: a step of coordinates y_i
        is z_i = basis[i] @ y_i.
    eigenvalues : (n (r - 1),)
        Ascending, of `matrix`.
    outside_eigenvalues : (n,)
        For steps orthogonal to the span, ascending.
    outside_count : int or None
        How often each of the latter occurs, d - r; None for "at least once": d was not given.
    scale : float
        Size of the terms: eigenvalues below 1e-9 of it count as zero.

    References
    ----------
    docs/squared (16).

    Examples
    --------
    >>> import numpy as np, hermiteflow as hf
    >>> flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    >>> hessian = flow.hessian_of(np.full((2, 2), 0.5**0.5), np.ones((2, 2)), d=10)
    >>> hessian.kind, hessian.morse_index  # both neurons at the average
    ('saddle', 10)
    """

    matrix: Array
    basis: Array
    eigenvalues: Array
    outside_eigenvalues: Array
    outside_count: int | None
    scale: float

    @property
    def _counted(self) -> tuple[Array, NDArray[np.object_]]:
        """Eigenvalues and how often each occurs, in integers of any size: n d may be 1e21."""
        outer = self.outside_eigenvalues
        times = 1 if self.outside_count is None else self.outside_count
        counts = np.array([1] * self.eigenvalues.size + [times] * outer.size, dtype=object)
        return np.concatenate([self.eigenvalues, outer])[counts > 0], counts[counts > 0]

    @property
    def distinct(self) -> tuple[tuple[float, int], ...]:
        """Distinct eigenvalues, ascending, with multiplicities (least ones without d)."""
        return distinct(*self._counted, self.scale)

    @property
    def morse_index(self) -> int:
        """Number of negative eigenvalues (at least so many without d)."""
        values, counts = self._counted
        return int(np.sum(counts[values < -ZERO * self.scale]))

    @property
    def kind(self) -> str:
        """Either "minimum", "saddle", "maximum" or "degenerate"."""
        values, _ = self._counted
        low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
        return kind_of(low, high, ZERO * self.scale)

    def __repr__(self) -> str:
        groups = self.distinct
        shown = [f"{value:.6g} x {count}" for value, count in groups[:4]]
        more = f", ... {len(groups)} distinct" if len(groups) > 4 else ""
        least = ", d not given" if self.outside_count is None else ""
        return f"SquaredHessian({self.kind}, {', '.join(shown) or 'none'}{more}{least})"


def coordinates(M: Array, Q: Array, G: Array, d: int | None) -> tuple[Array, Array]:
    """Return weights (n, r) and index vectors (k, r) with these inner products, r <= d."""
    n = M.shape[0]
    values, vectors = np.linalg.eigh(np.block([[Q, M], [M.T, G]]))
    r = int(np.count_nonzero(values > 1e-13 * values.size * values[-1]))
    if d is not None:
        r = min(r, d)
    beyond = values[:-r]
    if np.any(np.abs(beyond) > 1e-8 * values[-1]):
        space = "any dimension" if d is None else f"dimension d = {d}"
        raise ValueError(
            f"M and Q must be inner products of vectors in {space}, got a joint Gram matrix with "
            f"an eigenvalue {beyond[np.argmax(np.abs(beyond))]:.3g} too many"
        )
    rows = vectors[:, -r:] * np.sqrt(values[-r:])
    return rows[:n] / np.linalg.norm(rows[:n], axis=1, keepdims=True), rows[n:]


def squared_hessian(
    W: Array,
    V: Array,
    rho: Array,
    first: Array,
    outer: Array,
    pairs: Array,
    teacher: Array,
    students: Array,
    outside_count: int | None,
) -> SquaredHessian:
    """Return the Hessian at unit weights W (n, d) with index vectors V (k, d).

    Parameters
    ----------
    W, V : Array
        Weights and index vectors.
    rho : Array (n,)
        Of (10).
    first : Array (n, n)
        C of (10): a_i a_l psi_ss'(Q_il), 0 on the diagonal.
    outer, pairs : Array (n, k), (n, n)
        a_i b_j and a_i a_l.
    teacher, students : Array (n, k), (n, n)
        psi''(M_ij) and psi_ss''(Q_il); the diagonal is not read.
    outside_count : int or None
        Dimensions that these coordinates leave out, None for an unknown number.
    """
    n, d = W.shape
    size = n * (d - 1)
    if size > MAX_SIZE:
        raise ValueError(
            f"n (r - 1) must be at most {MAX_SIZE} for a dense Hessian of n neurons, r coordinates "
            f"each, got {n} x {d - 1}"
        )
    # where two vectors are parallel, (z . v) vanishes for every tangent z, whatever psi'' is there
    with_teacher = outer * _without_poles(teacher, W @ V.T)
    among = pairs * _without_poles(students, W @ W.T)
    np.fill_diagonal(among, 0.0)
    if not all(np.isfinite(part).all() for part in (rho, first, with_teacher, among)):
        raise ValueError("psi' and psi'' must be finite at W, got inf: there is no Hessian")
    basis = np.stack([_tangent(w) for w in W])
    on_teacher = np.einsum("idp,jd->ijp", basis, V)
    on_students = np.einsum("idp,ld->ilp", basis, W)
    blocks = np.empty((n, d - 1, n, d - 1))
    for i in range(n):
        for j in range(i):
            block = first[i, j] * (basis[i].T @ basis[j])
            block += among[i, j] * np.outer(on_students[i, j], on_students[j, i])
            blocks[i, :, j], blocks[j, :, i] = block, block.T
        block = rho[i] * np.eye(d - 1)
        block -= (on_teacher[i].T * with_teacher[i]) @ on_teacher[i]
        block += (on_students[i].T * among[i]) @ on_students[i]
        blocks[i, :, i] = 0.5 * (block + block.T)
    matrix = blocks.reshape(size, size)
    eigenvalues = np.asarray(np.linalg.eigvalsh(matrix), dtype=np.float64)
    outside = np.zeros(0)
    if outside_count != 0:
        outside = np.asarray(np.linalg.eigvalsh(first + np.diag(rho)), dtype=np.float64)
    terms = (rho, first, with_teacher, among, eigenvalues)
    scale = max(1e-300, *(float(np.max(np.abs(part), initial=0.0)) for part in terms))
    matrix, basis, eigenvalues, outside = map(_checks.frozen, (matrix, basis, eigenvalues, outside))
    return SquaredHessian(matrix, basis, eigenvalues, outside, outside_count, scale)


def _without_poles(second: Array, overlaps: Array) -> Array:
    poles = ~np.isfinite(second) & (np.abs(overlaps) > 1.0 - 1e-9)
    return np.where(poles, 0.0, second)


def _tangent(w: Array) -> Array:
    """Return orthonormal columns (d, d - 1) orthogonal to w: a reflection takes e_d to w."""
    axis = w / np.linalg.norm(w)
    axis[-1] += np.copysign(1.0, axis[-1])
    axis /= np.linalg.norm(axis)
    reflection = np.eye(w.size) - 2.0 * np.outer(axis, axis)
    return np.ascontiguousarray(reflection[:, :-1])
