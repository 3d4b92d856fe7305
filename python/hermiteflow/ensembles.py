"""`solve_ensemble`: as many neurons as one likes, drawn as they go and only counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from . import _checks, _core
from ._checks import Array
from ._engine import (
    Progress,
    Report,
    check_scale,
    check_series,
    integrate,
    make_request,
    needs_frame,
    reporter,
    warn,
)
from ._request import event_times, make_start, make_watch, tolerances, warn_atol
from .events import Event, HittingTime
from .flows import CorrelationFlow
from .solution import SUCCESSES, Status
from .starts import MAX_DIMENSION, Seed, stream_key

#: Bins of a histogram per octave of time: two edges differ by less than 1e-3.
PER_OCTAVE = 694
#: Powers of 2 that the histograms span; times beyond them count in the outer bins.
OCTAVES = (-64, 288)
_CHUNK_BYTES = 2**24
_KEEP = ("t_final", "status", "index")


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of times in fixed bins of width below 1e-3, relative. Time unit: that of (4).

    Parameters
    ----------
    counts : (L, B) int
        Neurons by level and bin; L = 1 for one level or convergence.
    at_start : (L,) int
        Neurons that were there at t = 0.
    never : (L,) int
        Neurons to which it never happened; they count as +inf in the quantiles.
    scalar : bool
        Whether quantiles come as numbers instead of arrays (L,).
    """

    counts: NDArray[np.int64] = field(repr=False)
    at_start: NDArray[np.int64]
    never: NDArray[np.int64]
    scalar: bool

    @property
    def edges(self) -> Array:
        """Edges (B + 1,) of the bins."""
        low, high = OCTAVES
        return np.exp2(np.linspace(low, high, (high - low) * PER_OCTAVE + 1))

    def quantile(self, q: float) -> float | Array:
        """Return the q-quantile of the times to a relative 1e-3; inf where it was never reached.

        Examples
        --------
        >>> import hermiteflow as hf
        >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=5), hf.hermite(4))
        >>> many = hf.solve_ensemble(
        ...     flow, n=1000, d=10**6, seed=0, events={"hit": hf.HittingTime(0.5)}
        ... )
        >>> 1e4 < many.histograms["hit"].quantile(0.5) < 1e5
        True
        """
        q = _checks.real(q, "q", low=0.0, high=1.0)
        total = int(self.at_start[0] + self.never[0] + self.counts[0].sum())
        rank = min(max(math.ceil(q * total), 1), total)  # 1-based, of the sorted times
        values = [self._ranked(level, rank) for level in range(self.counts.shape[0])]
        return values[0] if self.scalar else np.array(values)

    def _ranked(self, level: int, rank: int) -> float:
        rank -= int(self.at_start[level])
        if rank <= 0:
            return 0.0
        below = np.cumsum(self.counts[level])
        if rank > below[-1]:
            return math.inf
        place = int(np.searchsorted(below, rank))
        return float(2.0 ** (OCTAVES[0] + (place + 0.5) / PER_OCTAVE))


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What `solve_ensemble` counted.

    Parameters
    ----------
    n, d : int
        Number of neurons; dimension.
    counts : (S, k + 1) int
        Neurons by status (a number of `Status`) and index vector reached; the last column holds
        those that reached none.
    histograms : dict of Histogram
        For each event.
    kept : dict of arrays
        For each name in `keep` one array (n,), or (n, L) for a sequence of levels.
    """

    flow: CorrelationFlow = field(repr=False)
    n: int
    d: int
    counts: NDArray[np.int64] = field(repr=False)
    histograms: dict[str, Histogram] = field(repr=False)
    kept: dict[str, Array] = field(repr=False)

    @property
    def success(self) -> bool:
        """Whether every neuron came to an end of the flow."""
        return int(self.counts[list(SUCCESSES)].sum()) == self.n

    def by_status(self) -> dict[str, int]:
        """Return the number of neurons by name of status."""
        found = {status.name: int(self.counts[status].sum()) for status in Status}
        return {name: count for name, count in found.items() if count}


def solve_ensemble(
    flow: CorrelationFlow,
    *,
    n: int,
    d: int,
    seed: Seed = None,
    events: Mapping[str, Event] | None = None,
    keep: Sequence[str] = (),
    t_end: float = math.inf,
    method: str = "tsit5",
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    renormalize: bool = True,
    max_steps: int = 100_000,
    chunk: int | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> Ensemble:
    """Integrate n random neurons in R^d and count their ends, at a memory that n does not enter.

    Neuron i starts as row i of `random_overlaps` with the same seed. The counts do not depend on
    `chunk` or `n_threads`. Memory: about 100 MiB, 2 MiB for each level of `events`, and 8 n
    bytes for each array in `keep`.

    Parameters
    ----------
    flow : CorrelationFlow
        The flow; time is that of (4).
    n, d : int
        Number of neurons; dimension, up to 1e18.
    seed : int, SeedSequence, Generator or None
        None draws entropy, and logs it (logger "hermiteflow", level INFO).
    events : mapping of str to HittingTime or Converged
        What to watch for; each gives a histogram of its times.
    keep : sequence of str
        Names of events, "t_final", "status" or "index": arrays over the neurons to keep.
    chunk : int
        Neurons in memory at once.
    t_end, method, step, rtol, atol, renormalize, max_steps, progress, n_threads
        As in `solve`.

    Returns
    -------
    Ensemble

    Raises
    ------
    ValueError, TypeError
        For bad arguments, naming the argument, what was expected and what came.

    Warns
    -----
    SolveWarning
        If some neurons fail; they are counted by their status.

    References
    ----------
    docs/mathematics (4), (6).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(4))
    >>> hf.solve_ensemble(flow, n=1000, d=10**9, seed=0).by_status()
    {'converged': 1000}
    """
    watch = make_watch(events, t_end)
    request = make_request(
        flow,
        method=method,
        t_end=t_end,
        atol=atol,
        renormalize=renormalize,
        max_steps=max_steps,
        watch=watch,
        saved=np.empty(0),
        n_threads=n_threads,
    )
    n = _checks.integer(n, "n")
    d = _checks.integer(d, "d", high=MAX_DIMENSION)
    targets = flow.targets
    targets.check_dimension(d)
    names = _kept_names(keep, events)
    if chunk is None:
        chunk = max(_CHUNK_BYTES // (8 * targets.k), 256)
    chunk = _checks.integer(chunk, "chunk")
    key = stream_key(seed, "random_overlaps")
    factor = None if targets.structure == "identity" else targets.factor
    layer = flow.neurons(n)
    report = reporter(progress, n)
    tallies = {name: _Tally(event) for name, event in (events or {}).items()}
    counts = np.zeros((len(Status), targets.k + 1), dtype=np.int64)
    kept: dict[str, Array] = {}
    for first in range(0, n, chunk):
        size = min(chunk, n - first)
        drawn = _core.draw_overlaps(key, first, size, targets.k, factor, float(d), request.threads)
        start = make_start(flow, drawn, None, request.threads)
        bounds = tolerances(request.method, step, rtol, atol, start.overlaps)
        if first == 0:
            warn_atol(atol, start.overlaps)
            check_series(flow, bounds[1])
            check_scale(flow, layer)
        out = integrate(
            flow,
            start,
            None if layer is None else np.ascontiguousarray(layer[first : first + size]),
            request,
            frame=needs_frame(flow, start, request),
            report=_shifted(report, first),
            bounds=bounds,
        )
        np.add.at(counts, (out["status"], out["index"]), 1)  # index -1 is the last column
        times = event_times(watch, out["hits"], out["converged"], events)
        for name, tally in tallies.items():
            tally.add(times[name])
        for name in names:
            part = times[name] if name in times else out[name]
            if first == 0:
                kept[name] = np.empty((n, *part.shape[1:]), dtype=part.dtype)
            kept[name][first : first + size] = part
    warn(counts.sum(axis=1))
    return Ensemble(
        flow=flow,
        n=n,
        d=d,
        counts=counts,
        histograms={name: tally.histogram() for name, tally in tallies.items()},
        kept=kept,
    )


class _Tally:
    """Adds up the times of one event."""

    def __init__(self, event: Event) -> None:
        levels = len(event.levels) if isinstance(event, HittingTime) else 1
        bins = (OCTAVES[1] - OCTAVES[0]) * PER_OCTAVE
        self._scalar = not (isinstance(event, HittingTime) and isinstance(event.level, tuple))
        self._counts = np.zeros((levels, bins), dtype=np.int64)
        self._at_start = np.zeros(levels, dtype=np.int64)
        self._never = np.zeros(levels, dtype=np.int64)

    def add(self, times: Array) -> None:
        """Count times (n,) or (n, L), NaN where none."""
        for level, column in enumerate(times.reshape(times.shape[0], -1).T):
            found = column[np.isfinite(column)]
            late = found[found > 0.0]
            self._never[level] += column.size - found.size
            self._at_start[level] += found.size - late.size
            place = np.floor((np.log2(late) - OCTAVES[0]) * PER_OCTAVE).astype(np.int64)
            place = np.clip(place, 0, self._counts.shape[1] - 1)
            bins, number = np.unique(place, return_counts=True)
            self._counts[level, bins] += number

    def histogram(self) -> Histogram:
        """Return what was counted."""
        return Histogram(self._counts, self._at_start, self._never, self._scalar)


def _kept_names(keep: Sequence[str], events: Mapping[str, Event] | None) -> list[str]:
    return _checks.names(keep, "keep", (*(events or {}), *_KEEP))


def _shifted(report: Report, first: int) -> Report:
    return None if report is None else lambda done: report(first + done)
