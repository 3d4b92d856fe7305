"""The index vector that a start is nearest to, before anything is integrated. Knows flows only."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import ArrayLike, NDArray

from hermiteflow import _checks
from hermiteflow._arcsine import arcsine
from hermiteflow.flows import CorrelationFlow

from ._intervals import Array


def nearest_index(flow: CorrelationFlow, m0: ArrayLike) -> NDArray[np.int64]:
    """Return the nearest index vector of each start: the one that pulls ahead of all others.

    An overlap m_j is in the running if a_i b_j psi' pulls it from where it is to 1 or to -1, with
    no zero of psi' on the way. Nearest is the one that grows fastest in proportion, with the
    largest a_i b_j psi'(m_j)/m_j; ties go to the largest |m_j|. For orthonormal index vectors (4)
    reads d log|m_j|/dt = a_i b_j psi'(m_j)/m_j - m . g, so it gains on all others. With weights of
    1 and coefficients c_p c*_p >= 0 it is the largest overlap where psi is odd, and the largest
    |m_j| where psi is even.

    The flow ends there, at the index vector or its opposite, exactly

    - for orthonormal index vectors and psi = c u^p, p >= 3, with any a_i and b_j: the largest
      a_i b_j c p m_j^(p-2) blows up first in (7). Where there is none the neuron never escapes;
    - for orthonormal index vectors, equal target weights and psi odd or even with coefficients
      a_i b c_p c*_p >= 0, some p >= 3: the order of the rates is that of m_j, or |m_j|, for ever.

    Otherwise it describes the start and is no promise: unequal weights can change the order of
    the rates of a link that mixes degrees, overlaps of both signs do so where psi is neither odd
    nor even, and index vectors that lean towards each other have basins of another shape.

    Parameters
    ----------
    flow : CorrelationFlow
        The flow; psi'(0) must be 0.
    m0 : array_like (n, k)
        Overlaps of the starts.

    Returns
    -------
    (n,) of int
        Numbers of index vectors; -1 where no overlap is in the running.

    Raises
    ------
    TypeError, ValueError
        For bad arguments, naming the argument, what was expected and what came.

    References
    ----------
    docs/mathematics (4), (7), claim (b).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> starts = [[0.02, 0.01, -0.03], [-0.02, -0.01, -0.03]]
    >>> for p in (3, 4):
    ...     print(hf.nearest_index(hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(p)), starts))
    [ 0 -1]
    [2 2]
    """
    if not isinstance(flow, CorrelationFlow):
        raise TypeError(f"flow must be a CorrelationFlow, got {_checks.describe(flow)}")
    m = _checks.array(m0, "m0", ("n", flow.targets.k))
    _checks.of_unit_vectors(m, "overlaps m0")
    size = np.abs(m)
    length2 = flow.targets.squared_projection(m)
    if np.max(length2) > 1.0 + _checks.UNIT_TOLERANCE:
        raise ValueError(
            "m0 must hold overlaps of unit vectors, got a projection on span(V) of length "
            f"{np.sqrt(length2.max()):.9g}"
        )
    layer = flow.neurons(m.shape[0])
    slope = flow._slope
    power = slope.power
    if power == 0:
        raise ValueError(
            "flow must have psi'(0) = 0 for starts to have a nearest index vector, "
            f"got psi'(0) = {flow.interaction.coefficients[1]:.6g}"
        )
    factor = poly.polyval(m**slope.stride, slope.coefficients)  # psi'(m) / m^power
    if slope.arc:
        arc = slope.arc * arcsine(np.clip(m, -1.0, 1.0), 0, 2 * slope.arc_skip)
        factor += np.divide(arc, m**power, where=arc != 0.0, out=np.zeros_like(m))
    factor *= flow.target_weights
    sign = np.sign(factor) * np.sign(m) ** (power - 1)
    if layer is not None:
        sign *= np.sign(layer)[:, None]
    right, left = _last_zeros(flow)
    running = (sign > 0.0) & (m != 0.0) & (size > np.where(m > 0.0, right, left))
    # logarithms: m^(p-2) underflows at large d and p
    rate = (power - 1) * np.log(size, where=running, out=np.zeros_like(m))
    rate += np.log(np.abs(factor), where=running, out=np.zeros_like(m))
    rate[~running] = -np.inf
    leads = running & (rate == rate.max(axis=1, keepdims=True))
    nearest: NDArray[np.int64] = np.where(leads, size, -1.0).argmax(axis=1).astype(np.int64)
    nearest[~running.any(axis=1)] = -1
    return nearest


def _last_zeros(flow: CorrelationFlow) -> tuple[float, float]:
    """Largest |u| of the zeros of psi' in (0, 1] and in [-1, 0); 0 for none."""
    slope = flow._slope
    if slope.arc:
        return _last_change(flow, 1.0), _last_change(flow, -1.0)
    zeros = np.roots(slope.coefficients[::-1])
    real = zeros.real[np.abs(zeros.imag) <= 1e-6]
    near: Array = real[np.abs(real) <= 1.0]
    right = float(np.max(near[near > 0.0], initial=0.0)) ** (1.0 / slope.stride)
    if slope.stride == 2:  # P is a polynomial in u^2
        return right, right
    return right, float(np.max(-near[near < 0.0], initial=0.0))


def _last_change(flow: CorrelationFlow, side: float) -> float:
    """Largest |u| at which psi' changes sign, for u of this sign; 0 for none."""
    u = np.linspace(0.0, 1.0, 10_001)[1:]
    positive = flow.interaction.derivative(side * u) > 0.0
    changes = np.flatnonzero(positive[1:] != positive[:-1])
    if changes.size == 0:
        return 0.0
    low, high = float(u[changes[-1]]), float(u[changes[-1] + 1])
    while (middle := 0.5 * (low + high)) not in (low, high):
        same = bool(flow.interaction.derivative(side * middle) > 0.0) == positive[-1]
        low, high = (low, middle) if same else (middle, high)
    return high
