"""Shares of the basins of equiangular index vectors, measured with the flow itself."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hermiteflow import _checks, _core
from hermiteflow._engine import Progress, reporter
from hermiteflow._statistics import clopper_pearson
from hermiteflow.driver import solve
from hermiteflow.flows import CorrelationFlow
from hermiteflow.interactions import Interaction
from hermiteflow.links import Link
from hermiteflow.solution import SUCCESSES, Solution, Status
from hermiteflow.starts import Seed, random_overlaps, root_of, stream
from hermiteflow.targets import Equiangular

from ._intervals import Array
from ._naming import in_order, orbit_names
from ._thresholds import _arguments, critical_beta, fold_beta

if TYPE_CHECKING:
    import xarray as xr

#: Kinds of starts, in the order of the dimension ``start``.
STARTS = ("random", "index vector", "average")


def basin_shares(
    link: Link | Interaction,
    k: int,
    betas: ArrayLike,
    *,
    n: int = 1000,
    d: int = 1000,
    distance: float = 1e-3,
    rtol: float = 1e-8,
    confidence: float = 0.99,
    seed: Seed = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> xr.Dataset:
    """Measure where neurons end, from three kinds of starts, as the index vectors lean together.

    Starts: "random" is uniform on the sphere of R^d, "index vector" lies one step away from each
    v_j in turn, "average" one step away from sum_j v_j / |sum_j v_j|; a step has the length
    `distance` and a uniformly random direction in R^d. All are drawn through their overlaps,
    exactly in law. Needs the extra `reproduce`.

    Parameters
    ----------
    link : Link or Interaction
        The teacher's and student's link, or the interaction of two.
    k : int
        Number of index vectors, at least 2.
    betas : array_like (B,)
        Their inner products, in (-1/(k-1), 1), no two the same.
    n : int
        Neurons of each start at each beta.
    d : int
        Input dimension, at least k. Random starts for a pure degree end with the same shares for
        every d.
    distance : float
        Length of a step, in (0, 1).
    rtol : float
        Relative tolerance of `solve`.
    confidence : float
        Two-sided coverage of each interval, at least reached.
    seed : int, SeedSequence, Generator or None
        None draws entropy, and logs it (logger "hermiteflow", level INFO).
    progress : bool or callable
        As in `solve`; of 3 n B neurons in all.
    n_threads : int
        As in `solve`; no result depends on it.

    Returns
    -------
    xarray.Dataset
        `count (beta, start, end)` in neurons and `share (beta, start, end, limit)` of the n,
        with its exact interval (limit = estimate, low, high); `beta_c` and `beta_fold`, those of
        `critical_beta` and `fold_beta`, NaN where there is none; `pure_degree`, p if psi = c u^p,
        else 0. An `end` is named by its groups
        of equal overlaps: "average" (one group), "index-like" (one alone, larger in size than the
        k - 1 others), otherwise by their sizes in descending order of the overlaps, "2 + 8", or
        "9 - 1" where the one is negative. The largest overlap in size counts as positive; where
        it is negative and psi is not even, "minus" comes before the name. Then there are
        "degenerate" (no isolated minimum), "never escapes" and "failed". Ends beside these
        last two and the first two are listed only where some neuron ended.

    Raises
    ------
    TypeError, ValueError
        For bad arguments, naming the argument, what was expected and what came.
    ImportError
        If xarray is missing.

    Warns
    -----
    SolveWarning
        If some neurons fail; they are counted as "failed".

    References
    ----------
    docs/mathematics (4), (6), (12), claim (d); intervals by Clopper and Pearson.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> ds = hf.basin_shares(hf.hermite(4), 5, [0.2, 0.5], n=50, seed=0)
    >>> ds["count"].sel(end="average").values  # beta_c = 2/7, beta_fold = 0.37
    array([[ 0,  0,  0],
           [50, 50, 50]])
    """
    _checks.modules("basin_shares", ("xarray",))
    psi, k = _arguments(link, k)
    values = _betas(betas, k)
    n = _checks.integer(n, "n")
    distance = _checks.real(distance, "distance", low=0.0, high=1.0, open_low=True, open_high=True)
    confidence = _checks.real(
        confidence, "confidence", low=0.0, high=1.0, open_low=True, open_high=True
    )
    root = root_of(seed, "basin_shares")
    report = reporter(progress, 3 * n * values.size)
    counts: dict[tuple[int, int], dict[str, int]] = {}
    for b, beta in enumerate(values.tolist()):
        first = len(counts) * n
        tallies = tally_ends(
            psi,
            Equiangular(k=k, beta=beta),
            n=n,
            d=d,
            distance=distance,
            rtol=rtol,
            seeds=[stream(root, b, s) for s in range(len(STARTS))],
            report=None if report is None else _after(report, first),
            n_threads=n_threads,
        )
        counts.update({(b, s): tally for s, tally in enumerate(tallies)})
    ends = in_order(name for count in counts.values() for name in count)
    table = np.array(
        [
            [[counts[b, s].get(end, 0) for end in ends] for s in range(len(STARTS))]
            for b in range(values.size)
        ],
        dtype=np.int64,
    )
    label = psi.link._label
    if psi.student != psi.link and psi.student is not None:
        label += f", student {psi.student._label}"
    attributes = {
        "link": label,
        "k": k,
        "n": n,
        "d": int(d),
        "distance": distance,
        "rtol": rtol,
        "seed": json.dumps({"entropy": str(root.entropy), "spawn_key": [*root.spawn_key]}),
    }
    return _dataset(psi, k, values, ends, table, confidence, attributes)


def tally_ends(
    psi: Interaction,
    targets: Equiangular,
    *,
    n: int,
    d: int,
    distance: float,
    rtol: float,
    seeds: Sequence[np.random.SeedSequence],
    report: Callable[[int], object] | None = None,
    n_threads: int | None = None,
) -> list[dict[str, int]]:
    """Return the neurons by the name of their end, n for each kind of STARTS in its order."""
    even = not np.any(psi.coefficients[1::2])
    flow = CorrelationFlow(targets, psi.link, student=psi.student)
    out = []
    for s, kind in enumerate(STARTS):
        solution = solve(
            flow,
            overlaps=_start(targets, kind, n, d, distance, seeds[s]),
            rtol=rtol,
            progress=False if report is None else _pair(_after(report, s * n)),
            n_threads=n_threads,
        )
        out.append(_tally(_ends(solution, even)))
    return out


def _betas(betas: ArrayLike, k: int) -> Array:
    values = _checks.vector(betas, "betas", "B")
    low = -1.0 / (k - 1)
    outside = (values <= low) | (values >= 1.0)
    if np.any(outside):
        raise ValueError(
            f"betas must lie in (-1/(k-1), 1) = ({low:g}, 1), got {values[outside][0]:g}"
        )
    if np.unique(values).size < values.size:
        raise ValueError(f"betas must differ from each other, got {values.tolist()}")
    return values


def _start(
    targets: Equiangular, kind: str, n: int, d: int, distance: float, seed: np.random.SeedSequence
) -> Array:
    """Overlaps (n, k) of one kind of starts, exactly in law."""
    step = random_overlaps(targets, n=n, d=d, seed=seed)
    if kind == "random":
        return step
    gram, k = targets.gram, targets.k
    alpha = np.full((1, k), 1.0 / math.sqrt(gram.sum()))
    if kind == "index vector":
        alpha = np.eye(k)[np.arange(n) % k]
    # w = (V^T alpha + distance r) / norm with r uniform on the sphere of R^d
    norm = np.sqrt(1.0 + 2.0 * distance * (step * alpha).sum(axis=1) + distance**2)
    return np.asarray((alpha @ gram + distance * step) / norm[:, None])


def _after(report: Callable[[int], object], first: int) -> Callable[[int], object]:
    return lambda done: report(first + done)


def _pair(report: Callable[[int], object]) -> Callable[[int, int], object]:
    return lambda done, _: report(done)


def _ends(solution: Solution, even: bool) -> NDArray[np.str_]:
    """Names (n,) of the ends."""
    status = solution.status
    out = np.full(status.shape, "failed", dtype=object)
    out[np.isin(status, SUCCESSES)] = "degenerate"
    out[status == Status.no_escape] = "never escapes"
    isolated = (status == Status.converged) & (solution.kind != "degenerate")
    if np.any(isolated):
        points = solution.overlaps[isolated]
        points = _core.settle(solution.flow.core, np.ones(points.shape[0]), points)
        out[isolated] = orbit_names(points, even)
    return out.astype(str)


def _tally(names: NDArray[np.str_]) -> dict[str, int]:
    found, number = np.unique(names, return_counts=True)
    return dict(zip(found.tolist(), number.tolist(), strict=True))


def _pure_degree(psi: Interaction) -> int:
    degrees = np.flatnonzero(psi.coefficients[1:]) + 1
    return int(degrees[0]) if degrees.size == 1 else 0


def _threshold(find: Callable[[], float]) -> float:
    try:
        return find()
    except ValueError:
        return math.nan


def _dataset(
    psi: Interaction,
    k: int,
    betas: Array,
    ends: list[str],
    counts: NDArray[np.int64],
    confidence: float,
    attributes: dict[str, Any],
) -> xr.Dataset:
    import xarray as xr

    n = int(counts[0, 0].sum())
    intervals = {
        x: clopper_pearson(x, n, confidence=confidence) for x in np.unique(counts).tolist()
    }
    shares = np.array([intervals[x] for x in counts.ravel().tolist()]).reshape(*counts.shape, 3)
    dims = ("beta", "start", "end")
    theory = {"units": "1", "role": "theory"}
    return xr.Dataset(
        {
            "count": (dims, counts, {"units": "neurons"}),
            "share": ((*dims, "limit"), shares, {"units": "1", "confidence": confidence}),
            "pure_degree": ((), _pure_degree(psi), {"units": "1"}),
            "beta_c": ((), _threshold(lambda: critical_beta(psi, k)), theory),
            "beta_fold": ((), _threshold(lambda: fold_beta(psi, k).beta), theory),
        },
        coords={
            "beta": ("beta", betas, {"units": "1", "long_name": "inner product of index vectors"}),
            "start": list(STARTS),
            "end": ends,
            "limit": ["estimate", "low", "high"],
        },
        attrs=attributes,
    )
