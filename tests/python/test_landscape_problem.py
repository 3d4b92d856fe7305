"""What the landscape takes from a flow: psi with its factors, k and beta; and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow.landscape import _problem as problems
from hermiteflow.landscape._naming import FIRST, LAST, in_order, orbit_names
from hermiteflow.landscape._problem import Problem

LINK = hf.hermite({3: 1.0, 4: 2.0})


def test_slope_parity_and_roots() -> None:
    one = Problem(np.array([7.0, 0.5, 0.0, 2.0, 3.0]), 5, 0.19)
    assert one.slope.tolist() == [0.5, 0.0, 6.0, 12.0]
    assert not one.even
    assert Problem(np.array([7.0, 0.0, 1.0, 0.0, 3.0]), 5, 0.1).even
    assert not Problem(np.array([7.0, 0.0, 1.0, 1e-9]), 5, 0.1).even
    assert one.roots == pytest.approx((0.9, math.sqrt(1.76)), rel=1e-15)


@pytest.mark.parametrize("a", [None, -2.0])
def test_factors_are_those_of_the_layers(a: float | None) -> None:
    """psi = b a (u^3 + 4 u^4)."""
    flow = hf.CorrelationFlow(
        hf.Equiangular(k=3, beta=0.2), LINK, second_layer=a, target_weights=[0.5] * 3
    )
    found = problems.problem_of(flow)
    factor = 0.5 * (1.0 if a is None else a)
    np.testing.assert_allclose(found.psi, [0.0, 0.0, 0.0, factor, 4.0 * factor], rtol=1e-14)
    assert (found.k, found.beta) == (3, 0.2)
    assert problems.coupling(flow) == (1.0 if a is None else a)
    orthonormal = problems.problem_of(hf.CorrelationFlow(hf.Orthonormal(k=3), LINK))
    assert (orthonormal.k, orthonormal.beta) == (3, 0.0)
    assert problems.problem_of(hf.CorrelationFlow(hf.Equiangular(k=1, beta=0.2), LINK)).beta == 0.0
    two = problems.problem_of(hf.CorrelationFlow(hf.Equiangular(k=2, beta=0.2), LINK))
    assert two.beta == 0.2


def test_an_interaction_of_a_link_with_itself() -> None:
    psi = hf.Interaction(LINK, student=hf.hermite(3))
    assert problems.interaction_of(psi) is psi
    assert problems.interaction_of(LINK) == hf.Interaction(LINK)
    with pytest.raises(TypeError, match="link must be a Link or an Interaction, got 'h3'"):
        problems.interaction_of("h3")  # type: ignore[arg-type]
    np.testing.assert_allclose(problems.series_of(psi), [0.0, 0.0, 0.0, 1.0], atol=1e-15)


def test_series_that_are_not_complete() -> None:
    """1e-13 of the largest coefficient of psi'."""
    with pytest.raises(ValueError, match="got psi' = 0: every point is fixed"):
        problems.series_of(hf.Interaction(hf.hermite(3), student=hf.hermite(4)))
    with pytest.raises(ValueError, match="psi' = 0"):
        problems.series_of(hf.Interaction(hf.hermite({0: 2.0, 3: 1.0}), hf.hermite(0)))
    relu = hf.Interaction(hf.link("relu"))
    with pytest.raises(ValueError, match="complete to 1e-13, got one with no end; find_fixed"):
        problems.series_of(relu)
    assert not problems.is_complete(relu)
    assert problems.is_complete(hf.Interaction(LINK))
    kink = hf.Interaction(hf.link(np.abs))
    with pytest.raises(ValueError, match=r"complete to 1e-13, got one that leaves out up to \d"):
        problems.series_of(kink)
    assert not problems.is_complete(kink)

    class Known:
        """Two coefficients, 5 u and 2 u^3, and a tail."""

        coefficients = np.array([100.0, 5.0, 0.0, -2.0])
        singular = False

        def __init__(self, tail: float) -> None:
            self.tail = tail

    for share, known in ((0.9, True), (1.1, False)):
        assert problems.is_complete(Known(share * 6e-13)) == known  # type: ignore[arg-type]


def test_flows_that_have_no_list() -> None:
    def refused(words: str, flow: hf.CorrelationFlow) -> None:
        with pytest.raises(ValueError, match=words):
            problems.problem_of(flow)

    targets = hf.Orthonormal(k=2)
    general = hf.IndexVectors(gram=[[1.0, 0.3], [0.3, 1.0]])
    refused("orthonormal or equiangular .*IndexVectors", hf.CorrelationFlow(general, LINK))
    refused(
        "equal target_weights .*got weights from 1 to 2",
        hf.CorrelationFlow(targets, LINK, target_weights=[2.0, 1.0]),
    )
    refused(
        "one second_layer for all neurons, got values from 1 to 2",
        hf.CorrelationFlow(targets, LINK, second_layer=[2.0, 1.0]),
    )
    refused(
        "non-zero weights, got 0",
        hf.CorrelationFlow(targets, LINK, target_weights=[0.0, 0.0]),
    )
    refused("non-zero weights", hf.CorrelationFlow(targets, LINK, second_layer=0.0))
    with pytest.raises(TypeError, match="flow must be a CorrelationFlow"):
        problems.problem_of(LINK)  # type: ignore[arg-type]


# ------------------------------------------------------------------ names of ends


def test_names_in_order() -> None:
    assert in_order(["3 + 1", "failed", "1 - 1", "3 + 1"]) == [
        "average", "index-like", "1 - 1", "3 + 1", "never escapes", "failed",
    ]  # fmt: skip
    assert in_order([]) == [*FIRST, *LAST]


def test_overlaps_are_equal_within_a_share_of_the_largest() -> None:
    """1e-4 of it, in differences, in size of both signs, and beside 0."""
    for scale in (0.5, 1e-3):
        points = scale * np.array(
            [
                [1.0, 0.5, 0.5 + 0.9e-4], [1.0, 0.5, 0.5 + 1.1e-4],
                [1.0, 0.2, -0.9e-4], [1.0, 0.2, -1.1e-4],
                [-1.0, 0.3, 1.0 - 0.9e-4], [-1.0, 0.3, 1.0 - 1.1e-4],
            ]
        )  # fmt: skip
        assert orbit_names(points, False).tolist() == [
            "index-like", "1 + 1 + 1", "1 + 1 + 1", "1 + 1 - 1", "1 + 1 - 1", "minus 1 - 1 - 1",
        ]  # fmt: skip
    # w and -w of an even psi have one name, whichever has the larger overlap by rounding
    both = np.array([[0.5, 0.5, 0.2, -0.5], [0.5, -0.2, -0.5, -0.5]])
    assert len(set(orbit_names(both, True).tolist())) == 1
    assert orbit_names(both, True)[0] == "2 + 1 - 1"
    assert orbit_names(both, False).tolist() == ["2 + 1 - 1", "1 - 1 - 2"]
    one = np.array([[0.7, -0.7], [1.0, 0.0]])
    assert orbit_names(one, True).tolist() == ["1 - 1", "index-like"]
    assert orbit_names(np.array([[0.3]]), True).tolist() == ["average"]
