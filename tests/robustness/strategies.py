"""Anything that a user may pass for an array or a number, and valid values in odd forms."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
Strategy = st.SearchStrategy[Any]

DTYPES: list[Any] = [
    "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g", "F", "D", "G",
    "O", "U3", "S3", "M8[s]", "m8[D]", "V4", [("x", "f8"), ("n", "i4")],
]  # fmt: skip
NUMERIC = ["f8", "f4", "f2", "g", "i8", "i1", "u8", "u1"]
#: Numbers at the ends of what doubles hold, and where functions bend.
EDGES = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.6, 0.8, float("nan"), float("inf"), -float("inf"), 1e300, -1e300,
    1e-300, 5e-324, -1e-310, 1.0 + 1e-15, 2.0**53, 1e17, 3.0,
]  # fmt: skip


class Subclass(np.ndarray[Any, Any]):
    """A subclass of ndarray without any meaning of its own."""


class Wrapped:
    """An object that NumPy can read, as those of other libraries are."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __array__(self, dtype: object = None, copy: object = None) -> Array:
        return np.array(self.values, dtype=dtype)  # type: ignore[call-overload,no-any-return]


class Floatable:
    """Not a number, though float() takes it."""

    def __float__(self) -> float:
        return 0.5


def shown(value: object) -> str:
    with np.errstate(all="ignore"):
        text = " ".join(repr(value).split())
    return text if len(text) < 200 else text[:197] + "..."


# ------------------------------------------------------------------ layouts


def _memmap(values: Array) -> Array:
    if values.size == 0 or values.dtype.hasobject:
        return values
    with tempfile.TemporaryFile() as file:
        out = np.memmap(file, dtype=values.dtype, mode="w+", shape=values.shape or (1,))
    out[...] = values
    return out


def _frozen(values: Array) -> Array:
    out = values.copy()
    out.flags.writeable = False
    return out


def _strided(values: Array) -> Array:
    return np.repeat(values, 2, axis=-1)[..., ::2] if values.ndim else values


def _reversed(values: Array) -> Array:
    places = (slice(None, None, -1),) * values.ndim
    if not places:
        return values
    return values[places].copy()[places]


def _unaligned(values: Array) -> Array:
    if values.dtype.hasobject or values.size == 0:
        return values
    memory = np.zeros(values.nbytes + 1, dtype=np.uint8)
    out = memory[1:].view(values.dtype).reshape(values.shape)
    out[...] = values
    return out


def _swapped(values: Array) -> Array:
    return values.astype(values.dtype.newbyteorder())


def _matrix(values: Array) -> Array:
    with warnings.catch_warnings():  # NumPy would rather have us use arrays
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.asmatrix(values)


#: The same values otherwise laid out or wrapped.
LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "plain": lambda a: a,
    "Fortran order": np.asfortranarray,
    "strided": _strided,
    "reversed": _reversed,
    "byte order": _swapped,
    "read-only": _frozen,
    "unaligned": _unaligned,
    "subclass": lambda a: a.view(Subclass),
    "memmap": _memmap,
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()) if a.ndim else a.item(),
    "wrapped": Wrapped,
    "DataArray": xr.DataArray,
    "transposed twice": lambda a: a.T.copy().T,
    "matrix": lambda a: _matrix(a) if a.ndim == 2 else a,
    "DataFrame": lambda a: pd.DataFrame(a) if a.ndim == 2 and a.dtype.kind in "fiu" else a,
    "Series": lambda a: pd.Series(a) if a.ndim == 1 and a.dtype.kind in "fiu" else a,
}
#: These change what is said, not only how.
TWISTS: dict[str, Callable[[Array], Any]] = {
    "masked": lambda a: np.ma.masked_array(a, mask=np.zeros(a.shape, dtype=bool)),
    "hidden": lambda a: np.ma.masked_array(a, mask=np.ones(a.shape, dtype=bool)),
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "memory": lambda a: memoryview(np.ascontiguousarray(a)) if a.dtype.kind in "fiu" else a,
    "ragged": lambda a: [a.tolist(), [a.tolist()], []],
    "set": lambda a: set(map(str, a.ravel().tolist())),
    "generator": lambda a: (x for x in a.ravel().tolist()),
    "dict": lambda a: dict(enumerate(a.ravel().tolist())),
    "recarray": lambda a: np.rec.array(a) if a.dtype.names else a,
}


