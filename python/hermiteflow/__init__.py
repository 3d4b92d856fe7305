"""Gradient flow of two-layer networks on Gaussian multi-index models, in any dimension."""

import importlib as _importlib
import os as _os
import sys as _sys
import typing as _typing

if _sys.version_info < (3, 12):  # newer ones refuse by themselves; this one would wait for ever
    import _xxsubinterpreters as _interpreters  # type: ignore[import-not-found]

    if _interpreters.get_current() != _interpreters.get_main():
        raise ImportError("hermiteflow must be imported in the main interpreter, not in another")

from . import _core, exact
from ._core import build_info
from ._hessian import Hessian
from ._squared_hessian import SquaredHessian
from .archive import load
from .driver import solve
from .empirical import EmpiricalFlow
from .empirical_solution import EmpiricalSolution
from .ensembles import Ensemble, Histogram, solve_ensemble
from .events import Converged, HittingTime, LossLevel
from .flows import CorrelationFlow
from .interactions import Interaction
from .landscape import (
    FixedPoint,
    FixedPoints,
    Fold,
    FoundPoints,
    Orbit,
    SquaredMinima,
    SquaredMinimum,
    basin_shares,
    bifurcation_diagram,
    classify,
    critical_beta,
    equal_loss_beta,
    find_fixed_points,
    fixed_points,
    fold_beta,
    nearest_index,
    squared_minima,
)
from .links import Link, hermite, link, polynomial
from .online import online_sgd
from .online_solution import OnlineSolution
from .solution import Solution, SolveWarning, Status
from .squared import SquaredFlow
from .squared_solution import SquaredSolution
from .starts import (
    random_index_vectors,
    random_order_parameters,
    random_overlaps,
    random_weights,
)
from .sweeps import SweepError, sweep
from .targets import Equiangular, IndexVectors, Orthonormal, Targets

__version__: str = str(build_info()["version"])

_isa = _os.environ.get("HERMITEFLOW_ISA", "")
if _isa and not _core.select_isa(_isa):
    _names = ", ".join(build_info()["isa_available"])
    raise ImportError(f"HERMITEFLOW_ISA must be one of {_names} on this machine, got {_isa!r}")

if _typing.TYPE_CHECKING:  # by this name, or type checkers would see __getattr__
    from . import experiments as experiments
    from . import plot as plot
else:

    def __getattr__(name: str) -> object:
        """Import what needs xarray or matplotlib when it is asked for."""
        if name in ("experiments", "plot"):
            return _importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Converged",
    "CorrelationFlow",
    "EmpiricalFlow",
    "EmpiricalSolution",
    "Ensemble",
    "Equiangular",
    "FixedPoint",
    "FixedPoints",
    "Fold",
    "FoundPoints",
    "Hessian",
    "Histogram",
    "HittingTime",
    "IndexVectors",
    "Interaction",
    "Link",
    "LossLevel",
    "OnlineSolution",
    "Orbit",
    "Orthonormal",
    "Solution",
    "SolveWarning",
    "SquaredFlow",
    "SquaredHessian",
    "SquaredMinima",
    "SquaredMinimum",
    "SquaredSolution",
    "Status",
    "SweepError",
    "Targets",
    "basin_shares",
    "bifurcation_diagram",
    "build_info",
    "classify",
    "critical_beta",
    "equal_loss_beta",
    "exact",
    "find_fixed_points",
    "fixed_points",
    "fold_beta",
    "hermite",
    "link",
    "load",
    "nearest_index",
    "online_sgd",
    "polynomial",
    "random_index_vectors",
    "random_order_parameters",
    "random_overlaps",
    "random_weights",
    "solve",
    "solve_ensemble",
    "squared_minima",
    "sweep",
]
