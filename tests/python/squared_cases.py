"""Pairs of links for the tests of the squared loss, all with closed forms at any norm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from averages import plane_nodes, squared_loss
from oracles import Array, hermite_value, unit_rows
from scipy import special

import hermiteflow as hf

Function = Callable[[Array], Array]


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def erf(x: Array) -> Array:
    return np.asarray(special.erf(x / math.sqrt(2)))


def series(pairs: dict[int, float]) -> Function:
    return lambda x: np.asarray(sum(c * hermite_value(p, x) for p, c in pairs.items()))


@dataclass
class Case:
    """A pair of links, as links and as functions of NumPy alone; a, b; three neurons, k = 2."""

    teacher: hf.Link
    student: hf.Link | None
    t: Function
    s: Function
    a: Array
    b: Array
    smooth: bool = True

    def flow(self, V: Array, **options: bool) -> hf.SquaredFlow:
        return hf.SquaredFlow(
            hf.IndexVectors(V), self.teacher, student=self.student,
            second_layer=self.a, target_weights=self.b, **options,
        )  # fmt: skip


ONES, A, B = np.ones(3), np.array([1.2, -0.7, 0.5]), np.array([0.8, -1.1])
MIX = {0: 0.3, 1: -0.4, 2: 0.5, 3: 0.6, 4: -0.2}
CASES = {
    "h3": Case(hf.hermite(3), None, series({3: 1.0}), series({3: 1.0}), ONES, np.ones(2)),
    "h4 + h2": Case(
        hf.hermite({2: 0.5, 4: 1.0}), hf.hermite({2: -0.8, 3: 0.7, 4: 0.4}),
        series({2: 0.5, 4: 1.0}), series({2: -0.8, 3: 0.7, 4: 0.4}), A, B,
    ),
    "erf": Case(hf.link("erf"), None, erf, erf, A, B),
    "relu, erf": Case(hf.link("erf"), hf.link("relu"), erf, relu, A, B, smooth=False),
    "relu": Case(hf.link("relu"), None, relu, relu, A, B, smooth=False),
    "mixed": Case(hf.hermite(MIX), hf.polynomial([0.1, 0.5, -0.3, 0.4]), series(MIX),
                  lambda x: 0.1 + 0.5 * x - 0.3 * x**2 + 0.4 * x**3, A, B),
    "erf, sign": Case(hf.link("sign"), hf.link("erf"), np.sign, erf, A, B, smooth=False),
}  # fmt: skip
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
W2, V2 = unit_rows(3, 2, 21), unit_rows(2, 2, 22)
W6, V6 = unit_rows(3, 6, 23), unit_rows(2, 6, 24)
SCALES = np.array([0.6, 1.3, 0.9])[:, None]


def close(first: object, second: object, atol: float, rtol: float = 0.0) -> None:
    np.testing.assert_allclose(first, second, rtol=rtol, atol=atol)


def in_the_plane(case: Case, V: Array = V2) -> Callable[..., float]:
    """(W, a) -> E[(f - f*)^2] / 2 in R^2, cut along the kinks."""

    def loss(W: Array, a: Array = case.a) -> float:
        rule = plane_nodes(np.concatenate([W, V]))
        return squared_loss(rule, W, V, a, case.b, case.s, case.t)

    return loss


def of_weights(dW: Array, W: Array, V: Array) -> tuple[Array, Array]:
    return dW @ V.T, dW @ W.T + W @ dW.T
