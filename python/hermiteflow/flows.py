"""Gradient flows: which loss, of which links and targets. Knows nothing of time steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import ArrayLike

from . import _checks, _core
from ._arcsine import arcsine
from ._checks import Array
from ._display import Card
from ._hessian import Hessian, hessian
from ._model import TeacherStudent

_KINDS = {"identity": 0, "equiangular": 1, "general": 2}


@dataclass(frozen=True, init=False, eq=False, repr=False)
class CorrelationFlow(TeacherStudent):
    """Gradient flow on the sphere of the correlation loss (2), L = -E[f f*].

    Time unit: dw_i/dt = -grad L, without a factor; a loss counts all neurons, L is a sum over i.
    Neurons decouple: each obeys dm/dt = G g - (m . g) m, g_j = a_i b_j psi'(m_j), (4).

    Parameters
    ----------
    targets : Targets
        Index vectors v_1..v_k.
    link : Link
        The teacher's link sigma*.
    student : Link, optional
        The student's link sigma; the same by default.
    second_layer : float or array_like (n,), optional
        a_i, fixed; ones by default.
    target_weights : array_like (k,), optional
        b_j; ones by default.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what was expected and what came.

    References
    ----------
    docs/mathematics (2)-(4).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    >>> flow.field([[0.6, 0.0]]).round(4)  # 3 m^2 (1 - m^2)
    array([[0.6912, 0.    ]])
    """

    def _card(self) -> Card:
        return Card("CorrelationFlow on the sphere, L = -E[f f*]", self._rows())

    def loss(self, W: ArrayLike, *, n_threads: int | None = None) -> float:
        """Return the loss (2), -sum_ij a_i b_j psi(m_ij), for weights W of shape (n, d)."""
        try:
            overlaps = self.overlaps(W, n_threads=n_threads)
        except ValueError as error:
            raise ValueError(f"{error}{self._of_overlaps(W)}") from None
        return self.loss_of(overlaps)

    def loss_of(self, M: ArrayLike) -> float:
        """Return the loss (2) at overlaps M (n, k), which are all that it depends on.

        References
        ----------
        docs/mathematics (2).

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
        >>> sol = hf.solve(flow, overlaps=[[0.2, 0.1], [0.01, 0.03]])
        >>> round(flow.loss_of(sol.overlaps), 6)  # each neuron has found an index vector
        -2.0
        """
        overlaps = _checks.array(M, "M", ("n", self.targets.k))
        _checks.of_unit_vectors(overlaps, "overlaps M")
        layer = self.neurons(overlaps.shape[0])
        each = self.interaction(overlaps) @ self.target_weights
        return -float(each.sum() if layer is None else layer @ each)

    def _of_overlaps(self, W: ArrayLike) -> str:
        """Return what to do where W, refused as weights, may be overlaps (n, k) with k != d."""
        k, vectors = self.targets.k, getattr(self.targets, "V", None)
        if vectors is not None and vectors.shape[1] == k:
            return ""
        try:
            _checks.array(W, "W", ("n", k))
        except (TypeError, ValueError):
            return ""
        return f"; the loss of overlaps, shape (n, k = {k}), is loss_of(overlaps)"

    def gradient(self, W: ArrayLike, *, n_threads: int | None = None) -> Array:
        """Return the Riemannian gradient (n, d) of the loss (2) at W, shape (n, d).

        W and V are used in place; scratch memory of 1e5 + 800 k numbers a thread at most, for
        any n and d.

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=1), hf.hermite(3))
        >>> flow.gradient([[0.6, 0.8]]).round(4)
        array([[-0.6912,  0.5184]])
        """
        weights = self._weights(W)
        self.targets._check_width(weights.shape, "W")
        vectors = self.targets.vectors(weights.shape[1])
        layer = self.neurons(weights.shape[0])
        count = _checks.threads(n_threads)
        return _core.weights_gradient(self.core, layer, vectors, weights, count)

    def field(self, M: ArrayLike) -> Array:
        """Return the right-hand side of (4) for overlaps M of shape (n, k), same shape."""
        overlaps = _checks.array(M, "M", ("n", self.targets.k))
        _checks.of_unit_vectors(overlaps, "overlaps M")
        pull = self.interaction.derivative(overlaps) * self.target_weights
        layer = self.neurons(overlaps.shape[0])
        if layer is not None:
            pull = pull * layer[:, None]
        along = np.einsum("ij,ij->i", overlaps, pull)
        return np.asarray(pull @ self.targets.gram - along[:, None] * overlaps)

    def hessian(self, overlaps: ArrayLike, d: int | None = None) -> Hessian:
        """Return the Riemannian Hessian (11) of one neuron's loss at overlaps (k,).

        Its eigenvalues tell the kind of a fixed point; away from fixed points they are those of
        the second derivative along geodesics.

        Parameters
        ----------
        overlaps : array_like (k,)
            Overlaps of a unit vector.
        d : int, optional
            Input dimension; by default any above that of the span of the index vectors.

        Raises
        ------
        ValueError
            If no unit vector has these overlaps, or psi'' is infinite there.

        References
        ----------
        docs/mathematics (11).

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(3))
        >>> flow.hessian([1.0, 0.0, 0.0], d=10)
        Hessian(minimum, inside 3 x 2, outside 3 x 7)
        """
        m = _checks.array(overlaps, "overlaps", (self.targets.k,))
        _checks.of_unit_vectors(m, "overlaps")
        layer = self.neurons(1)
        return self._hessian(m, 1.0 if layer is None else float(layer[0]), d)

    def _hessian(self, m: Array, a: float, d: int | None) -> Hessian:
        weights = a * self.target_weights
        first = weights * self.interaction.derivative(m)
        second = weights * self.interaction.derivative(m, order=2)
        return hessian(self.targets.factor, first, second, m, d)

    @cached_property
    def _slope(self) -> _Slope:
        """What C++ takes as psi'."""
        slope = self.interaction.slope
        power, stride, coefficients, arc, skip = slope
        if not np.any(coefficients):
            return _Slope(*slope, (0.0, math.inf, 0.0, math.inf))
        rest = np.zeros(stride * (coefficients.size - 1) + 1)
        rest[::stride] = coefficients
        if arc == 0.0:
            right, left = _first_roots(rest)
        else:
            right, left = _safe_reach(rest, power, arc, max(2 * skip, 1))
        sign = float(np.sign(rest[0]))
        return _Slope(*slope, (sign, right, sign * (-1.0) ** power, left))

    @property
    def core(self) -> _core.FlowSpec:
        """What C++ sees of the flow; built anew for each call, never kept."""
        targets = self.targets
        general = targets.structure == "general"
        return _core.FlowSpec(
            kind=_KINDS[targets.structure],
            k=targets.k,
            beta=float(getattr(targets, "beta", 0.0)),
            matrix=targets.gram if general else None,
            factor=np.ascontiguousarray(targets.factor) if general else None,
            **self._slope._asdict(),
            target_weights=self.target_weights,
        )


