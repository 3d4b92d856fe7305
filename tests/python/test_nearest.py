"""The nearest index vector of a start, against the flow and the closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf

LINKS = {
    "h3": hf.hermite(3),
    "h4": hf.hermite(4),
    "h3 + h5": hf.hermite({3: 1.0, 5: 1.0}),
    "h4 + h6": hf.hermite({4: 1.0, 6: 1.0}),
    "tanh": hf.link("tanh").without(1),
    "relu": hf.link("relu").without(1, 2),  # even: its only odd degree is 1
}
ODD = ("h3", "h3 + h5", "tanh")


def reached(flow: hf.CorrelationFlow, starts: np.ndarray) -> np.ndarray:
    sol = hf.solve(flow, overlaps=starts)
    assert sol.success
    return sol.index


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("k", [3, 10, 50])
def test_the_flow_ends_at_the_nearest(name: str, k: int) -> None:
    targets = hf.Orthonormal(k=k)
    flow = hf.CorrelationFlow(targets, LINKS[name])
    starts = hf.random_overlaps(targets, n=3000, d=10**6, seed=k)
    ends = reached(flow, starts)
    np.testing.assert_array_equal(hf.nearest_index(flow, starts), ends)
    # In the words of the paper, and the twin: the rule of the other parity is told apart.
    largest, either = starts.argmax(axis=1), np.abs(starts).argmax(axis=1)
    right, wrong = (largest, either) if name in ODD else (either, largest)
    assert np.all((right == ends) | (ends < 0))
    assert np.mean(wrong != ends) > 0.3


def limits(p: int, c: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Ends by the closed form (7)."""
    out = []
    for m0 in starts:
        end = np.abs(hf.exact.orthonormal(p, c, m0, math.inf))
        out.append(int(end.argmax()) if end.max() > 0.5 else -1)
    return np.array(out)


@pytest.mark.parametrize("p", [3, 4, 5])
@pytest.mark.parametrize("a", [1.0, -0.3])
def test_weights_count_as_in_the_closed_form(p: int, a: float) -> None:
    k = 4
    weights = np.array([1.3, -0.7, 0.9, -2.0])
    targets = hf.Orthonormal(k=k)
    flow = hf.CorrelationFlow(targets, hf.hermite(p), second_layer=a, target_weights=weights)
    starts = hf.random_overlaps(targets, n=400, d=1000, seed=p)
    exact = limits(p, a * weights, starts)
    np.testing.assert_array_equal(hf.nearest_index(flow, starts), exact)
    np.testing.assert_array_equal(reached(flow, starts), exact)
    # The twins: weights of 1 in size, or of 1.
    for other in (np.sign(weights), np.ones(k)):
        wrong = hf.CorrelationFlow(targets, hf.hermite(p), second_layer=a, target_weights=other)
        assert np.mean(hf.nearest_index(wrong, starts) != exact) > 0.04


def test_each_neuron_has_a_second_layer_of_its_own() -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3), second_layer=[1.0, -1.0, 0.0])
    starts = np.tile([0.1, -0.2], (3, 1))
    assert hf.nearest_index(flow, starts).tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("link", "start", "nearest"),
    [
        (hf.hermite(3), [0.0, 0.0, -0.1], -1),
        (hf.hermite(3), [0.2, 0.2, 0.1], 0),  # a tie: the first
        (hf.hermite(2), [0.1, -0.2, 0.0], 1),  # every rate is the same: the largest in size
        (hf.hermite({2: 1.0, 4: 0.1}), [1e-9, -2e-9, 0.0], 1),  # ... up to rounding
        (hf.hermite(60), [1e-9, 1.5e-9, 1.4e-9], 1),  # psi' underflows
        (hf.hermite(61), [-0.3, 1e-9, 1.4e-9], 2),
        (hf.hermite({4: 1.0, 5: 1.0}), [0.1, -0.3, 0.2], 2),  # psi'(-4/5) = 0 is in the way
        (hf.hermite({4: 1.0, 5: 0.3}), [0.1, -0.3, 0.2], 1),  # no such zero
        (hf.hermite({3: 1.0, 4: 1.0}), [0.01, -0.7, 0.02], 2),  # psi'(-3/4) = 0
        (hf.hermite({3: 1.0, 4: 1.0}), [0.01, -0.8, 0.02], 1),  # beyond it
        (hf.link(np.cos), [0.1, -0.3, 0.2], 1),
        (hf.link("relu").without(1), [0.1, -0.3, 0.2], 1),
    ],
)
def test_nearest_by_hand(link: hf.Link, start: list[float], nearest: int) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), link)
    found = hf.nearest_index(flow, [start])
    assert found.tolist() == [nearest]
    assert found.dtype == np.int64


def product(coefficients: dict[int, float]) -> hf.CorrelationFlow:
    """The flow of psi = sum_p c_p u^p over three orthonormal index vectors."""
    teacher = hf.hermite({p: math.sqrt(abs(c)) for p, c in coefficients.items()})
    student = hf.hermite({p: math.copysign(math.sqrt(abs(c)), c) for p, c in coefficients.items()})
    return hf.CorrelationFlow(hf.Orthonormal(k=3), teacher, student=student)


