"""What lies beyond the series of each function by name, against quadrature of its derivative."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.polynomial import legendre
from oracles import Array, Function

import hermiteflow as hf
from hermiteflow._activations import MAX_DEGREE, NAMES, Activation, _completed, _Recipe, named


def half_line(panel: float = 1 / 32, reach: float = 20.0) -> tuple[Array, Array]:
    """Points x > 0 and weights of the Gaussian: a singular point at 0 is the edge of a panel."""
    nodes, weights = legendre.leggauss(12)
    x = (np.arange(0.0, reach, panel)[:, None] + 0.5 * panel * (1.0 + nodes)).ravel()
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return x, density * np.tile(0.5 * panel * weights, x.size // nodes.size)


X, WEIGHTS = half_line()


def energies(slope: Function) -> Array:
    """E sigma'(X)^2 from the even and from the odd degrees of sigma."""
    there, mirrored = slope(X), slope(-X)
    halves = 0.5 * (there - mirrored), 0.5 * (there + mirrored)  # sigma' of an even sigma is odd
    return np.array([2.0 * float(WEIGHTS @ half**2) for half in halves])


def jumps(function: Function) -> bool:
    """Whether the energy of a difference quotient grows like 1 over its step."""
    sizes = []
    for h in (2.0**-7, 2.0**-11):
        x, weights = half_line(panel=2.0**-11, reach=1.0)
        sizes.append(float(weights @ ((function(x + h) - function(x - h)) / h) ** 2))
    return sizes[1] > 4.0 * sizes[0]


def check_tail(part: Activation) -> None:
    """Series and what lies beyond make up E sigma'^2; a function that jumps has no end of it."""
    assert part.function is not None
    if jumps(part.function):
        assert math.inf in part.beyond
        return
    assert part.slope is not None
    degrees = np.arange(len(part.series))
    terms = degrees * part.coefficients**2
    exact = energies(part.slope)
    told = np.array([terms[::2].sum(), terms[1::2].sum()]) + part.beyond
    np.testing.assert_allclose(told, exact, rtol=0, atol=1e-13 * exact.sum())


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_beyond_each_series_is_right(name: str) -> None:
    part = named(name)
    check_tail(part)
    if math.inf in part.beyond:
        with pytest.raises(AssertionError):
            check_tail(replace(part, beyond=(0.0, 0.0)))
        return
    for parity in range(2):
        wrong = list(part.beyond)
        wrong[parity] += 1e-10 * float(energies(part.slope or np.sign).sum())
        with pytest.raises(AssertionError):
            check_tail(replace(part, beyond=(wrong[0], wrong[1])))


def test_a_relu_without_its_tail_is_found() -> None:
    relu = named("relu")
    for wrong in ((0.0, 0.0), relu.beyond[::-1], (2.0 * relu.beyond[0], 0.0)):
        with pytest.raises(AssertionError):
            check_tail(replace(relu, beyond=wrong))


# ------------------------------------------------------------------ a function whose series goes on


def softsign(x: Array) -> Array:
    return np.asarray(x / (1.0 + np.abs(x)))


def softsign_slope(x: Array) -> Array:
    return np.asarray((1.0 + np.abs(x)) ** -2)


def softsign_series() -> Array:
    """E[sigma h_p], p odd, on panels whose edges meet the singular point."""
    half = np.exp(-0.25 * X * X)  # of the density, which h_p alone would overflow
    weighted, out = WEIGHTS / half * softsign(X), np.zeros(MAX_DEGREE + 1)
    before, here = np.zeros_like(X), half
    for p in range(1, MAX_DEGREE + 1):
        before, here = here, (X * here - math.sqrt(p - 1) * before) / math.sqrt(p)
        out[p] = 2.0 * float(weighted @ here) if p % 2 else 0.0
    return out


SOFTSIGN = _Recipe(softsign, softsign_slope, softsign_series)


def test_a_series_that_goes_on_needs_its_energy() -> None:
    with pytest.raises(ValueError, match=r"recipe of 'softsign' must have its energy.* degree 639"):
        _completed("softsign", SOFTSIGN)
    energy = energies(softsign_slope)
    assert energy[0] == 0.0
    for low in ((0.0, 0.9 * energy[1]), (energy[1], 0.0)):
        with pytest.raises(ValueError, match=r"'softsign' must have an energy.* at least"):
            _completed("softsign", replace(SOFTSIGN, energy=low))
    right = _completed("softsign", replace(SOFTSIGN, energy=(0.0, float(energy[1]))))
    check_tail(right)
    assert right.beyond[0] == 0.0 < right.beyond[1]
    with pytest.raises(AssertionError):  # too much, which no look at the series can tell
        check_tail(_completed("softsign", replace(SOFTSIGN, energy=(0.0, 1.01 * energy[1]))))


def test_the_tail_of_such_a_function_bounds_what_is_left_out() -> None:
    """psi'(1) = E sigma'^2, of which the series has all but the tail."""
    energy = (0.0, float(energies(softsign_slope)[1]))
    part = _completed("softsign", replace(SOFTSIGN, energy=energy))
    link = hf.Link((0.0,), ((part, 1.0),), "softsign")
    psi = hf.Interaction(link)
    error = energy[1] - float(psi.derivative(1.0))
    assert 0.9 * psi.tail < error < 1.1 * psi.tail
    flow, m0 = hf.CorrelationFlow(hf.Orthonormal(k=2), link), [[0.2, 0.1]]
    with pytest.raises(ValueError, match="a series of psi' that reaches the tolerance 1e-08"):
        hf.solve(flow, overlaps=m0)
    assert hf.solve(flow, overlaps=m0, rtol=1e-2).success
    unheeded = replace(part, beyond=(0.0, 0.0))  # so it was taken before
    taken = hf.Link((0.0,), ((unheeded, 1.0),), "softsign")
    assert hf.solve(hf.CorrelationFlow(hf.Orthonormal(k=2), taken), overlaps=m0).success
