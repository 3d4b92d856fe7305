"""Sharp thresholds of equiangular index vectors, seen from three kinds of starts."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow._statistics import clopper_pearson
from hermiteflow.landscape._basins import STARTS, tally_ends
from hermiteflow.landscape._naming import in_order

from ._common import (
    Progress,
    Run,
    Seed,
    attributes,
    check_dimensions,
    check_fields,
    link_label,
    make_config,
    require,
    silent,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermiteflow.links import Link

__all__ = ["ThresholdConfig", "threshold"]

#: Inner products by label of the link, then by k, then by position.
Betas = Mapping[str, tuple[tuple[float, ...], ...]]

#: Below beta_c, between it and the fold, and beyond the fold.
POSITIONS = (
    *(0.5, 0.8, 0.9, 0.95, 0.98),
    *(1.03, 1.1, 1.25, 1.5, 1.75, 1.85, 1.9, 1.95),
    *(2.02, 2.05, 2.1, 2.2),
)


def _default_links() -> tuple[Link, ...]:
    return (hf.hermite(3), hf.hermite(4))


@dataclass(frozen=True, kw_only=True)
class ThresholdConfig:
    """Fields of `threshold`.

    Parameters
    ----------
    links : tuple of Link
        Links with an average that turns into a minimum and index-like minima that end, both at
        some beta > 0.
    k : tuple of int
        Numbers of index vectors, at least 3.
    d : float
        Input dimension, above every k.
    n : int
        Neurons of each start at each beta.
    positions : tuple of float
        Where to look: 1 is the lower of beta_c and beta_fold, 2 the higher, linear between; below
        1 in units of the lower, above 2 in units of the higher from 1 (2.02 is 1.02 beta_fold).
    distance : float
        Length of the random step that takes a start away from the average or an index vector.
    rtol : float
        Relative tolerance of `hf.solve`.
    confidence : float
        Two-sided coverage of each interval.
    """

    links: tuple[Link, ...] = field(default_factory=_default_links)
    k: tuple[int, ...] = (10,)
    d: float = 1000.0
    n: int = 500
    positions: tuple[float, ...] = POSITIONS
    distance: float = 1e-3
    rtol: float = 1e-8
    confidence: float = 0.99

    #: Least values of the integers.
    LEAST: ClassVar[dict[str, int]] = {"k": 3, "n": 1}

    def __post_init__(self) -> None:
        check_fields(self)
        check_dimensions(self.d, self.k)
        require(min(self.positions) >= 0.0, "positions", "not be negative", self.positions)
        require(0.0 < self.distance < 0.1, "distance", "lie in (0, 0.1)", self.distance)
        for link, k in itertools.product(self.links, self.k):
            low = min(thresholds(link, k))
            expected = f"have thresholds above 0, got {low:g} at k = {k}"
            require(low > 0.0, "links", expected, link_label(link))

    def betas(self, link: Link, k: int) -> NDArray[np.float64]:
        """Inner products at the positions, for one link and k."""
        return betas_at(link, k, self.positions)

    @property
    def points(self) -> int:
        """Number of points of the grid, and of calls of the progress callback."""
        return len(self.links) * len(self.k) * len(self.positions)


def threshold(
    *,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
    executor: Any = "serial",
    store: Any = None,
    **fields: Any,
) -> xr.Dataset:
    """Measure where neurons end as the index vectors lean towards each other.

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
        Fields of `ThresholdConfig`.

    Returns
    -------
    xarray.Dataset
        `hf.basin_shares` of each link and k: ``count (link, k, position, start, end)`` in neurons
        and ``share (..., limit)`` with its exact binomial interval, ``beta_c`` and ``beta_fold
        (link, k)`` from theory; and ``beta (link, k, position)``.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown or out of range.

    Examples
    --------
    >>> ds = threshold(links=(hf.hermite(3),), n=10, positions=(0.5, 2.5), seed=0)
    >>> ds["count"].sel(k=10, start="average", end="average").values
    array([[ 0, 10]])
    """
    config = make_config(ThresholdConfig, fields)
    run = Run.of(seed, n_threads, progress, executor, store)
    betas = {
        link_label(link): tuple(tuple(config.betas(link, k).tolist()) for k in config.k)
        for link in config.links
    }
    grid = {
        "link": {link_label(link): link for link in config.links},
        "k": list(config.k),
        "position": [float(x) for x in config.positions],
    }
    found = run.points(_point, config, grid, "threshold", {}, betas=betas)
    return _dataset(config, run.root, betas, found.counts.values)


def _point(
    *,
    config: ThresholdConfig,
    shared: int,
    betas: Betas,
    link: Link,
    k: int,
    position: float,
    seed: np.random.SeedSequence,
) -> dict[str, Any]:
    """Neurons by end for each kind of start, at one link, k and beta, as JSON: ends differ."""
    del shared
    place = [float(x) for x in config.positions].index(position)
    beta = betas[link_label(link)][config.k.index(k)][place]
    tallies = tally_ends(
        hf.Interaction(link),
        hf.Equiangular(k=k, beta=beta),
        n=config.n,
        d=int(config.d),
        distance=config.distance,
        rtol=config.rtol,
        seeds=[stream(seed, s) for s in range(len(STARTS))],
    )
    return {"counts": json.dumps(tallies)}


@functools.lru_cache(maxsize=256)
def thresholds(link: Link, k: int) -> tuple[float, float]:
    """Return beta_c and beta_fold."""
    return hf.critical_beta(link, k), hf.fold_beta(link, k).beta


def betas_at(link: Link, k: int, positions: Sequence[float]) -> NDArray[np.float64]:
    """Return inner products at positions that are relative to the two thresholds."""
    low, high = sorted(thresholds(link, k))
    x = np.asarray(positions)
    between = low + (x - 1.0) * (high - low)
    return np.where(x <= 1.0, low * x, np.where(x <= 2.0, between, high * (x - 1.0)))


def _dataset(
    config: ThresholdConfig,
    root: np.random.SeedSequence,
    betas: Betas,
    found: NDArray[np.str_],
) -> xr.Dataset:
    """One Dataset of all links and k; ends that a link does not have are none of its neurons."""
    tallies = [json.loads(text) for text in found.ravel().tolist()]
    ends = in_order(name for point in tallies for tally in point for name in tally)
    counts = np.array([[[tally.get(end, 0) for end in ends] for tally in p] for p in tallies])
    counts = counts.reshape(*found.shape, *counts.shape[1:])
    intervals = {
        x: clopper_pearson(x, config.n, confidence=config.confidence)
        for x in np.unique(counts).tolist()
    }
    shares = np.array([intervals[x] for x in counts.ravel().tolist()]).reshape(*counts.shape, 3)
    limits = np.array([[thresholds(link, k) for k in config.k] for link in config.links])
    dims = ("link", "k", "position", "start", "end")
    one, theory = {"units": "1"}, {"units": "1", "role": "theory"}
    degrees = [np.flatnonzero(hf.Interaction(link).coefficients[1:]) + 1 for link in config.links]
    return xr.Dataset(
        {
            "count": (dims, counts, {"units": "neurons"}),
            "share": ((*dims, "limit"), shares, {**one, "confidence": config.confidence}),
            "pure_degree": ("link", [int(p[0]) if p.size == 1 else 0 for p in degrees], one),
            "beta": (dims[:3], np.array(list(betas.values())), one),
            "beta_c": (dims[:2], limits[..., 0], theory),
            "beta_fold": (dims[:2], limits[..., 1], theory),
        },
        coords={
            "link": list(betas),
            "k": ("k", list(config.k), {"units": "1", "long_name": "number of index vectors"}),
            "position": ("position", list(config.positions), one),
            "start": list(STARTS),
            "end": ends,
            "limit": ["estimate", "low", "high"],
        },
        attrs=attributes("threshold", config, root),
    )
