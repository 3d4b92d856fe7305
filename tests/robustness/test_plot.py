"""Figures of Datasets, and experiments, under arbitrary arguments."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

import numpy as np
from harness import Case, runs_of
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from strategies import ODD, anything, arrays

import hermiteflow as hf
from hermiteflow import experiments as ex

H3 = hf.hermite(3)
SMALL: dict[str, dict[str, Any]] = {
    "search_time": {"links": H3, "k": 2, "d": (1e3, 1e6), "n": 4, "d_fit": 1e3, "replicates": 5},
    "coverage": {"links": H3, "k": (2, 3), "batches": 3, "ratios": (0.5, 2.0)},
    "nearest": {"links": H3, "k": (2,), "n": 4},
    "threshold": {"links": H3, "k": (3,), "n": 3, "positions": (0.5, 2.5)},
    "phase_diagram": {"links": H3, "k": (3,), "positions": (0.0, 0.5), "ratios": (1.0,),
    "batches": 1,
                      "losses": ("correlation",)},
    "sample_complexity": {"links": H3, "k": 1, "d": (20.0, 40.0), "n": 8, "replicates": 5,
                          "d_fit": 10.0},
}  # fmt: skip
FIGURES = {
    "bifurcation": "bifurcation_diagram", "coverage": "coverage", "coverage_linear": "coverage",
    "draw": "coverage", "hitting_times": "search_time", "nearest": "nearest",
    "phase_diagram": "phase_diagram", "sample_complexity": "sample_complexity",
    "threshold": "threshold", "trajectories": "solution", "trapped": "nearest",
}  # fmt: skip


@functools.cache
def dataset(kind: str) -> Any:
    """A small result of an experiment, or of what else is drawn."""
    if kind == "bifurcation_diagram":
        return hf.bifurcation_diagram(H3, 2, [0.0, 0.1, 0.2])
    if kind == "solution":
        flow = hf.CorrelationFlow(hf.Orthonormal(k=2), H3)
        return hf.solve(flow, overlaps=[[0.1, 0.2]], save_at=[0.0, 1.0], t_end=1.0).to_xarray()
    if kind == "learning":
        leaning = tuple(ex.TargetSpec(kind="equiangular", beta=beta) for beta in (0.1, 0.3))
        return ex.coverage(**{**SMALL["coverage"], "targets": leaning}, seed=0)
    if kind == "quadratic":
        return ex.search_time(**{**SMALL["search_time"], "links": hf.hermite(2)}, seed=0)
    return getattr(ex, kind)(**SMALL[kind], seed=0)


def _drawn(name: str, kind: str) -> Any:
    def call(ds: Any, ax: Any, **options: Any) -> Any:
        data = dataset(kind) if isinstance(ds, str) and ds == kind else ds
        if name == "draw":
            return hf.plot.draw(data)
        axes = Figure().subplots() if isinstance(ax, str) and ax == "new" else ax
        return getattr(hf.plot, name)(data, ax=axes, **options)

    return call


def check_figure(answer: Any, **arguments: Any) -> None:
    """Something is drawn, and lines hold what the Dataset does: finite numbers or gaps."""
    panels = answer.axes if isinstance(answer, Figure) else np.ravel(answer).tolist()
    assert all(isinstance(ax, Axes) for ax in panels)
    assert any(ax.has_data() for ax in panels)
    for ax in panels:
        assert all(math.isfinite(limit) for limit in (*ax.get_xlim(), *ax.get_ylim()))


OPTIONS: dict[str, dict[str, Any]] = {
    "bifurcation": {"quantity": st.sampled_from(["loss"])},
    "coverage": {"by": st.just("k"), "targets": st.sampled_from([None, "orthonormal"])},
    "coverage_linear": {"factor": st.just(3.0)},
    "phase_diagram": {"link": st.sampled_from([None]), "k": st.sampled_from([None, 3]),
                      "loss": st.sampled_from([None, "correlation"])},
    "sample_complexity": {"relative": st.booleans()},
    "threshold": {"end": st.just("average"), "k": st.sampled_from([None, 3])},
    "trajectories": {"neuron": st.just(0), "most": st.integers(0, 7)},
}  # fmt: skip


def _silent(label: str) -> None:
    """Take what an experiment says after each point."""


def _experiment(name: str) -> Any:
    return lambda **options: getattr(ex, name)(**{**SMALL[name], **options})


def check_experiment(answer: Any, **options: Any) -> None:
    assert answer.attrs["experiment"] in SMALL
    assert json.loads(answer.attrs["config"])["confidence"] == float(
        options.get("confidence", 0.99)
    )


def check_config(answer: Any, **options: Any) -> None:
    for name, value in options.items():
        if isinstance(value, int | float):
            assert float(getattr(answer, name)) == float(value)


def check_summary(answer: str, ds: Any) -> None:
    cells = [size for dim, size in dataset(ds).sizes.items() if dim in ("link", "targets", "k")]
    assert len(answer.splitlines()) >= math.prod(cells)


FIELDS: dict[str, dict[str, Any]] = {
    "SearchTimeConfig": {"n": st.integers(2, 9), "level": st.floats(0.1, 0.4), "k": st.integers(1,
    5)},
    "CoverageConfig": {"batches": st.integers(1, 9), "rtol": st.just(1e-6),
    "horizon": st.just(1e6)},
    "NearestConfig": {"n": st.integers(1, 9), "tie": st.floats(1e-6, 0.1), "d": st.just(1e6)},
    "ThresholdConfig": {"n": st.integers(1, 9), "distance": st.floats(1e-6, 0.09),
    "d": st.just(1e3)},
    "PhaseDiagramConfig": {"batches": st.integers(1, 9), "level": st.just(0.9), "d": st.just(1e2)},
    "SampleComplexityConfig": {"n": st.integers(2, 9), "level": st.just(0.5),
    "delta": st.just(0.5)},
}  # fmt: skip
GRAMS = st.sampled_from([np.eye(2), [[1.0, 0.5], [0.5, 1.0]]])
FEW = (
    st.sampled_from([x for x in ODD if not isinstance(x, int | float) or x in (-1, True)])
    | arrays()
)

CASES = [
    *[Case(f"plot.{name}", _drawn(name, kind),
           {"ds": st.just(kind), "ax": st.just("new"), **OPTIONS.get(name, {})}, check_figure,
           spoilt={"ax": None} if name == "draw" else {},
           says={"targets": "targets", "starts": "starts"}, share=0.2)
      for name, kind in FIGURES.items()],
    Case("plot.search_rate", _drawn("search_rate", "quadratic"),
         {"ds": st.just("quadratic"), "ax": st.just("new")}, check_figure, share=0.2),
    Case("plot.learning", _drawn("learning", "learning"),
         {"ds": st.just("learning"), "ax": st.just("new"), "fold": st.just(0.3),
          "number": st.just(0)}, check_figure, share=0.2),
    *[Case(f"experiments.{name}", getattr(ex, name), fields, check_config,
        says={"delta": "delta|horizon"},
           share=0.4)
      for name, fields in FIELDS.items()],
    *[Case(f"experiments.{name}", _experiment(name),
           {"seed": st.integers(0, 9), "confidence": st.sampled_from([0.9, 0.99]),
            "executor": st.just("serial"), "progress": st.just(_silent), "n_threads": st.just(1)},
           check_experiment, spoilt={"progress": None}, share=0.1) for name in SMALL],
    *[Case("experiments.summary", lambda ds, kind=kind: ex.summary(
               dataset(kind) if isinstance(ds, str) and ds == kind else ds),
           {"ds": st.just(kind)}, check_summary, share=0.05) for kind in SMALL],
    Case("experiments.TargetSpec", lambda kind, beta: ex.TargetSpec(kind=kind, beta=beta),
         {"kind": st.just("equiangular"), "beta": st.floats(0.0, 0.9)}, check_config),
    Case("experiments.TargetSpec.build",
         lambda k: ex.TargetSpec(kind="equiangular", beta=0.1).build(k, np.random.SeedSequence(0)),
         {"k": st.integers(1, 5)}, lambda answer, k: check_config(answer, k=k),
         spoilt={"k": anything(large=False)}, share=0.3),
    Case("experiments.log_rate_bounds", ex.log_rate_bounds, {"gram": GRAMS},
         lambda answer, gram: check_bounds(answer), share=0.5),
]  # fmt: skip


def check_bounds(answer: tuple[float, float]) -> None:
    assert answer[0] <= answer[1]


test_case = runs_of(CASES)
