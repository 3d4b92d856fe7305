"""Links and interactions under arbitrary arguments."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from harness import Case, runs_of
from hypothesis import strategies as st
from problems import LINKS
from references import Array, Series, close, doubles, hermite_sum, psi_of, relu_psi
from strategies import ODD, anything, in_any_form

import hermiteflow as hf

Strategy = st.SearchStrategy[Any]
PAIRS = st.sampled_from(LINKS)
#: Points in the bulk and far out, where a polynomial overflows.
POINTS = st.lists(
    st.floats(-8.0, 8.0) | st.sampled_from([0.0, -0.0, 1e-310, 1e150, -1e200, 1e300]), min_size=1,
    max_size=6,
).map(np.array)  # fmt: skip
UNIT = st.lists(
    st.floats(-1.0, 1.0) | st.sampled_from([1.0, -1.0, 0.0, 5e-324]), min_size=1, max_size=6
).map(np.array)
REAL = in_any_form(POINTS | POINTS.map(lambda x: np.resize(x, (2, 2))) | POINTS.map(lambda x: x[0]))
FINITE = st.floats(-1e6, 1e6) | st.sampled_from([1, Fraction(1, 3), np.float32(0.1), 5e-324, 1e150])


def _series_of(given: Any) -> Series:
    return {int(given): 1.0} if not isinstance(given, dict) else given


def check_values(order: int) -> Any:
    """Values of a link against numpy.polynomial; where those overflow, only the sign is known."""

    def check(answer: Array, pair: tuple[hf.Link, Series], x: Any) -> None:
        points = doubles(x)
        with np.errstate(all="ignore"):
            wanted = hermite_sum(pair[1], points, order)
        assert answer.shape == points.shape
        assert answer.dtype == np.float64
        known = np.isfinite(wanted)
        size = hermite_sum({p: abs(c) for p, c in pair[1].items()}, np.abs(points[known]), order)
        assert np.all(np.abs(answer[known] - wanted[known]) <= 1e-12 * (np.abs(size) + 10.0))
        assert np.array_equal(np.isnan(answer), np.isnan(points))
        far = ~known & ~np.isnan(points)
        lead = max(p for p in pair[1] if p >= order)
        sign = np.sign(pair[1][lead]) * np.sign(points[far]) ** (lead - order)
        assert np.array_equal(answer[far], sign * math.inf)

    return check


def check_named(answer: tuple[Array, Array], name: str, x: Any) -> None:
    """Values and slopes of functions by name, by math."""
    points = doubles(x)
    functions: dict[str, Any] = {
        "relu": lambda v: max(v, 0.0), "tanh": math.tanh, "erf": lambda v: math.erf(v / 2**0.5),
        "cos": math.cos, "sin": math.sin, "sign": lambda v: float(np.sign(v)),
        "exp": lambda v: math.inf if v > 709.7 else math.exp(v),
        "sigmoid": lambda v: 0.5 + 0.5 * math.tanh(0.5 * v),
        "softplus": lambda v: max(v, 0.0) + math.log1p(math.exp(-abs(v))),
        "gelu": lambda v: 0.5 * v * math.erfc(-v / 2**0.5) if v > -40.0 else 0.0,
        "silu": lambda v: v / (1.0 + math.exp(-v)) if v > -700.0 else 0.0,
    }  # fmt: skip
    wanted = [functions[name](v) if math.isfinite(v) else math.nan for v in points.ravel().tolist()]
    values = np.array(wanted).reshape(points.shape)
    known = np.isfinite(points)
    np.testing.assert_allclose(answer[0][known], values[known], rtol=1e-12, atol=1e-14)
    assert answer[0].shape == answer[1].shape == points.shape
    assert not np.isnan(answer[1][known]).any()


def _named(name: str, x: Any) -> tuple[Array, Array]:
    link = hf.link(name)
    return link(x), (hf.link("tanh") if name == "sign" else link).derivative(x)


def check_hermite(answer: hf.Link, coefficients: Any) -> None:
    series = dict(coefficients) if isinstance(coefficients, dict) else {int(coefficients): 1.0}
    degree = int(max(series))
    wanted = np.zeros(degree + 1)
    for p, c in series.items():
        wanted[int(p)] = float(c)
    assert np.array_equal(answer.coefficients(degree), wanted)


def check_polynomial(answer: hf.Link, coefficients: Any) -> None:
    monomials = doubles(coefficients)
    if np.max(np.abs(monomials)) > 1e150 or monomials.size > 12:
        return
    x = np.linspace(-2.0, 2.0, 5)
    close(answer(x), np.polynomial.polynomial.polyval(x, monomials), atol=1e-11)


def check_coefficients(answer: Array, pair: tuple[hf.Link, Series], degree: Any) -> None:
    wanted = np.zeros(int(degree) + 1)
    for p, c in pair[1].items():
        if p < wanted.size:
            wanted[p] = c
    close(answer, wanted, atol=1e-15)


def check_without(answer: hf.Link, pair: tuple[hf.Link, Series], degree: Any) -> None:
    left = {p: c for p, c in pair[1].items() if p != int(degree)} or {0: 0.0}
    x = np.linspace(-2.0, 2.0, 5)
    close(answer(x), hermite_sum(left, x))


def check_link(answer: hf.Link, function: Any) -> None:
    assert isinstance(answer, hf.Link)
    if isinstance(function, str):
        assert answer.name == str(function)
    elif callable(function) and not isinstance(function, hf.Link):
        close(answer(np.array([0.3, -1.2])), np.asarray(function(np.array([0.3, -1.2])), float))


def check_sum(answer: hf.Link, first: Any, second: Any, factor: Any) -> None:
    x = np.linspace(-2.0, 2.0, 5)
    with np.errstate(all="ignore"):
        wanted = hermite_sum(first[1], x) - float(factor) * hermite_sum(second[1], x)
    if np.isfinite(wanted).all():
        close(answer(x), wanted)


def check_psi(answer: Array, pair: Any, other: Any, u: Any, order: Any = 1) -> None:
    points = np.clip(doubles(u), -1.0, 1.0)
    close(answer, psi_of(other[1], pair[1], int(order))(points), atol=1e-13)


def check_relu(answer: Array, u: Any, order: Any) -> None:
    points = np.clip(doubles(u), -1.0, 1.0)
    if int(order) <= 2:
        wanted = relu_psi(points, int(order))
        ends = (np.abs(points) > 1.0 - 1e-6) & (int(order) == 2)
        close(np.where(ends, 0.0, answer), np.where(ends, 0.0, wanted), rtol=1e-9)
    assert answer.shape == points.shape


def check_reach(answer: Array, pair: Any, u: Any) -> None:
    points = np.clip(doubles(u), -1.0, 1.0)
    assert answer.shape == points.shape
    assert np.array_equal(np.isnan(answer), np.isnan(points))
    here = ~np.isnan(points)
    slope = np.abs(psi_of(pair[1], pair[1], 1)(points[here]))
    assert np.all(answer[here] >= slope * (1.0 - 1e-12))


def check_interaction(answer: hf.Interaction, link: Any, student: Any) -> None:
    assert answer.student == (link if student is None else student)


def _callables() -> Strategy:
    return st.sampled_from([
        np.sin, np.cos, lambda x: x**3, lambda x: 1.0, lambda x: None, lambda x: x + 1j,
        lambda x: x[0], lambda x: np.full_like(x, np.nan), lambda x: np.exp(x * x), np.sign,
        lambda x: x.astype("f4"), lambda x: x > 0, lambda x: [str(v) for v in x],
    ])  # fmt: skip


ORDERS = st.sampled_from([0, 1, 2, 3, 2.0, np.int8(1)])
DEGREES = st.sampled_from([0, 1, 2, 3, 5, 9, 3.0, np.uint8(4), np.array(2)])
NAMES = ["relu", "erf", "tanh", "sigmoid", "softplus", "gelu", "silu", "sign", "cos", "sin", "exp"]
LINK = st.sampled_from([link for link, _ in LINKS])
SERIES = st.dictionaries(st.integers(0, 9), FINITE, min_size=1)
#: Mappings with odd keys or odd values.
ODD_SERIES = st.dictionaries(
    st.sampled_from([0, 3, 2.0, -1, 0.5, "3", None, True, 1j, 10**400, 10_001, 1e300]), anything()
)
INSIDE = in_any_form(UNIT | UNIT.map(lambda u: u[0]) | UNIT.map(lambda u: np.resize(u, (2, 3, 1))))
#: Libraries of arrays decide by themselves what a sum with one of their own is.
OPERANDS = st.sampled_from([x for x in ODD if not isinstance(x, hf.Link)]) | POINTS


def _psi(pair: Any, other: Any) -> hf.Interaction:
    return hf.Interaction(pair[0], other[0])


CASES = [
    Case("Link.__call__", lambda pair, x: pair[0](x), {"pair": PAIRS, "x": REAL}, check_values(0),
         spoilt={"pair": None}),
    Case("Link.derivative", lambda pair, x: pair[0].derivative(x), {"pair": PAIRS, "x": REAL},
         check_values(1), spoilt={"pair": None}),
    Case("Link.__call__", _named, {"name": st.sampled_from(NAMES), "x": REAL}, check_named,
         spoilt={"name": None}),
    Case("hermite", hf.hermite,
         {"coefficients": st.integers(0, 20) | SERIES}, check_hermite,
         spoilt={"coefficients": anything() | ODD_SERIES}),
    Case("polynomial", hf.polynomial, {"coefficients": in_any_form(UNIT)}, check_polynomial),
    Case("link", hf.link, {"function": st.sampled_from([*NAMES, np.sin, hf.hermite(3)])},
         check_link, spoilt={"function": anything() | _callables()},
         says={"function": "function|0-dimensional"}),  # what int itself says
    Case("Link", hf.Link, {"polynomial": in_any_form(UNIT)},
         lambda answer, polynomial: close(answer.polynomial, doubles(polynomial))),
    Case("Link.coefficients", lambda pair, degree: pair[0].coefficients(degree),
         {"pair": PAIRS, "degree": DEGREES}, check_coefficients,
         spoilt={"pair": None, "degree": anything(large=False)}),
    Case("Link.without", lambda pair, degree: pair[0].without(degree),
         {"pair": PAIRS, "degree": DEGREES}, check_without, spoilt={"pair": None},
         says={"degree": "degrees"}),
    Case("Link.significant", lambda pair: pair[0].significant(), {"pair": PAIRS},
         lambda answer, pair: close(answer, pair[0].coefficients(pair[0].degree)),
         spoilt={"pair": None}, share=0.1),
    Case("Link.kept", lambda pair: pair[0].kept(), {"pair": PAIRS},
         lambda answer, pair: close(answer, pair[0].coefficients(pair[0].degree)),
         spoilt={"pair": None}, share=0.1),
    Case("Link.__sub__", lambda first, second, factor: first[0] - second[0] * factor,
         {"first": PAIRS, "second": PAIRS, "factor": st.floats(-2.0, 2.0)}, check_sum,
         spoilt={"first": None, "second": None, "factor": OPERANDS},
         says={"factor": "factor|unsupported|Link"}),
    Case("Link.__add__", lambda first, other: first[0] + other, {"first": PAIRS, "other": LINK},
         lambda answer, first, other: close(answer(0.7), first[0](0.7) + other(0.7)),
         spoilt={"first": None, "other": OPERANDS}, says={"other": "unsupported|concatenate|Link"}),
    Case("Interaction", hf.Interaction, {"link": LINK, "student": LINK | st.none()},
         check_interaction, share=0.5),
    Case("Interaction.__call__", lambda pair, other, u: _psi(pair, other)(u),
         {"pair": PAIRS, "other": PAIRS, "u": INSIDE},
         lambda answer, pair, other, u: check_psi(answer, pair, other, u, 0),
         spoilt={"pair": None, "other": None}),
    Case("Interaction.derivative", lambda pair, other, u, order: _psi(pair, other).derivative(u,
        order),
         {"pair": PAIRS, "other": PAIRS, "u": INSIDE, "order": ORDERS}, check_psi,
         spoilt={"pair": None, "other": None}),
    Case("Interaction.derivative", lambda u, order: hf.Interaction(hf.link("relu")).derivative(u,
        order),
         {"u": INSIDE, "order": ORDERS}, check_relu, spoilt={"order": anything(large=False)}),
    Case("Interaction.reach", lambda pair, u: _psi(pair, pair).reach(u), {"pair": PAIRS,
        "u": INSIDE},
         check_reach, spoilt={"pair": None}),
]  # fmt: skip


test_case = runs_of(CASES)
