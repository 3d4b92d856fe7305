"""Checks of arguments at their very bounds: what just passes, what just does not, and the words."""

from __future__ import annotations

import math
import threading
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hermiteflow import _checks


def refused(call: Any, error: type[Exception], words: str) -> None:
    """The whole message is these words."""
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == words


def test_the_largest_integer_is_that_of_64_bits() -> None:
    assert np.iinfo(np.int64).max == _checks.LARGEST
    assert _checks.UNIT_TOLERANCE == 1e-6


def test_descriptions_are_one_short_line() -> None:
    assert _checks.describe(np.zeros((2, 3))) == "an array of shape (2, 3) and dtype float64"
    assert _checks.describe("a\n b") == r"'a\n b' (str)"
    assert _checks.describe("x" * 58) == f"'{'x' * 58}' (str)"  # 60 characters
    assert _checks.describe("x" * 59) == f"'{'x' * 56}... (str)"


def test_arrays() -> None:
    values = np.arange(6.0).reshape(2, 3)
    assert _checks.array(values, "M", ("n", 3)) is values
    assert _checks.array([[1, 2]], "M", ("n", "k")).dtype == np.float64
    assert _checks.array(values.T, "M", (3, "k")).flags.c_contiguous
    assert math.isnan(_checks.array([math.nan], "M", ("n",), finite=False)[0])
    for value, error, words in (
        (
            [[1.0], [1.0, 2.0]],
            ValueError,
            "must be an array of real numbers, shape (n, 3), got a ragged list",
        ),
        (
            np.ma.array([[1.0]]),
            TypeError,
            "must be an ordinary array, shape (n, 3), got a masked array",
        ),
        ([[True]], TypeError, "must hold real numbers, shape (n, 3), got dtype bool"),
        ("w", TypeError, "must hold real numbers, shape (n, 3), got dtype <U1: 'w' (str)"),
        (values[0], ValueError, "must have shape (n, 3), got (3,)"),
        (values.T, ValueError, "must have shape (n, 3), got (3, 2)"),
        (np.zeros((0, 3)), ValueError, "must have shape (n, 3) and not be empty, got (0, 3)"),
        ([[0.0, 1.0, math.inf]], ValueError, "must be finite, got inf at (0, 2)"),
    ):
        refused(lambda v=value: _checks.array(v, "M", ("n", 3)), error, f"M {words}")
    refused(lambda: _checks.array(1.0, "t", ("T",)), ValueError, "t must have shape (T,), got ()")


def test_reals() -> None:
    assert _checks.real(np.array(2), "x", low=2.0, high=3.0) == 2.0
    assert _checks.real(Fraction(3), "x", low=2.0, high=3.0) == 3.0
    assert _checks.real(math.inf, "x", infinite=True) == math.inf
    opened = {"low": 2.0, "high": 3.0, "open_low": True, "open_high": True}
    assert _checks.real(math.nextafter(2.0, 3.0), "x", **opened) > 2.0
    assert _checks.real(math.nextafter(3.0, 2.0), "x", **opened) < 3.0
    for value, options, interval in (
        (2.0, {"low": 2.0, "open_low": True}, "(2, inf)"),
        (1.9, {"low": 2.0, "infinite": True}, "[2, inf]"),
        (3.0, {"high": 3.0, "open_high": True}, "(-inf, 3)"),
        (3.1, {"high": 3.0, "infinite": True}, "(-inf, 3]"),
        (math.nan, {"infinite": True}, "(-inf, inf]"),
        (math.inf, {}, "(-inf, inf)"),
    ):
        words = f"x must be a number in {interval}, got {value!r} (float)"
        refused(lambda v=value, o=options: _checks.real(v, "x", **o), ValueError, words)
    for value in (True, np.True_, "1", 1j, None, np.array([1.0])):
        with pytest.raises(TypeError, match=r"^x must be a number in \(-inf, inf\), got "):
            _checks.real(value, "x")


def test_integers() -> None:
    assert _checks.integer(1, "n") == 1
    assert _checks.integer(1e6, "n", high=10**6) == 10**6
    assert _checks.integer(np.array(4), "n", low=4, high=4) == 4
    assert type(_checks.integer(np.float64(2.0), "n")) is int
    assert _checks.integer(10**30 + 1, "n") == 10**30 + 1
    for value, options, words in (
        (0, {}, "of at least 1, got 0 (int)"),
        (1.5, {}, "of at least 1, got 1.5 (float)"),
        (math.inf, {}, "of at least 1, got inf (float)"),
        (6, {"low": 2, "high": 5}, "of at least 2 and at most 5, got 6 (int)"),
        (1, {"low": 2, "high": 5}, "of at least 2 and at most 5, got 1 (int)"),
    ):
        call = lambda v=value, o=options: _checks.integer(v, "n", **o)  # noqa: E731
        refused(call, ValueError, f"n must be an integer {words}")
    for value in (True, np.True_, "1", None, np.array([1])):
        with pytest.raises(TypeError, match=r"^n must be an integer of at least 1, got "):
            _checks.integer(value, "n")


