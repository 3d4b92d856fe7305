"""Estimates with intervals: censored quantiles, bootstrap, shares, log-log slopes.

Quantiles are order statistics (no interpolation): samples that never happened enter as ``+inf``.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks
from ._beta import beta_cdf, beta_quantile

__all__ = [
    "Interval",
    "bootstrap_mean",
    "bootstrap_quantiles",
    "clopper_pearson",
    "dkw_band",
    "normal_quantile",
    "quantile_interval",
    "quantiles",
    "slope",
    "slope_interval",
    "wilson",
]

FloatArray = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate between two limits."""

    estimate: float
    low: float
    high: float

    def contains(self, value: float) -> bool:
        """Whether ``value`` lies within the limits.

        >>> Interval(0.5, 0.4, 0.6).contains(0.45)
        True
        """
        return self.low <= _checks.real(value, "value", infinite=True) <= self.high

    def __str__(self) -> str:
        """Estimate and limits with as many digits as the width deserves."""
        if not all(map(math.isfinite, self)):
            return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"
        width = self.high - self.low
        digits = 4 if width <= 0.0 else min(5, max(0, 2 - math.floor(math.log10(width))))
        return f"{self.estimate:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def _confidence(value: float) -> float:
    return _checks.real(value, "confidence", low=0.0, high=1.0, open_low=True, open_high=True)


