"""Lists of fixed points where rounding decides, and where a continuum shrinks to points."""

from __future__ import annotations

import pytest

import hermiteflow as hf


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
