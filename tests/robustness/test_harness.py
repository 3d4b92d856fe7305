"""Functions with planted faults, each of which the harness must reject."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Case, judge, run
from hypothesis import given, settings
from hypothesis import strategies as st
from references import Array, close, doubles
from strategies import LAYOUTS, TWISTS, arrays

from hermiteflow import _checks


def _right(x: Any) -> Array:
    return 2.0 * _checks.array(x, "x", ("n",))


def _wrong_digit(x: Any) -> Array:
    return _right(x) * (1.0 + 1e-6)


def _transposed(x: Any) -> Array:
    return _right(x)[::-1]


def _other_exception(x: Any) -> Array:
    if len(x) > 1:
        raise KeyError("x must have one entry")
    return _right(x)


def _unnamed(x: Any) -> Array:
    raise ValueError("must be an array of real numbers")


def _two_lines(x: Any) -> Array:
    raise ValueError("x must be good,\ngot bad")


def _silent(x: Any) -> Array:
    raise ValueError("")


def _warns(x: Any) -> Array:
    warnings.warn("x is odd", RuntimeWarning, stacklevel=2)
    return _right(x)


def _writes(x: Any) -> Array:
    out = _right(x)
    x[0] = 7.0
    return out


def _case(function: Callable[..., Any]) -> Case:
    values = st.just(np.array([1.0, 2.5]))
    return Case(
        "planted", function, {"x": values}, lambda answer, x: close(answer, 2.0 * doubles(x))
    )


GOOD = np.array([1.0, 2.5])
FAULTS: list[tuple[Callable[..., Any], Any, str | None, type[BaseException]]] = [
    (_wrong_digit, GOOD, None, AssertionError),
    (_transposed, GOOD, None, AssertionError),
    (_other_exception, GOOD, None, KeyError),
    (_other_exception, GOOD, "x", KeyError),
    (_unnamed, "bad", "x", AssertionError),
    (_two_lines, "bad", "x", AssertionError),
    (_silent, "bad", "x", AssertionError),
    (_warns, GOOD, None, RuntimeWarning),
    (_writes, GOOD, None, AssertionError),
    (_unnamed, GOOD, None, AssertionError),  # valid arguments refused
]


@pytest.mark.parametrize(("function", "x", "bad", "error"), FAULTS)
def test_planted_faults_are_rejected(
    function: Callable[..., Any], x: Any, bad: str | None, error: type[BaseException]
) -> None:
    counted: list[str] = []
    with pytest.raises(error):
        judge(_case(function), {"x": x.copy() if bad is None else x}, bad, counted.append)


def test_answers_and_errors_are_counted() -> None:
    counted: list[str] = []
    judge(_case(_right), {"x": GOOD.copy()}, None, counted.append)
    judge(_case(_right), {"x": "bad"}, "x", counted.append)
    assert counted == ["answers", "errors"]


@settings(max_examples=20)
@given(st.data())
def test_a_right_function_passes(data: st.DataObject) -> None:
    run(_case(_right), data, lambda what: None)


def test_layouts_hold_the_same_values() -> None:
    values = np.array([[0.25, -1.0, 3.0], [0.0, 5e-324, 1e300]])
    for name, change in LAYOUTS.items():
        assert np.array_equal(doubles(change(values)), values), name
    assert {"masked", "ragged"} <= set(TWISTS)


def test_strategies_reach_what_they_promise() -> None:
    """Each dtype kind, number of dimensions and layout turns up."""
    kinds: set[str] = set()
    dimensions: set[int] = set()
    flags: set[str] = set()

    @settings(max_examples=2000, derandomize=True)
    @given(arrays())
    def look(value: Any) -> None:
        if isinstance(value, np.ndarray):
            kinds.add(value.dtype.kind)
            dimensions.add(value.ndim)
            flags.add("read-only" if not value.flags.writeable else "writeable")
            flags.add("native" if value.dtype.isnative else "swapped")
            flags.add("negative" if any(s < 0 for s in value.strides) else "positive")
            flags.add("aligned" if value.flags.aligned else "unaligned")
            flags.add("empty" if value.size == 0 else "full")
        flags.add(type(value).__name__)

    look()
    assert kinds >= set("biufcOSUMmV")
    assert dimensions >= {0, 1, 2, 3, 4}
    assert flags >= {
        "read-only", "swapped", "negative", "unaligned", "empty", "list", "tuple", "matrix",
        "MaskedArray", "memmap", "Subclass", "DataArray", "Wrapped",
    }  # fmt: skip
