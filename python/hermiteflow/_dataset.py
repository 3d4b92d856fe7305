"""A solution as a labelled Dataset, and back: arrays as variables, the rest as JSON. No files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _core
from ._described import describe_flow, describe_option, read_flow, read_option, take
from .events import HittingTime, LossLevel
from .flows import CorrelationFlow
from .solution import Solution, Status

if TYPE_CHECKING:
    import xarray as xr

#: What the attribute "hermiteflow_format" says, and the version of the layout below.
FORMAT, VERSION = "solution", 1

_TIME = "flow time"
_TIME_UNIT = "time of the gradient flow of the correlation loss (2), dw_i/dt = -grad L"
_NEURON, _VECTOR = ("neuron",), ("index_vector",)

# dimensions, type, units and meaning of each array that is a field of the same name
_FIELDS: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "t_final": (_NEURON, "f8", _TIME, "where the neuron stopped"),
    "overlaps": (_NEURON + _VECTOR, "f8", "1", "overlaps with the index vectors at t_final"),
    "weights": (("neuron", "coordinate"), "f8", "1", "weights at t_final"),
    "trajectory": (("neuron", "time", "index_vector"), "f8", "1", "overlaps at the saved times"),
    "status": (_NEURON, "i4", "1", "how the integration ended"),
    "index": (_NEURON, "i8", "1", "index vector whose minimum was reached, -1 if none"),
    "kind": (_NEURON, "U10", "1", "what a converged neuron reached"),
    "steps": (_NEURON, "i8", "1", "accepted steps"),
    "rejected": (_NEURON, "i8", "1", "rejected steps"),
}


def to_dataset(solution: Solution) -> xr.Dataset:
    """Return the solution as a Dataset; see `Solution.to_xarray`."""
    _checks.modules("to_xarray", ("xarray",))
    import xarray as xr

    data: dict[str, Any] = {}
    for name, (dims, _, units, meaning) in _FIELDS.items():
        values = getattr(solution, name)
        if values is not None and values.size:  # no weights, or no saved times
            data[name] = (dims, values, {"long_name": meaning, "units": units})
    data["status"][2].update(
        flag_values=np.array([int(s) for s in Status], dtype=np.int32),
        flag_meanings=" ".join(s.name for s in Status),
    )
    coords: dict[str, Any] = {}
    if solution.times.size:
        coords["time"] = ("time", solution.times, {"long_name": "saved time", "units": _TIME})
    events = write_events(solution, data, coords, "time", _TIME)
    flow, arrays = describe_flow(solution.flow)
    data.update(arrays)
    run = {
        "method": solution.method,
        "options": {key: describe_option(key, value) for key, value in solution.options.items()},
        "events": events,
    }
    described = describe_run(solution._card().title, _TIME_UNIT, flow, run)
    return xr.Dataset(data, coords, described)


def describe_run(
    title: str, time_unit: str, flow: object, run: object, *, nan: bool = False
) -> dict[str, Any]:
    """Return the attributes of a file of any solution; `nan`: a run may hold values not known."""
    return {
        "hermiteflow_format": FORMAT,
        "format_version": VERSION,
        "source": f"hermiteflow {_core.build_info()['version']}",
        "title": title,
        "time_unit": time_unit,
        "flow": json.dumps(flow, allow_nan=False),
        "run": json.dumps(run, allow_nan=nan),
    }


def read_attributes(ds: xr.Dataset, *flows: type) -> tuple[Any, dict[str, Any]]:
    """Return the flow, which must be one of these, and what is told of the run."""
    flow = read_flow(ds, json.loads(ds.attrs["flow"]))
    if not isinstance(flow, flows):
        raise ValueError(f"a flow of type {type(flow).__name__!r}")
    return flow, json.loads(ds.attrs["run"])


def from_dataset(ds: xr.Dataset) -> Solution:
    """Return the solution that `to_dataset` was given.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the Dataset is not one of those.
    """
    flow, run = read_attributes(ds, CorrelationFlow)
    fields: dict[str, Any] = {
        name: take(ds, name, dims, dtype)
        for name, (dims, dtype, _, _) in _FIELDS.items()
        if name in ds.variables or name not in ("weights", "trajectory")
    }
    n, k = fields["overlaps"].shape
    if k != flow.targets.k:
        raise ValueError(f"overlaps with {k} index vectors, where the flow has {flow.targets.k}")
    if not np.isin(fields["status"], [int(s) for s in Status]).all():
        raise ValueError("a number of status that does not exist")
    if fields["index"].min() < -1 or fields["index"].max() >= k:
        raise ValueError("an index outside -1 .. k - 1")
    fields.setdefault("weights", None)
    fields.setdefault("trajectory", np.empty((n, 0, k)))
    saved = fields["trajectory"].shape[1] > 0
    return Solution(
        flow=flow,
        method=str(run["method"]),
        times=take(ds, "time", ("time",), "f8") if saved else np.empty(0),
        events=read_events(ds, run["events"]),
        options={key: read_option(key, value) for key, value in run["options"].items()},
        **fields,
    )


def write_events(
    solution: Any, data: dict[str, Any], coords: dict[str, Any], what: str, units: str
) -> list[tuple[str, str]]:
    """Add the times of a solution's events to data and coordinates; return names of both kinds."""
    names = event_variables(solution.events)
    asked = solution.options.get("events", {})
    for name, variable in names.items():
        found, event = np.asarray(solution.events[name]), asked.get(name)
        level = f"level_{variable.removeprefix('event_')}"
        whole = isinstance(event, LossLevel) or found.ndim == 0  # of the run, not of a neuron
        dims = (*(() if whole else _NEURON), level)[: found.ndim]
        data[variable] = (dims, found, {"long_name": f"{what} of event {name!a}", "units": units})
        if level in dims and isinstance(event, HittingTime | LossLevel):
            attributes = {"long_name": f"level of event {name!a}", "units": "1"}
            coords[level] = (level, np.array(event.levels), attributes)
    return list(names.items())


def read_events(ds: xr.Dataset, names: Iterable[tuple[str, str]]) -> dict[str, NDArray[Any]]:
    """Return the times that `write_events` was given."""
    out = {}
    for name, variable in names:
        shape = ds.variables[variable].shape
        dims = tuple(map(str, ds.variables[variable].dims))
        out[str(name)] = take(ds, variable, dims, "f8").reshape(shape)  # a number stays one
    return out


def event_variables(names: Iterable[str]) -> dict[str, str]:
    """Names of events, which may be any text, as names of variables, which may not."""
    out: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"events must have names of type str, got {_checks.describe(name)}")
        variable = "event_" + re.sub(r"\W", "_", name, flags=re.ASCII)[:40]
        while variable in out.values():
            variable += "_"
        out[name] = variable
    return out
