"""How many samples one-pass gradient descent takes until it escapes, against d."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow import _checks
from hermiteflow._statistics import Interval, bootstrap_quantiles, quantiles, slope_interval
from hermiteflow.starts import MAX_DIMENSION

from ._censored import FloatArray, censored_quantile, never
from ._common import (
    TIME_UNIT,
    Progress,
    Run,
    Seed,
    TargetSpec,
    as_tuple,
    attributes,
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
    from hermiteflow.flows import CorrelationFlow
    from hermiteflow.links import Link
    from hermiteflow.targets import Targets

__all__ = ["SampleComplexityConfig", "sample_complexity"]

STARTS = ("favoured", "uniform")
#: Most steps of `hf.online_sgd`.
_MOST = 1 << 53


@dataclass(frozen=True, kw_only=True)
class SampleComplexityConfig:
    """Fields of `sample_complexity`.

    Parameters
    ----------
    links : tuple of Link
        One for each information exponent of interest.
    targets : tuple of TargetSpec
        Arrangements of the index vectors; a random one is drawn once and serves every d.
    k : int
        Number of index vectors. The noise grows with it, in proportion to E[f*^2].
    d : tuple of float
        Input dimensions: whole numbers above the rank of the index vectors, up to 1e18. A neuron
        takes of the order of ``d^(p*-1) / delta`` steps.
    n : int
        Neurons for each link, arrangement and d; each sees samples of its own, so they are as
        many independent runs.
    level : float
        A neuron escapes when ``max_j |m_j| >= level``; with a link of p* = 2 below ``1/sqrt(k)``,
        as in `search_time`.
    delta : float
        The learning rate is ``delta d^(-p*/2)`` for p* >= 3 and ``delta / d`` for p* <= 2. Noise
        and the growth of the norm are then shares of the drift of order delta, at every d. For
        p* <= 2 they stay so up to the level, which a large delta never reaches.
    learning_rate : tuple of float
        Learning rates by d, one number for all, or a function of d, instead of those of delta.
    starts : {"favoured", "uniform"}
        "favoured" takes of w and -w the one that the flow draws faster towards the index vectors,
        so that no sign traps the flow; "uniform" takes w as it is drawn.
    horizon : float
        A neuron is censored after a time of the flow of ``horizon / (p* c^2)``, c the link's
        coefficient of degree p*, times d^(p*/2 - 1), log d for p* = 2, or 1 for p* = 1. The last
        neurons of a long tail cost most and tell medians nothing.
    quantiles : tuple of float
        Reported quantiles of the steps.
    quantile : float
        The quantile whose slopes are fitted, one of `quantiles`. A low one is known even where many
        neurons are censored.
    d_fit : float
        Slopes are fitted over ``d >= d_fit``: corrections fall like 1/sqrt(d), but for p* = 2 like
        1/log(d) in `power`, not in `log_rate`.
    replicates : int
        Bootstrap replicates of the slopes, at least 2.
    rtol : float
        Relative tolerance of `hf.solve`.
    confidence : float
        Two-sided coverage of each interval.
    """

    links: tuple[Link, ...] = (hf.hermite(3),)
    targets: tuple[TargetSpec, ...] = (TargetSpec(),)
    k: int = 1
    d: tuple[float, ...] = (100.0, 300.0, 1000.0, 3000.0)
    n: int = 128
    level: float = 0.5
    delta: float = 0.5
    learning_rate: tuple[float, ...] = ()
    starts: str = "favoured"
    horizon: float = 4.0
    quantiles: tuple[float, ...] = (0.25, 0.5, 0.75)
    quantile: float = 0.5
    d_fit: float = 0.0
    replicates: int = 4000
    rtol: float = 1e-8
    confidence: float = 0.99

    #: Least values of the integers.
    LEAST: ClassVar[dict[str, int]] = {"k": 1, "n": 2, "replicates": 2}

    def __post_init__(self) -> None:
        if callable(self.learning_rate):
            rates = tuple(self.learning_rate(float(d)) for d in as_tuple(self.d))
            object.__setattr__(self, "learning_rate", rates)
        check_fields(self)
        least = 1 + max(spec.rank(self.k) for spec in self.targets)
        whole = all(d.is_integer() and least <= d <= MAX_DIMENSION for d in self.d)
        require(whole, "d", f"be whole numbers from rank(G) + 1 = {least} to 1e18", self.d)
        require(0.0 < self.level < 1.0, "level", "lie strictly between 0 and 1", self.level)
        for name in ("delta", "horizon"):
            require(getattr(self, name) > 0.0, name, "be positive", getattr(self, name))
        rates = self.learning_rate
        require(all(rate > 0.0 for rate in rates), "learning_rate", "be positive", rates)
        expected = f"be one number, or one for each of the {len(self.d)} values of d"
        require(len(rates) in (0, 1, len(self.d)), "learning_rate", expected, rates)
        _checks.choice(self.starts, "starts", STARTS)
        inside = all(0.0 <= q <= 1.0 for q in self.quantiles)
        require(inside, "quantiles", "lie in [0, 1]", self.quantiles)
        known = self.quantile in self.quantiles
        require(known, "quantile", f"be one of quantiles={self.quantiles}", self.quantile)
        fitted = len({value for value in self.d if value >= self.d_fit})
        require(fitted >= 2, "d", f"hold two values at or above d_fit={self.d_fit:g}", self.d)
        low = 1.0 / math.sqrt(self.k) if self.k > 1 else 1.0
        for link in self.links:
            exponent, label = link.information_exponent, link_label(link)
            require(math.isfinite(exponent), "links", "have a degree of at least 1", label)
            if exponent == 2:
                expected = f"be below 1/sqrt(k) = {low:.4g} for the p* = 2 of {label}"
                require(self.level < low, "level", expected, self.level)
            for d in self.d:
                expected = f"take at most 2^53 steps for {label}, got more at d = {d:g}"
                require(self.max_steps(link, d) <= _MOST, "horizon", expected, self.horizon)

    def rate(self, link: Link, d: float) -> float:
        """Return the learning rate eta of one link at one d."""
        if self.learning_rate:
            rates = self.learning_rate
            return rates[0] if len(rates) == 1 else rates[self.d.index(d)]
        return self.delta * math.pow(d, -0.5 * max(2.0, link.information_exponent))

    def max_steps(self, link: Link, d: float) -> int:
        """Return the steps after which a neuron is censored."""
        p = int(link.information_exponent)
        scale = math.log(d) if p == 2 else time_scale(link, d)
        scale /= p * float(link.coefficients(p)[p]) ** 2
        return math.ceil(min(self.horizon * scale / self.rate(link, d), 2.0 * _MOST))

    @property
    def points(self) -> int:
        """Number of points of the grid, and of calls of the progress callback."""
        return len(self.links) * len(self.targets) * len(self.d)


def sample_complexity(
    *,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
    executor: Any = "serial",
    store: Any = None,
    **fields: Any,
) -> xr.Dataset:
    """Count the steps, one fresh sample each, until online gradient descent escapes, over d.

    The flow escapes at a time of the order of d^(p*/2 - 1), log d or 1, for p* >= 3, p* = 2 and
    p* = 1, and a step is eta of it. As |x| is near sqrt(d), a step lengthens w by the factor
    1 + O(eta^2 d), so its normalisation takes eta^2 d m from an overlap m, to which the drift adds
    eta m^(p*-1): at m near d^(-1/2), where the flow spends its time, a share eta d^(p*/2). The
    noise adds eta^2 a step to the variance of m, eta d^(p*/2 - 1) over the whole search: again a
    share eta d^(p*/2), of m(0)^2. With eta = delta d^(-p*/2) both are of order delta at every d.
    For p* <= 2 normalisation matters most near the level, where the share is eta d: eta =
    delta / d. The steps then grow as d^(p*-1), d log d or d. Neurons are those of `hf.online_sgd`
    with method "marginal", each with samples of its own.

    Parameters
    ----------
    seed : int, SeedSequence or None
        Root of every random stream; recorded.
    n_threads : int, optional
        Threads of `hf.online_sgd` and `hf.solve`; no result depends on it.
    progress : callable
        Called with a label after each point of the grid.
    executor, store
        As in `hf.sweep`: who computes the points, and a folder from which an interrupted run
        goes on.
    **fields
        Fields of `SampleComplexityConfig`.

    Returns
    -------
    xarray.Dataset
        ``escape_steps (link, targets, d, neuron)`` and, of the flow from the same starts,
        ``flow_steps``: its time divided by the learning rate; ``+inf`` for neurons that are
        censored, ``censored`` and ``flow_censored`` of them after ``max_steps``.
        ``step_quantile (link, targets, d, quantile, limit)`` with its exact binomial interval
        (limit = estimate, low, high) and ``flow_quantile``: NaN where so many are censored that
        the quantile is not known; then low is at most ``max_steps`` and high ``+inf``. ``power
        (link, targets, limit)``: the slope of the logarithm of the fitted quantile on log d (for
        p* = 2 of steps / log d); ``log_rate``: the slope of the quantile times the learning rate on
        log d; both with bootstrap intervals, NaN through an unknown quantile.
        ``theory_power (link)``: p* - 1, or 1 for p* <= 2. ``learning_rate (link, d)``;
        ``failures`` counts neurons that ended with non_finite.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown or out of range.

    References
    ----------
    docs/mathematics (4), (6); docs/finite_samples. Ben Arous, Gheissari, Jagannath, *J. Mach.
    Learn. Res.* 22 (2021) 106.

    Examples
    --------
    >>> ds = sample_complexity(links=hf.hermite(2), d=(100, 1000), n=20, delta=0.2, seed=0)
    >>> dict(ds.sizes)["d"], float(ds.learning_rate.sel(link="h2", d=1000))
    (2, 0.0002)
    >>> int(ds.censored.sum())
    0
    """
    config = make_config(SampleComplexityConfig, fields)
    run = Run.of(seed, n_threads, progress, executor, store)
    grid = {
        "link": {link_label(link): link for link in config.links},
        "targets": {
            spec.label: spec.build(config.k, stream(run.root, 1, b))
            for b, spec in enumerate(config.targets)
        },
        "d": list(config.d),
    }
    dims = {"steps": ("neuron",), "flow": ("neuron",)}
    found = run.points(_point, config, grid, "sample complexity", dims)
    return _dataset(config, run.root, found.steps.values, found.flow.values, found.failures.values)


def _point(
    *,
    config: SampleComplexityConfig,
    shared: int,
    link: Link,
    targets: Targets,
    d: float,
    seed: np.random.SeedSequence,
) -> dict[str, Any]:
    """Count steps of one link, arrangement and d, and the flow's; inf for censored neurons."""
    del shared
    flow = hf.CorrelationFlow(targets, link)
    start = hf.random_overlaps(targets, n=config.n, d=int(d), seed=stream(seed, 0))
    if config.starts == "favoured":
        start = favoured(flow, start)
    rate, steps = config.rate(link, d), config.max_steps(link, d)
    events = {"escape": hf.HittingTime(config.level, terminal=True)}
    online = hf.online_sgd(
        flow,
        overlaps=start,
        d=int(d),
        steps=steps,
        learning_rate=rate,
        seed=stream(seed, 1),
        method="marginal",
        events=events,
    )
    smooth = hf.solve(
        flow, overlaps=start, t_end=rate * steps, rtol=config.rtol, events=events
    ).events["escape"]
    return {
        "steps": never(online.events["escape"]),
        "flow": never(smooth / rate),
        "failures": int(failed(online.status).sum()),
    }


