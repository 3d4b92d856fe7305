"""Claims (a) to (e) of the paper and three of ours, each simulated and held against its theory.

What is measured comes from the end states and events of `hermiteflow.solve`; closed forms stand on
the side of theory only. Every test is run at `CONFIDENCE`, so that all of them together reject a
true claim for fewer than one seed in a thousand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import experiments as ex
from ._judges import (
    judge_coverage,
    judge_learning,
    judge_nearest,
    judge_search,
    judge_threshold,
)
from ._judges_ours import judge_coexistence, judge_links, judge_two_losses
from ._plan import DiagramConfig, diagram, plan
from ._rows import CONFIDENCE, Row
from .experiments._common import Progress, Seed, seed_sequence, silent, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CLAIMS", "CONFIDENCE", "Claim", "Row", "plan", "run_claim"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim with its verdict and its data.

    Parameters
    ----------
    key : str
        Letter of the claim.
    title : str
        The claim in a sentence.
    rows : tuple of Row
        Its parts.
    datasets : mapping of str to xarray.Dataset
        What was measured, by the name of the experiment's variant.
    """

    key: str
    title: str
    rows: tuple[Row, ...]
    datasets: Mapping[str, xr.Dataset]

    @property
    def holds(self) -> bool:
        """Whether every part holds."""
        return all(row.holds for row in self.rows)


_FUNCTIONS: dict[type, Callable[..., xr.Dataset]] = {
    ex.SearchTimeConfig: ex.search_time,
    ex.NearestConfig: ex.nearest,
    ex.CoverageConfig: ex.coverage,
    ex.ThresholdConfig: ex.threshold,
    ex.PhaseDiagramConfig: ex.phase_diagram,
    DiagramConfig: diagram,
}


def run_claim(
    key: str,
    *,
    quick: bool = False,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
    executor: Any = "serial",
    store: Path | None = None,
) -> Claim:
    """Simulate one claim and judge it.

    Parameters
    ----------
    key : {"a", "b", "c", "d", "e", "f", "g", "h"}
        Letter of the claim.
    quick : bool
        Smaller samples.
    seed : int, SeedSequence or None
        Root of every random stream; recorded in the datasets. Each claim has streams of its own.
    n_threads : int, optional
        Threads of `hermiteflow.solve`; no result depends on it.
    progress : callable
        Called with a label after each point.
    executor, store
        As in `hf.sweep`: who computes the points, and a folder, here one of a store for each
        experiment, from which an interrupted run goes on.

    Raises
    ------
    ValueError
        If there is no such claim.
    """
    if key not in CLAIMS:
        raise ValueError(f"key must be one of {sorted(CLAIMS)}, got {key!r}")
    title, judge = CLAIMS[key]
    root = stream(seed_sequence(seed), ord(key))
    datasets = {}
    for i, (name, config) in enumerate(plan(quick=quick)[key].items()):
        fields = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
        options: dict[str, Any] = {"n_threads": n_threads, "progress": progress}
        if not isinstance(config, DiagramConfig):
            place = None if store is None else store / f"claim_{key}_{name}"
            options.update(executor=executor, store=place)
        datasets[name] = _FUNCTIONS[type(config)](**fields, seed=stream(root, i), **options)
    return Claim(key=key, title=title, rows=tuple(judge(datasets)), datasets=datasets)


_Judge = Callable[[Mapping[str, "xr.Dataset"]], list[Row]]

#: Title and judge of each claim.
CLAIMS: dict[str, tuple[str, _Judge]] = {
    "a": ("The search takes d^(p*/2 - 1) for p* >= 3, and log d for p* = 2", judge_search),
    "b": ("Orthonormal index vectors: every neuron ends at its nearest one", judge_nearest),
    "c": ("n ~ k log k neurons find all k index vectors; n ~ k do not", judge_coverage),
    "d": ("Equiangular index vectors: the average point takes over at beta_c", judge_threshold),
    "e": ("Nearly orthogonal index vectors are all found; past the fold none is", judge_learning),
    "f": ("Ours: between beta_c and the fold both kinds of minima exist", judge_coexistence),
    "g": ("Ours: the same laws for links with infinite series, erf and ReLU", judge_links),
    "h": ("Ours: past the fold the squared loss recovers what is lost", judge_two_losses),
}
