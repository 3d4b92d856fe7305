"""A run of online gradient descent as a labelled Dataset, and back. No files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks
from ._dataset import describe_run, read_attributes, read_events, write_events
from ._described import describe_flow, describe_option, read_option, take
from .flows import CorrelationFlow
from .online_solution import OnlineSolution
from .solution import Status
from .squared import SquaredFlow

if TYPE_CHECKING:
    import xarray as xr

KIND = "online"
_PAIR = ("neuron", "other_neuron")
# dimensions, type and meaning of each array that is a field of the same name
_FIELDS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "steps": (("neuron",), "i8", "steps taken"),
    "status": (("neuron",), "i4", "how the run ended"),
    "overlaps": (("neuron", "index_vector"), "f8", "overlaps M with the index vectors at the end"),
    "student_overlaps": (_PAIR, "f8", "overlaps Q of the neurons at the end"),
    "weights": (("neuron", "coordinate"), "f8", "weights at the end"),
    "second_layer": (("neuron",), "f8", "a at the end"),
    "trajectory": (("step", "neuron", "index_vector"), "f8", "M after the saved steps"),
    "student_trajectory": (("step", *_PAIR), "f8", "Q after the saved steps"),
    "layer_trajectory": (("step", "neuron"), "f8", "a after the saved steps"),
}
_NEEDED = ("steps", "status", "overlaps", "second_layer")
_VARIABLES = {"second_layer": "final_second_layer"}  # the flow's own has the name


def to_dataset(solution: OnlineSolution) -> xr.Dataset:
    """Return the run as a Dataset; see `OnlineSolution.to_xarray`."""
    _checks.modules("to_xarray", ("xarray",))
    import xarray as xr

    data: dict[str, Any] = {}
    for name, (dims, _, meaning) in _FIELDS.items():
        values = getattr(solution, name)
        if values is not None and (solution.saved.size or "step" not in dims):
            attributes = {"long_name": meaning, "units": "1"}
            data[_VARIABLES.get(name, name)] = (dims, values, attributes)
    data["status"][2].update(
        flag_values=np.array([int(s) for s in Status], dtype=np.int32),
        flag_meanings=" ".join(s.name for s in Status),
    )
    coords: dict[str, Any] = {}
    if solution.saved.size:
        about = {"long_name": "steps taken", "units": "learning_rate of flow time"}
        coords["step"] = ("step", solution.saved, about)
    events = write_events(solution, data, coords, "step", "1")
    flow, arrays = describe_flow(solution.flow)
    data.update(arrays)
    run = {
        "kind": KIND,
        "method": solution.method,
        "d": solution.d,
        "learning_rate": solution.learning_rate,
        "batch": solution.batch,
        "options": {key: describe_option(key, value) for key, value in solution.options.items()},
        "events": events,
    }
    time_unit = f"steps; one is {solution.learning_rate!r} of the time of the gradient flow"
    described = describe_run(solution._card().title, time_unit, flow, run)
    return xr.Dataset(data, coords, described)


def from_dataset(ds: xr.Dataset) -> OnlineSolution:
    """Return the run that `to_dataset` was given.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the Dataset is not one of those.
    """
    flow, run = read_attributes(ds, CorrelationFlow, SquaredFlow)
    fields: dict[str, Any] = {
        name: take(ds, _VARIABLES.get(name, name), dims, dtype)
        for name, (dims, dtype, _) in _FIELDS.items()
        if name in ds.variables or name in _NEEDED
    }
    n, k = fields["overlaps"].shape
    if k != flow.targets.k:
        raise ValueError(f"overlaps with {k} index vectors, where the flow has {flow.targets.k}")
    if not np.isin(fields["status"], [int(s) for s in Status]).all():
        raise ValueError("a number of status that does not exist")
    joint = fields.setdefault("student_overlaps", None) is not None
    fields.setdefault("weights", None)
    saved = "trajectory" in fields
    trained = bool(getattr(flow, "train_second_layer", False))
    fields.setdefault("trajectory", np.empty((0, n, k)))
    fields.setdefault("student_trajectory", np.empty((0, n, n)) if joint else None)
    fields.setdefault("layer_trajectory", np.empty((0, n)) if trained else None)
    return OnlineSolution(
        flow=flow,
        method=str(run["method"]),
        d=int(run["d"]),
        learning_rate=float(run["learning_rate"]),
        batch=int(run["batch"]),
        saved=take(ds, "step", ("step",), "i8") if saved else np.empty(0, dtype=np.int64),
        events=read_events(ds, run["events"]),
        options={key: read_option(key, value) for key, value in run["options"].items()},
        **fields,
    )