def favoured(flow: CorrelationFlow, overlaps: FloatArray) -> FloatArray:
    """Return of each w and -w the one that nears the span of V faster, by m.g of (5).

    Both are starts of the same law. Where psi is even both are equally fast, and w stays.
    """

    def speed(M: FloatArray) -> FloatArray:
        pull = flow.interaction.derivative(M) * M
        return np.asarray(pull @ flow.target_weights, dtype=np.float64)

    return np.where((speed(overlaps) >= speed(-overlaps))[:, None], overlaps, -overlaps)


def fits(
    config: SampleComplexityConfig, link: Link, steps: FloatArray, replicates: FloatArray
) -> tuple[Interval, Interval]:
    """Return power and log_rate of steps (d,), with replicates (R, d)."""
    d = np.asarray(config.d)
    kept = d >= config.d_fit
    log_d = np.log(d[kept])
    unit = log_d if link.information_exponent == 2 else 1.0
    rates = np.array([config.rate(link, value) for value in config.d])

    def logarithm(values: FloatArray) -> FloatArray:
        positive = np.where(values > 0.0, values, np.nan)
        return np.asarray(np.log(positive[..., kept] / unit))

    def time(values: FloatArray) -> FloatArray:
        return np.asarray((rates * values)[..., kept])

    power, log_rate = (
        slope_interval(log_d, of(steps), of(replicates), confidence=config.confidence)
        for of in (logarithm, time)
    )
    return power, log_rate


