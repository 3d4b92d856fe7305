"""Correlation loss against squared loss: index vectors recovered over beta and n/k."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow import _checks
from hermiteflow._statistics import bootstrap_mean, clopper_pearson

from ._common import (
    Progress,
    Run,
    Seed,
    attributes,
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
from ._threshold import betas_at, thresholds

if TYPE_CHECKING:
    from hermiteflow.links import Link
    from hermiteflow.targets import Targets

__all__ = ["LOSSES", "PhaseDiagramConfig", "phase_diagram"]

LOSSES = ("correlation", "squared")

#: Inner products by label of the link, then by k, then by position.
Betas = Mapping[str, tuple[tuple[float, ...], ...]]

#: Order parameters (M, Q) of each network.
Starts = list[tuple[NDArray[np.float64], NDArray[np.float64]]]

#: What a point tells of each network, and its unit; for every loss, NaN where it has no meaning.
_OF_NETWORKS = {
    "recovered": "index vectors",
    "found": "index vectors",
    "visited": "index vectors",
    "aligned": "neurons",
    "weakest": "1",
    "relative_loss": "1",
    "late": "1",
    "failed": "1",
}
#: Far more than a run to the horizon takes, which is what should end it.
_MAX_STEPS = 2_000_000


def _default_links() -> tuple[Link, ...]:
    return (hf.hermite(3), hf.hermite(4))


@dataclass(frozen=True, kw_only=True)
class PhaseDiagramConfig:
    """Fields of `phase_diagram`.

    Parameters
    ----------
    links : tuple of Link
        Links with both thresholds at some beta > 0, each student's and teacher's.
    k : tuple of int
        Numbers of index vectors, at least 3.
    positions : tuple of float
        Where to look: 1 is the lower of beta_c and beta_fold, 2 the higher, linear between; below
        1 in units of the lower, above 2 in units of the higher from 1 (3 is 2 beta_fold).
    ratios : tuple of float
        Network sizes as ``n / k``, rounded up.
    losses : tuple of {"correlation", "squared"}
        Which losses are minimised, from the same starts.
    batches : int
        Independent networks of each cell.
    d : float
        Input dimension, above every k.
    balance : float
        The squared loss has a_i = (k/n)^balance: 1 lets the a_i sum to k as the b_j do, 0 is
        a_i = 1. For the correlation loss a_i is a unit of time, and 1.
    level : float
        A v_j is recovered if some neuron has an overlap of at least this (an absolute one when
        psi is even).
    horizon : float
        A network has ``horizon d^(p*/2 - 1)`` to arrive.
    rtol : float
        Relative tolerance of `hf.solve`.
    tol : float
        Tolerance of `hf.Converged`: at 1e-6 the squared loss's passage of a saddle counts as an
        arrival.
    confidence : float
        Two-sided coverage of each interval.
    """

    links: tuple[Link, ...] = field(default_factory=_default_links)
    k: tuple[int, ...] = (5,)
    positions: tuple[float, ...] = (0.0, 0.5, 1.5, 2.5, 3.5)
    ratios: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    losses: tuple[str, ...] = LOSSES
    batches: int = 20
    d: float = 100.0
    balance: float = 1.0
    level: float = 0.99
    horizon: float = 1000.0
    rtol: float = 1e-8
    tol: float = 1e-7
    confidence: float = 0.99

    #: Least values of the integers.
    LEAST: ClassVar[dict[str, int]] = {"k": 3, "batches": 1}

    def __post_init__(self) -> None:
        check_fields(self)
        require(min(self.positions) >= 0.0, "positions", "not be negative", self.positions)
        require(min(self.ratios) > 0.0, "ratios", "be positive", self.ratios)
        for loss in self.losses:
            _checks.choice(loss, "losses", LOSSES)
        distinct = len(set(self.losses)) == len(self.losses)
        require(distinct, "losses", "name each loss once", self.losses)
        require(self.d > max(self.k), "d", f"be above k = {max(self.k)}", self.d)
        whole = self.d.is_integer() and self.d <= 1e18
        require(whole, "d", "be an integer of at most 1e18", self.d)
        require(math.isfinite(self.balance), "balance", "be finite", self.balance)
        require(0.0 < self.level < 1.0, "level", "lie in (0, 1)", self.level)
        require(0.0 < self.horizon < math.inf, "horizon", "be positive", self.horizon)
        for link, k in itertools.product(self.links, self.k):
            low = min(thresholds(link, k))
            expected = f"have thresholds above 0, got {low:g} at k = {k}"
            require(low > 0.0, "links", expected, link_label(link))
            top = float(self.betas(link, k).max())
            expected = f"keep beta below 1, got {top:g} for {link_label(link)} at k = {k}"
            require(top < 1.0, "positions", expected, self.positions)

    def betas(self, link: Link, k: int) -> NDArray[np.float64]:
        """Inner products at the positions, for one link and k."""
        return betas_at(link, k, self.positions)

    def sizes(self, k: int) -> list[int]:
        """Network sizes n for every ratio."""
        return [neurons_of(ratio, k) for ratio in self.ratios]

    @property
    def points(self) -> int:
        """Number of points of the grid, and of calls of the progress callback."""
        return len(self.links) * len(self.k) * len(self.positions) * len(self.ratios)


def phase_diagram(
    *,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
    executor: Any = "serial",
    store: Any = None,
    **fields: Any,
) -> xr.Dataset:
    """Compare how many equiangular index vectors the two losses recover, over beta and n/k.

    Both losses start from the same networks, `hf.random_order_parameters`; the flow of the
    correlation loss (4) needs M alone. Index-like minima of the correlation loss are not v_j when
    beta > 0, so it has two counts: `recovered` by overlaps, as the squared loss (9), and `found`
    by basin, as in `coverage`.

    Parameters
    ----------
    seed : int, SeedSequence or None
        Root of every random stream; recorded.
    n_threads : int, optional
        Threads of the correlation loss's `hf.solve`; the squared loss's small networks take one
        each (``executor="processes"`` uses all processors). No result depends on it.
    progress : callable
        Called with a label after each point of the grid.
    executor, store
        As in `hf.sweep`: who computes the points, and a folder from which an interrupted run
        goes on.
    **fields
        Fields of `PhaseDiagramConfig`.

    Returns
    -------
    xarray.Dataset
        Over ``(loss, link, k, position, ratio, batch)``: ``recovered``, index vectors with some
        overlap of at least `level`; ``found``, those whose minimum some neuron reached
        (correlation loss only, NaN else); ``visited``, those to which some neuron is nearest;
        ``aligned``, neurons with an overlap of at least `level`; ``weakest``, the smallest of the
        largest overlaps of the index vectors; ``relative_loss``, the squared loss (9) in units of
        that of zero output (squared loss only). Over ``(..., limit)``: ``recovered_share`` and
        ``found_share``, means with bootstrap intervals over networks, of no width where all
        networks agree; ``probability`` that all are recovered and ``found_probability``, with
        exact binomial intervals. ``arrived``, ``late`` and ``failures`` count networks that
        converged, that ran out of time, and that failed. ``beta (link, k, position)``, ``n (k,
        ratio)``; ``beta_c`` and ``beta_fold (link, k)`` from theory.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown or out of range.

    References
    ----------
    docs/mathematics (4), (9), (10), (12);
    docs/squared (14), and what was found.

    Examples
    --------
    >>> ds = phase_diagram(
    ...     links=hf.hermite(4), positions=2.5, ratios=1.0, batches=3, d=1e4, seed=0
    ... )
    >>> share = ds.recovered_share.sel(limit="estimate").squeeze()
    >>> share.sel(loss="correlation").item(), share.sel(loss="squared").item()
    (0.0, 1.0)
    """
    config = make_config(PhaseDiagramConfig, fields)
    run = Run.of(seed, n_threads, progress, executor, store)
    betas = {
        link_label(link): tuple(tuple(config.betas(link, k).tolist()) for k in config.k)
        for link in config.links
    }
    grid = {
        "link": {link_label(link): link for link in config.links},
        "k": list(config.k),
        "position": [float(x) for x in config.positions],
        "ratio": [float(x) for x in config.ratios],
    }
    dims = dict.fromkeys(_OF_NETWORKS, ("loss", "batch"))
    points = run.points(_point, config, grid, "phase_diagram", dims, betas=betas)
    return _dataset(config, run.root, betas, points)


def _point(
    *,
    config: PhaseDiagramConfig,
    shared: int,
    betas: Betas,
    link: Link,
    k: int,
    position: float,
    ratio: float,
    seed: np.random.SeedSequence,
) -> dict[str, Any]:
    """All networks of one link, k, beta and n/k, by every loss."""
    del shared
    place = [float(x) for x in config.positions].index(position)
    targets = hf.Equiangular(k=k, beta=betas[link_label(link)][config.k.index(k)][place])
    n = neurons_of(ratio, k)
    starts = [
        hf.random_order_parameters(targets, n=n, d=int(config.d), seed=stream(seed, batch))
        for batch in range(config.batches)
    ]
    solve = {"correlation": _by_correlation, "squared": _by_squares}
    found = [solve[loss](config, targets, link, starts) for loss in config.losses]
    return {name: np.stack([of_loss[name] for of_loss in found]) for name in _OF_NETWORKS}


def _by_correlation(
    config: PhaseDiagramConfig, targets: Targets, link: Link, starts: Starts
) -> dict[str, NDArray[np.float64]]:
    """Neurons do not see each other, so all networks are solved at once, from M."""
    shape = (len(starts), *starts[0][0].shape)
    solution = hf.solve(
        hf.CorrelationFlow(targets, link),
        overlaps=np.concatenate([M for M, _ in starts]),
        t_end=config.horizon * time_scale(link, config.d),
        rtol=config.rtol,
        events={"end": hf.Converged(tol=config.tol)},
    )
    index = np.asarray(solution.index).reshape(shape[:2])
    status = np.asarray(solution.status).reshape(shape[:2])
    gone = failed(status).any(axis=1)
    return {
        **_overlaps(np.asarray(solution.overlaps).reshape(shape), link, config.level),
        "found": np.array([np.unique(row[row >= 0]).size for row in index], dtype=np.float64),
        "relative_loss": np.full(shape[0], np.nan),
        "late": ((status == int(hf.Status.t_end)).any(axis=1) & ~gone).astype(np.float64),
        "failed": gone.astype(np.float64),
    }


def _by_squares(
    config: PhaseDiagramConfig, targets: Targets, link: Link, starts: Starts
) -> dict[str, NDArray[np.float64]]:
    n = starts[0][0].shape[0]
    flow = hf.SquaredFlow(targets, link, second_layer=(targets.k / n) ** config.balance)
    solutions = [
        hf.solve(
            flow,
            overlaps=M,
            student_overlaps=Q,
            t_end=config.horizon * time_scale(link, config.d),
            rtol=config.rtol,
            events={"still": hf.Converged(tol=config.tol)},
            max_steps=_MAX_STEPS,
            n_threads=1,
        )
        for M, Q in starts
    ]
    status = np.array([int(solution.status) for solution in solutions])
    zero = 0.5 * float(np.sum(flow.teacher_interaction(targets.gram)))
    return {
        **_overlaps(np.array([s.overlaps for s in solutions]), link, config.level),
        "found": np.full(len(starts), np.nan),
        "relative_loss": np.array([solution.loss for solution in solutions]) / zero,
        "late": (status == int(hf.Status.t_end)).astype(np.float64),
        "failed": failed(status).astype(np.float64),
    }


def _overlaps(M: NDArray[np.float64], link: Link, level: float) -> dict[str, NDArray[np.float64]]:
    """Describe final overlaps (batch, n, k)."""
    M = np.abs(M) if is_even(link) else M
    best, own, nearest = M.max(axis=1), M.max(axis=2), M.argmax(axis=2)
    return {
        "recovered": (best >= level).sum(axis=1).astype(np.float64),
        "visited": np.array([np.unique(row).size for row in nearest], dtype=np.float64),
        "aligned": (own >= level).sum(axis=1).astype(np.float64),
        "weakest": best.min(axis=1),
    }


def _dataset(
    config: PhaseDiagramConfig, root: np.random.SeedSequence, betas: Betas, points: xr.Dataset
) -> xr.Dataset:
    grid = ("link", "k", "position", "ratio")
    networks = {
        name: points[name].transpose("loss", *grid, "batch").values for name in _OF_NETWORKS
    }
    late, gone = (networks.pop(name).sum(axis=-1).astype(np.int64) for name in ("late", "failed"))
    limits = np.array([[thresholds(link, k) for k in config.k] for link in config.links])
    one, theory = {"units": "1"}, {"units": "1", "role": "theory"}
    dims = ("loss", *grid)
    size = np.asarray(config.k, dtype=np.float64)[:, None, None, None]
    variables: dict[str, Any] = {
        name: ((*dims, "batch"), values, {"units": _OF_NETWORKS[name]})
        for name, values in networks.items()
    }
    for name, share, probability in (
        ("recovered", "recovered_share", "probability"),
        ("found", "found_share", "found_probability"),
    ):
        mean, all_of_them = _intervals(networks[name] / size, config.confidence, stream(root, 1))
        variables[share] = ((*dims, "limit"), mean, one)
        variables[probability] = ((*dims, "limit"), all_of_them, one)
    counted = {"units": "networks"}
    return xr.Dataset(
        {
            **variables,
            "arrived": (dims, config.batches - late - gone, counted),
            "late": (dims, late, counted),
            "failures": (dims, gone, counted),
            "n": (("k", "ratio"), [config.sizes(k) for k in config.k], {"units": "neurons"}),
            "beta": (grid[:3], np.array(list(betas.values())), one),
            "beta_c": (grid[:2], limits[..., 0], theory),
            "beta_fold": (grid[:2], limits[..., 1], theory),
        },
        coords={
            "loss": list(config.losses),
            "link": list(betas),
            "k": ("k", list(config.k), {"units": "1", "long_name": "number of index vectors"}),
            "position": ("position", list(config.positions), {"units": "1"}),
            "ratio": ("ratio", list(config.ratios), {"long_name": "n / k", "units": "1"}),
            "limit": ["estimate", "low", "high"],
        },
        attrs=attributes("phase_diagram", config, root),
    )


def _intervals(
    share: NDArray[np.float64], confidence: float, seed: np.random.SeedSequence
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean share, and share of networks with all of them: estimate, low, high; NaN stays."""
    mean = np.full((*share.shape[:-1], 3), np.nan)
    whole = np.full_like(mean, np.nan)
    for number, cell in enumerate(np.ndindex(*share.shape[:-1])):
        if np.isnan(share[cell]).any():
            continue
        own = stream(seed, number)
        mean[cell] = bootstrap_mean(share[cell], confidence=confidence, seed=own)
        complete = int(np.count_nonzero(share[cell] == 1.0))
        whole[cell] = clopper_pearson(complete, share.shape[-1], confidence=confidence)
    return mean, whole
