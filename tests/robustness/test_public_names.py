"""Every public function and method is called by some case; a new one must be added to one."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Case

import hermiteflow as hf

MODULES = {"exact": hf.exact, "plot": hf.plot, "experiments": hf.experiments,
           "statistics": hf.experiments.statistics}  # fmt: skip
#: Nothing that an argument could change, and what only functions of the package make.
NOT_CALLED = {
    "build_info", "Targets", "SolveWarning", "SweepError", "Status", "experiments.TIME_UNIT",
    "Ensemble", "EmpiricalSolution", "FixedPoint", "FixedPoints", "Fold", "FoundPoints", "Hessian",
    "Histogram", "OnlineSolution", "Orbit", "Solution", "SquaredHessian", "SquaredMinima",
    "SquaredMinimum", "SquaredSolution", "statistics.Interval", "exact.Slope",
    "exact.Slope.derivative",
}  # fmt: skip
#: What experiments ask their own configs, with values that these have checked.
HELPERS = {
    "experiments.CoverageConfig.n_max", "experiments.CoverageConfig.rows",
    "experiments.CoverageConfig.sizes", "experiments.PhaseDiagramConfig.betas",
    "experiments.PhaseDiagramConfig.sizes", "experiments.SampleComplexityConfig.max_steps",
    "experiments.SampleComplexityConfig.rate", "experiments.TargetSpec.rank",
    "experiments.ThresholdConfig.betas",
}  # fmt: skip


def _names(module: types.ModuleType) -> list[str]:
    """What a module says is public, or the functions and classes that are its own."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return listed
    found = vars(module).items()
    return [name for name, thing in found
            if not name.startswith("_") and getattr(thing, "__module__",
                "") == module.__name__]  # fmt: skip


def _methods(cls: type) -> Iterator[str]:
    """Public methods that this package defines, calls of an object among them."""
    for name, _ in inspect.getmembers(cls, inspect.isfunction):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        own = owner.__module__.startswith("hermiteflow")
        if own and (name == "__call__" or not name.startswith("_")):
            yield name


def public(modules: Iterable[tuple[str, types.ModuleType]]) -> set[str]:
    found = set()
    for prefix, module in modules:
        for name in _names(module):
            thing = getattr(module, name)
            full = f"{prefix}.{name}" if prefix else name
            if isinstance(thing, types.ModuleType):
                continue
            found.add(full)
            if inspect.isclass(thing):
                found |= {f"{full}.{method}" for method in _methods(thing)}
    return found


def covered() -> set[str]:
    """Names of all cases of this folder."""
    modules = [path.stem for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    cases: list[Case] = []
    for name in modules:
        if name not in ("test_public_names", "test_harness"):
            cases += importlib.import_module(name).CASES
    return {case.name for case in cases}


def missing(everything: set[str]) -> set[str]:
    abstract = {name for name in everything if name.startswith("Targets.")}
    return everything - covered() - NOT_CALLED - HELPERS - abstract


def test_every_public_name_has_a_case() -> None:
    everything = public([("", hf), *MODULES.items()])
    assert missing(everything) == set()
    assert everything >= NOT_CALLED | HELPERS | {
        "solve",
        "Link.__call__",
        "plot.draw",
        "exact.orthonormal",
    }
    assert covered() <= everything | {"Link.__add__", "Link.__sub__"}


def test_a_planted_name_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted() -> None:
        """Stand for a function that no case calls."""

    def method(self: Any) -> None:
        """Stand for such a method."""

    monkeypatch.setattr(hf, "planted", planted, raising=False)
    monkeypatch.setattr(hf, "__all__", [*hf.__all__, "planted"])
    monkeypatch.setattr(hf.CorrelationFlow, "planted", method, raising=False)
    found = public([("", hf), *MODULES.items()])
    method.__module__ = "hermiteflow.flows"
    assert missing(found) == {"planted", "CorrelationFlow.planted"}
