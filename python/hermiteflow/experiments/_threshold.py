"""Sharp thresholds of equiangular index vectors, seen from three kinds of starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow._statistics import clopper_pearson

from ._common import (
    Progress,
    Seed,
    as_tuple,
    attributes,
    failed,
    link_label,
    make_config,
    pure_degree,
    require,
    seed_sequence,
    silent,
    stream,
)

if TYPE_CHECKING:
    from hermiteflow.links import Link

__all__ = ["ENDS", "STARTS", "ThresholdConfig", "pure_thresholds", "threshold"]

#: Kinds of starts, in the order of the dimension ``start``.
STARTS = ("near the average", "near an index vector", "random")
#: Below beta_c, between it and the fold, and beyond the fold.
POSITIONS = (
    *(0.5, 0.8, 0.9, 0.95, 0.98),
    *(1.03, 1.1, 1.25, 1.5, 1.75, 1.85, 1.9, 1.95),
    *(2.02, 2.05, 2.1, 2.2),
)
#: Where a neuron may end, in the order of the dimension ``end``.
ENDS = ("average", "index vector", "elsewhere", "never escapes", "failed")


def pure_thresholds(p: int, k: int) -> tuple[float, float]:
    """Thresholds beta_c and beta_fold of ``psi = c u^p``, from their closed forms.

    Parameters
    ----------
    p : int
        Degree, at least 3.
    k : int
        Number of index vectors, at least 3.

    Returns
    -------
    tuple of float
        ``beta_c`` (12), where the average point becomes a minimum, and ``beta_fold`` (section 6),
        where the minima near the index vectors vanish.

    Examples
    --------
    >>> [round(beta, 6) for beta in pure_thresholds(3, 10)]
    [0.090909, 0.142857]
    """
    require(p >= 3, "p", "be at least 3", p)
    require(k >= 3, "k", "be at least 3", k)
    i = np.arange(1, p - 1)

    def excess(t: float) -> float:
        return float((k - 1) * np.sum(i * t ** (2 * p - 2.0 - i)) - np.sum(i * t**i))

    low, high = 1e-12, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) < 0.0 else (low, middle)
    t = 0.5 * (low + high)
    ratio = float(np.sum(t ** i.astype(float))) / (1.0 + (k - 1) * t ** (p - 1.0))
    return (p - 2) / (k + p - 2), ratio / (1.0 + ratio)


def _default_links() -> tuple[Link, ...]:
    return (hf.hermite(3), hf.hermite(4))


@dataclass(frozen=True, kw_only=True)
class ThresholdConfig:
    """Fields of `threshold`.

    Parameters
    ----------
    links : tuple of Link
        Links of one degree, at least 3, whose thresholds have closed forms.
    k : int
        Number of index vectors, at least 3.
    d : float
        Input dimension, above k.
    n : int
        Neurons of each start at each beta.
    positions : tuple of float
        Where to look: 1 is beta_c, 2 is beta_fold, linear between; below 1 in units of beta_c,
        above 2 in units of beta_fold from 1 (2.02 is 1.02 beta_fold).
    distance : float
        Length of the random step that takes a start away from the average or an index vector.
    rtol : float
        Relative tolerance of `hf.solve`.
    confidence : float
        Two-sided coverage of each interval.
    """

    links: tuple[Link, ...] = field(default_factory=_default_links)
    k: int = 10
    d: float = 1000.0
    n: int = 500
    positions: tuple[float, ...] = POSITIONS
    distance: float = 1e-3
    rtol: float = 1e-8
    confidence: float = 0.99

    def __post_init__(self) -> None:
        for name in ("links", "positions"):
            object.__setattr__(self, name, as_tuple(getattr(self, name)))
            require(len(getattr(self, name)) > 0, name, "not be empty", ())
        for link in self.links:
            require((pure_degree(link) or 0) >= 3, "links", "be h_p with p >= 3", link_label(link))
        require(self.k >= 3, "k", "be at least 3", self.k)
        require(self.n >= 1, "n", "be positive", self.n)
        require(min(self.positions) >= 0.0, "positions", "not be negative", self.positions)
        require(0.0 < self.distance < 0.1, "distance", "lie in (0, 0.1)", self.distance)

    def betas(self, link: Link) -> NDArray[np.float64]:
        """Inner products at the positions, for one link."""
        critical, fold = pure_thresholds(pure_degree(link) or 0, self.k)
        x = np.asarray(self.positions)
        between = critical + (x - 1.0) * (fold - critical)
        return np.where(x <= 1.0, critical * x, np.where(x <= 2.0, between, fold * (x - 1.0)))

    @property
    def solves(self) -> int:
        """Number of calls of `hf.solve`, and of the progress callback."""
        return len(self.links) * len(self.positions)


def threshold(
    *,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
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
        Called with a label after each solve.
    **fields
        Fields of `ThresholdConfig`.

    Returns
    -------
    xarray.Dataset
        ``count (link, position, start, end)`` in neurons; ``average_share`` and ``index_share
        (link, position, start, limit)``, shares of the neurons that escape and do not fail that
        end at the average or at an index-like minimum, with exact binomial intervals; ``beta
        (link, position)``; ``beta_c`` and ``beta_fold (link)`` from theory.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown or out of range.

    Examples
    --------
    >>> ds = threshold(links=(hf.hermite(3),), n=10, positions=(0.5, 2.5), seed=0)
    >>> ds["average_share"].sel(limit="estimate", start="near the average").values
    array([[0., 1.]])
    """
    config = make_config(ThresholdConfig, fields)
    root = seed_sequence(seed)
    shape = (len(config.links), len(config.positions), len(STARTS), len(ENDS))
    counts = np.zeros(shape, dtype=np.int64)
    for a, link in enumerate(config.links):
        for b, beta in enumerate(config.betas(link)):
            targets = hf.Equiangular(k=config.k, beta=float(beta))
            start = np.concatenate(_starts(config, targets.gram, targets, stream(root, a, b)))
            solution = hf.solve(
                hf.CorrelationFlow(targets, link),
                overlaps=start,
                rtol=config.rtol,
                n_threads=n_threads,
            )
            ends = _ends(solution).reshape(len(STARTS), config.n)
            for c in range(len(STARTS)):
                counts[a, b, c] = np.bincount(ends[c], minlength=len(ENDS))
            progress(f"threshold, {link_label(link)}, beta = {beta:.4g}")
    return _dataset(config, root, counts)


