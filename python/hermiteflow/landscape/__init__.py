"""Every fixed point, its kind, and how it moves with beta: docs/landscape.

The public names are those of `hermiteflow` itself.
"""

from __future__ import annotations

from ._enumerate import fixed_points
from ._points import FixedPoint, FoundPoints, classify, find_fixed_points
from ._table import FixedPoints, Orbit

__all__ = [
    "FixedPoint",
    "FixedPoints",
    "FoundPoints",
    "Orbit",
    "classify",
    "find_fixed_points",
    "fixed_points",
]
