"""The grid: points, their names in messages, their seeds. Knows nothing of functions or results.

May import `_content`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import keyword
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _checks
from ..starts import stream
from ._content import canonical, content, label, plain

Index = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """One name of the grid, and its values.

    Parameters
    ----------
    name : str
        The argument of the function.
    values : tuple
        What the function is given.
    coordinate : array (L,)
        Numbers, booleans or strings as they are; labels of everything else.
    contents : tuple of str
        The content of each value, canonical JSON.
    """

    name: str
    values: tuple[Any, ...]
    coordinate: np.ndarray[Any, Any]
    contents: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """The outer product of the axes; the last one runs fastest."""

    axes: tuple[Axis, ...]
    shape: Index = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(len(axis.values) for axis in self.axes))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order given."""
        return tuple(axis.name for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def indices(self) -> Iterator[Index]:
        """Every point, the last name fastest."""
        return itertools.product(*map(range, self.shape))

    def point(self, index: Index) -> dict[str, Any]:
        """Return the arguments at a point."""
        return {axis.name: axis.values[i] for axis, i in zip(self.axes, index, strict=True)}

    def describe(self, index: Index) -> str:
        """Return a point in words.

        >>> make_grid({"k": [3, 4], "link": ["relu"]}).describe((1, 0))
        'k=4, link=relu'
        """
        pairs = zip(self.axes, index, strict=True)
        return ", ".join(f"{axis.name}={axis.coordinate[i]}" for axis, i in pairs)

    def seed(self, root: np.random.SeedSequence, index: Index) -> np.random.SeedSequence:
        """Return the seed of a point.

        It is drawn from root and the point's own names and values: neither the order of names
        and values nor other points matter.
        """
        pairs = sorted(
            (axis.name, axis.contents[i]) for axis, i in zip(self.axes, index, strict=True)
        )
        digest = hashlib.sha256("\0".join(map("=".join, pairs)).encode()).digest()
        return stream(root, *(int(word) for word in np.frombuffer(digest[:16], dtype="<u4")))

    def config(self) -> list[dict[str, Any]]:
        """Return names, labels and contents as JSON data."""
        return [
            {
                "name": axis.name,
                "labels": [str(item) for item in axis.coordinate.tolist()],
                "contents": [json.loads(text) for text in axis.contents],
            }
            for axis in self.axes
        ]


def make_grid(values: Mapping[str, Any]) -> Grid:
    """Return the grid of {name: values}; a mapping {label: value} gives labels of one's own.

    Raises
    ------
    TypeError, ValueError
        Naming what is wrong with which name.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be a mapping of names, got {_checks.describe(values)}")
    if not values:
        raise ValueError("values must have at least one name, got an empty mapping")
    return Grid(tuple(_axis(name, given) for name, given in values.items()))


def check_name(name: object, what: str) -> str:
    """Return a name that can be an argument, a variable and a folder."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{what} must be an identifier, got {_checks.describe(name)}")
    return name


def _axis(name: str, given: Any) -> Axis:
    check_name(name, "a name of values")
    where = f"values[{name!r}]"
    if name == "seed":
        raise ValueError("values must not name 'seed', which every point gets by itself")
    labels: list[str] | None = None
    if isinstance(given, Mapping):
        labels = [str(key) for key in given]
        given = list(given.values())
    single = isinstance(given, np.ndarray) and given.ndim == 0
    other = isinstance(given, str | bytes | memoryview) or np.ma.isMaskedArray(given)
    if other or single or not isinstance(given, Sequence | np.ndarray):
        raise TypeError(f"{where} must be a sequence of values, got {_checks.describe(given)}")
    found: list[Any] = [plain(value) for value in given]
    if not found:
        raise ValueError(f"{where} must hold at least one value, got none")
    kinds = {type(value) for value in found}
    if kinds in ({int, float}, {float}):
        found, kinds = [_as_float(value, where) for value in found], {float}
    try:
        contents = tuple(canonical(content(value)) for value in found)
    except TypeError as error:
        raise TypeError(f"{where} {error}") from None
    coordinate = _coordinate(found, kinds, labels)
    for keys in (contents, coordinate.tolist()):
        if len(set(keys)) < len(keys):
            (twice, _), *_ = Counter(keys).most_common(1)
            at = list(keys).index(twice)
            raise ValueError(f"{where} must differ, got {coordinate[at]} twice")
    if coordinate.dtype.kind == "U":
        for i, text in enumerate(coordinate.tolist()):
            said = labels[i] if labels else found[i]
            if not _is_unicode(text) or (isinstance(said, str) and "\0" in said):
                raise ValueError(f"{where} must hold Unicode text without NUL, got {said!r}")
    return Axis(name, tuple(found), coordinate, contents)


def _as_float(value: float, where: str) -> float:
    if isinstance(value, int) and abs(value) >= 1 << 1023:
        raise ValueError(f"{where} must hold numbers that fit a float, got one of many digits")
    number = float(value) + 0.0  # there is one zero
    if math.isnan(number):
        raise ValueError(f"{where} must not hold NaN, by which no point is found")
    if isinstance(value, int) and int(number) != value:
        raise ValueError(f"{where} must hold numbers that fit a float, got {value}")
    return number


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _coordinate(
    found: list[Any], kinds: set[type], labels: list[str] | None
) -> np.ndarray[Any, Any]:
    if labels is None and len(kinds) == 1:
        (kind,) = kinds
        if kind in (bool, float, str):
            return np.array(found)
        if kind is int and all(-(2**63) <= value < 2**63 for value in found):
            return np.array(found, dtype=np.int64)
    if labels is None:
        unique: dict[str, None] = {}
        for value in found:
            short = text = label(value)
            number = 2
            while text in unique:  # objects that differ in what a label leaves out
                text, number = f"{short} ({number})", number + 1
            unique[text] = None
        labels = list(unique)
    return np.array(labels)
