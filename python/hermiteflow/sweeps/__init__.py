"""Sweeps: a function at every point of a grid, on any executor, with a store that resumes.

The public names are those of `hermiteflow` itself.
"""

from __future__ import annotations

from ._points import SweepError
from ._run import sweep

__all__ = ["SweepError", "sweep"]