def _dataset(
    config: SampleComplexityConfig,
    root: np.random.SeedSequence,
    steps: FloatArray,
    flow: FloatArray,
    failures: NDArray[np.integer[Any]],
) -> xr.Dataset:
    shape = steps.shape[:-1]
    most = np.array([[config.max_steps(link, d) for d in config.d] for link in config.links])
    found = np.empty((*shape, len(config.quantiles), 3))
    for index in np.ndindex(*shape):
        end = float(most[index[0], index[2]])
        found[index] = [
            censored_quantile(steps[index], q, most=end, confidence=config.confidence)
            for q in config.quantiles
        ]
    smooth = np.array([quantiles(flow[index], config.quantiles) for index in np.ndindex(*shape)])
    smooth = np.where(np.isfinite(smooth), smooth, np.nan).reshape(*shape, len(config.quantiles))
    place = config.quantiles.index(config.quantile)
    power, log_rate = np.empty((2, *shape[:2], 3))
    for pair in np.ndindex(*shape[:2]):
        resampled = [
            bootstrap_quantiles(
                steps[(*pair, c)],
                config.quantile,
                replicates=config.replicates,
                seed=stream(root, 2, *pair, c),
            )
            for c in range(shape[2])
        ]
        estimates = found[(*pair, slice(None), place, 0)]
        power[pair], log_rate[pair] = fits(
            config, config.links[pair[0]], estimates, np.stack(resampled, axis=1)
        )
    exponents = [link.information_exponent for link in config.links]
    rates = [[config.rate(link, d) for d in config.d] for link in config.links]
    dims = ("link", "targets", "d")
    count, one, neurons = ({"units": unit} for unit in ("steps", "1", "neurons"))
    rate = {"units": "time of the flow per step"}
    exact = {**count, "confidence": config.confidence}
    return xr.Dataset(
        {
            "escape_steps": ((*dims, "neuron"), steps, count),
            "flow_steps": ((*dims, "neuron"), flow, count),
            "step_quantile": ((*dims, "quantile", "limit"), found, exact),
            "flow_quantile": ((*dims, "quantile"), smooth, count),
            "censored": (dims, np.isinf(steps).sum(axis=-1), neurons),
            "flow_censored": (dims, np.isinf(flow).sum(axis=-1), neurons),
            "failures": (dims, failures, neurons),
            "power": (("link", "targets", "limit"), power, one),
            "log_rate": (("link", "targets", "limit"), log_rate, {"units": TIME_UNIT}),
            "theory_power": (
                "link",
                [max(1.0, p - 1.0) for p in exponents],
                {**one, "role": "theory"},
            ),
            "max_steps": (("link", "d"), most, count),
            "learning_rate": (("link", "d"), rates, rate),
            "information_exponent": ("link", exponents, one),
        },
        coords={
            "link": [link_label(link) for link in config.links],
            "targets": [spec.label for spec in config.targets],
            "d": ("d", np.asarray(config.d), {"units": "1", "long_name": "input dimension"}),
            "quantile": ("quantile", list(config.quantiles), one),
            "limit": ["estimate", "low", "high"],
        },
        attrs=attributes("sample_complexity", config, root),
    )