@pytest.mark.parametrize(
    ("coefficients", "start", "nearest"),
    [
        # psi' = u^2 ((u - 0.4)^2 + 0.09): zeros with an imaginary part are in nobody's way
        ({3: 0.25 / 3, 4: -0.2, 5: 0.2}, [0.1, 0.3, 0.35], 2),
        # psi' = u^3 (u + 1.5): nor is one beyond -1
        ({4: 0.375, 5: 0.2}, [0.1, -0.3, 0.2], 1),
        # psi' = u^3 (u + 0.9): one at -0.9 is
        ({4: 0.225, 5: 0.2}, [0.1, -0.3, 0.2], 2),
        # psi' = u^2 (3 - 4 u), whose zero is 3/4: beyond it the pull is downwards
        ({3: -1.0, 4: 1.0}, [0.6, -0.05, -0.02], 1),
        ({3: -1.0, 4: 1.0}, [0.74, -0.05, -0.02], 1),
        ({3: -1.0, 4: 1.0}, [0.9, -0.05, -0.02], 0),
        # psi' = u^2 (u - 0.7)(u - 0.75), and u^3 (u^2 - 0.7^2)(u^2 - 0.75^2)
        ({3: 0.175, 4: -0.3625, 5: 0.2}, [0.6, 0.1, 0.02], -1),
        ({3: 0.175, 4: -0.3625, 5: 0.2}, [0.76, 0.1, 0.02], 0),
        ({4: 0.275625 / 4, 6: -1.0525 / 6, 8: 0.125}, [0.6, -0.1, 0.02], -1),
        ({4: 0.275625 / 4, 6: -1.0525 / 6, 8: 0.125}, [0.6, -0.76, 0.02], 1),
        # even and odd psi: psi' = u^3 (u^2 - 1/2) and u^2 (u^2 - 1/2)
        ({4: -0.125, 6: 1.0 / 6.0}, [0.71, 0.6, 0.1], 0),
        ({4: -0.125, 6: 1.0 / 6.0}, [0.70, 0.6, 0.1], -1),
        ({3: -1.0 / 6.0, 5: 0.2}, [0.71, 0.6, 0.1], 0),
        ({3: -1.0 / 6.0, 5: 0.2}, [0.70, 0.6, 0.1], -1),
    ],
)
def test_zeros_on_the_way_to_1(
    coefficients: dict[int, float], start: list[float], nearest: int
) -> None:
    flow = product(coefficients)
    psi = np.polynomial.Polynomial([coefficients.get(p, 0.0) for p in range(9)])
    u = np.linspace(-1.0, 1.0, 11)
    np.testing.assert_allclose(flow.interaction.derivative(u), psi.deriv()(u), atol=1e-14)
    assert hf.nearest_index(flow, [start]).tolist() == [nearest]


def test_a_zero_of_a_closed_form_is_located() -> None:
    """psi' = (asin u - u)/(2 pi) - s u, with s such that it vanishes at 0.19503."""
    base, zero = hf.link("relu").without(1, 2), 0.19503
    s = (math.asin(zero) / zero - 1.0) / (2.0 * math.pi)
    bend = math.sqrt(0.5 * s) * hf.hermite(2)
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), base - bend, student=base + bend)
    starts = [[0.1, -0.1, zero - 1e-8], [0.1, -0.1, zero + 1e-8]]
    assert hf.nearest_index(flow, starts).tolist() == [-1, 2]


def test_a_zero_of_a_closed_form_is_in_the_way() -> None:
    """psi' = (asin u - u)/(2 pi) - s u, with s such that it vanishes at 0.195."""
    base = hf.link("relu").without(1, 2)
    s = (math.asin(0.195) / 0.195 - 1.0) / (2.0 * math.pi)
    bend = math.sqrt(0.5 * s) * hf.hermite(2)
    flow = hf.CorrelationFlow(hf.Orthonormal(k=3), base - bend, student=base + bend)
    np.testing.assert_allclose(flow.interaction.derivative([0.195, -0.195]), 0.0, atol=1e-16)
    starts = [[0.1, -0.1, 0.194], [0.1, -0.1, 0.196], [0.3, -0.31, 0.2], [0.3, 0.194, -0.194]]
    assert hf.nearest_index(flow, starts).tolist() == [-1, 2, 1, 0]


def test_where_no_promise_is_made_most_neurons_still_end_there() -> None:
    """Mixed degrees of both parities, the lowest even: neither of the paper's rules holds."""
    targets = hf.Orthonormal(k=5)
    flow = hf.CorrelationFlow(targets, hf.hermite({4: 1.0, 5: 0.5}))
    starts = hf.random_overlaps(targets, n=3000, d=100, seed=1)
    ends = reached(flow, starts)
    right = np.mean(hf.nearest_index(flow, starts) == ends)
    assert 0.97 < right < 1.0
    assert np.mean(starts.argmax(axis=1) == ends) < 0.7
    assert np.mean(np.abs(starts).argmax(axis=1) == ends) < right


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"flow": "h3"}, TypeError, "flow must be a CorrelationFlow"),
        ({"m0": [[0.1, 0.2, 0.3]]}, ValueError, r"m0 must have shape \(n, 2\), got \(1, 3\)"),
        ({"m0": [[0.1, -1.2]]}, ValueError, r"in \[-1, 1\], got -1.2"),
        ({"m0": [[0.1, math.nan]]}, ValueError, "m0 must be finite"),
        ({"m0": [[0.9, 0.9]]}, ValueError, "got a projection on span"),
        (
            {"flow": hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite({1: 0.5, 3: 1.0}))},
            ValueError,
            r"got psi'\(0\) = 0.25",
        ),
    ],
)
def test_bad_starts(change: dict[str, Any], error: type[Exception], words: str) -> None:
    flow = hf.CorrelationFlow(hf.Orthonormal(k=2), hf.hermite(3))
    with pytest.raises(error, match=words):
        hf.nearest_index(**{"flow": flow, "m0": [[0.1, 0.2]], **change})
