"""Links made from Python functions: what they may be, kinks and jumps, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from oracles import Array

import hermiteflow as hf


@pytest.mark.parametrize(
    ("function", "parities"),
    [
        (np.sign, (False, True)),
        (lambda x: 1.0 * (x > 0.0), (False, True)),
        (lambda x: np.abs(np.floor(np.abs(x))), (True, False)),
        (np.floor, (False, True)),  # x - 1/2 and an odd function
        (lambda x: np.where(x > 0.5, 1.0, 0.0), (True, True)),
        (np.abs, (False, False)),
        (lambda x: np.clip(x, -1.0, 1.0), (False, False)),
    ],
)
def test_a_jump_has_infinite_energy(
    function: Callable[[Array], Array], parities: tuple[bool, bool]
) -> None:
    """Sigma' has a delta there, which no quadrature of sigma sees."""
    part = hf.link(function).parts[0][0]
    assert tuple(np.isinf(part.beyond)) == parities
    if any(parities):
        flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.link(function).without(1))
        with pytest.raises(ValueError, match="a series of psi' that reaches the tolerance"):
            hf.solve(flow, overlaps=[[0.1, 0.2]])
        with pytest.raises(ValueError, match="complete to 1e-13"):
            hf.fixed_points(flow)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.exp(x * x),
        lambda x: np.exp(0.49 * x * x),
        lambda x: np.exp(30.0 * x),
        lambda x: np.exp(x**3),
    ],
)
def test_a_norm_that_is_not_found_is_an_error(function: Callable[[Array], Array]) -> None:
    with pytest.raises(ValueError, match=r"function must have a finite E sigma\(X\)\^2"):
        hf.link(function)


def test_what_a_callable_returns_is_checked() -> None:
    for function, words in (
        (lambda x: 1.0, r"shape \(\) and dtype float64"),
        (lambda x: x[:, 0], r"shape \(512,\)"),
        (lambda x: 1j * x, "dtype complex128"),
        (lambda x: x.astype(str), "dtype <U"),
    ):
        with pytest.raises(ValueError, match=f"function must be vectorised and real.*{words}"):
            hf.link(function)
    assert hf.link(lambda x: x > 0.0).coefficients(0)[0] == pytest.approx(0.5, rel=1e-14)
    assert hf.link(np.float32).information_exponent == 1
    # a norm is not found where the values still grow: at the end of the panels
    with pytest.raises(ValueError, match=r"finite E sigma.* near \|x\| = 32$"):
        hf.link(lambda x: np.exp(0.49 * x * x))


@pytest.mark.parametrize("function", [math.tanh, lambda x: x if x > 0 else 0])
def test_a_function_of_one_number_must_be_vectorised(function: Callable[[Array], Array]) -> None:
    """What NumPy raises in it is told along with the way out, which works."""
    words = (
        r"function must be vectorised and real: for shape \(512, 16\) it raised (Type|Value)Error"
    )
    with pytest.raises(ValueError, match=rf"{words} .*np.vectorize\(function, otypes=\[float\]\)"):
        hf.link(function)
    same = np.tanh if function is math.tanh else lambda x: np.maximum(x, 0.0)
    made = hf.link(np.vectorize(function, otypes=[float]))
    np.testing.assert_allclose(made.series, hf.link(same).series, rtol=0, atol=1e-15)
    with pytest.raises(KeyError):  # an error of the function's own
        hf.link(lambda x: {}[1])


def shifted_relu(b: float) -> Array:
    """E[max(X - b, 0) h_p] = h_(p - 2)(b) phi(b) / sqrt(p (p - 1)) for p >= 2."""
    density = math.exp(-0.5 * b * b) / math.sqrt(2.0 * math.pi)
    beyond = 0.5 * math.erfc(b / math.sqrt(2.0))
    out, before, here = [density - b * beyond, beyond], 0.0, 1.0
    for p in range(2, 100 + 1):
        out.append(density * here / math.sqrt(p * (p - 1)))
        before, here = here, (b * here - math.sqrt(p - 2) * before) / math.sqrt(p - 1)
    return np.array(out)


@pytest.mark.parametrize("eighths", [-29, -3, 1, 2, 5, 16])
def test_a_kink_may_lie_on_any_multiple_of_an_eighth(eighths: int) -> None:
    b = eighths / 8
    found = hf.link(lambda x: np.maximum(x - b, 0.0)).coefficients(100)
    np.testing.assert_allclose(found, shifted_relu(b), rtol=0, atol=1e-14)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, shifted_relu(b + 1e-9), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.maximum(x - 0.3, 0.0),
        lambda x: np.maximum(x - 1 / 16, 0.0),
        lambda x: 1.0 * (x > 0.3),
        lambda x: np.tanh(300.0 * x),
    ],
)
def test_a_kink_elsewhere_is_refused_with_the_rule(function: Callable[[Array], Array]) -> None:
    with pytest.raises(ValueError, match=r"smooth between multiples of 1/8, .* shift a kink onto"):
        hf.link(function)


@pytest.mark.parametrize("function", [np.ones_like, lambda x: np.cos(x) ** 2 + np.sin(x) ** 2])
def test_a_constant_callable_is_told_to_be_one(function: Callable[[Array], Array]) -> None:
    link, targets = hf.link(function), hf.Orthonormal(k=2)
    assert link.information_exponent == math.inf
    with pytest.raises(ValueError, match="link must not be constant, got h_0 within rounding"):
        hf.solve(hf.CorrelationFlow(targets, link), overlaps=[[0.2, 0.1]])
    M, Q = hf.random_order_parameters(targets, n=2, d=100, seed=0)
    with pytest.raises(ValueError, match="link must not be constant, got h_0 within rounding"):
        hf.solve(hf.SquaredFlow(targets, link), overlaps=M, student_overlaps=Q, t_end=1.0)
