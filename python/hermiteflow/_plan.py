"""What `reproduce` simulates: the configs behind each claim. Knows nothing of verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import hermiteflow as hf

from . import experiments as ex
from ._rows import CONFIDENCE
from .experiments._common import Progress, Seed, attributes, seed_sequence

if TYPE_CHECKING:
    import xarray as xr

    from .links import Link

#: Inner products of claim (e), in units of beta_fold.
FOLDS = (0.2, 0.5, 0.7, 0.8, 0.9, 0.94, 0.98, 1.02, 1.05, 1.1, 1.2)
#: Positions of claim (f), between beta_c (1) and the fold (2).
BETWEEN = (1.05, 1.25, 1.5, 1.7, 1.8, 1.87, 1.92, 1.95, 1.98)


@dataclass(frozen=True, kw_only=True)
class DiagramConfig:
    """Fields of `diagram`.

    Parameters
    ----------
    link : Link
        The link.
    k : int
        Number of index vectors.
    high : float
        Largest inner product, in units of beta_fold.
    betas : int
        Number of inner products from 0 on.
    """

    link: Link
    k: int
    high: float = 1.3
    betas: int = 31

    @property
    def points(self) -> int:
        """Number of calls of the progress callback."""
        return 1


def diagram(
    *, seed: Seed = None, n_threads: int | None = None, progress: Progress, **fields: Any
) -> xr.Dataset:
    """Return `hf.bifurcation_diagram` of a config; nothing in it is random."""
    del n_threads
    config = DiagramConfig(**fields)
    last = config.high * hf.fold_beta(config.link, config.k).beta
    ds = hf.bifurcation_diagram(config.link, config.k, np.linspace(0.0, last, config.betas))
    progress("bifurcation diagram")
    return ds.assign_attrs(attributes("bifurcation", config, seed_sequence(seed)))


def plan(*, quick: bool) -> dict[str, dict[str, Any]]:
    """Configs of the experiments behind each claim, by letter and name.

    Parameters
    ----------
    quick : bool
        Smaller samples: under a minute on two cores.

    Examples
    --------
    >>> sorted(plan(quick=True))
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    """
    ours = {"f": _coexistence(quick), "g": _other_links(quick), "h": _two_losses(quick)}
    return {**_paper(quick), **ours}


def _sizes(quick: bool) -> dict[str, Any]:
    """Neurons, input dimensions and bootstrap replicates of the search times."""
    dimensions = tuple(10.0**e for e in range(2, 13, 2 if quick else 1))
    if quick:
        return {"n": 2000, "d": dimensions, "replicates": 1000}
    return {"n": 10_000, "d": dimensions}


def _paper(quick: bool) -> dict[str, dict[str, Any]]:
    h3, h4 = hf.hermite(3), hf.hermite(4)
    common: dict[str, Any] = {"confidence": CONFIDENCE}
    spread = ex.TargetSpec(kind="equiangular", beta=0.3)
    drawn = ex.TargetSpec(kind="random", dimension=100)
    configs: dict[str, dict[str, Any]] = {
        "a": {
            "search_time": ex.SearchTimeConfig(
                targets=(ex.TargetSpec(), spread, drawn), **_sizes(quick), **common
            )
        },
        "b": {
            "nearest": ex.NearestConfig(
                links=(h3, h4, hf.hermite(5), hf.hermite({3: 1.0, 4: 0.5})),
                k=(3, 10, 50) if quick else (3, 10, 50, 200, 500),
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
        "d": {
            "threshold": ex.ThresholdConfig(
                k=(10,) if quick else (5, 10, 20), n=1000 if quick else 5000, **common
            )
        },
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


def _coexistence(quick: bool) -> dict[str, Any]:
    h3, h4 = hf.hermite(3), hf.hermite(4)
    return {
        "diagram_p3": DiagramConfig(link=h3, k=10, betas=9 if quick else 41),
        "diagram_p4": DiagramConfig(link=h4, k=5, betas=9 if quick else 41),
        "between": ex.ThresholdConfig(
            links=(h3, h4),
            positions=(*BETWEEN[::2], 1.95) if quick else BETWEEN,
            n=4000 if quick else 20_000,
            confidence=CONFIDENCE,
        ),
    }


def _other_links(quick: bool) -> dict[str, Any]:
    links = (hf.link("erf").without(1), hf.link("relu").without(1, 2))
    common: dict[str, Any] = {"links": links, "confidence": CONFIDENCE}
    return {
        "search_time": ex.SearchTimeConfig(**_sizes(quick), **common),
        "coverage": ex.CoverageConfig(
            k=(5, 20) if quick else (5, 20, 50), batches=200 if quick else 500, **common
        ),
        "threshold": ex.ThresholdConfig(
            n=1000 if quick else 2000,
            positions=(0.98, 1.03, 1.5, 1.95, 2.02)
            if quick
            else (0.5, 0.9, 0.98, 1.03, 1.25, 1.5, 1.75, 1.95, 2.02, 2.1),
            **common,
        ),
    }


def _two_losses(quick: bool) -> dict[str, Any]:
    return {
        "phase_diagram": ex.PhaseDiagramConfig(
            links=(hf.hermite(4),),
            k=(3,) if quick else (5,),
            positions=(0.5, 2.5) if quick else (0.5, 0.9, 1.5, 2.1, 2.5, 3.0),
            ratios=(1.0, 3.0) if quick else (1.0, 2.0, 3.0),
            batches=12 if quick else 24,
            confidence=CONFIDENCE,
        )
    }
