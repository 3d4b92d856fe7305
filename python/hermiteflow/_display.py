"""How objects are shown: one card of labelled values, as text and as HTML. Knows no objects."""

from __future__ import annotations

import html
import math
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ._checks import Array

#: Columns of a terminal; longer lines are wrapped.
WIDTH = 80
#: Terms of a series that are shown.
TERMS = 3

# No colours of our own, so that light and dark notebooks both stay readable.
_CELL = "text-align: left; vertical-align: top; padding: 0.1em 0.8em 0.1em 0; border: 0"
_LABEL = f"{_CELL}; font-weight: normal; opacity: 0.75; white-space: nowrap"
_VALUE = f"{_CELL}; font-variant-numeric: tabular-nums; overflow-wrap: anywhere"


@dataclass(frozen=True)
class Card:
    """What is worth knowing of an object: a title, and labelled values (each one line).

    A `small` card is written like a call, others a row on each line.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    small: bool = False

    @property
    def body(self) -> str:
        """The rows on one line, however long."""
        return ", ".join(f"{label}={value}" for label, value in self.rows)

    @property
    def line(self) -> str:
        """Title and rows on one line, however long."""
        return f"{self.title}({self.body})"

    def text(self) -> str:
        """Return lines of at most `WIDTH` columns."""
        if self.small:
            return _wrap(self.line, len(self.title) + 1)
        pad = max((len(label) for label, _ in self.rows), default=0)
        lines = (_wrap(f"  {label:{pad}}  {value}", pad + 4) for label, value in self.rows)
        return "\n".join([_wrap(self.title, 2), *lines])

    def html(self) -> str:
        """Return a table that stands alone, in the colours of the page around it."""
        rows = "".join(
            f'<tr style="background: none"><th scope="row" style="{_LABEL}">'
            f"{html.escape(label.replace('_', ' '))}</th>"
            f'<td style="{_VALUE}">{html.escape(value)}</td></tr>'
            for label, value in self.rows
        )
        return (
            f'<div style="color: inherit"><strong>{html.escape(self.title)}</strong>'
            f'<table style="color: inherit; border: 0; border-collapse: collapse">{rows}</table>'
            "</div>"
        )


class Shown(ABC):
    """An object with a card: `repr` is its text, notebooks get its HTML."""

    @abstractmethod
    def _card(self) -> Card: ...

    def __repr__(self) -> str:
        return self._card().text()

    def _repr_html_(self) -> str:
        return self._card().html()


def _wrap(line: str, indent: int) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def shorten(name: str, width: int = 24) -> str:
    """Return a name that somebody chose on one line, cut to the width."""
    line = " ".join(name.split())
    return line if len(line) <= width else line[: width - 3] + "..."


def series(coefficients: Iterable[float], term: Callable[[int], str]) -> str:
    """Return the first terms of a series in the functions that `term` names by degree.

    >>> series([0.0, 0.0, 0.0, 1.0, 0.0, -0.2], "h_{}".format)
    'h_3 - 0.2 h_5'
    """
    pairs = [(p, c) for p, c in enumerate(coefficients) if c != 0.0]
    out = ""
    for p, c in pairs[:TERMS]:
        size, name = f"{abs(c):.4g}", term(p)
        shown = name if size == "1" and name else f"{size} {name}".rstrip()
        sign = ("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")
        out += sign + shown
    return (out + (" + ..." if len(pairs) > TERMS else "")) or "0"


def power(degree: int) -> str:
    """Return u^degree in words, as a term of `series`."""
    return ("", "u")[degree] if degree < 2 else f"u^{degree}"


def spread(values: Array) -> str:
    """Return the one value of an array, or its number of values and their range.

    >>> spread(np.array([1.0, 1.0])), spread(np.array([0.5, 2.0]))
    ('1', '2 values in 0.5 .. 2')
    """
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:g}" if low == high else f"{values.size} values in {low:.4g} .. {high:.4g}"


def quantiles(times: Array) -> str:
    """Return median and 5 % to 95 % of times; one that never came (NaN) counts as infinite.

    >>> quantiles(np.array([1.0, 2.0, 3.0, np.nan]))
    'median 2, 5 % to 95 %: 1 .. inf'
    """
    known = np.where(np.isnan(times), math.inf, times)
    # no interpolation: half-way to an infinite time there is nothing
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95], method="inverted_cdf")
    if np.min(known) == np.max(known):
        return f"{middle:.4g}"
    return f"median {middle:.4g}, 5 % to 95 %: {low:.4g} .. {high:.4g}"
