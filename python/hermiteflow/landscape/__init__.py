"""Every fixed point, its kind, and how it moves with beta: docs/landscape.

The public names are those of `hermiteflow` itself.
"""

from __future__ import annotations

from ._basins import basin_shares
from ._branches import bifurcation_diagram
from ._enumerate import fixed_points
from ._found import FixedPoint, FoundPoints
from ._nearest import nearest_index
from ._points import classify, find_fixed_points
from ._squared_minima import SquaredMinima, SquaredMinimum, squared_minima
from ._table import FixedPoints, Orbit
from ._thresholds import Fold, critical_beta, equal_loss_beta, fold_beta

__all__ = [
    "FixedPoint",
    "FixedPoints",
    "Fold",
    "FoundPoints",
    "Orbit",
    "SquaredMinima",
    "SquaredMinimum",
    "basin_shares",
    "bifurcation_diagram",
    "classify",
    "critical_beta",
    "equal_loss_beta",
    "find_fixed_points",
    "fixed_points",
    "fold_beta",
    "nearest_index",
    "squared_minima",
]
