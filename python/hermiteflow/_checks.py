"""Coercion and checks of every argument; the only place where arrays are converted."""

from __future__ import annotations

import contextlib
import contextvars
import difflib
import importlib.util
import math
import numbers
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

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
    with np.errstate(all="ignore"):  # some containers compute while they are shown
        text = " ".join(repr(value).split())  # errors are one line
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def array(value: object, name: str, shape: tuple[str | int, ...], *, finite: bool = True) -> Array:
    """Return `value` as a C-ordered float64 array; no copy where it is one already.

    `shape` holds numbers, or names of free lengths (at least 1).
    """
    wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    raw = _reals(value, name, f"shape {wanted}")
    if raw.ndim != len(shape) or any(
        (isinstance(want, int) and got != want) for want, got in zip(shape, raw.shape, strict=True)
    ):
        raise ValueError(f"{name} must have shape {wanted}, got {raw.shape}")
    if raw.size == 0:
        raise ValueError(f"{name} must have shape {wanted} and not be empty, got {raw.shape}")
    result = _doubles(raw)
    if finite:
        _finite(result, name)
    return result


def vector(value: object, name: str, length: str) -> Array:
    """Return a number or a sequence of numbers as an array of one dimension."""
    raw = _reals(value, name, f"shape ({length},)")
    return array(raw.reshape(1) if raw.ndim == 0 else raw, name, (length,))


def points(value: object, name: str) -> Array:
    """Return real numbers of any shape, NaN and inf among them, as float64."""
    return _doubles(_reals(value, name, "any shape"))


def _reals(value: object, name: str, wanted: str) -> NDArray[Any]:
    """Return `value` as an array of real numbers of its own type."""
    try:
        raw = np.asarray(value)
    except (ValueError, TypeError) as error:
        what = "a ragged list" if isinstance(value, list | tuple) else describe(value)
        raise type(error)(
            f"{name} must be an array of real numbers, {wanted}, got {what}"
        ) from error
    if np.ma.isMaskedArray(value):
        raise TypeError(f"{name} must be an ordinary array, {wanted}, got a masked array")
    if raw.dtype.kind not in "fiu":
        raise TypeError(
            f"{name} must hold real numbers, {wanted}, got dtype {raw.dtype}"
            + ("" if raw.ndim else f": {describe(value)}")
        )
    return raw


def _doubles(raw: NDArray[Any]) -> Array:
    with np.errstate(over="ignore"):  # long doubles become inf, which is refused where it matters
        return np.asarray(raw, dtype=np.float64, order="C")


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
    scalar = _scalar(value)
    if scalar is None:
        raise TypeError(f"{wanted}, got {describe(value)}")
    number = _as_float(scalar)
    inside = (number > low if open_low else number >= low) and (
        number < high if open_high else number <= high
    )
    if math.isnan(number) or not inside or (math.isinf(number) and not infinite):
        raise ValueError(f"{wanted}, got {describe(value)}")
    return number


def _scalar(value: object) -> numbers.Real | None:
    """Return a real number, or one that an array of no dimension holds; None for all else."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not np.ma.isMaskedArray(value):
        value = value.item()
    # a span of time is an integer to NumPy
    if isinstance(value, bool | np.bool_ | np.timedelta64) or not isinstance(value, numbers.Real):
        return None
    return value


def _as_float(value: numbers.Real) -> float:
    """Return a double, or NaN, which is in no range, for what none holds."""
    try:
        return float(value)
    except OverflowError:
        return math.nan


def integer(value: object, name: str, *, low: int | None = 1, high: int | None = None) -> int:
    """Return an integer within bounds; integral floats such as 1e6 are welcome.

    What no 64 bits hold is told of only where it came.
    """
    scalar, number = _scalar(value), None
    if isinstance(scalar, numbers.Integral):
        number = int(scalar)
    elif scalar is not None and _as_float(scalar).is_integer():
        number = int(float(scalar))
    large = number is not None and high is not None and number > high
    bounds = [f"at least {low}"] if low is not None else []
    bounds += [f"at most {high}"] if high is not None and (high < LARGEST or large) else []
    wanted = f"{name} must be an integer{' of ' if bounds else ''}{' and '.join(bounds)}"
    if scalar is None:
        raise TypeError(f"{wanted}, got {describe(value)}")
    if number is None or large or (low is not None and number < low):
        raise ValueError(f"{wanted}, got {describe(value)}")
    return number


def generator(seed: object) -> np.random.Generator:
    """Return the random numbers of an integer, a SeedSequence, a Generator, or None."""
    if seed is None or isinstance(seed, np.random.SeedSequence | np.random.Generator):
        return np.random.default_rng(seed)
    return np.random.default_rng(integer(seed, "seed", low=0))


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


def choice(
    value: object,
    name: str,
    options: Sequence[str],
    elsewhere: Mapping[str, tuple[str, str | None]] | None = None,
) -> str:
    """Return one of the options, with a guess at what was meant otherwise.

    `elsewhere` maps names of other packages, in lower case, to whose they are and what the same
    thing is called here (None: there is no such thing).
    """
    listed = ", ".join(repr(option) for option in options)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {listed}, got {describe(value)}")
    if value not in options:
        told = guess(value.lower(), options)
        if elsewhere is not None and value.lower() in elsewhere:
            owner, here = elsewhere[value.lower()]
            told = f"; {owner} {value} "
            told += f"is {here!r} here" if here is not None else "has no counterpart here"
        raise ValueError(f"{name} must be one of {listed}, got {value!r}{told}")
    return value


def names(values: object, name: str, options: Sequence[str]) -> list[str]:
    """Return some of the options, given one by one."""
    flat = getattr(values, "ndim", 1) == 1  # the others of NumPy, and views of memory
    if isinstance(values, str) or not isinstance(values, Iterable) or not flat:
        raise TypeError(f"{name} must be a sequence of names, got {describe(values)}")
    return [choice(value, name, options) for value in values]


def guess(name: object, known: Iterable[str]) -> str:
    """Return the question what was meant, or nothing where nothing there is like it."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


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
    values = vector(value, name, "T")
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


def of_unit_vectors(overlaps: Array, name: str) -> None:
    """Raise ValueError unless all overlaps lie in [-1, 1], up to rounding."""
    size = np.abs(overlaps)
    if np.max(size, initial=0.0) > 1.0 + UNIT_TOLERANCE:
        raise ValueError(
            f"{name} must be those of unit vectors, in [-1, 1], got "
            f"{overlaps.flat[size.argmax()]:.9g}"
        )


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


def dataset(ds: object) -> None:
    """Raise TypeError unless this is a Dataset."""
    import xarray as xr

    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds must be an xarray.Dataset, got {describe(ds)}")


def of_experiment(ds: xr.Dataset, *names: str) -> None:
    """Raise ValueError unless a Dataset is a result of one of these experiments."""
    dataset(ds)
    got = ds.attrs.get("experiment")
    if got not in names:
        wanted = " or ".join(f"experiments.{name}" for name in names)
        came = f"one of {got!r}" if got else "one of none"
        raise ValueError(f"ds must be a result of {wanted}, got {came}")
