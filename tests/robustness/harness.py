"""One call of a public function with drawn arguments: what it may do, and what it may not.

A call with valid arguments has to answer, and the answer has to pass the case's check. With one
argument replaced by anything at all it may raise what the case allows, in one line that names the
argument. Every other exception, a warning among them, and any write to an argument is a failure.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ledger
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import anything, shown

import hermiteflow as hf

Strategy = st.SearchStrategy[Any]
Check = Callable[..., None]


def unchecked(answer: object, **arguments: object) -> None:
    """For calls that return nothing and may only refuse."""
    assert answer is None


@dataclass(frozen=True)
class Case:
    """A public function under arbitrary arguments.

    Parameters
    ----------
    name : str
        The public name, such as "CorrelationFlow.field".
    call : callable
        Takes the arguments by name.
    arguments : mapping of str to strategy
        Valid values of each, or a function of those drawn before; together they must be valid too.
    check : callable
        Takes the answer and the arguments, and asserts that the answer is right.
    spoilt : mapping of str to strategy
        What replaces an argument; `anything()` by default. None for one that stays valid.
    says : mapping of str to str
        What an error calls an argument (a regular expression); its name by default.
    allowed : tuple of exception types
        Documented exceptions.
    refuses : str
        Regular expression of refusals that valid arguments may meet as well.
    share : float
        Examples, as a share of the profile's.
    """

    name: str
    call: Callable[..., Any]
    arguments: Mapping[str, Strategy | Callable[[Mapping[str, Any]], Strategy]]
    check: Check
    spoilt: Mapping[str, Strategy | None] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[type[Exception], ...] = (ValueError, TypeError)
    refuses: str = ""
    share: float = 1.0

    def __str__(self) -> str:
        return self.name


def run(case: Case, data: st.DataObject, count: Callable[[str], None] | None = None) -> None:
    """Draw arguments, call, and judge."""
    arguments: dict[str, Any] = {}
    for name, values in case.arguments.items():
        drawn = values(arguments) if callable(values) else values
        arguments[name] = data.draw(drawn, label=name)
    names = [name for name in arguments if case.spoilt.get(name, anything()) is not None]
    choices = [None] * len(names) + 2 * names or [None]
    bad = data.draw(st.sampled_from(choices), label="bad")
    if bad is not None:
        arguments[bad] = data.draw(case.spoilt.get(bad, anything()), label=f"bad {bad}")
    judge(case, arguments, bad, count or (lambda what: ledger.COUNTS.update([(case.name, what)])))


def judge(
    case: Case, arguments: dict[str, Any], bad: str | None, count: Callable[[str], None]
) -> None:
    """Call, and assert that it did what it may."""
    before = {name: _image(value) for name, value in arguments.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", hf.SolveWarning)  # documented, as is the next
            warnings.filterwarnings("ignore", ".* that are (the same|opposite) within 1e-12")
            answer = case.call(**arguments)
    except case.allowed as error:
        count("errors")
        _judge_error(case, error, arguments, bad)
    else:
        count("answers")
        case.check(answer, **arguments)
    for name, image in before.items():
        assert _image(arguments[name]) == image, f"{case.name} wrote to {name}"


def _judge_error(
    case: Case, error: Exception, arguments: Mapping[str, Any], bad: str | None
) -> None:
    text = str(error)
    assert text, f"{case.name} raised {type(error).__name__} without a word"
    assert "\n" not in text, f"{case.name} raised more than one line: {text!r}"
    if case.refuses and re.search(case.refuses, text):
        return
    given = ", ".join(f"{name}={shown(value)}" for name, value in arguments.items())
    assert bad is not None, f"{case.name} refused valid arguments {given}: {text}"
    word = case.says.get(bad, rf"\b{re.escape(bad)}\b")
    assert re.search(word, text), f"{case.name} did not name {bad}={shown(arguments[bad])}: {text}"


def _image(value: object) -> object:
    """What an array held; other arguments cannot be written to, or are not compared."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return (value.shape, value.dtype.str, np.asarray(value).tobytes())
    return None


def runs_of(cases: list[Case]) -> Callable[..., None]:
    """Return one test for each case."""

    @pytest.mark.parametrize("case", cases, ids=str)
    def test_case(case: Case) -> None:
        most = max(3, round(settings.default.max_examples * case.share))  # type: ignore[union-attr]
        slow = [HealthCheck.too_slow, HealthCheck.data_too_large]  # a case may integrate a flow

        @settings(max_examples=most, suppress_health_check=slow)
        @given(st.data())
        def drawn(data: st.DataObject) -> None:
            run(case, data)

        drawn()

    return test_case
