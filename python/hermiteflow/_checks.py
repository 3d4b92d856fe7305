"""Coercion and checks of every argument; the only place where arrays are converted."""

from __future__ import annotations

import contextlib
import contextvars
import difflib
import importlib.util
import math
import numbers
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Rows of W and V may miss unit norm by this much (float32 input); they are then normalised.
UNIT_TOLERANCE = 1e-6
#: Largest integer that the core takes.
LARGEST = 2**63 - 1

# a context variable and not the environment: threads of one process may run different sweeps
_threads: contextvars.ContextVar[int | None] = contextvars.ContextVar("n_threads", default=None)


def describe(value: object) -> str:
    """Return a short description of what came instead of what was expected."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = " ".join(repr(value).split())  # errors are one line
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def array(value: object, name: str, shape: tuple[str | int, ...], *, finite: bool = True) -> Array:
    """Return `value` as a C-ordered float64 array; no copy where it is one already.

    `shape` holds numbers, or names of free lengths (at least 1).
    """
    wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of shape {wanted}, got a ragged list") from error
    if np.ma.isMaskedArray(value):
        raise TypeError(f"{name} must be an ordinary array of shape {wanted}, got a masked array")
    if raw.dtype.kind not in "fiu":
        raise TypeError(
            f"{name} must hold real numbers, shape {wanted}, got dtype {raw.dtype}"
            + ("" if raw.ndim else f": {describe(value)}")
        )
    if raw.ndim != len(shape) or any(
        (isinstance(want, int) and got != want) for want, got in zip(shape, raw.shape, strict=True)
    ):
        raise ValueError(f"{name} must have shape {wanted}, got {raw.shape}")
    if raw.size == 0:
        raise ValueError(f"{name} must have shape {wanted} and not be empty, got {raw.shape}")
    result = np.ascontiguousarray(raw, dtype=np.float64)
    if finite:
        _finite(result, name)
    return result


def _finite(values: Array, name: str) -> None:
    if not np.isfinite(values).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"{name} must be finite, got {values[where]} at {where}")


def real(
    value: object,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
    infinite: bool = False,
) -> float:
    """Return a real number within bounds."""
    left = f"{'(' if open_low else '['}{low:g}" if low > -math.inf else "(-inf"
    right = f"{high:g}{')' if open_high else ']'}" if high < math.inf else "inf)"
    if infinite and high == math.inf:
        right = "inf]"
    wanted = f"{name} must be a number in {left}, {right}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{wanted}, got {describe(value)}")
    number = float(value)
    inside = (number > low if open_low else number >= low) and (
        number < high if open_high else number <= high
    )
    if math.isnan(number) or not inside or (math.isinf(number) and not infinite):
        raise ValueError(f"{wanted}, got {describe(value)}")
    return number


def integer(value: object, name: str, *, low: int = 1, high: int | None = None) -> int:
    """Return an integer within bounds; integral floats such as 1e6 are welcome."""
    wanted = f"{name} must be an integer of at least {low}" + (
        f" and at most {high}" if high is not None else ""
    )
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{wanted}, got {describe(value)}")
    if not isinstance(value, numbers.Integral) and not float(value).is_integer():
        raise ValueError(f"{wanted}, got {describe(value)}")
    number = int(value) if isinstance(value, numbers.Integral) else int(float(value))
    if number < low or (high is not None and number > high):
        raise ValueError(f"{wanted}, got {describe(value)}")
    return number


def flag(value: object, name: str) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {describe(value)}")
    return bool(value)


def reporting(value: object, name: str = "progress", *, none: bool = False) -> None:
    """Raise TypeError unless the value is a boolean, a callable, or None where that is welcome."""
    if not (isinstance(value, bool | np.bool_) or callable(value) or (none and value is None)):
        others = "a callable or None" if none else "or a callable"
        raise TypeError(f"{name} must be True or False, {others}, got {describe(value)}")


def tolerance(value: object, name: str = "rtol") -> float:
    """Return a relative tolerance that an adaptive method can meet."""
    relative = real(value, name, low=0.0, high=0.1, open_low=True)
    if relative < 1e-14:
        raise ValueError(f"{name} must be at least 1e-14, got {value!r}")
    return relative


def choice(value: object, name: str, options: Sequence[str]) -> str:
    """Return one of the options, with a guess at what was meant otherwise."""
    listed = ", ".join(repr(option) for option in options)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {listed}, got {describe(value)}")
    if value not in options:
        near = difflib.get_close_matches(value.lower(), options, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be one of {listed}, got {value!r}{hint}")
    return value


def unit_rows(value: object, name: str, shape: tuple[str | int, ...]) -> tuple[Array, Array]:
    """Return rows and their norms, which must be 1 within `UNIT_TOLERANCE`."""
    rows = array(value, name, shape, finite=False)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not np.isfinite(norms).all():
        _finite(rows, name)
    worst = int(np.argmax(np.abs(norms - 1.0)))
    if abs(norms[worst] - 1.0) > UNIT_TOLERANCE:
        raise ValueError(
            f"{name} must have rows of unit norm (within {UNIT_TOLERANCE:g}), "
            f"got norm {norms[worst]:.9g} in row {worst}"
        )
    return rows, norms


def ascending(value: object, name: str, *, low: float) -> Array:
    """Return a strictly increasing sequence of numbers of at least `low`."""
    values = array(np.atleast_1d(np.asarray(value)), name, ("T",))
    if values[0] < low:
        raise ValueError(f"{name} must be at least {low:g}, got {values[0]:g}")
    if np.any(np.diff(values) <= 0):
        where = int(np.argmax(np.diff(values) <= 0))
        raise ValueError(
            f"{name} must be strictly increasing, got {values[where]:g} before "
            f"{values[where + 1]:g}"
        )
    return values


def threads(value: object) -> int:
    """Return the number of threads.

    Argument, `default_threads` around the call, HERMITEFLOW_NUM_THREADS, or 0 for OpenMP's own.
    """
    if value is not None:
        return integer(value, "n_threads", high=4096)
    inside = _threads.get()
    if inside is not None:
        return inside
    text = os.environ.get("HERMITEFLOW_NUM_THREADS", "")
    if not text:
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"HERMITEFLOW_NUM_THREADS must be a positive integer, got {text!r}")
    return int(text)


@contextlib.contextmanager
def default_threads(number: int) -> Iterator[None]:
    """Let calls without `n_threads` use this many threads, in this thread of Python alone."""
    token = _threads.set(number)
    try:
        yield
    finally:
        _threads.reset(token)


def modules(what: str, names: Sequence[str], extra: str = "reproduce") -> None:
    """Raise ImportError unless these modules of an extra are installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{what} needs {', '.join(missing)}: pip install 'hermiteflow[{extra}]'")


def frozen(values: Array) -> Array:
    """Return a read-only view."""
    view = values.view()
    view.flags.writeable = False
    return view


def content(parts: Iterable[Any]) -> tuple[Any, ...]:
    """Return a hashable image of arrays and scalars, for equality and hash by content."""
    return tuple(
        (part.shape, part.tobytes()) if isinstance(part, np.ndarray) else part for part in parts
    )
