"""Where neurons end: at their nearest index vector, elsewhere, or nowhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow._statistics import clopper_pearson
from hermiteflow.flows import CorrelationFlow

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
    require,
    silent,
    stream,
)
from ._trapped import trapped_share

if TYPE_CHECKING:
    from hermiteflow.links import Link

__all__ = ["OUTCOMES", "NearestConfig", "nearest"]

#: Where a neuron may end; every neuron is counted once.
OUTCOMES = (
    "nearest index vector",
    "another index vector",
    "another fixed point",
    "never escapes",
    "tied start",
    "failed",
)


def _default_links() -> tuple[Link, ...]:
    return tuple(hf.hermite(p) for p in (3, 4, 5))


@dataclass(frozen=True, kw_only=True)
class NearestConfig:
    """Fields of `nearest`.

    Parameters
    ----------
    links : tuple of Link
        Activations, each its own target link.
    targets : TargetSpec
        Arrangement of the index vectors.
    k : tuple of int
        Numbers of index vectors.
    d : float
        Input dimension, above every k.
    n : int
        Neurons for each link and k.
    tie : float
        A start whose two largest overlaps differ by less than this share of the largest is
        counted as tied: which of the two wins lies below the solver's accuracy.
    rtol : float
        Relative tolerance of `hf.solve`.
    confidence : float
        Two-sided coverage of each interval.
    """

    links: tuple[Link, ...] = field(default_factory=_default_links)
    targets: TargetSpec = field(default_factory=TargetSpec)
    k: tuple[int, ...] = (3, 10, 50)
    d: float = 1e6
    n: int = 10_000
    tie: float = 1e-4
    rtol: float = 1e-8
    confidence: float = 0.99

    #: Least values of the integers.
    LEAST: ClassVar[dict[str, int]] = {"k": 2, "n": 1}

    def __post_init__(self) -> None:
        check_fields(self)
        check_dimensions(self.d, (self.targets.rank(k) for k in self.k))
        for link in self.links:
            # otherwise every neuron leaves in one direction, wherever it starts
            lowest = hf.Interaction(link).information_exponent
            got = f"{link_label(link)} of p* = {lowest:g}"
            require(2 <= lowest < math.inf, "links", "have p* >= 2", got)
        require(0.0 <= self.tie < 1.0, "tie", "lie in [0, 1)", self.tie)

    @property
    def points(self) -> int:
        """Number of points of the grid, and of calls of the progress callback."""
        return len(self.links) * len(self.k)


def _rows(k: int) -> int:
    return max(1, CHUNK // k)


def nearest(
    *,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
    executor: Any = "serial",
    store: Any = None,
    **fields: Any,
) -> xr.Dataset:
    """Count how many neurons end at the index vector nearest to their start.

    Nearest is `hf.nearest_index`: the largest overlap at the start that can reach 1 or, where psi'
    lets it, -1. For one degree, that is the largest overlap if it is odd, and the largest absolute
    one if it is even; so it is where no overlap can, by the parity of p*.

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
        Fields of `NearestConfig`.

    Returns
    -------
    xarray.Dataset
        ``count (link, k, outcome)`` in neurons; ``nearest_share (link, k, limit)`` among the
        neurons that escape from an untied start, and ``trapped_share (link, k, limit)`` among
        all that did not fail, each with its exact binomial interval (limit = estimate, low, high);
        ``trapped (link, k)``, theory's share of starts that never escape (2^-k for orthonormal
        index vectors and an odd p*, 0 for an even one, NaN where theory has none). ``even`` is 1
        where psi is even.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown or out of range.

    Examples
    --------
    >>> ds = nearest(links=(hf.hermite(4),), k=(5,), n=200, seed=0)
    >>> int(ds["count"].sum())
    200
    """
    config = make_config(NearestConfig, fields)
    run = Run.of(seed, n_threads, progress, executor, store)
    grid = {"link": {link_label(link): link for link in config.links}, "k": list(config.k)}
    found = run.points(_point, config, grid, "nearest", {"counts": ("outcome",)})
    return _dataset(config, run.root, found.counts.values)


def _point(
    *, config: NearestConfig, shared: int, link: Link, k: int, seed: np.random.SeedSequence
) -> dict[str, Any]:
    """Neurons by outcome, for one link and k."""
    targets = config.targets.build(k, np.random.SeedSequence((shared, k)))
    flow = hf.CorrelationFlow(targets, link)
    # Expected from the link itself, not from the flow that is judged.
    expected = CorrelationFlow(targets, link)
    by_size = hf.Interaction(link).information_exponent % 2 == 0
    counts = np.zeros(len(OUTCOMES), dtype=np.int64)
    for part, first in enumerate(range(0, config.n, _rows(k))):
        n = min(_rows(k), config.n - first)
        start = hf.random_overlaps(targets, n=n, d=int(config.d), seed=stream(seed, part))
        solution = hf.solve(flow, overlaps=start, rtol=config.rtol)
        counts += _count(
            np.abs(start) if by_size else start,
            hf.nearest_index(expected, start),
            np.asarray(solution.index),
            np.asarray(solution.status),
            config.tie,
        )
    return {"counts": counts}


def _count(
    start: NDArray[np.float64],
    nearest: NDArray[np.integer[Any]],
    index: NDArray[np.integer[Any]],
    status: NDArray[np.integer[Any]],
    tie: float,
) -> NDArray[np.int64]:
    """Neurons by outcome, in the order of OUTCOMES; the first that applies from the end wins."""
    # Leaning index vectors let some go that have no overlap in the running.
    nearest = np.where(nearest >= 0, nearest, start.argmax(axis=1))
    top = np.partition(start, -2, axis=1)[:, -2:]
    outcome = np.where(index < 0, 2, np.where(index == nearest, 0, 1))
    outcome[top[:, 1] - top[:, 0] < tie * np.abs(top[:, 1])] = 4
    outcome[status == int(hf.Status.no_escape)] = 3
    outcome[failed(status)] = 5
    return np.bincount(outcome, minlength=len(OUTCOMES)).astype(np.int64)


def _dataset(
    config: NearestConfig, root: np.random.SeedSequence, counts: NDArray[np.int64]
) -> xr.Dataset:
    shares = {name: np.full((*counts.shape[:2], 3), np.nan) for name in ("nearest", "trapped")}
    for cell in np.ndindex(*counts.shape[:2]):
        at, other, elsewhere, trapped, tied, _ = (int(value) for value in counts[cell])
        for name, part, whole in (
            ("nearest", at, at + other + elsewhere),
            ("trapped", trapped, at + other + elsewhere + trapped + tied),
        ):
            if whole > 0:
                shares[name][cell] = clopper_pearson(part, whole, confidence=config.confidence)
    theory = [[trapped_share(link, config.targets, k) for k in config.k] for link in config.links]
    dims = ("link", "k", "limit")
    return xr.Dataset(
        {
            "count": (("link", "k", "outcome"), counts, {"units": "neurons"}),
            "nearest_share": (dims, shares["nearest"], {"units": "1"}),
            "trapped_share": (dims, shares["trapped"], {"units": "1"}),
            "trapped": (("link", "k"), theory, {"units": "1", "role": "theory"}),
            "even": (
                "link",
                np.asarray([is_even(link) for link in config.links], dtype=np.int8),
                {"units": "1"},
            ),
        },
        coords={
            "link": [link_label(link) for link in config.links],
            "k": ("k", list(config.k), {"units": "1", "long_name": "number of index vectors"}),
            "outcome": list(OUTCOMES),
            "limit": ["estimate", "low", "high"],
        },
        attrs=attributes("nearest", config, root),
    )