def _starts(
    config: ThresholdConfig, gram: NDArray[np.float64], targets: Any, root: np.random.SeedSequence
) -> list[NDArray[np.float64]]:
    """Overlaps of the three kinds of starts, each (n, k), exactly in law."""
    k, eps = config.k, config.distance
    average = np.full(k, 1.0 / np.sqrt(gram.sum()))
    corners = np.eye(k)[np.arange(config.n) % k]
    starts = []
    for c, alpha in enumerate((average[None, :], corners)):
        # w = (V^T alpha + eps r) / norm with r uniform on the sphere of R^d.
        step = hf.random_overlaps(targets, n=config.n, d=int(config.d), seed=stream(root, c))
        norm = np.sqrt(1.0 + 2.0 * eps * (step * alpha).sum(axis=1) + eps**2)
        starts.append((alpha @ gram + eps * step) / norm[:, None])
    starts.append(hf.random_overlaps(targets, n=config.n, d=int(config.d), seed=stream(root, 2)))
    return starts


def _ends(solution: Any) -> NDArray[np.intp]:
    """Position of each neuron's end in ENDS; the last that applies wins."""
    status = np.asarray(solution.status)
    end = np.full(status.shape, 2, dtype=np.intp)
    end[np.asarray(solution.kind) == "average"] = 0
    end[np.asarray(solution.index) >= 0] = 1
    end[status == int(hf.Status.no_escape)] = 3
    end[failed(status)] = 4
    return end


def _dataset(
    config: ThresholdConfig, root: np.random.SeedSequence, counts: NDArray[np.int64]
) -> xr.Dataset:
    shares = np.full((2, *counts.shape[:-1], 3), np.nan)
    for cell in np.ndindex(*counts.shape[:-1]):
        escaped = int(counts[cell][:3].sum())
        for part in (0, 1) if escaped else ():
            shares[(part, *cell)] = clopper_pearson(
                int(counts[cell][part]), escaped, confidence=config.confidence
            )
    thresholds = np.asarray([pure_thresholds(pure_degree(q) or 0, config.k) for q in config.links])
    dims = ("link", "position", "start", "limit")
    one = {"units": "1"}
    return xr.Dataset(
        {
            "count": (("link", "position", "start", "end"), counts, {"units": "neurons"}),
            "average_share": (dims, shares[0], one),
            "index_share": (dims, shares[1], one),
            "beta": (("link", "position"), [config.betas(link) for link in config.links], one),
            "beta_c": ("link", thresholds[:, 0], {"units": "1", "role": "theory"}),
            "beta_fold": ("link", thresholds[:, 1], {"units": "1", "role": "theory"}),
        },
        coords={
            "link": [link_label(link) for link in config.links],
            "position": list(config.positions),
            "start": list(STARTS),
            "end": list(ENDS),
            "limit": ["estimate", "low", "high"],
        },
        attrs={**attributes("threshold", config, root), "k": config.k},
    )
