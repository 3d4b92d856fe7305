"""Small problems whose links are known by their Hermite series, and valid arguments for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from references import Array, Series, unit
from strategies import in_any_form

import hermiteflow as hf

Strategy = st.SearchStrategy[Any]

#: Links, and their series.
LINKS: list[tuple[hf.Link, Series]] = [
    (hf.hermite(3), {3: 1.0}),
    (hf.hermite(2), {2: 1.0}),
    (hf.hermite({3: 1.0, 5: 0.2}), {3: 1.0, 5: 0.2}),
    (hf.hermite({1: -0.5, 4: 0.25}), {1: -0.5, 4: 0.25}),
    (hf.polynomial([0.0, 0.0, 0.0, 1.0]), {1: 3.0, 3: 6.0**0.5}),
]
_S = 0.5**0.5
#: Index vectors, and V in R^3.
TARGETS: list[tuple[hf.Targets, Array]] = [
    (hf.Orthonormal(k=1), np.eye(1, 3)),
    (hf.Orthonormal(k=2), np.eye(2, 3)),
    (hf.IndexVectors(np.array([[1.0, 0, 0], [0.6, 0.8, 0]])), np.array([[1.0, 0, 0], [0.6, 0.8,
        0]])),
    (hf.IndexVectors(np.array([[1.0, 0, 0], [0, 1, 0], [_S, _S, 0]])),
     np.array([[1.0, 0, 0], [0, 1, 0], [_S, _S, 0]])),
]  # fmt: skip
D = 3


@dataclass(frozen=True, repr=False)
class Problem:
    """A student, a teacher, and what a reference needs of them."""

    targets: hf.Targets
    V: Array
    link: hf.Link
    teacher: Series
    student_link: hf.Link | None
    student: Series
    layer: Array | None
    b: Array

    def __repr__(self) -> str:
        return (
            f"Problem({self.targets!r}, {self.teacher}, {self.student}, a={self.layer}, b={self.b})"
        )

    @property
    def k(self) -> int:
        return len(self.V)

    def a(self, n: int) -> Array:
        return np.ones(n) if self.layer is None else np.array(self.layer)

    def options(self) -> dict[str, Any]:
        out: dict[str, Any] = {"student": self.student_link, "second_layer": self.layer}
        return {**out, "target_weights": self.b}

    def correlation(self) -> hf.CorrelationFlow:
        return hf.CorrelationFlow(self.targets, self.link, **self.options())

    def squared(self, **options: bool) -> hf.SquaredFlow:
        return hf.SquaredFlow(self.targets, self.link, **self.options(), **options)


@st.composite
def problems(draw: Any, n: int = 2) -> Problem:
    """Problems for n neurons."""
    targets, V = draw(st.sampled_from(TARGETS))
    link, teacher = draw(st.sampled_from(LINKS))
    other, student = draw(st.sampled_from([(None, teacher), *LINKS]))
    layers = [None, np.ones(n), np.linspace(-0.5, 1.5, n)]
    layer = draw(st.sampled_from(layers))
    b = draw(st.sampled_from([np.ones(len(V)), np.linspace(0.5, -1.0, len(V))]))
    return Problem(targets, V, link, teacher, other, student, layer, b)


_entries = (
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.6, 0.8, 5e-324, 1e-310, -1e-300, 1e-20])
    | st.floats(-1.0, 1.0)
)  # fmt: skip


@st.composite
def unit_rows(draw: Any, n: int = 2, d: int = D) -> Array:
    """Rows (n, d) of unit norm, axes and nearly so among them."""
    rows = np.array(draw(st.lists(_entries, min_size=n * d, max_size=n * d))).reshape(n, d)
    size = np.max(np.abs(rows), axis=1)
    rows[size < 1e-3] = np.eye(1, d)
    return unit(rows)


@st.composite
def ball(draw: Any, n: int, k: int) -> Array:
    """Rows (n, k) of norm at most 1, very small ones among them."""
    rows = np.array(draw(st.lists(_entries, min_size=n * k, max_size=n * k))).reshape(n, k)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1.0))


def weights(n: int = 2, d: int = D) -> Strategy:
    return in_any_form(unit_rows(n, d))
