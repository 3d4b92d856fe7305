"""Tables of fixed points: rows that are joined, numbers in few digits, exact counts."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow.landscape import _found as found
from hermiteflow.landscape import _table as table

# ------------------------------------------------------------------ lists that are complete


def listed(k: int = 3, p: int = 4, **options: Any) -> hf.FixedPoints:
    return hf.fixed_points(hf.CorrelationFlow(hf.Orthonormal(k=k), hf.hermite(p)), **options)


def test_numbers_of_points_in_few_digits() -> None:
    assert table._short(999_999_999) == "999999999"
    assert table._short(10**9) == "1.000e9"
    assert table._short(1_234_567_890) == "1.234e9"
    assert table._short(3**1000) == "1.322e477"
    for power in (12, 15, 16, 300):
        assert table._short(10**power) == f"1.000e{power}"
        assert table._short(10**power - 1) == f"9.999e{power - 1}"
    assert table._digits(2**9999 - 1) == str(2**9999 - 1)
    assert table._digits(2**9999) == hex(2**9999)
    assert (table._plural(1), table._plural(0), table._plural(2)) == (
        "1 orbit",
        "0 orbits",
        "2 orbits",
    )


def test_one_orbit() -> None:
    points = listed()
    orbit = points[1]
    assert orbit.values == pytest.approx((math.sqrt(0.5), 0.0), abs=1e-15)
    assert orbit.multiplicities == (2, 1)
    assert (orbit.count, orbit.kind, orbit.morse_index) == (12, "saddle", 1)
    assert orbit.overlaps.tolist() == [orbit.values[0], orbit.values[0], 0.0]
    # psi = u^4: lambda = 4 (1/2)^2 2 = 2; -(p - 2) lambda within, lambda across
    assert orbit.outside_eigenvalue == pytest.approx(2.0, rel=1e-14)
    assert [n for _, n in orbit.eigenvalues] == [1, 1]
    np.testing.assert_allclose([v for v, _ in orbit.eigenvalues], [-4.0, 2.0], rtol=1e-12)
    assert repr(orbit) == ("Orbit(saddle, 2 x 0.707107, 1 x 0, count=12, loss=-0.5, morse_index=1)")
    assert points[-1].values == points[2].values
    assert [o.values for o in points[::-1]] == [o.values for o in reversed(list(points))]
    for row in (3, -4):
        with pytest.raises(IndexError):
            points[row]


def test_counts_are_exact() -> None:
    """k! / prod(sizes!) 2^reflections, also where doubles would not hold them."""
    points = listed(40)
    total = 0
    for orbit in points:
        size = next(s for s, v in zip(orbit.multiplicities, orbit.values, strict=True) if v)
        assert orbit.count == math.comb(40, size) * 2**size
        total += orbit.count
    assert points.total == total == 3**40 - 1
    data = points.to_xarray()
    assert [int(c) for c in data["count"].values] == [o.count for o in points]
    np.testing.assert_allclose(data.log10_count, [math.log10(o.count) for o in points])
    assert data.attrs == {
        "k": 40,
        "degenerate_sets": "w orthogonal to every index vector (m = 0)",
    }
    for name, values in (
        ("overlap", points.values),
        ("multiplicity", points.multiplicities),
        ("hessian_eigenvalue", points.eigenvalues),
        ("hessian_multiplicity", points.eigenvalue_counts),
        ("outside_eigenvalue", points.outside_eigenvalue),
        ("morse_index", points.morse_index),
        ("kind", points.kind),
        ("residual", points.residual),
    ):
        np.testing.assert_array_equal(data[name], values)


def test_long_tables_show_both_ends() -> None:
    lines = repr(listed(40)).splitlines()
    assert lines[0] == "1.215e19 fixed points in 40 orbits, k = 40"  # 3^40 - 1
    assert len(lines) == 1 + 1 + 12 + 1 + 12 + 1
    assert lines[14].split() == ["..."]
    assert lines[-1] == "  not isolated: w orthogonal to every index vector (m = 0)"
    assert [line.split()[5] for line in lines[2:14]] == [str(s) for s in range(1, 13)]
    assert [line.split()[5] for line in lines[15:27]] == [str(s) for s in range(29, 41)]
    whole = repr(listed(24)).splitlines()
    assert len(whole) == 1 + 1 + 24 + 1
    assert "..." not in [line.strip() for line in whole]
    assert len(repr(listed(25)).splitlines()) == 1 + 1 + 25 + 1
    none = dataclasses.replace(listed(2, 2))
    assert repr(none).splitlines()[0] == "0 fixed points in 0 orbits, k = 2"
    assert table.columns([]) == []


def test_columns_are_in_line() -> None:
    rows = [("minimum", "6", "-1", "0", "4", "1 x 1"), ("max", "123456", "0.5", "10", "-4", "")]
    assert table.columns(rows, "last") == [
        "   kind      count  loss  index  outside  last",
        "   minimum       6    -1      0        4  1 x 1",
        "   max      123456   0.5     10       -4",
    ]


# ------------------------------------------------------------------ points that a search has found


def point(
    overlaps: list[float], loss: float = -1.0, kind: str = "minimum", index: int = 0
) -> found.FixedPoint:
    hessian: Any = SimpleNamespace(kind=kind, morse_index=index, outside_eigenvalue=4.0)
    return found.FixedPoint(np.array(overlaps), loss, hessian, 1e-15)


def points(*those: found.FixedPoint, **options: Any) -> found.FoundPoints:
    return found.FoundPoints(those, **{"starts": 9, "degenerate": 0, "rank": 3, **options})


def test_a_point_tells_its_largest_overlap() -> None:
    assert repr(point([0.1, -0.9, 0.3], -0.25, "saddle", 2)) == (
        "FixedPoint(saddle, loss=-0.25, morse_index=2, largest overlap -0.9 with index vector 1, "
        "residual=1.0e-15)"
    )


def test_the_alternating_sum() -> None:
    """2 on a sphere of even dimension, 0 on one of odd dimension."""
    two = [point([1.0, 0.0]), point([-1.0, 0.0])]
    one = point([0.0, 1.0], kind="saddle", index=1)
    assert points(*two).alternating_sum == 2
    assert points(*two, one).alternating_sum == 1
    assert points(*two, point([0.0, 1.0], index=2)).alternating_sum == 3
    assert not points(*two, rank=3).surely_incomplete
    assert points(*two, rank=2).surely_incomplete
    assert not points(*two, one, one, rank=2).surely_incomplete
    assert points(*two, one, rank=3).surely_incomplete
    assert not points(*two, one, rank=3, degenerate=1).surely_incomplete
    assert len(points(*two)) == 2
    assert points(*two)[1] is two[1]
    assert points(*two)[:1] == (two[0],)


def test_which_points_are_one_row() -> None:
    def rows(*those: found.FixedPoint, symmetric: bool = True) -> list[int]:
        return [len(group) for group in found._alike(those, symmetric)]

    here = point([0.8, 0.6, 0.0])
    assert rows(here, point([0.6, 0.0, 0.8])) == [2]
    assert rows(here, point([0.6, 0.0, 0.8]), symmetric=False) == [1, 1]
    assert rows(here, point([-0.8, -0.6, 0.0]), symmetric=False) == [2]
    assert rows(here, point([-0.6, 0.0, -0.8])) == [2]
    assert rows(here, point([-0.8, 0.6, 0.0])) == [1, 1]
    assert rows(here, point([0.8 + 0.9e-6, 0.6, 0.0])) == [2]
    assert rows(here, point([0.8 + 1.1e-6, 0.6, 0.0])) == [1, 1]
    assert rows(here, point([0.8, 0.6, 0.0], kind="saddle")) == [1, 1]
    assert rows(here, point([0.8, 0.6, 0.0], index=1)) == [1, 1]
    # of one loss, others may stand between; of another loss none is joined
    other = point([1.0, 0.0, 0.0])
    assert rows(here, other, here, other) == [2, 2]
    assert rows(here, point([0.8, 0.6, 0.0], -1.0 + 0.9e-9)) == [2]
    assert rows(here, point([0.8, 0.6, 0.0], -1.0 + 1.1e-9)) == [1, 1]
    assert rows(here, point([0.8, 0.6, 0.0], -1.0 + 1.1e-9), here) == [1, 2]
    chain = [point([0.8, 0.6, 0.0], -1.0 + i * 0.6e-9) for i in range(3)]
    assert rows(*chain) == [2, 1]
    small = [point([1.0, 0.0], -1e-3), point([1.0, 0.0], -1e-3 + 0.9e-11)]
    assert rows(*small) == [1, 1]
    assert rows() == []


def test_rows_of_a_table() -> None:
    many = point([0.1, -0.9, 0.3, 0.2, 1e-13])
    assert found._line([many], True) == ("minimum", "1", "-1", "0", "4", "-0.9, 0.3, 0.2, 0.1, ...")
    assert found._line([many], False)[-1] == "1: -0.9, 2: 0.3, 3: 0.2, ..."
    assert found._line([point([0.5, 1e-13, 0.123456789])], True)[-1] == "0.5, 0.12346, 0"
    assert (
        found._line([point([0.5, 1e-11, 0.123456789])], False)[-1] == "0: 0.5, 2: 0.1235, 1: 1e-11"
    )
    four = point([0.1, 0.2, 0.3, 0.4])
    assert found._line([four], True)[-1] == "0.4, 0.3, 0.2, 0.1"
    # of a point and its opposite, the one nearer to an index vector
    pair = [point([-0.6, -0.8, 0.0]), point([0.6, 0.8, 0.0])]
    assert found._line(pair, False)[-1] == "1: 0.8, 0: 0.6, 2: 0"
    assert found._line(pair, True)[1:2] == ("2",)
    # equal ones in their own order, whatever their rounding
    near = point([0.5, 0.5 + 1e-12, -0.5])
    assert found._line([near], False)[-1] == "0: 0.5, 1: 0.5, 2: -0.5"


def test_the_text_of_a_search() -> None:
    text = repr(points(point([1.0, 0.0]), point([-1.0, 0.0])))
    assert text.splitlines() == [
        "2 fixed points found from 9 starts; the list may be incomplete",
        "   kind     count  loss  index  outside  overlaps",
        "   minimum      2    -1      0        4  1, 0",
        "  residuals up to 1.0e-15",
    ]
    sure = repr(points(point([1.0, 0.0]), symmetric=False, degenerate=0, rank=2)).splitlines()
    assert sure[0].endswith("the list is incomplete")
    assert sure[1].endswith("  index vector: overlap")
    assert repr(points(degenerate=3)).splitlines() == [
        "0 fixed points found from 9 starts; the list may be incomplete",
        "  not listed: 3 ends with a degenerate Hessian",
    ]
    for many, shown in ((24, 24), (25, 25), (30, 25)):
        rows = [point([math.cos(i), math.sin(i), 0.0], float(i)) for i in range(many)]
        lines = repr(points(*rows)).splitlines()
        assert len(lines) == 1 + 1 + shown + 1
        assert ("..." in [line.strip() for line in lines]) == (many > 24)
        assert lines[2].split()[2] == "0"
        assert lines[-2].split()[2] == str(many - 1)
