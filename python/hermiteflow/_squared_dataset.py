"""A solution of the squared loss, or on a stored sample, as a labelled Dataset, and back. No files.

Of a sample a Dataset has the labels and a digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks
from ._dataset import describe_run, read_attributes, read_events, write_events
from ._described import describe_flow, describe_option, read_option, take
from .empirical import EmpiricalFlow
from .empirical_solution import EmpiricalSolution
from .solution import Status
from .squared import SquaredFlow
from .squared_solution import SquaredSolution

if TYPE_CHECKING:
    import xarray as xr

_TIME = "flow time"
_TIME_UNIT = "time of the gradient flow of the {} loss {} with its factor, dw_i/dt = -grad L"
_PAIR = ("neuron", "other_neuron")
# dimensions, units and meaning of each array that is a field of the same name
_FIELDS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "overlaps": (("neuron", "index_vector"), "1", "overlaps M with the index vectors at t_final"),
    "student_overlaps": (_PAIR, "1", "overlaps Q of the neurons at t_final"),
    "weights": (("neuron", "coordinate"), "1", "weights at t_final"),
    "second_layer": (("neuron",), "1", "a at t_final"),
    "gradient_norms": (("neuron",), "1 / flow time", "|grad_i L| at t_final"),
    "trajectory": (("time", "neuron", "index_vector"), "1", "M at the saved times"),
    "student_trajectory": (("time", *_PAIR), "1", "Q at the saved times"),
    "layer_trajectory": (("time", "neuron"), "1", "a at the saved times"),
    "losses": (("time",), "1", "loss at the saved times"),
}
_SAVED = ("trajectory", "student_trajectory", "layer_trajectory", "losses")
_VARIABLES = {"second_layer": "final_second_layer"}  # the flow's own, where a starts, has the name
_NUMBERS = ("t_final", "loss", "steps", "rejected", "evaluations")


def to_dataset(solution: SquaredSolution) -> xr.Dataset:
    """Return the solution as a Dataset; see `SquaredSolution.to_xarray`."""
    _checks.modules("to_xarray", ("xarray",))
    import xarray as xr

    data: dict[str, Any] = {}
    for name, (dims, units, meaning) in _FIELDS.items():
        values = getattr(solution, name)
        if values is not None and (solution.times.size or name not in _SAVED):
            variable = _VARIABLES.get(name, name)
            data[variable] = (dims, values, {"long_name": meaning, "units": units})
    coords: dict[str, Any] = {}
    if solution.times.size:
        coords["time"] = ("time", solution.times, {"long_name": "saved time", "units": _TIME})
    events = write_events(solution, data, coords, "time", _TIME)
    of: SquaredFlow | EmpiricalFlow = solution.flow
    loss = (of.loss_name, "on the sample") if isinstance(of, EmpiricalFlow) else ("squared", "(9)")
    flow, arrays = describe_flow(of)
    data.update(arrays)
    run = {
        "method": solution.method,
        "form": solution.form,
        "status": solution.status.name,
        **{name: getattr(solution, name) for name in _NUMBERS},
        "options": {key: describe_option(key, value) for key, value in solution.options.items()},
        "events": events,
    }
    time_unit = _TIME_UNIT.format(*loss)
    described = describe_run(solution._card().title, time_unit, flow, run, nan=True)
    return xr.Dataset(data, coords, described)


def from_dataset(ds: xr.Dataset) -> SquaredSolution:
    """Return the solution that `to_dataset` was given.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the Dataset is not one of those.
    """
    flow, run = read_attributes(ds, SquaredFlow, EmpiricalFlow)
    fields: dict[str, Any] = {
        name: take(ds, _VARIABLES.get(name, name), dims, "f8")
        for name, (dims, _, _) in _FIELDS.items()
        if name in ds.variables or name not in (*_SAVED, "weights")
    }
    n, k = fields["overlaps"].shape
    if k != flow.targets.k:
        raise ValueError(f"overlaps with {k} index vectors, where the flow has {flow.targets.k}")
    fields.setdefault("weights", None)
    saved = "trajectory" in fields
    fields.setdefault("trajectory", np.empty((0, n, k)))
    fields.setdefault("student_trajectory", np.empty((0, n, n)))
    fields.setdefault("losses", np.empty(0))
    fields.setdefault("layer_trajectory", np.empty((0, n)) if flow.train_second_layer else None)
    for name in _NUMBERS:
        fields[name] = (float if name in ("t_final", "loss") else int)(run[name])
    kind: Any = EmpiricalSolution if isinstance(flow, EmpiricalFlow) else SquaredSolution
    found: SquaredSolution = kind(
        flow=flow,
        method=str(run["method"]),
        form=str(run["form"]),
        times=take(ds, "time", ("time",), "f8") if saved else np.empty(0),
        events=read_events(ds, run["events"]),
        status=Status[run["status"]],
        options={key: read_option(key, value) for key, value in run["options"].items()},
        **fields,
    )
    return found
