"""How long neurons search: the time until some overlap reaches a constant, against d."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr

import hermiteflow as hf
from hermiteflow import _checks
from hermiteflow._statistics import Interval, bootstrap_quantiles, quantiles, slope_interval

from ._common import (
    TIME_UNIT,
    Progress,
    Run,
    Seed,
    TargetSpec,
    attributes,
    check_dimensions,
    check_fields,
    failed,
    link_label,
    make_config,
    require,
    silent,
    stream,
    time_scale,
)

if TYPE_CHECKING:
    from hermiteflow.links import Link
    from hermiteflow.targets import Targets

__all__ = ["SearchTimeConfig", "log_rate_bounds", "search_time"]

#: Share of neurons that may be lost without a word.
LEAST_LOST = 0.01


def _default_links() -> tuple[Link, ...]:
    return tuple(hf.hermite(p) for p in (2, 3, 4, 5))


@dataclass(frozen=True, kw_only=True)
class SearchTimeConfig:
    """Fields of `search_time`.

    Parameters
    ----------
    links : tuple of Link
        One for each information exponent of interest.
    targets : tuple of TargetSpec
        Arrangements of the index vectors; a random one is drawn once and serves every d.
    k : int
        Number of index vectors.
    d : tuple of float
        Input dimensions, at most 1e18.
    n : int
        Neurons for each link, arrangement and d.
    level : float
        The search ends when ``max_j |m_j| >= level``; with a link of p* = 2 below ``1/sqrt(k)``,
        so that one of degree 2, which may end anywhere on the sphere of span(V), always gets there.
    horizon : float
        A neuron that has not arrived by ``horizon d^(p*/2 - 1)`` is censored: for odd p* some are
        trapped for ever, and not every trap can be proved. A link of even and odd degrees may let
        some rest where psi' vanishes, below the level, for any p*.
    quantiles : tuple of float
        Reported quantiles of the time.
    d_fit : float
        The slope is fitted over ``d >= d_fit``: corrections fall like ``1/sqrt(d)``.
    replicates : int
        Bootstrap replicates.
    rtol : float
        Relative tolerance of `hf.solve`.
    confidence : float
        Two-sided coverage of each interval.
    """

    links: tuple[Link, ...] = field(default_factory=_default_links)
    targets: tuple[TargetSpec, ...] = (TargetSpec(),)
    k: int = 5
    d: tuple[float, ...] = tuple(10.0**e for e in range(2, 13))
    n: int = 2000
    level: float = 0.3
    horizon: float = 1e3
    quantiles: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
    d_fit: float = 1e6
    replicates: int = 4000
    rtol: float = 1e-8
    confidence: float = 0.99

    #: Least values of the integers.
    LEAST: ClassVar[dict[str, int]] = {"k": 1, "n": 2, "replicates": 2}

    def __post_init__(self) -> None:
        check_fields(self)
        require(0.0 < self.level < 1.0, "level", "lie strictly between 0 and 1", self.level)
        low = 1.0 / math.sqrt(self.k) if self.k > 1 else 1.0
        for link in self.links:
            if link.information_exponent == 2:
                expected = f"be below 1/sqrt(k) = {low:.4g} for the p* = 2 of {link_label(link)}"
                require(self.level < low, "level", expected, self.level)
        require(self.horizon > 0.0, "horizon", "be positive", self.horizon)
        inside = all(0.0 <= q <= 1.0 for q in self.quantiles)
        require(inside, "quantiles", "lie in [0, 1]", self.quantiles)
        check_dimensions(self.d, (spec.rank(self.k) for spec in self.targets))
        fitted = sum(value >= self.d_fit for value in self.d)
        require(fitted >= 2, "d", f"hold two values at or above d_fit={self.d_fit:g}", self.d)

    @property
    def points(self) -> int:
        """Number of points of the grid, and of calls of the progress callback."""
        return len(self.links) * len(self.targets) * len(self.d)


def search_time(
    *,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
    executor: Any = "serial",
    store: Any = None,
    **fields: Any,
) -> xr.Dataset:
    """Measure search times over the input dimension, with slopes.

    Parameters
    ----------
    seed : int, SeedSequence or None
        Root of every random stream; recorded.
    n_threads : int, optional
        Threads of `hf.solve`; no result depends on it.
    progress : callable
        Called with a label after each point of the grid.
    executor, store
        As in `hf.sweep`: who computes the points, and a folder from which an interrupted run
        goes on.
    **fields
        Fields of `SearchTimeConfig`.

    Returns
    -------
    xarray.Dataset
        ``hitting_time (link, targets, d, neuron)`` in the time unit of the flow, ``+inf`` for
        neurons that do not arrive before the horizon; ``time_quantile (link, targets, d,
        quantile)``; ``median_time`` with the interval ``median_low, median_high``; ``power
        (link, targets, limit)``, the slope of log median time on log d, and ``log_rate``, the
        slope of the median time itself on log d, each with its bootstrap interval (limit =
        estimate, low, high).

    Raises
    ------
    TypeError, ValueError
        If a field is unknown or out of range.

    Examples
    --------
    >>> ds = search_time(links=(hf.hermite(3),), n=50, d=(1e6, 1e8), seed=0)
    >>> dict(ds.sizes)["d"]
    2
    """
    config = make_config(SearchTimeConfig, fields)
    run = Run.of(seed, n_threads, progress, executor, store)
    families = {
        spec.label: spec.build(config.k, stream(run.root, 1, b))
        for b, spec in enumerate(config.targets)
    }
    grid = {
        "link": {link_label(link): link for link in config.links},
        "targets": families,
        "d": [float(d) for d in config.d],
    }
    found = run.points(_point, config, grid, "search time", {"times": ("neuron",)})
    grams = np.stack([np.asarray(targets.gram) for targets in families.values()])
    return _dataset(config, run.root, found.times.values, found.failures.values).assign(
        gram=(("targets", "index_vector", "index_vector_2"), grams, {"units": "1"})
    )


def _point(
    *,
    config: SearchTimeConfig,
    shared: int,
    link: Link,
    targets: Targets,
    d: float,
    seed: np.random.SeedSequence,
) -> dict[str, Any]:
    """Hitting times of one link, arrangement and d; inf for neurons that do not arrive."""
    del shared
    solution = hf.solve(
        hf.CorrelationFlow(targets, link),
        overlaps=hf.random_overlaps(targets, n=config.n, d=int(d), seed=seed),
        t_end=config.horizon * time_scale(link, d),
        rtol=config.rtol,
        events={"hit": hf.HittingTime(config.level, terminal=True)},
    )
    hit = np.asarray(solution.events["hit"], dtype=np.float64)
    return {
        "times": np.where(np.isnan(hit), np.inf, hit),
        "failures": int(failed(np.asarray(solution.status)).sum()),
    }


def lost_share(ds: xr.Dataset) -> xr.DataArray:
    """Share of neurons that had not reached the level by the horizon, (link, targets, d)."""
    shares: xr.DataArray = (~np.isfinite(ds.hitting_time)).mean("neuron")
    return shares


def lost_words(shares: np.ndarray[Any, Any]) -> str:
    """Return the lowest and the highest of these shares in per cent, or nothing up to 1 %.

    >>> lost_words(np.array([0.02, 0.4375, 1.0])), lost_words(np.array([0.0, 0.01]))
    ('2 % to 100 %', '')
    """
    cents = (100.0 * float(share) for share in (shares.min(), shares.max()))
    low, high = (f"{x:.2g} %" if x < 9.5 else f"{x:.0f} %" for x in cents)
    if shares.max() <= LEAST_LOST:
        return ""
    return high if low == high else f"{low} to {high}"


def log_rate_bounds(gram: np.ndarray[Any, Any], leading: float = 1.0) -> tuple[float, float]:
    """Theory's bounds of dT/dlog d for ``psi = c u^2 + ...``: 1/(4 c lambda), lambda a growth rate.

    With equal row sums lambda is the largest eigenvalue, and the bounds are equal. Otherwise the
    largest overlap grows at a rate between 1 - R and 1 + R, R the largest sum of the off-diagonal
    entries of a row (Gershgorin).

    Parameters
    ----------
    gram : ndarray, shape (k, k)
        Gram matrix of the index vectors.
    leading : float, optional
        c > 0, the square of the link's second Hermite coefficient; 1 for h_2. What follows in psi
        does not matter.

    Examples
    --------
    >>> log_rate_bounds(np.eye(3))
    (0.25, 0.25)
    >>> log_rate_bounds(np.eye(3), leading=hf.hermite({2: 0.5, 3: 1.0}).coefficients(2)[2] ** 2)
    (1.0, 1.0)
    """
    leading = _checks.real(leading, "leading", low=0.0, open_low=True)
    gram = hf.IndexVectors(gram=gram).gram
    off = np.abs(gram - np.eye(len(gram))).sum(axis=1)
    if np.ptp(gram.sum(axis=1)) < 1e-12 and gram.min() >= 0.0:
        rate = 0.25 / (leading * float(gram[0].sum()))
        return rate, rate
    radius = float(off.max())
    slowest = 0.25 / (leading * (1.0 - radius)) if radius < 1.0 else math.inf
    return 0.25 / (leading * (1.0 + radius)), slowest


def _leading(link: hf.Link) -> float:
    degree = int(link.information_exponent)
    return float(link.coefficients(degree)[degree]) ** 2


def _dataset(
    config: SearchTimeConfig,
    root: np.random.SeedSequence,
    times: np.ndarray[Any, Any],
    failures: np.ndarray[Any, Any],
) -> xr.Dataset:
    shape = times.shape[:-1]
    values = np.empty((*shape, len(config.quantiles)))
    limits = np.empty((2, *shape))
    medians = np.empty(shape)
    replicates = np.empty((*shape[:2], config.replicates, shape[2]))
    tails = [0.5 - 0.5 * config.confidence, 0.5 + 0.5 * config.confidence]
    for index in np.ndindex(*shape):
        values[index] = quantiles(times[index], config.quantiles)
        medians[index] = quantiles(times[index], 0.5)
        resampled = bootstrap_quantiles(
            times[index], 0.5, replicates=config.replicates, seed=stream(root, 2, *index)
        )
        limits[(slice(None), *index)] = quantiles(resampled, tails)
        replicates[index[0], index[1], :, index[2]] = resampled
    fits = {"power": np.empty((*shape[:2], 3)), "log_rate": np.empty((*shape[:2], 3))}
    kept = np.asarray(config.d) >= config.d_fit
    log_d = np.log(np.asarray(config.d)[kept])
    for pair in np.ndindex(*shape[:2]):
        for name, transform in (("power", np.log), ("log_rate", np.asarray)):
            fit: Interval = slope_interval(
                log_d,
                transform(medians[pair][kept]),
                transform(replicates[pair][:, kept]),
                confidence=config.confidence,
            )
            fits[name][pair] = fit
    dims = ("link", "targets", "d")
    time = {"units": TIME_UNIT}
    return xr.Dataset(
        {
            "hitting_time": ((*dims, "neuron"), times, time),
            "time_quantile": ((*dims, "quantile"), values, time),
            "median_time": (dims, medians, time),
            "median_low": (dims, limits[0], time),
            "median_high": (dims, limits[1], time),
            "power": (("link", "targets", "limit"), fits["power"], {"units": "1"}),
            "log_rate": (("link", "targets", "limit"), fits["log_rate"], time),
            "failures": (dims, failures, {"units": "neurons"}),
            "information_exponent": (
                "link",
                [link.information_exponent for link in config.links],
                {"units": "1"},
            ),
            "leading": (
                "link",
                [_leading(link) for link in config.links],
                {"units": "1", "long_name": "coefficient of u^p* in psi(u)"},
            ),
        },
        coords={
            "link": [link_label(link) for link in config.links],
            "targets": [spec.label for spec in config.targets],
            "d": ("d", np.asarray(config.d), {"units": "1", "long_name": "input dimension"}),
            "quantile": ("quantile", list(config.quantiles), {"units": "1"}),
            "limit": ["estimate", "low", "high"],
        },
        attrs=attributes("search_time", config, root),
    )
