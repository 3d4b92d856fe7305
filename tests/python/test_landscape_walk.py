"""Curves that meet their own mirror image, and where a curve is begun."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hermiteflow.landscape._atlas import Atlas
from hermiteflow.landscape._continuation import Family, Place, family_of
from hermiteflow.landscape._walk import Station, Walk, away_from_events

Array = NDArray[np.float64]

#: psi = u^4, k = 4, groups of two. At (x, -x) are x^2 = (1 - beta)/4, m . g = (1 - beta)^2 and
#: psi'' = 3 (1 - beta); the eigenvalue towards (1, 1, 1, 1) is (1 - beta)(-2 - 10 beta): a curve
#: of other points meets its mirror image at beta = -1/5.
SLOPE, MEETING = np.array([0.0, 0.0, 0.0, 4.0]), -0.2
OWN = Family(SLOPE, 4, (2, 2))
TAUS = np.array([OWN.tau(beta) for beta in (-0.3, 0.0, 0.3)])


def near_mirror(beta: float, lean: float) -> Place:
    x = math.sqrt((1.0 - beta) / 4.0)
    u = np.array([x + lean, -x + lean])
    return replace(OWN.place(OWN.unknowns(u, OWN.tau(beta)), None), u=u)


@pytest.mark.parametrize("lean", [3e-3, -3e-3, 1e-9])
@pytest.mark.parametrize("off", [1e-4, -1e-4, -1.2e-3, 0.0])
def test_where_a_curve_meets_its_mirror_image(lean: float, off: float) -> None:
    place = near_mirror(MEETING + off, lean)
    found = Walk(OWN, True, TAUS, 0.06)._mirror(place)
    assert found is not None
    assert found.beta == pytest.approx(MEETING, abs=1e-13)
    x = math.sqrt(0.3)
    np.testing.assert_allclose(found.u, [x, -x], atol=1e-13)
    np.testing.assert_allclose(found.x[:-1], [math.sqrt(0.5), -math.sqrt(0.5)], atol=1e-13)
    assert found.tau == pytest.approx(OWN.tau(MEETING), abs=1e-13)
    assert not found.tests.any()
    np.testing.assert_array_equal(found.tangent, place.tangent)


def test_where_none_is() -> None:
    walk = Walk(OWN, True, TAUS, 0.06)
    assert walk._mirror(near_mirror(MEETING, 4e-3)) is not None
    # of an odd psi, of points that all are their own mirror images, and off those by more
    assert Walk(OWN, False, TAUS, 0.06)._mirror(near_mirror(MEETING, 3e-3)) is None
    x = math.sqrt(0.3)
    symmetric = family_of(SLOPE, 4, (2, 2), np.array([x, -x]), 1e-9)
    assert Walk(symmetric, True, TAUS, 0.06)._mirror(near_mirror(MEETING, 3e-3)) is None
    assert walk._mirror(near_mirror(MEETING, 6e-3)) is None
    # farther in log(1 + 3 beta) than 0.01: 1 + 3 beta is 0.4 there
    assert walk._mirror(near_mirror(MEETING + 1.3e-3, 1e-3)) is not None
    for off in (1.5e-3, -1.5e-3, 0.03, 0.3):
        assert walk._mirror(near_mirror(MEETING + off, 1e-3)) is None
    # nearly a quadratic psi: the eigenvalue is not 0 anywhere near
    flat = Family(np.array([0.0, 2.0, 0.0, 0.1]), 4, (2, 2))
    assert Walk(flat, True, TAUS, 0.06)._mirror(near_mirror(MEETING, 1e-3)) is None


@pytest.mark.parametrize(("reach", "shares"), [(0.05, [0.5]), (1e-4, [0.1, 0.02]), (1e-12, [])])
def test_the_curve_that_leaves_mirrored_points(
    reach: float, shares: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins off them at one of three distances, within the range of the grid."""
    taken: list[tuple[Family, Place]] = []
    monkeypatch.setattr(Atlas, "_follow", lambda _, family, place: taken.append((family, place)))
    betas = np.expm1(OWN.tau(MEETING) + np.array([-1.0, -0.99, 1.0]) * reach) / 3.0
    x = math.sqrt(0.3)
    u = np.array([x, -x])
    place = family_of(SLOPE, 4, (2, 2), u, 1e-9).at(np.array([1.0, 0.0]), OWN.tau(MEETING))
    assert place is not None
    Atlas(SLOPE, 4, betas, [], 3, 0.06)._leave_mirror(Station("mirror", place), (2, 2), u)
    assert len(taken) == (len(shares) > 0)
    for family, found in taken:
        assert not family.symmetric
        assert family.defect(found.x) < 1e-12
        away = np.linalg.norm(found.x - OWN.unknowns(u, place.tau)) / 0.06
        assert any(share < away < 1.1 * share for share in shares)
        assert abs(found.u[0] + found.u[1]) > 1e-4
        assert abs(found.tau - place.tau) < reach


