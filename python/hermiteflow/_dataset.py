"""A solution as a labelled Dataset, and back: arrays as variables, the rest as JSON. No files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _core
from ._activations import NAMES, Activation, named
from .events import Converged, Event, HittingTime
from .flows import CorrelationFlow
from .links import Link
from .solution import Solution, Status
from .targets import Equiangular, IndexVectors, Orthonormal, Targets

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
_EVENTS: dict[str, type[Event]] = {"HittingTime": HittingTime, "Converged": Converged}


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
    events = _variables(solution.events)
    asked = solution.options.get("events", {})
    for name, variable in events.items():
        times, level = solution.events[name], f"level_{variable.removeprefix('event_')}"
        dims = ("neuron", level)[: times.ndim]
        data[variable] = (dims, times, {"long_name": f"time of event {name!a}", "units": _TIME})
        if times.ndim == 2 and isinstance(asked.get(name), HittingTime):
            attributes = {"long_name": f"level of event {name!a}", "units": "1"}
            coords[level] = (level, np.array(asked[name].levels), attributes)
    flow, arrays = _describe_flow(solution.flow)
    data.update(arrays)
    run = {
        "method": solution.method,
        "options": {key: _describe_option(key, value) for key, value in solution.options.items()},
        "events": list(events.items()),
    }
    described = {
        "hermiteflow_format": FORMAT,
        "format_version": VERSION,
        "source": f"hermiteflow {_core.build_info()['version']}",
        "title": solution._card().title,
        "time_unit": _TIME_UNIT,
        "flow": json.dumps(flow, allow_nan=False),
        "run": json.dumps(run, allow_nan=False),
    }
    return xr.Dataset(data, coords, described)


def from_dataset(ds: xr.Dataset) -> Solution:
    """Return the solution that `to_dataset` was given.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the Dataset is not one of those.
    """
    flow = _read_flow(ds, json.loads(ds.attrs["flow"]))
    run = json.loads(ds.attrs["run"])
    fields: dict[str, Any] = {
        name: _take(ds, name, dims, dtype)
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
    events = {}
    for name, variable in run["events"]:
        level = f"level_{str(variable).removeprefix('event_')}"
        dims = ("neuron", level)[: ds.variables[variable].ndim]
        events[str(name)] = _take(ds, variable, dims, "f8")
    return Solution(
        flow=flow,
        method=str(run["method"]),
        times=_take(ds, "time", ("time",), "f8") if saved else np.empty(0),
        events=events,
        options={key: _read_option(key, value) for key, value in run["options"].items()},
        **fields,
    )


def _take(ds: xr.Dataset, name: str, dims: tuple[str, ...], dtype: str) -> NDArray[Any]:
    """Return a variable that must have these dimensions and this type."""
    if name not in ds.variables:
        raise ValueError(f"no variable {name!r}")
    variable = ds.variables[name]
    wanted = np.dtype(dtype)
    text = wanted.kind == "U" and variable.dtype.kind in "UOT"
    alike = variable.dtype.kind == wanted.kind and variable.dtype.itemsize == wanted.itemsize
    if variable.dims != dims or not (text or alike):
        raise ValueError(
            f"variable {name!r} of dimensions {variable.dims} and type {variable.dtype}, not "
            f"{dims} and {wanted}"
        )
    if text:
        words = np.array([str(word) for word in variable.values.ravel()], dtype=np.str_)
        return words.astype(wanted) if words.itemsize <= wanted.itemsize else words
    return np.ascontiguousarray(variable.values, dtype=wanted)


def _variables(names: Iterable[str]) -> dict[str, str]:
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


# ------------------------------------------------------------------ the flow


def _describe_flow(flow: CorrelationFlow) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what JSON can hold of a flow, and its arrays as variables."""
    if type(flow) is not CorrelationFlow:
        raise TypeError(f"flow must be a CorrelationFlow, got {_checks.describe(flow)}")
    weights = {"long_name": "b_j of the teacher", "units": "1"}
    arrays: dict[str, Any] = {"target_weights": (_VECTOR, flow.target_weights, weights)}
    layer = flow.second_layer
    if layer is not None and layer.size > 1:
        attributes = {"long_name": "a_i of the student", "units": "1"}
        arrays["second_layer"] = (_NEURON, layer, attributes)
    targets = flow.targets
    known: dict[str, Any] = {"type": type(targets).__name__}
    if type(targets) is Orthonormal:
        known.update(k=targets.k)
    elif type(targets) is Equiangular:
        known.update(k=targets.k, beta=targets.beta)
    elif type(targets) is IndexVectors:
        dims = (*_VECTOR, "other_index_vector")
        attributes = {"long_name": "Gram matrix of the index vectors", "units": "1"}
        arrays["gram"] = (dims, targets.gram, attributes)
        if targets.V is not None:
            attributes = {"long_name": "index vectors", "units": "1"}
            arrays["V"] = ((*_VECTOR, "coordinate"), targets.V, attributes)
    else:
        raise TypeError(
            "targets must be Orthonormal, Equiangular or IndexVectors to be saved, "
            f"got {_checks.describe(targets)}"
        )
    described = {
        "type": type(flow).__name__,
        "targets": known,
        "link": _describe_link(flow.link),
        "student": None if flow.student is None else _describe_link(flow.student),
        "second_layer": float(layer[0]) if layer is not None and layer.size == 1 else None,
    }
    return described, arrays


