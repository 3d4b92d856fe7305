"""Curves cut into branches: order, signs, counts, kinds, and the order of what is returned."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hermiteflow as hf
from hermiteflow.landscape import _branches
from hermiteflow.landscape._atlas import Atlas, Curve
from hermiteflow.landscape._continuation import Family, Place
from hermiteflow.landscape._pieces import Branch, Event, Pieces
from hermiteflow.landscape._walk import Station

Array = NDArray[np.float64]
ODD, EVEN = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.0, 0.0, 0.0, 1.0])


def slope(psi: Array) -> Array:
    return psi[1:] * np.arange(1, psi.size)


def place(beta: float, u: list[float], rate: float = 1.0) -> Place:
    tau = math.log1p(3 * beta)
    tests = np.ones(4)
    return Place(np.array([*u, tau]), np.array([0.0] * len(u) + [rate]), beta, np.array(u), tests)


def pieces(psi: Array, curves: list[Curve], points: Any = ()) -> Pieces:
    atlas = Atlas(slope(psi), 4, np.array([0.0, 0.1]), [], 3, 0.06, curves)
    return Pieces(atlas, psi, points, True)


def test_closed_curves_begin_at_a_cut() -> None:
    stations = [
        Station(kind, place(0.1, [0.5])) for kind in ("node", "grid", "fold", "node", "fold")
    ]
    own = pieces(ODD, [])
    assert own._from_a_cut(stations, closed=True) == [2, 3, 4, 0, 1]
    assert own._from_a_cut(stations, closed=False) == [0, 1, 2, 3, 4]
    assert own._from_a_cut(stations[:2], closed=True) == [0, 1]


def curve(psi: Array, sizes: tuple[int, ...], *stations: Station, closed: bool = False) -> Curve:
    return Curve(Family(slope(psi), 4, sizes), list(stations), closed)


def test_branches_ascend_in_beta() -> None:
    """Groups of (1, 3) at x = (0.2, 0.5), from beta = 0.1 down to 0."""
    stations = [Station("node", place(b, [0.2, 0.5])) for b in (0.1, 0.05, 0.0)]
    branch, own = pieces(ODD, [curve(ODD, (1, 3), *stations)])._branch(0, [0, 1, 2])
    assert own == [2, 1, 0]
    assert [s.place.beta for s in branch.stations] == [0.0, 0.05, 0.1]
    assert (branch.sizes, branch.order.tolist(), branch.sign) == ((3, 1), [1, 0], 1.0)
    assert branch.overlaps(stations[0]).tolist() == [0.5, 0.2]
    assert branch.count == 4
    psi3 = -(0.2**3 + 3 * 0.5**3)
    assert branch.loss == pytest.approx(psi3, rel=1e-12)
    assert len(branch.kinds) == 1


def test_counts_and_signs_of_an_even_psi() -> None:
    """w and -w are two points, unless a permutation does that; the larger one stands for both."""
    both = curve(EVEN, (2, 2), Station("node", place(0.05, [0.1, -0.7])))
    branch, _ = pieces(EVEN, [both])._branch(0, [0])
    assert (branch.count, branch.sign, branch.order.tolist()) == (12, -1.0, [1, 0])
    assert branch.overlaps(both.stations[0]).tolist() == [0.7, -0.1]
    larger = curve(EVEN, (2, 2), Station("node", place(0.05, [0.7, -0.1])))
    branch, _ = pieces(EVEN, [larger])._branch(0, [0])
    assert (branch.sign, branch.overlaps(larger.stations[0]).tolist()) == (1.0, [0.7, -0.1])
    alike = curve(EVEN, (2, 2), Station("node", place(0.05, [-0.5, 0.5])))
    branch, _ = pieces(EVEN, [alike])._branch(0, [0])
    assert (branch.count, branch.overlaps(alike.stations[0]).tolist()) == (6, [0.5, -0.5])
    odd, _ = pieces(ODD, [curve(ODD, (2, 2), *both.stations)])._branch(0, [0])
    assert (odd.count, odd.sign) == (6, 1.0)


def test_kinds_change_where_an_eigenvalue_does() -> None:
    """psi = u^3, k = 4: the average is a saddle below beta_c = 1/5, and a minimum above."""

    def average(kind: str, beta: float) -> Station:
        return Station(kind, place(beta, [math.sqrt((1 + 3 * beta) / 4)]))

    stations = [
        average("node", 0.05),
        average("node", 0.15),
        average("within", 0.2),
        average("node", 0.25),
        average("outside", 0.3),
    ]
    whole = pieces(ODD, [curve(ODD, (4,), *stations)])
    kinds, loss = whole._kinds((4,), stations)
    assert kinds == [("saddle", 3), ("minimum", 0), ("", 0)]
    assert loss == pytest.approx(min(-4 * ((1 + 3 * b) / 4) ** 1.5 for b in (0.15, 0.25)))
    assert whole._kinds((4,), [])[1] == math.inf
    # each listed point is held against it, the first of a list too, and its loss is taken
    for kind in ("saddle", "maximum"):
        known: Any = SimpleNamespace(
            kind=np.array([kind]), morse_index=np.array([3]), loss=np.array([-0.75])
        )
        listed = replace(stations[1], kind="grid", grid=0, row=0)
        checked = pieces(ODD, whole.atlas.curves, (known,))
        if kind == "saddle":
            assert checked._kinds((4,), [stations[0], listed])[1] == -0.75
            continue
        with pytest.raises(ArithmeticError, match="is a maximum of index 3 on a branch of kind sa"):
            checked._kinds((4,), [stations[0], listed])


def test_a_point_of_another_kind_is_an_error() -> None:
    flow = hf.CorrelationFlow(hf.Equiangular(k=4, beta=0.1), hf.hermite(3))
    points = hf.fixed_points(flow)
    row = next(i for i, o in enumerate(points) if o.multiplicities == (4,) and o.loss < 0)
    whole = pieces(ODD, [], (points,))

    def check(expected: tuple[str, int], changes: list[Station], rate: float = 1.0) -> None:
        station = Station("grid", place(0.1, [0.57, 0.5], rate), grid=0, row=row)
        whole._check((3, 1), station, expected, changes)

    check(("saddle", 3), [])
    for wrong in (("saddle", 2), ("minimum", 3)):
        with pytest.raises(
            ArithmeticError, match=r"beta = 0\.1 with overlaps 3 x 0\.57, 1 x 0\.5 is a"
        ):
            check(wrong, [])
    near, far = (Station("within", place(0.1, [0.57 + gap, 0.5])) for gap in (0.9e-5, 1.1e-5))
    check(("minimum", 0), [far, near])
    check(("minimum", 0), [], rate=-0.9e-5)
    with pytest.raises(ArithmeticError, match="of index 3 on a branch of kind minimum and index 0"):
        check(("minimum", 0), [far])
    with pytest.raises(ArithmeticError, match="a bifurcation may be too close to it"):
        check(("minimum", 0), [], rate=1.1e-5)


def test_listed_overlaps_have_all_digits() -> None:
    flow = hf.CorrelationFlow(hf.Equiangular(k=4, beta=0.1), hf.hermite(4))
    points = hf.fixed_points(flow)
    row = next(i for i, o in enumerate(points) if sorted(o.multiplicities) == [1, 3])
    orbit = points[row]
    exact = dict(zip(orbit.multiplicities, orbit.values, strict=True))
    for sign in (1.0, -1.0):
        station = Station("grid", place(0.1, [sign * exact[1] + 1e-9, sign * exact[3]]), row=row)
        branch = Branch((3, 1), 8, 1.0, np.array([1, 0]), [station], [("", 0)], 0.0)
        np.testing.assert_array_equal(
            branch.listed(station, points), [sign * exact[3], sign * exact[1]]
        )
    # of small overlaps as well: those of -w are others
    small: Any = SimpleNamespace(
        multiplicities=np.array([[3, 1]]), values=np.array([[0.3 + 1e-12, -0.1]])
    )
    opposite = Station("grid", place(0.1, [-0.3, 0.1]), row=0)
    branch = Branch((3, 1), 8, 1.0, np.arange(2), [opposite], [("", 0)], 0.0)
    assert branch.listed(opposite, small).tolist() == [-(0.3 + 1e-12), 0.1]
    # at beta = 0 the same orbit with signs of its own
    orthonormal = hf.fixed_points(hf.CorrelationFlow(hf.Orthonormal(k=4), hf.hermite(4)))
    pair = next(i for i, o in enumerate(orthonormal) if sorted(o.multiplicities) == [2, 2])
    near = Station("grid", place(0.0, [0.7071, -0.7071, 1e-5]), row=pair)
    signed = Branch((1, 1, 2), 24, 1.0, np.arange(3), [near], [("", 0)], 0.0)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(signed.listed(near, orthonormal), [half, -half, 0.0], atol=1e-15)


def test_branches_come_in_ascending_loss_and_events_in_ascending_beta() -> None:
    def branch(loss: float, sizes: tuple[int, ...] = (4,)) -> Branch:
        return Branch(sizes, 1, 1.0, np.arange(len(sizes)), [], [], loss)

    def event(kind: str, branches: tuple[int, int], beta: float, *index: int) -> Event:
        kinds = (("a", index[0]), ("b", index[1])) if index else (("", -1), ("", -1))
        return Event(kind, branches, Station("node", place(beta, [0.5])), kinds)

    branches = [branch(-0.5), branch(-1.0, (3, 1)), branch(-1.0, (2, 2)), branch(0.3)]
    events = [
        event("fold", (0, 1), 0.2, 1, 0),
        event("fold", (-1, 3), 0.15, 3, 2),
        event("fold", (2, 3), 0.1, 0, 1),
        event("merging", (3, -1), 0.1 + 1e-13, 1, -1),
        event("degenerate", (-1, -1), 0.0),
        event("crossing", (0, 0), 0.1, 1, 2),
    ]
    ordered, renamed = pieces(ODD, [])._sorted(branches, events)
    assert [b.sizes for b in ordered] == [(2, 2), (3, 1), (4,), (4,)]
    assert [b.loss for b in ordered] == [-1.0, -1.0, -0.5, 0.3]
    assert [(e.kind, e.branches, *[i for _, i in e.kinds]) for e in renamed] == [
        ("crossing", (2, 2), 1, 2),
        ("fold", (0, 3), 0, 1),
        ("merging", (3, -1), 1, -1),
        ("fold", (3, -1), 2, 3),  # the branch that is there comes first
        ("fold", (1, 2), 0, 1),  # that of the lower index comes first
    ]


@pytest.mark.parametrize("longest", [0.06, 0.015, 0.004, 0.001])
def test_shorter_steps_are_tried_where_a_check_fails(
    longest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, tried = _branches._follow, []

    def follow(*given: Any) -> Any:
        tried.append(given[4])
        if given[4] > longest:
            raise ArithmeticError("too long")
        return plain(*given)

    monkeypatch.setattr(_branches, "_follow", follow)
    if longest == 0.001:
        with pytest.raises(ArithmeticError, match="too long"):
            hf.bifurcation_diagram(hf.hermite(3), 2, [0.0, 0.05])
    else:
        hf.bifurcation_diagram(hf.hermite(3), 2, [0.0, 0.05])
    assert tried == [step for step in (0.06, 0.015, 0.004) if step >= longest]


def test_betas_of_a_grid() -> None:
    assert _branches._grid([-0.3, 0.0, 0.9], 4).tolist() == [-0.3, 0.0, 0.9]
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        _branches._grid([0.1], 4)
    for wrong, words in (
        ([-1.0 / 3.0, 0.1], r"\(-1/\(k - 1\), 1\) = \(-0\.333333, 1\), got -0\.333333"),
        ([0.1, 1.0, 1.5], "got 1$"),
        ([0.2, 0.1], "betas must be strictly increasing"),
        ([0.1, 0.1], "betas must be strictly increasing"),
    ):
        with pytest.raises(ValueError, match=words):
            _branches._grid(wrong, 4)
