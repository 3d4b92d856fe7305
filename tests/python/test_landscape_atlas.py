"""Where curves of fixed points pass listed points and meet: claims, signs, splits, ends."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow.landscape import _atlas as atlases
from hermiteflow.landscape._atlas import Atlas, Curve, Listing, Meeting
from hermiteflow.landscape._continuation import Family, Place
from hermiteflow.landscape._walk import Station, Walk

Array = NDArray[np.float64]


def test_canonical_order_is_by_size_then_by_overlap() -> None:
    sizes, u, order = atlases.canonical((1, 3, 1, 3), np.array([0.2, -0.5, 0.7, 0.1]))
    assert sizes == (3, 3, 1, 1)
    assert u.tolist() == [0.1, -0.5, 0.7, 0.2]
    assert order.tolist() == [3, 1, 2, 0]


def test_distances_are_up_to_symmetry() -> None:
    others = np.array([[0.7, 0.2, -0.1], [-0.2, -0.7, 0.3]])
    gap = atlases.distance((2, 2, 1), np.array([0.2, 0.75, -0.1]), others, even=False)
    np.testing.assert_allclose(gap, [0.05, 0.95])
    gap = atlases.distance((2, 2, 1), np.array([0.2, 0.75, -0.1]), others, even=True)
    np.testing.assert_allclose(gap, [0.05, 0.2])


def test_all_changes_of_sign() -> None:
    """Of 2 x 0.5 and 1 x 0: as many negative ones as may be; nothing of the zeros."""
    found = atlases._signs((2, 1), np.array([0.5, 0.0]), split=True)
    assert [(sizes, u.tolist()) for sizes, u in found] == [
        ((2, 1), [0.5, 0.0]),
        ((1, 1, 1), [0.5, -0.5, 0.0]),
        ((2, 1), [-0.5, 0.0]),
    ] or [(sizes, u.tolist()) for sizes, u in found] == [
        ((2, 1), [-0.5, 0.0]),
        ((1, 1, 1), [0.5, -0.5, 0.0]),
        ((2, 1), [0.5, 0.0]),
    ]
    assert atlases._signs((2, 1), np.array([0.5, 0.0]), split=False)[0][0] == (2, 1)
    assert len(atlases._signs((2, 1), np.array([0.5, 0.0]), split=False)) == 1


def test_listings_hold_each_part_of_an_orbit_once() -> None:
    points = hf.fixed_points(hf.CorrelationFlow(hf.Orthonormal(k=3), hf.hermite(4)))
    plain = Listing.of(points, split_signs=False)
    assert {key: len(v) for key, v in plain.values.items()} == {(2, 1): 2, (3,): 1}
    assert sorted(plain.rows[2, 1].tolist()) == [0, 1]
    assert not any(claimed.any() for claimed in plain.claimed.values())
    split = Listing.of(points, split_signs=True)
    half, third = 2**-0.5, 3**-0.5
    expected: dict[tuple[int, ...], list[list[float]]] = {
        (2, 1): [[0.0, 1.0], [half, 0.0], [third, -third]],
        (1, 1, 1): [[half, 0.0, -half]],
        (3,): [[third]],
    }
    assert set(split.values) == set(expected)
    for key, rows in expected.items():
        found = split.values[key]
        assert len(found) == len(rows) == len(split.claimed[key])
        for row in rows:
            assert np.min(atlases.distance(key, np.array(row), found, even=True)) < 1e-12
    counted: Any = SimpleNamespace(
        outside_eigenvalue=np.array([1.0, 1e-12]),
        scale=np.ones(2),
        multiplicities=np.array([[3], [3]]),
        values=np.array([[0.5], [0.6]]),
    )
    assert Listing.of(counted, split_signs=False).rows == {(3,): np.array([0])}


def test_claims_are_made_once() -> None:
    values = np.array([[0.5, 0.1], [0.5 + 2e-7, 0.1], [-0.3, 0.2]])
    listing = Listing(
        {(2, 1): np.array([7, 8, 9])}, {(2, 1): values}, {(2, 1): np.zeros(3, dtype=bool)}
    )
    near = {"even": False, "near": 1e-6}
    assert listing.claim((1, 2), np.array([0.1, 0.5]), **near) == 7  # type: ignore[arg-type]
    assert listing.claimed[2, 1].tolist() == [True, False, False]
    assert listing.claim((2, 1), np.array([0.5, 0.1]), **near) == 8  # type: ignore[arg-type]
    assert listing.claim((2, 1), np.array([0.5, 0.1]), **near) == -1  # type: ignore[arg-type]
    assert listing.claim((2, 1), np.array([0.5, 0.2]), **near) is None  # type: ignore[arg-type]
    assert listing.claim((3,), np.array([0.5]), **near) is None  # type: ignore[arg-type]
    assert listing.claim((2, 1), np.array([0.3, -0.2]), even=False, near=1e-6) is None
    assert listing.claim((2, 1), np.array([0.3, -0.2]), even=True, near=1e-6) == 9


# ------------------------------------------------------------------ meetings

SLOPE = np.array([0.0, 0.0, 3.0, 2.0])


def place_at(family: Family, u: list[float], beta: float) -> Place:
    here = family.place(family.unknowns(np.array(u), family.tau(beta)), None)
    return replace(here, u=np.array(u))


def test_groups_that_have_met_are_one() -> None:
    family = Family(SLOPE, 7, (1, 3, 2, 1))
    place = place_at(family, [0.1, 0.3, 0.5, 0.32], 0.1)
    plain = atlases.meeting_of(family, Station("within", place))
    assert (plain.sizes, plain.u.tolist()) == ((3, 2, 1, 1), [0.3, 0.5, 0.32, 0.1])
    assert plain.split == (3, 2, 1, 1)
    assert plain.beta == pytest.approx(0.1)
    met = atlases.meeting_of(family, Station("merge", place, pairs=((1, 3),)))
    assert (met.sizes, met.split) == ((4, 2, 1), (3, 2, 1, 1))
    assert met.u == pytest.approx([0.31, 0.5, 0.1])
    three = atlases.meeting_of(family, Station("merge", place, pairs=((1, 3), (0, 3))))
    assert three.sizes == (5, 2)
    assert three.u == pytest.approx([0.24, 0.5])


def atlas(slope: Array = SLOPE, k: int = 7, most: int = 3) -> Atlas:
    return Atlas(slope, k, np.array([0.0, 0.1, 0.2]), [], most, 0.06)


def test_the_same_meeting() -> None:
    one = Meeting(0.1, (4, 3), np.array([0.5, -0.2]), (4, 2, 1))
    whole = atlas()
    assert not whole.even
    assert not whole.linear
    assert whole._same(one, replace(one, beta=0.1 + 0.9e-7))
    assert not whole._same(one, replace(one, beta=0.1 + 1.1e-7))
    assert not whole._same(one, replace(one, sizes=(5, 2)))
    assert whole._same(one, replace(one, u=np.array([0.5 + 0.9e-4, -0.2])))
    assert not whole._same(one, replace(one, u=np.array([0.5 + 1.1e-4, -0.2])))
    assert not whole._same(one, replace(one, u=-one.u))
    even = atlas(np.array([0.0, 1.0, 0.0, 2.0]))
    assert even.even
    assert even._same(one, replace(one, u=-one.u))
    assert atlas(np.array([0.5, 1.0])).linear
    whole.meetings.append(one)
    assert whole._known(one)
    assert not whole._known(replace(one, split=(3, 3, 1)))
    assert whole.host(one) is None
    whole.crossings += [(replace(one, beta=0.2), (0, 1)), (one, (2, 3))]
    assert whole.host(one) == (2, 3)


def test_how_a_group_may_split() -> None:
    family = Family(SLOPE, 7, (5, 2))
    place = place_at(family, [0.4, -0.3], 0.1)
    station = Station("within", place, groups=(0,))
    found = atlas()._splits(family, station)
    assert [(sizes, u.tolist()) for _, sizes, u in found] == [
        ((4, 1, 2), [0.4, 0.4, -0.3]),
        ((3, 2, 2), [0.4, 0.4, -0.3]),
    ]
    assert [meeting.split for meeting, *_ in found] == [(4, 2, 1), (3, 2, 2)]
    assert all(meeting.sizes == (5, 2) for meeting, *_ in found)
    assert atlas(most=2)._splits(family, station) == []
    second = atlas()._splits(family, Station("within", place, groups=(1,)))
    assert [(sizes, u.tolist()) for _, sizes, u in second] == [((1, 1, 5), [-0.3, -0.3, 0.4])]
    (mirror,) = atlas()._splits(family, Station("mirror", place))
    assert mirror[1] == (5, 2)


def test_where_a_listed_point_need_not_be() -> None:
    family = Family(SLOPE, 7, (5, 2))
    place = replace(
        place_at(family, [0.4, -0.3], 0.1),
        tests=np.array([0.7, 0.3, 0.2, 0.5]),
        tangent=np.array([0.6, 0.0, 0.8]),
    )
    whole = atlas()
    assert not whole._at_event(family, place)
    for change in (
        {"tests": np.array([0.9e-5, 0.3, 0.2, 0.5])},  # two groups meet
        {"tests": np.array([0.7, 0.3, 0.2, 0.9e-5])},  # m . g = 0
        {"tangent": np.array([0.6, 0.8, 0.9e-5])},  # a fold
    ):
        assert whole._at_event(family, replace(place, **change))
    assert not whole._at_event(family, replace(place, tests=np.array([1.1e-5, 0, 0, 1.1e-5])))
    assert atlas(np.array([0.5, 1.0]))._at_event(family, place)
    # where -w is a permutation of w, of an even psi
    twin = Family(np.array([0.0, 1.0, 0.0, 2.0]), 4, (2, 2))
    near = replace(place, u=np.array([0.4, -0.395]), tests=np.array([0.8, 0.3, 0.2, 0.5]))
    assert atlas(np.array([0.0, 1.0, 0.0, 2.0]), k=4)._at_event(twin, near)
    assert not whole._at_event(twin, near)


def test_what_meets_a_known_curve_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """But where the grid ends, and where the other curve is known."""
    started: list[Any] = []
    monkeypatch.setattr(Atlas, "_start", lambda _, sizes, u, tau: started.append((sizes, tau)))
    monkeypatch.setattr(Atlas, "_branch", lambda _, station, sizes, u: started.append(sizes))
    family = Family(SLOPE, 7, (5, 2))

    def followed(kind: str, beta: float, whole: Atlas, **more: Any) -> list[Any]:
        started.clear()
        station = Station(kind, place_at(family, [0.4, 0.4], beta), **more)
        whole._partners(Curve(family, [station], False))
        return list(started)

    ((sizes, tau),) = followed("merge", 0.1, atlas(), pairs=((0, 1),))
    assert sizes == (7,)
    assert tau == pytest.approx(math.log(1.6))
    for beta in (0.9e-7, 0.2 - 0.9e-7):
        assert followed("merge", beta, atlas(), pairs=((0, 1),)) == []
    for beta in (1.1e-7, 0.2 - 1.1e-7):
        assert len(followed("merge", beta, atlas(), pairs=((0, 1),))) == 1
    known = atlas()
    meeting = Meeting(0.1, (7,), np.array([0.4]), (5, 2))
    known.crossings.append((meeting, (0, 0)))
    assert followed("merge", 0.1, known, pairs=((0, 1),)) == []
    assert followed("within", 0.1, atlas(), groups=(0,)) == [(4, 1, 2), (3, 2, 2)]
    known.meetings.append(Meeting(0.1, (5, 2), np.array([0.4, 0.4]), (4, 2, 1)))
    assert followed("within", 0.1, known, groups=(0,)) == [(3, 2, 2)]
    assert followed("fold", 0.1, atlas()) == []


def test_a_fold_at_a_beta_of_the_grid_has_two_listed_points() -> None:
    """Whether a curve passes them is up to rounding; each is claimed once, on either side."""
    family = Family(SLOPE, 7, (5, 2))
    u = np.array([0.4, -0.3])
    listing = Listing(
        {(5, 2): np.array([4, 6])},
        {(5, 2): np.array([u + 2e-6, u - 3e-6])},
        {(5, 2): np.zeros(2, dtype=bool)},
    )
    whole = replace_listings(atlas(), 1, listing)
    fold = Station("fold", place_at(family, u.tolist(), 0.1))
    node = Station("node", place_at(family, u.tolist(), 0.08))
    found = whole._touching(family, [node, fold, node])
    assert [(s.kind, s.grid, s.row) for s in found] == [
        ("node", -1, -1), ("grid", 1, 4), ("fold", -1, -1), ("grid", 1, 6), ("node", -1, -1),
    ]  # fmt: skip
    assert listing.claimed[5, 2].all()
    assert whole._touching(family, [node, fold, node]) == [node, fold, node]  # none is free
    # a side on which that beta was passed needs none; nor does another beta, or another event
    listing.claimed[5, 2][:] = False
    passed = Station("grid", node.place, grid=1, row=4)
    found = whole._touching(family, [passed, node, node, fold, node])
    assert [s.grid for s in found] == [1, -1, -1, -1, 1, -1]
    listing.claimed[5, 2][:] = False
    away = Station("fold", place_at(family, u.tolist(), 0.1 + 1e-9))
    assert whole._touching(family, [node, away, node]) == [node, away, node]
    other = replace(fold, kind="within")
    assert whole._touching(family, [node, other, node]) == [node, other, node]
    assert not listing.claimed[5, 2].any()


def replace_listings(whole: Atlas, row: int, listing: Listing) -> Atlas:
    empty = [Listing({}, {}, {}) for _ in whole.betas]
    whole.listings[:] = [*empty[:row], listing, *empty[row + 1 :]]
    return whole


def test_a_curve_that_is_followed_twice_is_an_error() -> None:
    psi, betas = hf.Interaction(hf.hermite(3)), np.array([0.0, 0.05, 0.1])
    lists = [
        hf.fixed_points(hf.CorrelationFlow(hf.Equiangular(k=3, beta=float(b)), psi.link))
        for b in betas
    ]
    listings = [Listing.of(points, split_signs=False) for points in lists]
    whole = Atlas(np.array([0.0, 0.0, 3.0]), 3, betas, listings, 2, 0.06)
    whole.build()
    assert all(claimed.all() for one in listings for claimed in one.claimed.values())
    curve = whole.curves[0]
    start = next(s.place for s in curve.stations if s.kind == "grid")
    with pytest.raises(ArithmeticError, match="is passed by two branches; a bifurcation may be"):
        whole._follow(curve.family, start)


# ------------------------------------------------------------------ events of a walk


def test_events_that_are_one_are_joined() -> None:
    family = Family(SLOPE, 7, (3, 3, 1))
    place = place_at(family, [0.4, 0.1, -0.3], 0.1)
    walk = Walk(family, False, np.log1p(6 * np.array([0.0, 0.2])), 0.06)

    def simplified(*marks: tuple[float, str, tuple[int, ...]]) -> list[tuple[float, str]]:
        stations = [
            (s, Station(kind, place, ((groups[0], groups[1]),), ())
             if kind == "merge" else Station(kind, place, (), groups))
            for s, kind, groups in marks
        ]  # fmt: skip
        return [(s, station.kind) for s, station in walk._simplify(stations)]

    assert simplified((0.01, "merge", (0, 2))) == [(0.01, "merge")]
    assert simplified((0.01, "merge", (0, 1))) == [(0.01, "end")]  # of one size: its own mirror
    # inner eigenvalues vanish with a merging of that group, and folds with an end
    assert simplified((0.01, "within", (0,)), (0.01, "merge", (0, 2))) == [(0.01, "merge")]
    assert simplified((0.01, "within", (1,)), (0.01, "merge", (0, 2))) == [
        (0.01, "within"), (0.01, "merge"),
    ]  # fmt: skip
    assert simplified((0.01, "mirror", ()), (0.01, "merge", (0, 2))) == [(0.01, "merge")]
    assert simplified((0.01, "fold", ()), (0.01, "merge", (0, 1))) == [(0.01, "end")]
    assert simplified((0.01, "fold", ()), (0.01, "merge", (0, 2))) == [
        (0.01, "fold"), (0.01, "merge"),
    ]  # fmt: skip
    assert simplified((0.01, "within", (0,)), (0.011, "merge", (0, 2))) == [
        (0.01, "within"), (0.011, "merge"),
    ]  # fmt: skip
    near = 0.01 + 0.9e-5
    assert simplified((0.01, "within", (0,)), (near, "merge", (0, 2))) == [(near, "merge")]
    # two of one kind within 1e-7
    both = [
        (0.01, Station("within", place, (), (0,))),
        (0.01 + 0.9e-7, Station("within", place, (), (1,))),
    ]
    ((at, joined),) = walk._simplify(both)
    assert (at, joined.kind, joined.groups) == (0.01, "within", (0, 1))
    both[1] = (0.01 + 1.1e-7, both[1][1])
    assert len(walk._simplify(both)) == 2
    pairs = [
        (0.01, Station("merge", place, ((0, 2),))),
        (0.01 + 1e-9, Station("merge", place, ((0, 1),))),
    ]
    ((_, joined),) = walk._simplify(pairs)
    assert (joined.kind, joined.pairs) == ("end", ((0, 2), (0, 1)))
    later = [(0.02, Station("outside", place)), (0.01, Station("within", place, (), (0,)))]
    assert [s for s, _ in walk._simplify(later)] == [0.01, 0.02]


@pytest.mark.parametrize("beta", [-0.05, 0.0, 0.1])
def test_a_walk_passes_the_grid_in_order(beta: float) -> None:
    """psi = u^3, groups of 2 and 5: down, and up to the fold at 0.137 and back."""
    family = Family(np.array([0.0, 0.0, 3.0]), 7, (2, 5))
    fold = 1.0 / (1.0 + 2.0 * math.sqrt(10.0))
    grid = np.array([-0.1, -0.03, 0.02, 0.07, 0.12, 0.15])
    lead, half = beta * 5, 0.5 * (1.0 - beta)
    t = beta * 2 / (half + math.sqrt(half * half - lead * beta * 2))
    start = family.at(family.unknowns(np.array([1.0, t]), family.tau(beta)), family.tau(beta))
    assert start is not None
    ways = {}
    for sign in (1.0, -1.0):
        towards = math.copysign(1.0, sign * start.tangent[-1])
        walk = Walk(family, False, family_taus(family, grid), 0.06)
        walk.run(replace(start, tangent=sign * start.tangent))
        ways[towards] = walk.stations
    down, up = ways[-1.0], ways[1.0]
    lower = [b for b in grid[::-1] if b < beta]
    assert [s.place.beta for s in down if s.kind == "grid"] == pytest.approx(lower, abs=1e-13)
    assert [s.grid for s in down if s.kind == "grid"] == [grid.tolist().index(b) for b in lower]
    first = next(i for i, s in enumerate(up) if s.kind == "fold")
    assert up[first].place.beta == pytest.approx(fold, rel=1e-12)
    upper = [b for b in grid if beta < b < fold]
    rising = [s.place.beta for s in up[:first] if s.kind == "grid"]
    assert rising == pytest.approx(upper, abs=1e-13)
    falling = [s.place.beta for s in up[first:] if s.kind == "grid"]
    assert falling[:2] == pytest.approx([0.12, 0.07], abs=1e-13)
    assert all(family.defect(s.place.x) < 1e-12 for s in (*down, *up))


def family_taus(family: Family, grid: Array) -> Array:
    return np.array([family.tau(beta) for beta in grid.tolist()])