def _read_flow(ds: xr.Dataset, described: Mapping[str, Any]) -> CorrelationFlow:
    if described["type"] != "CorrelationFlow":
        raise ValueError(f"a flow of type {described['type']!r}")
    known = described["targets"]
    targets: Targets
    if known["type"] == "Orthonormal":
        targets = Orthonormal(known["k"])
    elif known["type"] == "Equiangular":
        targets = Equiangular(known["k"], known["beta"])
    elif known["type"] == "IndexVectors":
        gram = _take(ds, "gram", (*_VECTOR, "other_index_vector"), "f8")
        given = "V" in ds.variables
        V = _take(ds, "V", (*_VECTOR, "coordinate"), "f8") if given else None
        targets = IndexVectors._restored(V, gram)
    else:
        raise ValueError(f"targets of type {known['type']!r}")
    layer = described["second_layer"]
    if "second_layer" in ds.variables:
        layer = _take(ds, "second_layer", _NEURON, "f8")
    return CorrelationFlow(
        targets,
        _read_link(described["link"]),
        student=None if described["student"] is None else _read_link(described["student"]),
        second_layer=layer,
        target_weights=_take(ds, "target_weights", _VECTOR, "f8"),
    )


def _describe_link(link: Link) -> dict[str, Any]:
    """Like pickle: a name or the series says it all, a callable stays behind."""
    return {
        "polynomial": list(link.polynomial),
        "parts": [
            {"name": part.name, "factor": factor}
            if part.named
            else {
                "name": part.name,
                "factor": factor,
                "series": list(part.series),
                "beyond": list(part.beyond),
            }
            for part, factor in link.parts
        ],
        "name": link.name,
    }


def _read_link(described: Mapping[str, Any]) -> Link:
    parts = tuple(
        (_read_part(part), _checks.real(part["factor"], "factor")) for part in described["parts"]
    )
    return Link(tuple(described["polynomial"]), parts, str(described["name"]))


def _read_part(described: Mapping[str, Any]) -> Activation:
    if "series" not in described:
        return named(_checks.choice(described["name"], "name", NAMES))
    series = _checks.array(described["series"], "series", ("degree + 1",))
    even, odd = (_checks.real(x, "beyond", low=0.0, infinite=True) for x in described["beyond"])
    return Activation(str(described["name"]), tuple(series.tolist()), (even, odd))


# ------------------------------------------------------------------ options


def _describe_option(key: str, value: Any) -> Any:
    if key == "events":
        return {name: _describe_event(event) for name, event in value.items()}
    if isinstance(value, float) and math.isinf(value):
        return "inf"  # JSON has no infinity
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"options[{key!r}] must be a number, text or None, got {type(value).__name__}")


def _describe_event(event: Event) -> dict[str, Any]:
    return {"type": type(event).__name__, **vars(event)}


def _read_option(key: str, value: Any) -> Any:
    if key == "events":
        return {name: _read_event(dict(event)) for name, event in value.items()}
    return math.inf if value == "inf" else value


def _read_event(described: dict[str, Any]) -> Event:
    kind = described.pop("type")
    if kind not in _EVENTS:
        raise ValueError(f"an event of type {kind!r}")
    return _EVENTS[kind](**described)
