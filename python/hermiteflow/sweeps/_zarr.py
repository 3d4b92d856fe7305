"""Bytes of Zarr v3: metadata, chunks with their checksum. Knows neither grid nor files.

Imports nothing of the sweeps. Written here, not by zarr-python, because these bytes have to be
the same for every version of it, and have to reach the disk before they get their name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: How text of any length is called, as a Zarr data type and here.
STRING = "string"
_CHECKSUM = 4
_NAMES = {"b": "bool", "i": "int{}", "u": "uint{}", "f": "float{}", "c": "complex{}"}


def data_type(dtype: str) -> str:
    """Return Zarr's name of a dtype such as "<f8".

    >>> data_type("<f8"), data_type("|b1"), data_type("string")
    ('float64', 'bool', 'string')
    """
    if dtype == STRING:
        return STRING
    native = np.dtype(dtype)
    return _NAMES[native.kind].format(8 * native.itemsize)


def array_metadata(
    shape: Sequence[int], chunk: Sequence[int], dtype: str, dims: Sequence[str]
) -> dict[str, Any]:
    """Return the metadata of an array."""
    first: dict[str, Any]
    fill: dict[str, Any] = {"b": False, "f": "NaN", "c": ["NaN", "NaN"]}
    if dtype == STRING:
        first, empty = {"name": "vlen-utf8"}, ""
    else:
        native = np.dtype(dtype)
        order = {"configuration": {"endian": "little"}} if native.itemsize > 1 else {}
        first, empty = {"name": "bytes", **order}, fill.get(native.kind, 0)
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": data_type(dtype),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": empty,
        "codecs": [first, {"name": "crc32c"}],
        "attributes": {},
        "dimension_names": list(dims),
        "storage_transformers": [],
    }


def group_metadata(attributes: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a group, with that of its arrays so that nobody has to list it."""
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": dict(attributes),
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": dict(arrays),
        },
    }


def text(metadata: Mapping[str, Any]) -> bytes:
    """Return metadata as the bytes of a file."""
    return (json.dumps(metadata, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def chunk_name(index: Sequence[int]) -> str:
    """Return the file of a chunk.

    >>> chunk_name((3, 0))
    'c.3.0'
    """
    return ".".join(("c", *map(str, index)))


def encode(values: NDArray[Any]) -> bytes:
    """Return a chunk: its values, little-endian in C order, and their CRC-32C."""
    if values.dtype.kind in "OU":
        items = [str(item).encode() for item in values.ravel()]
        raw = _length(len(items)) + b"".join(_length(len(item)) + item for item in items)
    else:
        raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return raw + _crc(raw)


def decode(chunk: bytes, dtype: str, shape: Sequence[int]) -> NDArray[Any]:
    """Return the values of a chunk.

    Raises
    ------
    ValueError
        If it is cut short, has a changed byte or another shape.
    """
    raw = chunk[:-_CHECKSUM]
    if len(chunk) <= _CHECKSUM or chunk[-_CHECKSUM:] != _crc(raw):
        raise ValueError(f"its checksum does not fit, {len(chunk)} bytes")
    if dtype == STRING:
        items = _texts(raw)
        if len(items) != math.prod(shape):
            raise ValueError(f"it holds {len(items)} strings, not {math.prod(shape)}")
        out = np.empty(len(items), dtype=object)
        out[:] = items
        return out.reshape(shape)
    native = np.dtype(dtype)
    if len(raw) != native.itemsize * math.prod(shape):
        raise ValueError(f"it holds {len(raw)} bytes, not {native.itemsize * math.prod(shape)}")
    return np.frombuffer(raw, dtype=native).reshape(shape)


def _texts(raw: bytes) -> list[str]:
    items, at, count = [], 4, int.from_bytes(raw[:4], "little")
    if 4 * count > len(raw):
        raise ValueError(f"it claims {count} strings in {len(raw)} bytes")
    for _ in range(count):
        size = int.from_bytes(raw[at : at + 4], "little")
        items.append(raw[at + 4 : at + 4 + size].decode())
        at += 4 + size
    if at != len(raw):
        raise ValueError("its lengths do not fit")
    return items


def _length(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _crc(raw: bytes) -> bytes:
    import google_crc32c  # what zarr-python itself checks chunks with

    return int(google_crc32c.value(raw)).to_bytes(_CHECKSUM, "little")
