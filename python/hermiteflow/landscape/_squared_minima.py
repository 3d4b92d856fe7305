"""Local minima of the squared loss, found by the flow from many starts: a search, not a proof."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from hermiteflow import _checks
from hermiteflow._engine import Progress, reporter
from hermiteflow.driver import solve
from hermiteflow.events import Converged
from hermiteflow.solution import SolveWarning, Status
from hermiteflow.squared import SquaredFlow
from hermiteflow.squared_solution import SquaredSolution
from hermiteflow.starts import Seed, random_order_parameters, root_of, stream
from hermiteflow.targets import IndexVectors, Targets

from ._intervals import Array

#: Ends whose losses differ by less are one, if neurons share index vectors alike.
SAME = 1e-6
#: Losses below this are shown as 0.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class SquaredMinimum:
    """A point, or a continuum, where runs ended: one loss, and one way to share index vectors.

    Parameters
    ----------
    loss : float
        Loss (9) there, with its factor 1/2.
    sharing : tuple of int, of length k
        How many neurons have their largest overlap (in size) with each index vector, descending:
        (1, 1, 1) is one neuron each; (2, 1, 0) has two at one vector and none at another.
    kind : str
        By the Hessian (16) at the run that came closest: "minimum"; or "degenerate", with
        directions in which the second derivative vanishes, as along a continuum of minima; or
        "saddle", where a run was held up.
    morse_index : int
        Negative eigenvalues of (16) there.
    count : int
        Starts that ended there.
    overlaps, student_overlaps : (n, k), (n, n)
        M and Q of one of them.
    """

    loss: float
    sharing: tuple[int, ...]
    kind: str
    morse_index: int
    count: int
    overlaps: Array
    student_overlaps: Array

    def __repr__(self) -> str:
        return (
            f"SquaredMinimum({self.kind}, loss={self.loss:.6g}, sharing={self.sharing}, "
            f"count={self.count})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class SquaredMinima(Sequence[SquaredMinimum]):
    """Where runs from many starts ended, in ascending loss. Made by `squared_minima`.

    Parameters
    ----------
    ends : tuple of SquaredMinimum
        Distinct ends of converged runs.
    starts : int
        Runs in all.
    unfinished : int
        Runs that had not converged at `t_end`, or failed.
    """

    ends: tuple[SquaredMinimum, ...]
    starts: int
    unfinished: int

    @overload
    def __getitem__(self, at: int) -> SquaredMinimum: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[SquaredMinimum, ...]: ...

    def __getitem__(self, at: int | slice) -> SquaredMinimum | tuple[SquaredMinimum, ...]:
        """Return one end, or a tuple of some."""
        return self.ends[at]

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[SquaredMinimum]:
        return iter(self.ends)

    def __repr__(self) -> str:
        lines = [f"SquaredMinima of {self.starts} starts, {self.unfinished} unfinished"]
        lines.append(f"  {'loss':>12}  {'starts':>6}  {'kind':10}  neurons at each index vector")
        for end in self.ends:
            pattern = " ".join(map(str, end.sharing))
            loss = end.loss if abs(end.loss) > _ROUNDING else 0.0
            lines.append(f"  {loss:12.6g}  {end.count:6}  {end.kind:10}  {pattern}")
        return "\n".join(lines)


def squared_minima(
    flow: SquaredFlow,
    n: int,
    *,
    starts: int = 50,
    d: int | None = None,
    t_end: float = 1e5,
    rtol: float = 1e-8,
    tol: float = 1e-8,
    seed: Seed = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> SquaredMinima:
    """Find local minima of the squared loss (9) of n neurons by its flow from random starts.

    Parameters
    ----------
    flow : SquaredFlow
        Links, targets and second layers; with constrained weights.
    n : int
        Number of neurons.
    starts : int
        Runs, each from n weights uniform on the sphere of R^d.
    d : int, optional
        Input dimension; by default that of the targets' V if they have one, else n + rank(G), the
        least in which all weights are in general position.
    t_end : float
        Time that a run has, that of (10).
    rtol, tol : float
        Tolerance of `solve`, and of `Converged`.
    seed : int, SeedSequence, Generator or None
        None draws entropy, and logs it (logger "hermiteflow", level INFO).
    progress : bool or callable
        True shows a line on stderr; a callable gets (runs done, starts).
    n_threads : int, optional
        As in `solve`.

    Returns
    -------
    SquaredMinima
        Distinct ends with their loss, kind, how many neurons share an index vector, and how many
        starts they had. What no start reached is not listed.

    Raises
    ------
    TypeError, ValueError
        For bad arguments, naming the argument, what was expected and what came.

    References
    ----------
    docs/mathematics (9), (10);
    docs/squared (14), (16).

    Examples
    --------
    >>> import hermiteflow as hf
    >>> flow = hf.SquaredFlow(hf.Orthonormal(k=2), hf.hermite(3))
    >>> hf.squared_minima(flow, 2, starts=20, seed=0)
    SquaredMinima of 20 starts, 0 unfinished
              loss  starts  kind        neurons at each index vector
                 0      11  minimum     1 1
          0.774665       9  degenerate  2 0
    """
    if not isinstance(flow, SquaredFlow):
        raise TypeError(f"flow must be a SquaredFlow, got {_checks.describe(flow)}")
    n = _checks.integer(n, "n")
    starts = _checks.integer(starts, "starts")
    flow._check_curved()
    flow._check_teacher()
    report = reporter(progress, starts, "starts")
    d = _dimension_of(flow.targets) if d is None else _checks.integer(d, "d")
    dimension = n + flow.targets.rank if d is None else d
    root = root_of(seed, "squared_minima")
    found: list[SquaredSolution] = []
    for s in range(starts):
        M, Q = random_order_parameters(flow.targets, n=n, d=dimension, seed=stream(root, s))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolveWarning)  # counted as unfinished
            sol = solve(
                flow,
                overlaps=M,
                student_overlaps=Q,
                t_end=t_end,
                rtol=rtol,
                events={"still": Converged(tol=tol)},
                n_threads=n_threads,
            )
        if sol.status == Status.converged:
            found.append(sol)
        if report is not None:
            report(s + 1)
    ends = [_end(flow, group, d) for group in _grouped(found)]
    ends.sort(key=lambda end: (end.loss, end.sharing))
    return SquaredMinima(tuple(ends), starts, starts - len(found))


def _dimension_of(targets: Targets) -> int | None:
    """Dimension of given index vectors; None where they are known by their Gram matrix."""
    given = targets.V if isinstance(targets, IndexVectors) else None
    return None if given is None else int(np.shape(given)[1])


def _grouped(found: list[SquaredSolution]) -> list[list[SquaredSolution]]:
    """Group runs of one loss and one sharing: points of one continuum belong together."""
    groups: list[list[SquaredSolution]] = []
    for sol in sorted(found, key=lambda one: one.loss):
        for group in groups:
            near = sol.loss - group[0].loss < SAME * max(1.0, sol.loss)
            if near and _sharing(sol.overlaps) == _sharing(group[0].overlaps):
                group.append(sol)
                break
        else:
            groups.append([sol])
    return groups


def _sharing(overlaps: Array) -> tuple[int, ...]:
    nearest: NDArray[np.intp] = np.argmax(np.abs(overlaps), axis=1)
    counts = np.bincount(nearest, minlength=overlaps.shape[1])
    return tuple(sorted(counts.tolist(), reverse=True))


def _end(flow: SquaredFlow, group: list[SquaredSolution], d: int | None) -> SquaredMinimum:
    best = min(group, key=lambda sol: float(np.max(sol.gradient_norms)))
    hessian = flow.hessian_of(best.overlaps, best.student_overlaps, d=d)
    kind = hessian.kind
    if kind == "maximum":
        kind = "saddle"
    return SquaredMinimum(
        loss=best.loss,
        sharing=_sharing(best.overlaps),
        kind=kind,
        morse_index=hessian.morse_index,
        count=len(group),
        overlaps=_checks.frozen(best.overlaps),
        student_overlaps=_checks.frozen(best.student_overlaps),
    )