class _Slope(NamedTuple):
    """psi'(u) = u^power P(u^stride) + arc A(u), and its signs near 0.

    A is asin without the first `arc_skip` terms of its Taylor series. `signs` holds the sign of
    psi' on (0, reach) and the reach, then both for (-reach, 0).
    """

    power: int
    stride: int
    coefficients: Array
    arc: float
    arc_skip: int
    signs: tuple[float, float, float, float]


def _safe_reach(rest: Array, power: int, arc: float, skip: int) -> tuple[float, float]:
    """Distances from 0 up to which psi' keeps its signs: up to there no terms can cancel."""
    u = np.linspace(0.0, 1.0, 4097)[1:]
    arcs = arc * arcsine(u, 0, skip - 1) / u**power
    out = []
    for side in (1.0, -1.0):
        terms = rest * side ** np.arange(rest.size)
        # A is odd with positive terms; against the sign of the first term they all count
        against = max(0.0, -np.sign(rest[0] * arc) * side ** (power + 1)) * np.abs(arcs)
        against = against + np.abs(poly.polyval(u, np.where(terms * rest[0] < 0.0, terms, 0.0)))
        lost = np.flatnonzero(against >= abs(rest[0]))
        out.append(math.inf if lost.size == 0 else float(u[lost[0]]) - u[0])
    return out[0], out[1]


def _first_roots(coefficients: Array) -> tuple[float, float]:
    """Distances from 0 of the first positive and the first negative root (inf for none)."""
    roots = np.roots(coefficients[::-1])
    real = roots.real[np.abs(roots.imag) <= 1e-3 * (1.0 + np.abs(roots.real))]
    right, left = real[real > 0], -real[real < 0]
    return (
        float(right.min()) if right.size else math.inf,
        float(left.min()) if left.size else math.inf,
    )
