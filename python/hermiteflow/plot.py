"""Figures of the experiments: Datasets in, matplotlib axes out.

Theory is drawn as lines, measurement as points with intervals, in a palette that the colour-blind
can tell apart, and with markers that differ too. Without ``ax`` a new pyplot figure is made.
"""

from __future__ import annotations

from ._plot_all import draw
from ._plot_bifurcation import bifurcation
from ._plot_coverage import coverage, coverage_linear, learning
from ._plot_ends import nearest, trapped
from ._plot_phase import phase_diagram
from ._plot_samples import sample_complexity
from ._plot_search import hitting_times, search_rate
from ._plot_threshold import threshold
from ._plot_trajectories import trajectories

__all__ = [
    "bifurcation",
    "coverage",
    "coverage_linear",
    "draw",
    "hitting_times",
    "learning",
    "nearest",
    "phase_diagram",
    "sample_complexity",
    "search_rate",
    "threshold",
    "trajectories",
    "trapped",
]
