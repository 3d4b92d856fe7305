"""Experiments of the paper as functions: keywords in, an `xarray.Dataset` out.

Each takes the fields of its frozen config as keywords, runs `hermiteflow.solve` (and
`sample_complexity` `hermiteflow.online_sgd`), and returns what it measured with named dimensions,
units, and its config, seed and versions as attributes. Needs the extra
``hermiteflow[reproduce]``.
"""

from __future__ import annotations

from hermiteflow import _statistics as statistics

from ._common import TIME_UNIT, TargetSpec
from ._coverage import CoverageConfig, coverage
from ._nearest import NearestConfig, nearest
from ._phase_diagram import PhaseDiagramConfig, phase_diagram
from ._sample_complexity import SampleComplexityConfig, sample_complexity
from ._search_time import SearchTimeConfig, log_rate_bounds, search_time
from ._summary import summary
from ._threshold import ThresholdConfig, threshold

__all__ = [
    "TIME_UNIT",
    "CoverageConfig",
    "NearestConfig",
    "PhaseDiagramConfig",
    "SampleComplexityConfig",
    "SearchTimeConfig",
    "TargetSpec",
    "ThresholdConfig",
    "coverage",
    "log_rate_bounds",
    "nearest",
    "phase_diagram",
    "sample_complexity",
    "search_time",
    "statistics",
    "summary",
    "threshold",
]