def normal_quantile(confidence: float) -> float:
    """Half width, in standard deviations, of a two-sided normal interval.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    return -NormalDist().inv_cdf(0.5 * (1.0 - _confidence(confidence)))  # keeps its digits


def _sorted_sample(samples: ArrayLike) -> FloatArray:
    values = np.sort(_checks.points(samples, "samples").ravel())
    if values.size == 0:
        raise ValueError("samples must hold at least one value, got none")
    if np.isnan(values).any():
        raise ValueError("samples must not hold NaN: give censored samples as +inf")
    return values


def _rank(given: ArrayLike, n: int) -> NDArray[np.intp]:
    q = _checks.points(given, "q")
    if np.any((q < 0.0) | (q > 1.0)) or np.isnan(q).any():
        raise ValueError(f"q must lie in [0, 1], got {q.tolist()}")
    return np.clip(np.ceil(q * n), 1, n).astype(np.intp)


def quantiles(samples: ArrayLike, q: ArrayLike) -> FloatArray:
    """Quantiles as order statistics; censored samples are ``+inf``.

    Parameters
    ----------
    samples : array_like
        Sample values, ``+inf`` where the event never happened.
    q : array_like
        Probabilities in [0, 1].

    Returns
    -------
    ndarray
        The ``ceil(q n)``-th smallest sample for each probability, in the unit of `samples`.

    Examples
    --------
    >>> quantiles([3.0, 1.0, float("inf")], [0.5, 0.9])
    array([ 3., inf])
    """
    values = _sorted_sample(samples)
    return np.asarray(values[_rank(q, values.size) - 1])


def bootstrap_quantiles(
    samples: ArrayLike,
    q: float,
    *,
    replicates: int = 2000,
    seed: int | np.random.SeedSequence | None = None,
) -> FloatArray:
    """Bootstrap replicates of one quantile, exactly in law and at a cost free of the sample size.

    The j-th order statistic of a resample is the original order statistic of rank ``ceil(n B)``
    with ``B ~ Beta(j, n - j + 1)``, so nothing need be resampled.

    Parameters
    ----------
    samples : array_like
        Sample values, ``+inf`` where censored.
    q : float
        Probability in [0, 1].
    replicates : int
        Number of replicates.
    seed : int, SeedSequence or None
        Source of the random numbers.

    Returns
    -------
    ndarray, shape (replicates,)
        Resampled quantiles, in the unit of `samples`.

    Examples
    --------
    >>> bootstrap_quantiles([1.0, 2.0, 3.0], 0.5, replicates=4, seed=0).shape
    (4,)
    """
    values = _sorted_sample(samples)
    n = values.size
    j = int(_rank(_checks.real(q, "q", low=0.0, high=1.0), n))
    size = _checks.integer(replicates, "replicates")
    draws = _checks.generator(seed).beta(j, n - j + 1, size=size)
    return np.asarray(values[np.clip(np.ceil(draws * n), 1, n).astype(np.intp) - 1])


def bootstrap_mean(
    samples: ArrayLike, *, confidence: float, seed: int | np.random.SeedSequence | None = None
) -> Interval:
    """Mean with the percentile bootstrap interval; no width where all samples are equal.

    Parameters
    ----------
    samples : array_like
        Finite sample values.
    confidence : float
        Two-sided coverage, reached for many samples.
    seed : int, SeedSequence or None
        Source of the random numbers.

    References
    ----------
    Efron, Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13.

    Examples
    --------
    >>> print(bootstrap_mean([0.0, 1.0, 1.0, 1.0], confidence=0.9, seed=0))
    0.750 [0.500, 1.000]
    """
    confidence = _confidence(confidence)
    values = _sorted_sample(samples)
    if not np.max(np.abs(values)) < 1e300:
        raise ValueError(f"samples must be finite and below 1e300 in size, got {values[-1]:g}")
    n = values.size
    weights = _checks.generator(seed).multinomial(n, np.full(n, 1.0 / n), size=4000)
    tail = 0.5 * (1.0 - confidence)
    low, high = quantiles(weights @ values / n, [tail, 1.0 - tail])
    mean = float(values.sum() / n)
    return Interval(mean, min(mean, float(low)), max(mean, float(high)))


def slope(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """Least-squares slope of `y` on `x` along the last axis.

    Parameters
    ----------
    x : array_like, shape (m,)
        Abscissae, at least two of them different.
    y : array_like, shape (..., m)
        Ordinates.

    Returns
    -------
    ndarray, shape (...)
        Slopes; NaN where an ordinate is not finite.

    Examples
    --------
    >>> float(slope([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]))
    2.0
    """
    abscissae, ordinates = _checks.array(x, "x", ("m",)), _checks.points(y, "y")
    if np.ptp(abscissae) == 0.0:
        raise ValueError(f"x must hold at least two different values, got {abscissae.tolist()}")
    if ordinates.shape[-1:] != abscissae.shape:
        raise ValueError(f"y must have shape (..., m={abscissae.size}), got {ordinates.shape}")
    centred = abscissae - abscissae.mean()
    unit = float(np.max(np.abs(centred)))
    centred /= unit  # squares of the largest and least doubles are none
    finite = np.isfinite(ordinates).all(axis=-1)
    safe = np.where(np.asarray(finite)[..., None], ordinates, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(finite, safe @ centred / (centred @ centred) / unit, np.nan)


def slope_interval(
    x: ArrayLike, y: ArrayLike, replicates: ArrayLike, *, confidence: float
) -> Interval:
    """Slope with the normal bootstrap interval, which reaches far tails from few replicates.

    Parameters
    ----------
    x : array_like, shape (m,)
        Abscissae.
    y : array_like, shape (m,)
        Estimated ordinates.
    replicates : array_like, shape (R, m)
        Bootstrap replicates of the ordinates.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Slope of `y`, plus and minus the normal quantile times the bootstrap standard error; NaN
        where a median is infinite.

    Examples
    --------
    >>> slope_interval([0.0, 1.0], [0.0, 2.0], [[0.0, 1.9], [0.0, 2.1]], confidence=0.95).estimate
    2.0
    """
    m = _checks.array(x, "x", ("m",)).size
    estimate = float(slope(x, _checks.array(y, "y", (m,), finite=False)))
    resampled = slope(x, _checks.array(replicates, "replicates", ("R", m), finite=False))
    if resampled.size < 2:
        raise ValueError(f"replicates must hold at least two rows, got {resampled.size}")
    with np.errstate(over="ignore", invalid="ignore"):
        half = normal_quantile(confidence) * float(resampled.std(ddof=1))
    return Interval(estimate, estimate - half, estimate + half)


def _least_rank(n: int, q: float, probability: float) -> int:
    """Return the least j with P(B <= j) > probability, B binomial of n trials at q."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        above = beta_cdf(float(n - middle), middle + 1.0, 1.0 - q) > probability
        low, high = (low, middle) if above else (middle + 1, high)
    return low