# ------------------------------------------------------------------ starts


def on_curve(beta: float) -> tuple[Family, Place]:
    """psi = u^3, groups of 2 and 5, whose fold is at 0.137."""
    family = Family(np.array([0.0, 0.0, 3.0]), 7, (2, 5))
    lead, half = beta * 5, 0.5 * (1.0 - beta)
    t = beta * 2 / (half + math.sqrt(half * half - lead * beta * 2))
    place = family.at(family.unknowns(np.array([1.0, t]), family.tau(beta)), family.tau(beta))
    assert place is not None
    return family, place


def test_starts_are_away_from_events() -> None:
    family, place = on_curve(0.1)
    taus = np.array([family.tau(0.0), family.tau(0.13)])
    assert away_from_events(family, place, taus, 0.06) is place
    moved = away_from_events(family, place, taus, 0.06, bare=True)
    assert (moved.x - place.x) @ place.tangent == pytest.approx(0.37 * 0.06, abs=1e-12)
    for change, stays in (
        ({"tests": np.array([0.9e-8, 1.0, -1.0, 1.0])}, False),
        ({"tests": np.array([1.0, 1.0, -0.9e-8, 1.0])}, False),
        ({"tests": np.array([1.0, -1.1e-8, 1.0, 1.0])}, True),
        ({"tangent": np.array([0.6, 0.8, -0.9e-4])}, False),
        ({"tangent": np.array([0.6, 0.8, 1.1e-4])}, True),
    ):
        here = replace(place, **change)
        assert (away_from_events(family, here, taus, 0.06) is here) == stays
    # within the range of the grid, or where nothing is, as it was
    upwards = replace(place, tangent=math.copysign(1.0, place.tangent[-1]) * place.tangent)
    top = np.array([family.tau(0.0), place.tau + 1e-3 * upwards.tangent[-1]])
    below = away_from_events(family, upwards, top, 0.06, bare=True)
    assert (below.x - place.x) @ upwards.tangent == pytest.approx(-0.37 * 0.06, abs=1e-12)
    narrow = place.tau + np.array([-1e-3, 1e-3]) * upwards.tangent[-1]
    close = away_from_events(family, upwards, narrow, 0.06, bare=True)
    assert (close.x - place.x) @ upwards.tangent == pytest.approx(0.013 * 0.06, abs=1e-12)
    nothing = place.tau + np.array([-1e-9, 1e-9])
    assert away_from_events(family, place, nothing, 0.06, bare=True) is place


def test_steps_may_be_as_short_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    family, place = on_curve(0.1)
    asked: list[tuple[float, float]] = []
    plain = Family.stride

    def watched(self: Family, here: Place, length: float, shortest: float) -> tuple[Place, float]:
        asked.append((length, shortest))
        return plain(self, here, length, shortest)

    monkeypatch.setattr(Family, "stride", watched)
    Walk(family, False, np.array([family.tau(0.05), family.tau(0.12)]), 0.06).run(place)
    assert {shortest for _, shortest in asked} == {1e-7 * 0.06}
    assert max(length for length, _ in asked) == 0.06
