"""What the landscape of symmetric index vectors depends on: psi', k and beta. Knows flows only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hermiteflow import _checks
from hermiteflow.flows import CorrelationFlow
from hermiteflow.interactions import Interaction
from hermiteflow.links import Link

from ._intervals import Array

#: psi' must be known this well, relative to its largest coefficient.
_TAIL = 1e-13


@dataclass(frozen=True, eq=False)
class Problem:
    """One neuron, orthonormal or equiangular index vectors of equal weights.

    Parameters
    ----------
    psi : (degree + 1,)
        Coefficients of a b psi.
    k : int
        Number of index vectors.
    beta : float
        Their inner product.
    """

    psi: Array
    k: int
    beta: float

    @property
    def slope(self) -> Array:
        """Coefficients of a b psi', without trailing zeros."""
        return self.psi[1:] * np.arange(1, self.psi.size)

    @property
    def even(self) -> bool:
        """Whether psi is even."""
        return not np.any(self.psi[1::2])

    @property
    def roots(self) -> tuple[float, float]:
        """sqrt(1 - beta) and sqrt(1 + (k - 1) beta), the eigenvalues of G^(1/2)."""
        return math.sqrt(1.0 - self.beta), math.sqrt(1.0 + (self.k - 1) * self.beta)


def interaction_of(link: Link | Interaction) -> Interaction:
    """Return the interaction of a link with itself, or the interaction given."""
    if isinstance(link, Interaction):
        return link
    if not isinstance(link, Link):
        raise TypeError(f"link must be a Link or an Interaction, got {_checks.describe(link)}")
    return Interaction(link)


def series_of(psi: Interaction) -> Array:
    """Return the coefficients of psi.

    Raises
    ------
    ValueError
        If psi' is zero, or not known by its series to 1e-13.
    """
    coefficients = psi.coefficients
    if not np.any(coefficients[1:]):
        raise ValueError(
            "link must have an interaction with the student's, got psi' = 0: every point is fixed"
        )
    if not is_complete(psi):
        raise ValueError(
            f"link must have a series of psi' that is complete to {_TAIL:g}, got "
            + ("one with no end" if psi.singular else f"one that leaves out up to {psi.tail:.2g}")
            + "; find_fixed_points has no such need"
        )
    return coefficients


def is_complete(psi: Interaction) -> bool:
    """Whether psi' is known by its series to 1e-13 of its largest coefficient."""
    coefficients = psi.coefficients
    scale = np.max(np.abs(coefficients * np.arange(coefficients.size)), initial=0.0)
    return bool(psi.tail <= _TAIL * scale) and not psi.singular


def problem_of(flow: CorrelationFlow) -> Problem:
    """Return the problem of a flow.

    Raises
    ------
    TypeError, ValueError
        If the flow is not one of equal weights over orthonormal or equiangular index vectors.
    """
    if not isinstance(flow, CorrelationFlow):
        raise TypeError(f"flow must be a CorrelationFlow, got {_checks.describe(flow)}")
    targets = flow.targets
    if targets.structure == "general":
        raise ValueError(
            "flow must have orthonormal or equiangular index vectors to list its fixed points, "
            f"got {targets!r}; find_fixed_points takes any"
        )
    weights = flow.target_weights
    if np.ptp(weights) != 0.0:
        raise ValueError(
            "flow must have equal target_weights to list its fixed points, got weights from "
            f"{weights.min():g} to {weights.max():g}; find_fixed_points takes any"
        )
    factor = float(weights[0]) * coupling(flow)
    if factor == 0.0:
        raise ValueError("flow must have non-zero weights, got 0: every point is fixed")
    psi = series_of(flow.interaction) * factor
    return Problem(psi, targets.k, float(getattr(targets, "beta", 0.0)) if targets.k > 1 else 0.0)


def coupling(flow: CorrelationFlow) -> float:
    """Return a_i, which must be the same for all neurons."""
    layer = flow.second_layer
    if layer is None:
        return 1.0
    if np.ptp(layer) != 0.0:
        raise ValueError(
            "flow must have one second_layer for all neurons, got values from "
            f"{layer.min():g} to {layer.max():g}"
        )
    return float(layer[0])
