"""How many neurons find all index vectors: the coupon collector, played by the flow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow._statistics import clopper_pearson

from ._common import (
    CHUNK,
    Progress,
    Run,
    Seed,
    TargetSpec,
    attributes,
    check_dimensions,
    check_fields,
    failed,
    is_even,
    link_label,
    make_config,
    neurons_of,
    require,
    silent,
    stream,
    time_scale,
)
from ._trapped import trapped_share

if TYPE_CHECKING:
    from hermiteflow.links import Link

__all__ = ["CoverageConfig", "coverage"]


def _default_links() -> tuple[Link, ...]:
    return (hf.hermite(3), hf.hermite(4))


@dataclass(frozen=True, kw_only=True)
class CoverageConfig:
    """Fields of `coverage`.

    Parameters
    ----------
    links : tuple of Link
        Activations, each its own target link.
    targets : tuple of TargetSpec
        Arrangements of the index vectors.
    k : tuple of int
        Numbers of index vectors, at least 2.
    d : float
        Input dimension, above every k.
    batches : int
        Independent networks for each link, arrangement and k.
    ratios : tuple of float
        Network sizes as ``n / (k log k)``.
    factors : tuple of float
        Network sizes as ``n / k``.
    horizon : float
        A neuron has ``horizon d^(p*/2 - 1)`` to arrive: for odd p* some are trapped for ever, and
        not every trap can be proved.
    rtol : float
        Relative tolerance of `hf.solve`.
    confidence : float
        Two-sided coverage of each interval.
    """

    links: tuple[Link, ...] = field(default_factory=_default_links)
    targets: tuple[TargetSpec, ...] = (TargetSpec(),)
    k: tuple[int, ...] = (5, 20, 50)
    d: float = 1e6
    batches: int = 200
    ratios: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
    factors: tuple[float, ...] = (2.0, 3.0, 4.0)
    horizon: float = 1e6
    rtol: float = 1e-6
    confidence: float = 0.99

    #: Least values of the integers.
    LEAST: ClassVar[dict[str, int]] = {"k": 2, "batches": 1}

    def __post_init__(self) -> None:
        check_fields(self)
        check_dimensions(self.d, (spec.rank(k) for spec in self.targets for k in self.k))
        require(self.horizon > 0.0, "horizon", "be positive", self.horizon)
        sizes = (*self.ratios, *self.factors)
        require(min(sizes) > 0.0, "ratios and factors", "be positive", sizes)

    def sizes(self, k: int) -> tuple[list[int], list[int]]:
        """Network sizes n for every ratio and for every factor."""
        unit = k * math.log(k)
        return (
            [math.ceil(ratio * unit) for ratio in self.ratios],
            [neurons_of(factor, k) for factor in self.factors],
        )

    def n_max(self, k: int) -> int:
        """Neurons of each network that is simulated; its first n make the smaller ones."""
        return max(map(max, self.sizes(k)))

    def rows(self, k: int) -> int:
        """Networks solved in one call."""
        return max(1, CHUNK // (k * self.n_max(k)))

    @property
    def points(self) -> int:
        """Number of points of the grid, and of calls of the progress callback."""
        return len(self.links) * len(self.targets) * len(self.k)


def coverage(
    *,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
    executor: Any = "serial",
    store: Any = None,
    **fields: Any,
) -> xr.Dataset:
    """Measure the probability that n neurons find all k index vectors.

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
        Fields of `CoverageConfig`.

    Returns
    -------
    xarray.Dataset
        ``n_needed (link, targets, k, batch)``, the neurons a network needed until every index
        vector was found (``+inf`` if its n_max were too few); ``probability`` over ``ratio`` and
        ``probability_linear`` over ``factor``, with exact binomial intervals (limit = estimate,
        low, high); ``found_share (..., ratio)``, the mean share of index vectors found;
        ``found (..., batch)``, how many each whole network found; ``n`` and ``n_linear``, the
        network sizes; ``late`` and ``failures``, the neurons that ran out of time (trapped ones are
        among them) and that failed; ``trapped (link, targets, k)``, theory's share of starts that
        never escape, by which (13) is thinned: 2^-k for orthonormal index vectors and an odd p*, 0
        for an even one, NaN where theory has none. ``even`` is 1 where psi is even.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown or out of range.

    Examples
    --------
    >>> ds = coverage(links=(hf.hermite(4),), k=(4,), batches=10, seed=0)
    >>> ds["n_needed"].shape
    (1, 1, 1, 10)
    """
    config = make_config(CoverageConfig, fields)
    run = Run.of(seed, n_threads, progress, executor, store)
    grid = {
        "link": {link_label(link): link for link in config.links},
        "targets": {spec.label: spec for spec in config.targets},
        "k": list(config.k),
    }
    dims = {"needed": ("batch",), "found": ("batch",), "share": ("ratio",)}
    return _dataset(config, run.root, run.points(_point, config, grid, "coverage", dims))


def _point(
    *,
    config: CoverageConfig,
    shared: int,
    link: Link,
    targets: TargetSpec,
    k: int,
    seed: np.random.SeedSequence,
) -> dict[str, Any]:
    """All networks of one link, arrangement and k."""
    place = config.targets.index(targets)
    vectors = targets.build(k, np.random.SeedSequence((shared, place, k)))
    flow = hf.CorrelationFlow(vectors, link)
    first = np.empty((config.batches, k))
    late = failures = 0
    for part, begin in enumerate(range(0, config.batches, config.rows(k))):
        end = min(begin + config.rows(k), config.batches)
        size = (end - begin, config.n_max(k))
        solution = hf.solve(
            flow,
            overlaps=hf.random_overlaps(
                vectors, n=math.prod(size), d=int(config.d), seed=stream(seed, part)
            ),
            t_end=config.horizon * time_scale(link, config.d),
            rtol=config.rtol,
            events={"end": hf.Converged()},
        )
        status = np.asarray(solution.status)
        first[begin:end] = _first_finds(np.asarray(solution.index).reshape(size), k)
        late += int(np.count_nonzero(status == int(hf.Status.t_end)))
        failures += int(np.count_nonzero(failed(status)))
    return {
        "needed": first.max(axis=-1),
        "found": np.isfinite(first).sum(axis=-1),
        "share": np.array([(first <= n).mean() for n in config.sizes(k)[0]]),
        "late": late,
        "failures": failures,
    }


def _first_finds(index: NDArray[np.integer[Any]], k: int) -> NDArray[np.float64]:
    """For each network (row) and index vector: neurons used when it is first found, or inf."""
    first = np.full((index.shape[0], k), np.inf)
    rows, columns = np.nonzero(index >= 0)
    np.minimum.at(first, (rows, index[rows, columns]), columns + 1.0)
    return first


def _dataset(
    config: CoverageConfig, root: np.random.SeedSequence, points: xr.Dataset
) -> xr.Dataset:
    needed = points.needed.values
    sizes = [np.asarray([config.sizes(k)[part] for k in config.k]) for part in (0, 1)]
    curves = [np.empty((*needed.shape[:3], n.shape[1], 3)) for n in sizes]
    for a, b, c in np.ndindex(*needed.shape[:3]):
        for n, curve in zip(sizes, curves, strict=True):
            for g in range(n.shape[1]):
                complete = int(np.count_nonzero(needed[a, b, c] <= n[c, g]))
                curve[a, b, c, g] = clopper_pearson(
                    complete, config.batches, confidence=config.confidence
                )
    theory = [
        [[trapped_share(link, spec, k) for k in config.k] for spec in config.targets]
        for link in config.links
    ]
    dims = ("link", "targets", "k")
    one, neurons = {"units": "1"}, {"units": "neurons"}
    return xr.Dataset(
        {
            "n_needed": ((*dims, "batch"), needed, neurons),
            "probability": ((*dims, "ratio", "limit"), curves[0], one),
            "probability_linear": ((*dims, "factor", "limit"), curves[1], one),
            "found": ((*dims, "batch"), points.found.values, {"units": "index vectors"}),
            "found_share": ((*dims, "ratio"), points.share.values, one),
            "n": (("k", "ratio"), sizes[0], neurons),
            "n_linear": (("k", "factor"), sizes[1], neurons),
            "n_max": ("k", [config.n_max(k) for k in config.k], neurons),
            "late": (dims, points.late.values, neurons),
            "failures": (dims, points.failures.values, neurons),
            "trapped": (dims, theory, {**one, "role": "theory"}),
            "even": ("link", np.asarray([is_even(x) for x in config.links], dtype=np.int8), one),
        },
        coords={
            "link": [link_label(link) for link in config.links],
            "targets": [spec.label for spec in config.targets],
            "k": ("k", list(config.k), {"units": "1", "long_name": "number of index vectors"}),
            "ratio": ("ratio", list(config.ratios), {"long_name": "n / (k log k)", "units": "1"}),
            "factor": ("factor", list(config.factors), {"long_name": "n / k", "units": "1"}),
            "limit": ["estimate", "low", "high"],
        },
        attrs=attributes("coverage", config, root),
    )
