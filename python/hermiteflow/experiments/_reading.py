"""Fields of a config from plain values: of a TOML file, or of a command line.

Knows the configs' types, links and arrangements; nothing is evaluated.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

import hermiteflow as hf
from hermiteflow import _checks
from hermiteflow._activations import NAMES
from hermiteflow._usage import hint

from ._common import TargetSpec, least

#: Names of fields that may also be given in the singular.
_SINGULAR = {"link": "links", "target": "targets"}
_LINK_KEYS = ("name", "hermite", "polynomial", "scale", "without")


def read_fields(cls: type, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a config, from a table of plain values.

    Parameters
    ----------
    cls : type
        A config of this package, such as `CoverageConfig`.
    table : mapping
        Field names, and numbers, text, lists or tables. A link is a name ("relu"), or a table with
        one of `hermite` (coefficients by degree), `polynomial` (by power of x) or `name`, and
        possibly `scale` and `without` (degrees). An arrangement is a kind ("orthonormal"), or a
        table of `kind`, `beta`, `dimension`, and of `k` where the config has it.

    Raises
    ------
    ValueError, TypeError
        Naming the field, what was expected and what came.
    """
    hints = typing.get_type_hints(cls, {**vars(typing), **vars(_names())})
    known = [f.name for f in dataclasses.fields(cls)]
    out: dict[str, Any] = {}
    for given, value in table.items():
        name = given if given in known else _plural(given, known)
        if name not in known:
            raise ValueError(f"{given} is no field of this experiment{hint(given, known)}")
        if name in out:
            raise ValueError(f"{name} must be given once, got {given} as well")
        if name == "targets" and isinstance(value, Mapping) and "k" in value:
            if "k" in table or "k" not in known:
                raise ValueError("k must be given once, got one in targets as well")
            out["k"] = _convert("targets.k", value["k"], hints["k"], least(cls, "k"))
            rest = {key: item for key, item in value.items() if key != "k"}
            out[name] = _convert(name, rest, hints[name], None)
            continue
        out[name] = _convert(name, value, hints[name], least(cls, name))
    return out


def _names() -> types.SimpleNamespace:
    return types.SimpleNamespace(Link=hf.Link, TargetSpec=TargetSpec)


def _plural(name: str, known: list[str]) -> str:
    other = _SINGULAR.get(name, name)
    return other if other in known else name


def _convert(name: str, value: Any, wanted: Any, low: int | None) -> Any:
    if typing.get_origin(wanted) is tuple:
        inner = typing.get_args(wanted)[0]
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            raise ValueError(f"{name} must hold at least one value, got none")
        return tuple(_convert(name, item, inner, low) for item in items)
    if wanted is hf.Link:
        return read_link(value, name)
    if wanted is TargetSpec:
        return read_targets(value, name)
    if wanted is bool:
        return _checks.flag(value, name)
    if wanted is int:
        return _checks.integer(value, name, low=low)
    if wanted is float:
        return _checks.real(value, name)
    if wanted is str:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be text, got {_checks.describe(value)}")
        return value
    raise TypeError(f"{name} cannot be given in a file")


def read_link(value: Any, name: str = "link") -> hf.Link:
    """Return a link from a name or a table."""
    if isinstance(value, str):
        return hf.link(_checks.choice(value, name, NAMES))
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{name} must be a name or a table such as {{hermite = {{3 = 1.0}}}}, "
            f"got {_checks.describe(value)}"
        )
    for key in value:
        if key not in _LINK_KEYS:
            raise ValueError(f"{name}.{key} is no part of a link{hint(key, _LINK_KEYS)}")
    sources = [key for key in ("name", "hermite", "polynomial") if key in value]
    if len(sources) != 1:
        raise ValueError(
            f"{name} must have one of name, hermite, polynomial, got {sources or 'none'}"
        )
    what = value[sources[0]]
    if sources[0] == "name":
        link = hf.link(_checks.choice(what, f"{name}.name", NAMES))
    elif sources[0] == "hermite":
        link = hf.hermite(_coefficients(what, f"{name}.hermite"))
    else:
        link = hf.polynomial(what)
    if "without" in value:
        given = value["without"]
        link = link.without(*(given if isinstance(given, list) else [given]))
    return _checks.real(value["scale"], f"{name}.scale") * link if "scale" in value else link


def _coefficients(value: Any, name: str) -> dict[int, float]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a table of degrees, got {_checks.describe(value)}")
    out = {}
    for degree, coefficient in value.items():
        if not (isinstance(degree, int) or str(degree).isdecimal()):
            raise ValueError(f"{name} must have whole numbers as keys, got {degree!r}")
        out[int(degree)] = _checks.real(coefficient, f"{name}.{degree}")
    return out


def read_targets(value: Any, name: str = "targets") -> TargetSpec:
    """Return an arrangement from a kind or a table."""
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        raise TypeError(
            f'{name} must be a kind or a table such as {{kind = "equiangular", beta = 0.05}}, '
            f"got {_checks.describe(value)}"
        )
    keys = [f.name for f in dataclasses.fields(TargetSpec)]
    for key in value:
        if key not in keys:
            raise ValueError(f"{name}.{key} is no part of an arrangement{hint(key, keys)}")
    given = dict(value)
    if "beta" in given:
        given["beta"] = _checks.real(given["beta"], f"{name}.beta")
    if "dimension" in given:
        given["dimension"] = _checks.integer(given["dimension"], f"{name}.dimension")
    return TargetSpec(**given)


def compact_link(text: str) -> dict[str, Any]:
    """Read a link of a command line: ``relu``, ``relu-1`` (less degree 1) or ``3=1,4=0.5``."""
    if "=" in text:
        terms = [term.partition("=") for term in text.split(",")]
        if not all(p.strip().isdecimal() and c for p, _, c in terms):
            raise ValueError(f"a link must be a name or terms such as 3=1,4=0.5, got {text!r}")
        return {"hermite": {p.strip(): float(c) for p, _, c in terms}}
    name, *gone = text.split("-")
    if not all(p.isdecimal() for p in gone):
        raise ValueError(f"a link must be a name or terms such as 3=1,4=0.5, got {text!r}")
    return {"name": name, "without": [int(p) for p in gone]}


def compact_targets(text: str) -> dict[str, Any]:
    """Read an arrangement of a command line: a kind, ``equiangular:0.05`` or ``random:100``."""
    kind, colon, number = text.partition(":")
    if not colon:
        return {"kind": kind}
    return {"kind": kind, ("dimension" if kind == "random" else "beta"): float(number)}