def quantile_interval(samples: ArrayLike, q: float, *, confidence: float) -> Interval:
    """Quantile with its exact (conservative) interval between two order statistics.

    The number of samples at or below a quantile is binomial, whatever their law, so censored
    samples need no more than their place above all others.

    Parameters
    ----------
    samples : array_like
        Independent samples, ``+inf`` where censored.
    q : float
        Probability in [0, 1].
    confidence : float
        Two-sided coverage, at least reached.

    Returns
    -------
    Interval
        In the unit of `samples`; -inf or +inf where no order statistic bounds the quantile.

    References
    ----------
    David, Nagaraja, *Order Statistics* (2003), section 7.1.

    Examples
    --------
    >>> quantile_interval(range(1, 101), 0.5, confidence=0.95)
    Interval(estimate=50.0, low=40.0, high=61.0)
    """
    confidence, q = _confidence(confidence), _checks.real(q, "q", low=0.0, high=1.0)
    values = _sorted_sample(samples)
    n, tail = values.size, 0.5 * (1.0 - confidence)
    below = _least_rank(n, q, tail)  # P(B <= below - 1) <= tail
    above = n - _least_rank(n, 1.0 - q, tail) + 1  # P(B >= above) <= tail, from the other end
    ranked = [-math.inf, *values.tolist(), math.inf]
    return Interval(float(quantiles(values, q)), ranked[below], ranked[above])


def _counts(successes: int, trials: int) -> tuple[int, int]:
    trials = _checks.integer(trials, "trials", high=_checks.LARGEST)
    return _checks.integer(successes, "successes", low=0, high=trials), trials


def clopper_pearson(successes: int, trials: int, *, confidence: float) -> Interval:
    """Exact (conservative) interval for a share.

    Parameters
    ----------
    successes, trials : int
        Counts.
    confidence : float
        Two-sided coverage, at least reached.

    Returns
    -------
    Interval
        Share and its limits; 0 and 1 are reached exactly when nothing, or everything, succeeded.

    References
    ----------
    Clopper, Pearson, *Biometrika* 26 (1934) 404-413.

    Examples
    --------
    >>> print(clopper_pearson(0, 10, confidence=0.95))
    0.000 [0.000, 0.308]
    """
    (successes, trials), confidence = _counts(successes, trials), _confidence(confidence)
    tail, failures = 0.5 * (1.0 - confidence), trials - successes
    low = high = math.nan
    if successes == 0:
        low, high = 0.0, -math.expm1(math.log(tail) / trials)
    elif failures == 0:
        low, high = math.exp(math.log(tail) / trials), 1.0
    else:
        low = beta_quantile(successes, failures + 1.0, tail)
        high = 1.0 - beta_quantile(failures, successes + 1.0, tail)
    return Interval(successes / trials, low, high)


def wilson(successes: int, trials: int, *, confidence: float) -> Interval:
    """Wilson's score interval for a share: shorter than the exact one, coverage on average.

    Parameters
    ----------
    successes, trials : int
        Counts.
    confidence : float
        Two-sided coverage.

    References
    ----------
    Wilson, *J. Am. Stat. Assoc.* 22 (1927) 209-212.

    Examples
    --------
    >>> print(wilson(5, 10, confidence=0.95))
    0.500 [0.237, 0.763]
    """
    successes, trials = _counts(successes, trials)
    z2 = normal_quantile(confidence) ** 2
    share = successes / trials
    centre = (share + 0.5 * z2 / trials) / (1.0 + z2 / trials)
    spread = z2 * (share * (1.0 - share) / trials + 0.25 * z2 / trials**2)
    half = math.sqrt(spread) / (1.0 + z2 / trials)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(share, low, high)


def dkw_band(trials: int, *, confidence: float) -> float:
    """Half width of a band that holds a whole distribution function at once.

    Parameters
    ----------
    trials : int
        Number of independent samples behind the empirical distribution function.
    confidence : float
        Coverage of the band, at least reached for every sample size.

    References
    ----------
    Massart, *Ann. Probab.* 18 (1990) 1269-1283.

    Examples
    --------
    >>> round(dkw_band(100, confidence=0.95), 4)
    0.1358
    """
    confidence = _confidence(confidence)
    trials = _checks.integer(trials, "trials", high=_checks.LARGEST)
    return math.sqrt(math.log(2.0 / (1.0 - confidence)) / (2.0 * trials))