def test_flags_and_progress() -> None:
    assert _checks.flag(np.True_, "f") is True
    assert _checks.flag(False, "f") is False
    refused(lambda: _checks.flag(1, "f"), TypeError, "f must be True or False, got 1 (int)")
    for value in (True, np.False_, print):
        _checks.reporting(value)
        _checks.reporting(value, none=True)
    _checks.reporting(None, none=True)
    words = "progress must be True or False, {}, got {} ({})"
    refused(
        lambda: _checks.reporting(None), TypeError, words.format("or a callable", None, "NoneType")
    )
    refused(
        lambda: _checks.reporting(1, none=True),
        TypeError,
        words.format("a callable or None", 1, "int"),
    )


def test_tolerances() -> None:
    assert _checks.tolerance(1e-14) == 1e-14
    assert _checks.tolerance(0.1) == 0.1
    refused(lambda: _checks.tolerance(9e-15), ValueError, "rtol must be at least 1e-14, got 9e-15")
    for value in (0.0, 0.11):
        with pytest.raises(ValueError, match=r"^rtol must be a number in \(0, 0.1\]"):
            _checks.tolerance(value)


def test_choices() -> None:
    assert _checks.choice("rk4", "method", ("rk4", "tsit5")) == "rk4"
    listed = "method must be one of 'rk4', 'tsit5', got "
    for value, error, words in (
        (4, TypeError, "4 (int)"),
        ("RK4", ValueError, "'RK4'; did you mean 'rk4'?"),
        ("tsit6", ValueError, "'tsit6'; did you mean 'tsit5'?"),
        ("ts", ValueError, "'ts'; did you mean 'tsit5'?"),
        ("t", ValueError, "'t'"),
    ):
        call = lambda v=value: _checks.choice(v, "method", ("rk4", "tsit5"))  # noqa: E731
        refused(call, error, listed + words)


def test_unit_rows() -> None:
    rows = np.array([[0.6, 0.8], [1.0 + 0.9e-6, 0.0]])
    found, norms = _checks.unit_rows(rows, "W", ("n", 2))
    assert found is rows
    np.testing.assert_allclose(norms, [1.0, 1.0 + 0.9e-6], rtol=1e-15)
    for size in (1.0 + 1.1e-6, 1.0 - 1.1e-6):
        refused(
            lambda s=size: _checks.unit_rows([[1.0, 0.0], [s, 0.0]], "W", ("n", 2)),
            ValueError,
            f"W must have rows of unit norm (within 1e-06), got norm {size:.9g} in row 1",
        )
    refused(
        lambda: _checks.unit_rows([[1.0, math.nan]], "W", ("n", 2)),
        ValueError,
        "W must be finite, got nan at (0, 1)",
    )
    with pytest.raises(ValueError, match=r"got norm inf in row 0"):  # finite, but no squares are
        _checks.unit_rows([[1e200, 1.0]], "W", ("n", 2))


def test_ascending() -> None:
    np.testing.assert_array_equal(_checks.ascending(2.0, "t", low=2.0), [2.0])
    refused(
        lambda: _checks.ascending([1.9], "t", low=2.0), ValueError, "t must be at least 2, got 1.9"
    )
    refused(
        lambda: _checks.ascending([0.0, 1.0, 3.0, 2.5, 2.5], "t", low=0.0),
        ValueError,
        "t must be strictly increasing, got 3 before 2.5",
    )
    with pytest.raises(ValueError, match=r"got 3 before 3$"):
        _checks.ascending([1.0, 3.0, 3.0], "t", low=0.0)


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERMITEFLOW_NUM_THREADS", "3")
    assert _checks.threads(None) == 3
    assert _checks.threads(4096) == 4096
    with pytest.raises(
        ValueError, match="n_threads must be an integer of at least 1 and at most 4096"
    ):
        _checks.threads(4097)
    beside: list[int] = []
    with _checks.default_threads(1):
        assert (_checks.threads(None), _checks.threads(2)) == (1, 2)
        other = threading.Thread(target=lambda: beside.append(_checks.threads(None)))
        other.start()
        other.join()
    assert (beside, _checks.threads(None)) == ([3], 3)
    monkeypatch.setenv("HERMITEFLOW_NUM_THREADS", "1")
    assert _checks.threads(None) == 1
    for text in ("0", "two", "-1"):
        monkeypatch.setenv("HERMITEFLOW_NUM_THREADS", text)
        words = f"HERMITEFLOW_NUM_THREADS must be a positive integer, got {text!r}"
        refused(lambda: _checks.threads(None), ValueError, words)
    monkeypatch.setenv("HERMITEFLOW_NUM_THREADS", "")
    assert _checks.threads(None) == 0


def test_modules_views_and_contents() -> None:
    _checks.modules("it", ("math", "json"))
    words = "it needs no_such_a, no_such_b: pip install 'hermiteflow[sweeps]'"
    names = ("math", "no_such_a", "no_such_b")
    refused(lambda: _checks.modules("it", names, "sweeps"), ImportError, words)
    values = np.zeros(2)
    view = _checks.frozen(values)
    assert view.base is values
    assert not view.flags.writeable
    assert values.flags.writeable
    assert _checks.content((values, 3)) == _checks.content((values.copy(), 3))
    assert _checks.content((values,)) != _checks.content((values.reshape(1, 2),))
    assert _checks.content((values,)) != _checks.content((values + 1e-300,))
    assert hash(_checks.content((values, None)))
