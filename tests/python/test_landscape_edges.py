"""Lists of fixed points where rounding decides, and where a continuum shrinks to points."""

from __future__ import annotations

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow.landscape._equations import CentralForm


def flow(k: int, beta: float, link: hf.Link) -> hf.CorrelationFlow:
    return hf.CorrelationFlow(hf.Equiangular(k=k, beta=beta), link)


@pytest.mark.parametrize("off", [1e-12, 1e-13, -1e-13, 1e-14])
def test_what_rounding_may_have_lost_is_an_error(off: float) -> None:
    with pytest.raises(ArithmeticError, match="away from bifurcations"):
        hf.fixed_points(flow(10, 1 / 11 + off, hf.hermite(3)))


def test_proved_zeros_are_listed_or_belong_to_another_system() -> None:
    near = hf.fixed_points(flow(10, 1 / 11 - 1e-9, hf.hermite(3)))
    assert near.total == 2046
    assert all(s.proved == s.found for s in near.systems)
    at = hf.fixed_points(flow(10, 1 / 11, hf.hermite(3)))
    assert sum(s.proved for s in at.systems) > sum(s.found for s in at.systems)


def test_two_index_vectors_and_degree_2_have_no_continuum() -> None:
    """+-(v_1 - v_2): the circle has four fixed points, saddles between minima."""
    points = hf.fixed_points(flow(2, 0.5, hf.hermite(2)))
    assert points.total == 4
    assert sorted(points.kind) == ["minimum", "saddle"]
    assert points[1].overlaps.tolist() == pytest.approx([0.5, -0.5], abs=1e-15)
    assert sum(o.count * (-1) ** o.morse_index for o in points) == 0
    assert len(points.degenerate_sets) == 1


def test_a_zero_on_the_edge_of_two_charts_is_listed_once() -> None:
    """psi = u^3 + u^4, groups of 2 and 8: x + y = -3/4 and 2 x^2 + 8 y^2 = 1, so that
    10 y^2 + 3 y + 1/8 = 0; at y = -1/4 both coordinates of w are -1/sqrt(2).
    """
    points = hf.fixed_points(flow(10, 0.0, hf.hermite({3: 1.0, 4: 1.0})))
    found = [
        dict(zip(o.multiplicities, o.values, strict=True))
        for o in points
        if sorted(o.multiplicities) == [2, 8] and 0.0 not in o.values
    ]
    assert sorted(u[8] for u in found) == pytest.approx([-0.25, -0.05], abs=1e-14)
    assert sorted(u[2] for u in found) == pytest.approx([-0.7, -0.5], abs=1e-14)
    assert all(s.proved == s.found for s in points.systems)


def test_settled_points_join_those_of_their_own_system() -> None:
    """Unless they are there already; one nearby, or the same of another system, is another."""
    form = CentralForm((0.0, 0.0, 3.0, 4.0), 10)
    parts = np.array([[2, 8], [8, 2]])
    rows, values = np.array([0]), np.array([[-0.5, -0.25]])
    extra = [
        (0, np.array([-0.5, -0.25 + 1e-12])),
        (0, np.array([-0.7, -0.05])),
        (0, np.array([-0.7, -0.05])),
        (1, np.array([-0.5, -0.25])),
        (1, np.array([-0.5, -0.5])),  # one overlap, not two
    ]
    whole, points = form._with(rows, values, extra, parts)
    assert whole.tolist() == [0, 0, 1]
    assert points.tolist() == [[-0.5, -0.25], [-0.7, -0.05], [-0.5, -0.25]]
    with pytest.raises(ArithmeticError, match=r"multiplicities \[8 2\].* differ by 1\.0e-12 only"):
        form._admit(np.array([0, 1]), np.array([[-0.7, -0.05], [-0.5, -0.5 + 1e-12]]), parts)
