"""Quantiles of counts that end unseen after so many steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermiteflow._statistics import Interval, quantile_interval

FloatArray = NDArray[np.float64]


def never(times: NDArray[Any]) -> FloatArray:
    """Return times with +inf where an event has not been seen."""
    return np.where(np.isnan(times), np.inf, times)


def censored_quantile(steps: FloatArray, q: float, *, most: float, confidence: float) -> Interval:
    """Return a quantile of steps that are censored after `most`, with its exact interval.

    Parameters
    ----------
    steps : ndarray
        Counts, ``+inf`` where censored.
    q : float
        Probability in [0, 1].
    most : float
        Steps after which a count is censored.
    confidence : float
        Two-sided coverage, at least reached.

    Returns
    -------
    Interval
        The estimate is NaN if it is among the censored: all that is known then is that the
        quantile lies above `low`, which is `most` if that too is among them. `high` is ``+inf``
        where no count bounds it.

    Examples
    --------
    >>> censored_quantile(np.array([3.0, 5.0, np.inf]), 0.9, most=100.0, confidence=0.5)
    Interval(estimate=nan, low=5.0, high=inf)
    """
    estimate, low, high = quantile_interval(steps, q, confidence=confidence)
    known = estimate if math.isfinite(estimate) else math.nan
    return Interval(known, min(max(low, 0.0), most), high)