def in_any_form(values: Strategy) -> Strategy:
    """Arrays of doubles in layouts that mean the same."""
    return st.builds(
        lambda a, form: LAYOUTS[form](np.asarray(a)), values, st.sampled_from(sorted(LAYOUTS))
    )


# ------------------------------------------------------------------ anything


def numbers(*, large: bool = True) -> Strategy:
    if not large:
        return st.sampled_from([x for x in EDGES if not abs(x) > 3.0]) | st.floats(-2.0, 2.0)
    return st.sampled_from(EDGES) | st.floats(-2.0, 2.0) | st.floats()


def _built(values: list[float], shape: tuple[int, ...], dtype: Any) -> Array:
    kind = np.dtype(dtype)
    plain = np.resize(np.array(values), shape)
    with np.errstate(all="ignore"):
        if kind.names:
            out = np.zeros(shape, kind)
            out["x"] = plain
            return out
        if kind.kind == "V":
            return np.zeros(shape, kind)
        if kind.kind in "iuMm":
            bounded = np.clip(np.nan_to_num(plain), -100.0, 100.0)
            if kind.kind in "Mm":
                return np.asarray(bounded.astype("i8").astype(kind))
            return np.asarray((np.abs(bounded) if kind.kind == "u" else bounded).astype(kind))
        if kind.char == "g":  # wider than doubles
            return np.asarray(plain.astype(kind) ** 2)
        return np.asarray(plain.astype(kind))


@st.composite
def arrays(draw: Any, *, large: bool = True) -> Any:
    """Arrays of any dtype, shape, layout and content."""
    values = draw(st.lists(numbers(large=large), min_size=1, max_size=5))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=4)))
    dtype = draw(st.sampled_from(["f8", "f8", *DTYPES]))
    forms = {**LAYOUTS, **TWISTS}
    return forms[draw(st.sampled_from(sorted(forms)))](_built(values, shape, dtype))


#: What is no array, or an odd number. Large whole numbers stand apart: they may be valid and slow.
ODD: list[Any] = [
    None, True, False, "", "relu", "nearly", "tsit5", "\x00", "\udc80", "é" * 80, b"bytes", 1j,
    Fraction(1, 3), Decimal("0.5"), np.float16(0.5), np.float32("nan"), np.longdouble(0.25),
    np.complex64(1j), np.bool_(True), np.str_("x"), np.datetime64("2020-01-01"),
    np.timedelta64(3, "s"), np.datetime64("NaT"), range(3), {}, {3: 1.0}, {"a": object()}, set(),
    object(), int, len, ..., NotImplemented, Floatable(), [[1.0], [1.0, 2.0]], [None], [[]], [[[]]],
    ["0.5", 1.0], np.nan, -1, -(2**63), -(10**400), 0.5, float("inf"), -float("inf"), 5e-324,
    slice(3), np.dtype("f8"), ValueError("x"), (), [True, 0.5], [1j], [10**400], [2**64], "1",
    Fraction(10**400, 3), Fraction(-(10**400), 3), np.array(None), np.array("a"), np.float64(-0.0),
]  # fmt: skip
SMALL = [0, 1, 2, 3, 4, np.int8(2), np.uint64(3), 2.0, np.float32(3.0), np.array(2), np.array(2.0)]
LARGE = [
    2**31, 2**53 + 1, 2**63 - 1, 2**63, 10**19, 10**400, 1e17, 1e300, np.uint64(2**64 - 1),
    np.longdouble("1e4000"),
]  # fmt: skip


def anything(*, large: bool = True) -> Strategy:
    """Anything; without large whole numbers where those are valid and take for ever."""
    plain = st.sampled_from([*ODD, *SMALL, *(LARGE if large else [])])
    return plain | arrays(large=large)


def odd_numbers() -> Strategy:
    """What is no valid count: for arguments where any array would be refused alike."""
    return st.sampled_from([*ODD, *LARGE]) | st.floats(max_value=0.0) | arrays()


def uncalled() -> Strategy:
    """Anything but what can be called, where a function of the user's own is welcome."""
    return st.sampled_from([x for x in ODD if not callable(x)]) | arrays()
