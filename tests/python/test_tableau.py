"""The Runge-Kutta tables of tableau.hpp: order conditions, dense output, measured order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import pytest

from hermiteflow import _core

from .order_conditions import Array, Tree, Weights, density, size, trees

Table = dict[str, Any]
TOLERANCE = 1e-15  # of a defect, in units of its scale; the tables reach 1.4e-16
THETAS = (0.1, 0.35, 0.5, 0.8, 1.0)


@dataclass(frozen=True)
class Spec:
    """What the literature says of a method; ``embedded`` are the orders of b - e and b - e3."""

    name: str
    stages: tuple[int, int]
    order: int
    error_order: int
    embedded: tuple[int, ...]
    dense_order: int
    steps: tuple[int, ...]  # step counts for the measured order: asymptotic, above rounding
    first_step: float  # the same for the errors of one step


SPECS = [
    Spec("rk4", (5, 5), 4, 0, (), 3, (20, 40, 80), 0.025),
    Spec("dopri5", (7, 7), 5, 4, (4,), 4, (32, 64, 128), 0.07),
    Spec("tsit5", (7, 7), 5, 4, (4,), 4, (64, 90, 128), 0.035),
    Spec("dop853", (13, 16), 8, 7, (5, 3), 7, (8, 11, 16), 0.2),
]
every_method = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def load(spec: Spec) -> Table:
    return dict(_core.tableau(spec.name))


def padded(table: Table, w: Array) -> Array:
    return np.concatenate([w, np.zeros(table["dense_stages"] - len(w))])


def embedded_weights(table: Table, spec: Spec) -> list[tuple[str, int, Array]]:
    keys = ("e", "e3")[: len(spec.embedded)]
    return [
        (f"b - {key}", order, table["b"] - padded(table, table[key]))
        for key, order in zip(keys, spec.embedded, strict=True)
    ]


def dense_weights(table: Table, theta: float) -> tuple[Array, Array]:
    """The weights b_i(theta), and the sums of the absolute values of their terms."""
    powers = theta ** np.arange(1, table["dense"].shape[1] + 1)
    return table["dense"] @ powers, np.abs(table["dense"]) @ powers


def dense_slopes(table: Table, theta: float) -> tuple[Array, Array]:
    q = np.arange(table["dense"].shape[1])
    terms = (q + 1) * theta**q
    return table["dense"] @ terms, np.abs(table["dense"]) @ terms


def violations(table: Table, spec: Spec) -> list[str]:
    """Every condition that the table breaks: none for a good one, some after a fault."""
    found: list[str] = []
    a, b, c = table["a"], table["b"], table["c"]
    last = table["stages"] - 1
    phi = Weights(a)

    def close(what: str, error: Array, scale: Array) -> None:
        worst = float(np.max(np.abs(error) / np.maximum(scale, 1.0)))
        if not worst <= TOLERANCE:
            found.append(f"{what}: {worst:.1e}")

    close("upper triangle", np.triu(a), np.zeros_like(a))
    close("row sums", a.sum(axis=1) - c, np.abs(a).sum(axis=1))
    close("last stage is not at the new point", a[last] - b, np.zeros_like(b))
    for order in range(1, spec.order + 1):
        close(f"b, order {order}", *phi.defects(b, order))
    for what, highest, w in embedded_weights(table, spec):
        for order in range(1, highest + 1):
            close(f"{what}, order {order}", *phi.defects(w, order))
    for theta in THETAS:
        w, size_of_w = dense_weights(table, theta)
        for order in range(1, spec.dense_order + 1):
            close(
                f"dense({theta}), order {order}",
                *phi.defects(w, order, theta, size_of_w),
            )
    w, size_of_w = dense_weights(table, 1.0)
    close("dense(1) is not b", w - b, size_of_w)
    for theta, stage in ((0.0, 0), (1.0, last)):
        slope, size_of_slope = dense_slopes(table, theta)
        close(f"dense'({theta}) is not k_{stage}", slope - np.eye(len(b))[stage], size_of_slope)
    return found


def faults(table: Table) -> Iterator[tuple[str, Table]]:
    """The table with one number changed in its sixth digit, for each number in turn.

    What a cheap check would see at once is changed along: the row sum c_i with a_ij, the last row
    of ``a`` with b; the order conditions themselves have to notice.
    """
    for key in ("a", "b", "c", "e", "e3", "dense"):
        if table[key] is None:
            continue
        for index in map(tuple, np.argwhere(table[key])):
            if key == "a" and index[0] == table["stages"] - 1:
                continue  # the same as b
            changed = table | {k: table[k].copy() for k in ("a", "b", "c", key)}
            delta = 1e-6 * table[key][index]
            changed[key][index] += delta
            if key == "a":
                changed["c"][index[0]] += delta
            if key == "b":
                changed["a"][table["stages"] - 1, index[0]] += delta
                changed["c"][table["stages"] - 1] += delta
            yield f"{key}{list(map(int, index))}", changed


def rooted_tree_counts() -> list[int]:
    return [len(set(trees(order))) for order in range(1, 10)]


def test_trees_are_all_there() -> None:
    assert rooted_tree_counts() == [1, 1, 2, 4, 9, 20, 48, 115, 286]  # OEIS A000081
    assert sum(rooted_tree_counts()[:8]) == 200
    for order in range(1, 9):  # Butcher: sum of alpha(t) over the trees is (order - 1)!
        monotone = [factorial(order) // (density(t) * symmetry(t)) for t in trees(order)]
        assert sum(monotone) == factorial(order - 1)
        assert all(size(t) == order for t in trees(order))


def symmetry(tree: Tree) -> int:
    product = 1
    for sub in set(tree):
        product *= symmetry(sub) ** tree.count(sub) * factorial(tree.count(sub))
    return product


@every_method
def test_shapes_and_orders(spec: Spec) -> None:
    table = load(spec)
    stages, dense_stages = spec.stages
    assert (table["stages"], table["dense_stages"]) == spec.stages
    assert (table["order"], table["error_order"]) == (spec.order, spec.error_order)
    assert table["a"].shape == (dense_stages, dense_stages)
    assert table["b"].shape == table["c"].shape == (dense_stages,)
    assert table["e"].shape == (stages,)
    assert (table["e3"] is None) == (len(spec.embedded) < 2)
    assert table["dense"].shape == (dense_stages, spec.dense_order)
    assert np.any(table["e"]) == bool(spec.embedded)
    assert not table["b"][stages - 1 :].any()  # explicit: y1 does not use its own derivative


@every_method
def test_order_conditions(spec: Spec) -> None:
    assert violations(load(spec), spec) == []


@every_method
def test_orders_are_not_higher(spec: Spec) -> None:
    """One order more must fail clearly, or the checks above could not fail either."""
    table = load(spec)
    phi = Weights(table["a"])
    weights = [("b", spec.order, table["b"]), *embedded_weights(table, spec)]
    for what, order, w in weights:
        assert np.max(phi.defects(w, order + 1)[0]) > 1e-6, what
    middle = dense_weights(table, 0.5)[0]
    assert np.max(phi.defects(middle, spec.dense_order + 1, 0.5)[0]) > 1e-6


@every_method
def test_a_fault_in_the_sixth_digit_is_rejected(spec: Spec) -> None:
    table = load(spec)
    unnoticed = [where for where, changed in faults(table) if not violations(changed, spec)]
    assert unnoticed == []


# A plane system that is nonlinear and depends on time: in polar coordinates
# r' = r (1 - r^2) / 2, phi' = 3 + 1.5 cos t, so 1 / r(t)^2 = 1 + (1 / r0^2 - 1) exp(-t) and
# phi(t) = phi0 + 3 t + 1.5 sin t. The turning keeps the error in its asymptotic range: tsit5's
# error term of order 5 is so small that it looks like order 6 on slower problems.
R0, PHI0, T_END = 0.3, 0.3, 1.0


def field(t: float, y: Array) -> Array:
    growth, turn = 0.5 * (1.0 - y @ y), 3.0 + 1.5 * np.cos(t)
    return np.array([growth * y[0] - turn * y[1], growth * y[1] + turn * y[0]])


def solution(t: float) -> Array:
    r = (1.0 + (R0**-2 - 1.0) * np.exp(-t)) ** -0.5
    phi = PHI0 + 3.0 * t + 1.5 * np.sin(t)
    return np.array([r * np.cos(phi), r * np.sin(phi)])


def stage_slopes(table: Table, t: float, y: Array, h: float) -> Array:
    k = np.zeros((table["dense_stages"], len(y)))
    for i in range(len(k)):
        k[i] = field(t + table["c"][i] * h, y + h * table["a"][i] @ k)
    return k


def end_error(table: Table, steps: int) -> float:
    h, y = T_END / steps, solution(0.0)
    for n in range(steps):
        y = y + h * table["b"] @ stage_slopes(table, n * h, y, h)
    return float(np.linalg.norm(y - solution(T_END)))


def local_errors(table: Table, h: float) -> tuple[float, float]:
    """After one step: the largest error of the dense output, and the error estimate."""
    y = solution(0.0)
    k = stage_slopes(table, 0.0, y, h)
    dense = max(
        np.linalg.norm(y + h * dense_weights(table, theta)[0] @ k - solution(theta * h))
        for theta in np.linspace(0.05, 0.95, 19)
    )
    estimate = h * np.linalg.norm(table["e"] @ k[: table["stages"]])
    if table["e3"] is not None:
        second = h * np.linalg.norm(table["e3"] @ k[: table["stages"]])
        estimate = estimate**2 / np.sqrt(estimate**2 + 0.01 * second**2)
    return float(dense), float(estimate)


def slope(hs: list[float], errors: list[float]) -> float:
    return float(np.polyfit(np.log(hs), np.log(errors), 1)[0])


@every_method
def test_measured_order(spec: Spec) -> None:
    table = load(spec)
    hs = [T_END / n for n in spec.steps]
    assert slope(hs, [end_error(table, n) for n in spec.steps]) == pytest.approx(
        spec.order, abs=0.2
    )


@every_method
def test_measured_order_of_dense_output_and_estimate(spec: Spec) -> None:
    table = load(spec)
    hs = [spec.first_step * 2 ** (-n / 2) for n in range(4)]
    dense, estimate = zip(*(local_errors(table, h) for h in hs), strict=True)
    assert slope(hs, list(dense)) == pytest.approx(spec.dense_order + 1, abs=0.2)
    if spec.embedded:
        assert slope(hs, list(estimate)) == pytest.approx(spec.error_order + 1, abs=0.2)


@every_method
def test_a_fault_shows_in_the_measured_order(spec: Spec) -> None:
    table = load(spec)
    table["c"] = table["c"].copy()
    table["c"][table["stages"] - 3] *= 1.01
    hs = [T_END / n for n in spec.steps]
    assert slope(hs, [end_error(table, n) for n in spec.steps]) < spec.order - 0.5
