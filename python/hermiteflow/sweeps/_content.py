"""One value of a grid: its content as JSON, and its label. Knows no grid; imports `_checks`.

Content identifies a value on every machine and in every process, without executing anything:
a store is told from another by it, and each point's seed is drawn from it.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import inspect
import json
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks

#: Longest label of an object.
WIDTH = 60


def canonical(value: object) -> str:
    """Return the one text of JSON data, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: object) -> object:
    """Return a NumPy scalar as Python's own; everything else as it is."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value


def content(value: object) -> Any:
    """Return the content of a value as JSON data.

    Numbers, strings, bytes, None, arrays, tuples, lists, dicts, paths, members of enumerations,
    importable functions and classes, `functools.partial`, and dataclasses of such.

    Raises
    ------
    TypeError
        For anything else: nothing says whether two of those are equal in another process.

    Examples
    --------
    >>> content(0.5), content((1, "a"))
    (0.5, {'tuple': [1, 'a']})
    """
    value = plain(value)
    if isinstance(value, enum.Enum):
        return {"enum": f"{name_of(type(value))}.{value.name}"}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, complex):
        return {"complex": [content(value.real), content(value.imag)]}
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, list):
        return [content(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [content(item) for item in value]}
    if isinstance(value, dict):
        pairs = [[content(key), content(item)] for key, item in value.items()]
        return {"dict": sorted(pairs, key=canonical)}
    if isinstance(value, pathlib.PurePath):
        return {"path": str(value)}
    if isinstance(value, functools.partial):
        return {"partial": content((value.func, value.args, value.keywords))}
    if isinstance(value, type) or inspect.isroutine(value):
        return {"name": name_of(value)}
    if dataclasses.is_dataclass(value):
        return _dataclass(value)
    raise TypeError(
        "must hold numbers, strings, arrays, dataclasses or what is made of them, "
        f"got {_checks.describe(value)}; give the name of such an object and build it in function"
    )


def name_of(thing: Callable[..., Any]) -> str:
    """Return module and qualified name of a function or class."""
    if getattr(thing, "__self__", None) is not None and not inspect.isbuiltin(thing):
        raise TypeError(f"must not be a method of an object, got {_checks.describe(thing)}")
    name = getattr(thing, "__qualname__", "")
    if not name or "<lambda>" in name:
        raise TypeError(f"must have a name of its own, got {_checks.describe(thing)}")
    return f"{getattr(thing, '__module__', None)}:{name}"


def _array(value: np.ndarray[Any, Any]) -> Any:
    if value.dtype.kind not in "biufcUS" or np.ma.isMaskedArray(value):
        raise TypeError(f"must hold ordinary arrays, got {_checks.describe(value)}")
    portable = value.astype(value.dtype.newbyteorder("<"), order="C")
    digest = hashlib.sha256(portable.tobytes()).hexdigest()
    return {"array": portable.dtype.str, "shape": list(value.shape), "sha256": digest}


def _dataclass(value: Any) -> Any:
    cls = type(value)
    if "__reduce__" in cls.__dict__:  # says by itself what makes another one equal to it
        made = value.__reduce__()
        return {"made": content(made[0]), "of": content(tuple(made[1]))}
    fields = {
        field.name: content(getattr(value, field.name))
        for field in dataclasses.fields(cls)
        if field.compare
    }
    return {"dataclass": name_of(cls), "fields": fields}


def label(value: object) -> str:
    """Return a short readable name of an object, for coordinates.

    Examples
    --------
    >>> import hermiteflow as hf
    >>> label(hf.hermite({3: 1.0, 5: 0.2})), label(hf.Equiangular(k=3, beta=0.1))
    ('h_3 + 0.2 h_5', 'Equiangular(k=3, beta=0.1)')
    """
    text = " ".join(_label(plain(value)).split())
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."


def _label(value: object) -> str:
    for attribute in ("label", "_label"):
        own = getattr(value, attribute, None)
        if isinstance(own, str) and own:
            return own
    if isinstance(value, str):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, np.ndarray):
        return str(value.tolist()) if value.size <= 4 else f"array{value.shape}"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_label, value))})"
    if isinstance(value, type) or inspect.isroutine(value):
        return str(value.__name__)
    if dataclasses.is_dataclass(value):
        shown = (
            f"{field.name}={_label(getattr(value, field.name))}"
            for field in dataclasses.fields(value)
            if field.compare and field.repr and getattr(value, field.name) is not None
        )
        return f"{type(value).__name__}({', '.join(shown)})"
    return str(value)
