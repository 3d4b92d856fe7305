"""Flows, events and options as JSON and arrays of a Dataset, and back. No solutions, no files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._activations import NAMES, Activation, named
from ._model import TeacherStudent
from ._stored_sample import Absent
from .empirical import EmpiricalFlow
from .events import Converged, Event, HittingTime, LossLevel
from .flows import CorrelationFlow
from .links import Link
from .squared import SquaredFlow
from .targets import Equiangular, IndexVectors, Orthonormal, Targets

if TYPE_CHECKING:
    import xarray as xr

_NEURON, _VECTOR = ("neuron",), ("index_vector",)
_EVENTS: dict[str, type[Event]] = {
    "HittingTime": HittingTime,
    "LossLevel": LossLevel,
    "Converged": Converged,
}


def take(ds: xr.Dataset, name: str, dims: tuple[str, ...], dtype: str) -> NDArray[Any]:
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


# ------------------------------------------------------------------ the flow


def describe_flow(flow: TeacherStudent) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what JSON can hold of a flow, and its arrays as variables."""
    if type(flow) not in (CorrelationFlow, SquaredFlow, EmpiricalFlow):
        raise TypeError(f"flow must be of this package to be saved, got {_checks.describe(flow)}")
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
    described: dict[str, Any] = {
        "type": type(flow).__name__,
        "targets": known,
        "link": _describe_link(flow.link),
        "student": None if flow.student is None else _describe_link(flow.student),
        "second_layer": float(layer[0]) if layer is not None and layer.size == 1 else None,
    }
    if isinstance(flow, SquaredFlow):
        described.update(constrained=flow.constrained, train_second_layer=flow.train_second_layer)
    if isinstance(flow, EmpiricalFlow):
        arrays["labels"] = (("sample",), flow.labels, {"long_name": "labels y", "units": "1"})
        described.update(
            loss=[flow.loss_name, flow.constrained, flow.train_second_layer],
            given_labels=flow.given_labels,
            sample=vars(flow._told()),
        )
    return described, arrays


def read_flow(
    ds: xr.Dataset, described: Mapping[str, Any]
) -> CorrelationFlow | SquaredFlow | EmpiricalFlow:
    """Return the flow that `describe_flow` was given, without its sample."""
    if described["type"] not in ("CorrelationFlow", "SquaredFlow", "EmpiricalFlow"):
        raise ValueError(f"a flow of type {described['type']!r}")
    known = described["targets"]
    targets: Targets
    if known["type"] == "Orthonormal":
        targets = Orthonormal(known["k"])
    elif known["type"] == "Equiangular":
        targets = Equiangular(known["k"], known["beta"])
    elif known["type"] == "IndexVectors":
        gram = take(ds, "gram", (*_VECTOR, "other_index_vector"), "f8")
        given = "V" in ds.variables
        V = take(ds, "V", (*_VECTOR, "coordinate"), "f8") if given else None
        targets = IndexVectors._restored(V, gram)
    else:
        raise ValueError(f"targets of type {known['type']!r}")
    layer = described["second_layer"]
    if "second_layer" in ds.variables:
        layer = take(ds, "second_layer", _NEURON, "f8")
    link = _read_link(described["link"])
    options: dict[str, Any] = {
        "student": None if described["student"] is None else _read_link(described["student"]),
        "second_layer": layer,
        "target_weights": take(ds, "target_weights", _VECTOR, "f8"),
    }
    if described["type"] == "CorrelationFlow":
        return CorrelationFlow(targets, link, **options)
    if described["type"] == "EmpiricalFlow":
        sample = dict(described["sample"])
        N, d = (int(size) for size in sample.pop("shape"))
        return EmpiricalFlow._restored(
            targets,
            link,
            Absent(shape=(N, d), **sample),
            take(ds, "labels", ("sample",), "f8"),
            given=bool(described["given_labels"]),
            loss=tuple(described["loss"]),
            **options,
        )
    return SquaredFlow(
        targets,
        link,
        constrained=bool(described["constrained"]),
        train_second_layer=bool(described["train_second_layer"]),
        **options,
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
                "beyond": [_number(x) for x in part.beyond],
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
    bounds = (math.inf if x == "inf" else x for x in described["beyond"])
    even, odd = (_checks.real(x, "beyond", low=0.0, infinite=True) for x in bounds)
    return Activation(str(described["name"]), tuple(series.tolist()), (even, odd))


# ------------------------------------------------------------------ options


def describe_option(key: str, value: Any) -> Any:
    """Return what JSON can hold of an option."""
    if key == "events":
        return {name: _describe_event(event) for name, event in value.items()}
    if isinstance(value, float):
        return _number(value)
    if key == "seed" and isinstance(value, dict):
        return value
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"options[{key!r}] must be a number, text or None, got {type(value).__name__}")


def _number(value: float) -> float | str:
    return "inf" if math.isinf(value) else value  # JSON has no infinity


def _describe_event(event: Event) -> dict[str, Any]:
    return {"type": type(event).__name__, **vars(event)}


def read_option(key: str, value: Any) -> Any:
    """Return the option that `describe_option` was given."""
    if key == "events":
        return {name: _read_event(dict(event)) for name, event in value.items()}
    return math.inf if value == "inf" else value


def _read_event(described: dict[str, Any]) -> Event:
    kind = described.pop("type")
    if kind not in _EVENTS:
        raise ValueError(f"an event of type {kind!r}")
    return _EVENTS[kind](**described)
