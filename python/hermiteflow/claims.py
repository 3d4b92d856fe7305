"""Claims (a) to (e) of the paper, each simulated and held against its theory.

What is measured comes from the end states and events of `hermiteflow.solve`; closed forms stand on
the side of theory only. Every test is run at `CONFIDENCE`, so that all of them together reject a
true claim for fewer than one seed in a thousand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hermiteflow as hf

from . import experiments as ex
from ._judges import (
    CONFIDENCE,
    FOLDS,
    Row,
    judge_coverage,
    judge_learning,
    judge_nearest,
    judge_search,
    judge_threshold,
)
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


def plan(*, quick: bool) -> dict[str, dict[str, Any]]:
    """Configs of the experiments behind each claim, by letter and name.

    Parameters
    ----------
    quick : bool
        Smaller samples: under a minute on two cores.

    Examples
    --------
    >>> sorted(plan(quick=True))
    ['a', 'b', 'c', 'd', 'e']
    """
    h3, h4 = hf.hermite(3), hf.hermite(4)
    common: dict[str, Any] = {"confidence": CONFIDENCE}
    spread = ex.TargetSpec(kind="equiangular", beta=0.3)
    drawn = ex.TargetSpec(kind="random", dimension=100)
    configs: dict[str, dict[str, Any]] = {
        "a": {
            "search_time": ex.SearchTimeConfig(
                targets=(ex.TargetSpec(), spread, drawn), n=2000 if quick else 10_000, **common
            )
        },
        "b": {
            "nearest": ex.NearestConfig(
                links=(h3, h4, hf.hermite(5), hf.hermite({3: 1.0, 4: 0.5})),
                k=(3, 10, 50) if quick else (3, 10, 50, 200),
                n=5000 if quick else 20_000,
                **common,
            )
        },
        "c": {
            "coverage": ex.CoverageConfig(
                k=(5, 10, 20, 30) if quick else (5, 10, 20, 50, 100),
                ratios=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5),
                batches=200 if quick else 500,
                **common,
            )
        },
        "d": {"threshold": ex.ThresholdConfig(n=1000 if quick else 10_000, **common)},
    }
    near = tuple(ex.TargetSpec(kind="random", dimension=size) for size in (1000, 10_000))
    learning: dict[str, Any] = {
        "batches": 120 if quick else 400,
        "ratios": (0.5, 1.0, 1.5, 2.0, 2.5, 3.0),
        **common,
    }
    configs["e"] = {
        "nearly_orthogonal": ex.CoverageConfig(
            targets=near, k=(20,) if quick else (20, 50), d=1e4, **learning
        )
    }
    for p, link in ((3, h3), (4, h4)):
        fold = hf.fold_beta(link, 10).beta
        leaning = tuple(ex.TargetSpec(kind="equiangular", beta=x * fold) for x in FOLDS)
        configs["e"][f"equiangular_p{p}"] = ex.CoverageConfig(
            links=(link,), targets=leaning, k=(10,), d=1e4, **learning
        )
    return configs


_FUNCTIONS: dict[type, Callable[..., xr.Dataset]] = {
    ex.SearchTimeConfig: ex.search_time,
    ex.NearestConfig: ex.nearest,
    ex.CoverageConfig: ex.coverage,
    ex.ThresholdConfig: ex.threshold,
}


def run_claim(
    key: str,
    *,
    quick: bool = False,
    seed: Seed = None,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> Claim:
    """Simulate one claim and judge it.

    Parameters
    ----------
    key : {"a", "b", "c", "d", "e"}
        Letter of the claim.
    quick : bool
        Smaller samples.
    seed : int, SeedSequence or None
        Root of every random stream; recorded in the datasets. Each claim has streams of its own.
    n_threads : int, optional
        Threads of `hermiteflow.solve`; no result depends on it.
    progress : callable
        Called with a label after each solve.

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
        datasets[name] = _FUNCTIONS[type(config)](
            **fields, seed=stream(root, i), n_threads=n_threads, progress=progress
        )
    return Claim(key=key, title=title, rows=tuple(judge(datasets)), datasets=datasets)


_Judge = Callable[[Mapping[str, "xr.Dataset"]], list[Row]]

#: Title and judge of each claim.
CLAIMS: dict[str, tuple[str, _Judge]] = {
    "a": ("The search takes d^(p*/2 - 1) for p* >= 3, and log d for p* = 2", judge_search),
    "b": ("Orthonormal index vectors: every neuron ends at its nearest one", judge_nearest),
    "c": ("n ~ k log k neurons find all k index vectors; n ~ k do not", judge_coverage),
    "d": ("Equiangular index vectors: the average point takes over at beta_c", judge_threshold),
    "e": ("Nearly orthogonal index vectors are all found; past the fold none is", judge_learning),
}
