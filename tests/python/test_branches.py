"""Branches over beta: complete lists between the betas of the grid, thresholds, planted faults."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hermiteflow as hf
from hermiteflow import plot
from hermiteflow._plot_bifurcation import stretches
from hermiteflow.landscape._atlas import Atlas, Listing
from hermiteflow.landscape._branches import most_values
from hermiteflow.landscape._continuation import Family

LINKS: dict[str, hf.Interaction] = {
    "h3": hf.Interaction(hf.hermite(3)),
    "h4": hf.Interaction(hf.hermite(4)),
    "h3 + h4 / 2": hf.Interaction(hf.hermite({3: 1.0, 4: 0.5})),
    "h3 - h5": hf.Interaction(hf.hermite({3: 1.0, 5: -0.6})),
    "h1 + h3": hf.Interaction(hf.hermite({1: 0.7, 3: 1.0})),
    "h2 + h4": hf.Interaction(hf.hermite({2: 0.5, 4: 1.0})),
    "h4 x -h4": hf.Interaction(hf.hermite(4), student=-1.0 * hf.hermite(4)),
    "h3 + h5 x h3 - h5": hf.Interaction(
        hf.hermite({3: 1.0, 5: 1.0}), student=hf.hermite({3: 1.0, 5: -0.8})
    ),
    "h4 + h6 x h4 - h6": hf.Interaction(
        hf.hermite({4: 1.0, 6: 1.0}), student=hf.hermite({4: 1.0, 6: -0.6})
    ),
}


def listed(psi: hf.Interaction, k: int, beta: float) -> hf.FixedPoints:
    flow = hf.CorrelationFlow(hf.Equiangular(k, beta), psi.link, student=psi.student)
    return hf.fixed_points(flow)


def events(ds: Any, kind: str) -> list[int]:
    return [int(e) for e in np.flatnonzero(ds.event_kind.values == kind)]


def ends(ds: Any, branch: int) -> list[float]:
    """Where a branch ends within the grid."""
    out = []
    for e in range(ds.sizes["event"]):
        kind, sides = str(ds.event_kind.values[e]), ds.event_branch.values[e]
        both = kind == "fold" and branch in sides
        if both or (kind in ("merging", "degenerate") and sides[0] == branch):
            out.append(float(ds.event_beta.values[e]))
    return out


def alive(ds: Any, beta: float) -> list[int]:
    """Branches that exist at a beta between those of the grid, by their events alone."""
    grid, out = ds.beta.values, []
    for branch in range(ds.sizes["branch"]):
        there = ~np.isnan(ds.loss.values[branch])
        low = grid[0] if there[0] else min(ends(ds, branch))
        high = grid[-1] if there[-1] else max(ends(ds, branch))
        if low < beta < high:
            out.append(branch)
    return out


def sizes_of(ds: Any, branch: int) -> tuple[int, ...]:
    return tuple(sorted(int(s) for s in ds.multiplicity.values[branch] if s))


def same_orbits(ds: Any, psi: hf.Interaction, beta: float, *, without: int = 0) -> None:
    """The branches that are alive are the orbits of the proved list."""
    points = listed(psi, int(ds.attrs["k"]), beta)
    branches = alive(ds, beta)[without:]
    assert sorted(sizes_of(ds, b) for b in branches) == sorted(
        tuple(sorted(o.multiplicities)) for o in points
    )
    assert sum(int(ds["count"].values[b]) for b in branches) == points.total


@pytest.mark.parametrize(
    ("name", "k", "size"),
    [
        ("h3", 2, 3),
        ("h3", 3, 5),
        ("h3", 10, 4),
        ("h3", 20, 5),
        ("h4", 2, 4),
        ("h4", 3, 5),
        ("h4", 7, 4),
        ("h3 + h4 / 2", 5, 4),
        ("h3 - h5", 5, 5),
        ("h1 + h3", 5, 5),
        ("h2 + h4", 5, 6),
        ("h4 x -h4", 4, 4),
        ("h3 + h5 x h3 - h5", 3, 6),
        ("h4 + h6 x h4 - h6", 3, 5),
    ],
)
def test_between_coarse_betas_nothing_is_left_out(name: str, k: int, size: int) -> None:
    """At random betas, far from those of the grid; folds and crossings lie between them."""
    psi = LINKS[name]
    grid = np.linspace(-0.83 / (k - 1), 0.71, size) + 1e-4
    ds = hf.bifurcation_diagram(psi, k, grid)
    betas = np.random.default_rng(k).uniform(grid[0], grid[-1], 6)
    for beta in betas:
        same_orbits(ds, psi, float(beta))
    with pytest.raises(AssertionError):  # the twin: a branch forgotten
        same_orbits(ds, psi, float(betas[0]), without=1)
    for i, beta in enumerate(grid):  # on the grid, values are those of the lists
        points = listed(psi, k, float(beta))
        there = np.flatnonzero(~np.isnan(ds.loss.values[:, i]))
        assert there.size == len(points)
        columns = ("loss", "outside_eigenvalue", "morse_index")
        mine = sorted(tuple(float(ds[c].values[b, i]) for c in columns) for b in there)
        theirs = sorted((o.loss, o.outside_eigenvalue, float(o.morse_index)) for o in points)
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
        for b in there:
            s, u = ds.multiplicity.values[b], ds.overlap.values[b, i]
            loss = -float(s[s > 0] @ psi(u[s > 0]))
            assert loss == pytest.approx(float(ds.loss.values[b, i]), abs=1e-10)


@pytest.mark.parametrize("name", ["h3", "h4", "h3 + h4 / 2", "h3 - h5"])
@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_thresholds_are_those_of_their_own_functions(name: str, k: int) -> None:
    psi = LINKS[name]
    ds = hf.bifurcation_diagram(psi, k, np.linspace(-0.4 / (k - 1), 0.77, 4) + 1e-4)
    low, high = ds.beta.values[[0, -1]]
    found = sorted(
        float(ds.event_beta.values[e])
        for e in events(ds, "crossing")
        for branch in [ds.event_branch.values[e, 0]]
        if sizes_of(ds, branch) == (k,) and ds.event_overlap.values[e, 0] > 0
    )
    expected = [b for b in hf.critical_beta(psi, k, all_roots=True) if low < b < high]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    fold = hf.fold_beta(psi, k).beta
    kind = "fold" if k > 2 else "merging"  # at k = 2 the two minima meet in the average
    minima = [e for e in events(ds, kind) if "minimum" in ds.event_side_kind.values[e]]
    assert len(minima) == 1
    assert float(ds.event_beta.values[minima[0]]) == pytest.approx(fold, abs=1e-12)
    if k > 2:
        assert sorted(ds.event_side_kind.values[minima[0]]) == ["minimum", "saddle"]
        assert sorted(ds.event_side_index.values[minima[0]]) == [0, 1]
    # the twin: the thresholds of k + 1
    assert abs(hf.fold_beta(psi, k + 1).beta - fold) > 1e-3
    assert abs(hf.critical_beta(psi, k + 1) - expected[0]) > 1e-3


def test_minima_that_lose_stability() -> None:
    psi, k = LINKS["h4 + h6 x h4 - h6"], 3
    fold = hf.fold_beta(psi, k)
    assert fold.how == "lose stability"
    ds = hf.bifurcation_diagram(psi, k, [0.01, 0.5])
    kinds = [
        set(ds.event_side_kind.values[e])
        for e in events(ds, "crossing")
        if abs(float(ds.event_beta.values[e]) - fold.beta) < 1e-12
    ]
    assert kinds == [{"minimum", "saddle"}]


def test_the_grid_does_not_matter() -> None:
    """Folds and crossings are located, whatever the grid."""
    pieces = []
    for size in (2, 5, 17):
        ds = hf.bifurcation_diagram(hf.hermite(4), 5, np.linspace(-0.09, 0.55, size))
        pieces.append(sorted(zip(ds.event_kind.values, ds.event_beta.values, strict=True)))
    for other in pieces[1:]:
        assert [kind for kind, _ in other] == [kind for kind, _ in pieces[0]]
        np.testing.assert_allclose([b for _, b in other], [b for _, b in pieces[0]], atol=1e-12)


@pytest.mark.parametrize(
    ("p", "k", "grid"),
    [
        (3, 3, [0.0, 0.25, 0.4]),  # beta_c is a double
        (3, 5, [0.1, 0.2, 0.3]),  # the fold is one within rounding
        (4, 2, [-0.25, 0.0, 0.5, 0.7]),  # both
        (4, 2, [-0.5, 0.25, 0.5]),  # at both ends
        (4, 3, np.linspace(-0.05, 0.4, 10)),
        (3, 10, np.linspace(-0.1, 0.4, 11)),
    ],
)
def test_betas_at_bifurcations(p: int, k: int, grid: Any) -> None:
    psi = hf.Interaction(hf.hermite(p))
    ds = hf.bifurcation_diagram(psi, k, grid)
    for i, beta in enumerate(ds.beta.values):
        there = ~np.isnan(ds.loss.values[:, i])
        points = listed(psi, k, float(beta))
        if beta != 0.0 or p % 2:
            np.testing.assert_array_equal(np.sort(ds.loss.values[there, i]), np.sort(points.loss))


def test_at_beta_0_branches_of_an_even_psi_share_orbits() -> None:
    k = 4
    ds = hf.bifurcation_diagram(hf.hermite(4), k, [-0.02, 0.0, 0.02])
    points = listed(LINKS["h4"], k, 0.0)
    middle = ds.isel(beta=1)
    for orbit in points:
        mine = [
            int(ds["count"].values[b])
            for b in range(ds.sizes["branch"])
            if abs(float(middle.loss.values[b]) - orbit.loss) < 1e-12
        ]
        assert len(mine) > 1 or orbit.kind == "minimum"
        assert sum(mine) == orbit.count
    largest = np.nanmax(np.abs(middle.overlap.values), axis=1)
    np.testing.assert_allclose(largest, np.sqrt(-middle.loss.values), atol=1e-12)
    before, after = ds.overlap.values[:, 0], ds.overlap.values[:, 2]
    assert np.nanmax(np.abs(before - after)) < 0.1  # signs stay along a branch


def test_a_closed_curve_is_followed_once() -> None:
    """psi = u^3 - 0.8 u^5, k = 3: a curve with (2, 1) groups turns at beta = -0.093 and 0.489."""
    ds = hf.bifurcation_diagram(LINKS["h3 + h5 x h3 - h5"], 3, np.linspace(-0.41, 0.7, 4))
    folds = [
        tuple(sorted(ds.event_branch.values[e]))
        for e in events(ds, "fold")
        if -0.1 < float(ds.event_beta.values[e]) < -0.09
        or 0.48 < float(ds.event_beta.values[e]) < 0.49
    ]
    assert len(folds) == 4
    assert len(set(folds)) == 2


# ------------------------------------------------------------------ planted faults


def atlas(forget: int | None = None, invent: bool = False) -> Atlas:
    psi, k, betas = LINKS["h3"], 5, np.linspace(0.0, 0.3, 7)
    listings = [Listing.of(listed(psi, k, float(b)), split_signs=False) for b in betas]
    if forget is not None:
        first = listings[3]
        key = next(key for key, rows in first.rows.items() if rows.size > forget)
        for table in (first.rows, first.values, first.claimed):
            table[key] = np.delete(table[key], forget, axis=0)  # type: ignore[index,arg-type]
    if invent:
        key = (4, 1)
        first = listings[3]
        first.values[key] = np.vstack([first.values[key], [0.1, 0.6]])
        first.rows[key] = np.append(first.rows[key], 0)
        first.claimed[key] = np.append(first.claimed[key], False)
    slope = psi.coefficients[1:] * np.arange(1, 4)
    return Atlas(slope, k, betas, listings, most_values(psi.coefficients, k), 0.06)


def test_an_orbit_forgotten_or_invented_is_rejected() -> None:
    whole = atlas()
    whole.build()
    assert all(claims.all() for one in whole.listings for claims in one.claimed.values())
    with pytest.raises(ArithmeticError, match=r"beta = 0\.15 with overlaps .* is not listed"):
        atlas(forget=0).build()
    with pytest.raises(ArithmeticError, match=r"beta = 0\.15 with overlaps 4 x 0\.1, 1 x 0\.6"):
        atlas(invent=True).build()


def jacobian_error(family: Family, x: np.ndarray[Any, Any], *, fault: float = 0.0) -> float:
    h, worst = 1e-6, 0.0
    jacobian = family._jet(x)[1] + fault
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = h
        difference = (family._jet(x + step)[0] - family._jet(x - step)[0]) / (2 * h)
        worst = max(worst, float(np.max(np.abs(difference - jacobian[:, i]))))
    return worst


@pytest.mark.parametrize("sizes", [(4,), (3, 1), (2, 1, 1), (3, 2, 2, 1)])
def test_derivatives_of_the_equations(sizes: tuple[int, ...]) -> None:
    slope = np.array([0.3, -0.2, 1.0, 0.7, -0.4])
    family = Family(slope, sum(sizes), sizes)
    x = np.append(np.random.default_rng(1).standard_normal(len(sizes)), 0.3)
    x[:-1] /= np.linalg.norm(x[:-1])
    assert jacobian_error(family, x) < 1e-8
    assert jacobian_error(family, x, fault=1e-6) > 1e-7
    u = np.array([0.4, -0.3, 0.1, 0.7])[: len(sizes)]
    psi1 = np.polynomial.polynomial.Polynomial(family.slope)
    found = family.differences(u)[0]
    if len(sizes) > 1:
        assert found[1] == pytest.approx((psi1(u[1]) - psi1(u[0])) / (u[1] - u[0]), rel=1e-12)


# ------------------------------------------------------------------ the Dataset and its figure


def test_the_dataset_can_be_saved(tmp_path: Path) -> None:
    import xarray as xr

    ds = hf.bifurcation_diagram(hf.hermite(3), 4, np.linspace(0.0, 0.5, 6), d=4)
    assert ds.attrs["k"] == 4
    assert ds.attrs["link"] == "h_3"
    assert ds.attrs["source"] == f"hermiteflow {hf.__version__}"
    assert set(ds.kind.values[np.isnan(ds.loss.values)]) <= {""}
    assert "" not in ds.kind.values[~np.isnan(ds.loss.values)]
    # for d = k what lies outside of span(V) does not count: -sum_j v_j is a minimum
    assert "minimum" in ds.kind.values[ds.outside_eigenvalue.values < 0]
    ds.to_netcdf(tmp_path / "diagram.nc")
    with xr.open_dataset(tmp_path / "diagram.nc") as again:
        xr.testing.assert_equal(again.load(), ds)
    lone = hf.bifurcation_diagram(hf.hermite(1), 4, [0.1, 0.2])  # no events at all
    assert lone.sizes["event"] == 0
    assert lone.event_branch.shape == (0, 2)


@pytest.mark.parametrize("quantity", ["loss", "overlap"])
def test_the_figure(quantity: str) -> None:
    from matplotlib.figure import Figure

    ds = hf.bifurcation_diagram(hf.hermite(3), 5, np.linspace(-0.1, 0.3, 9))
    ax = plot.bifurcation(ds, quantity=quantity, ax=Figure().subplots())
    legend = ax.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert {"minimum", "maximum", "saddle, index 1"} <= set(texts)
    assert r"$\beta_c$ = 0.1667" in texts
    assert r"$\beta_{\rm fold}$ = 0.2" in texts
    # branches that meet at a fold are drawn to the same point
    for e in events(ds, "fold"):
        beta = float(ds.event_beta.values[e])
        tips = []
        for branch in ds.event_branch.values[e]:
            parts = stretches(ds, int(branch), quantity)
            tips += [p.value[-1] for p in parts if p.beta[-1] == beta]
        assert len(tips) == 2
        assert tips[0] == tips[1]
    kinds = {p.kind for b in range(ds.sizes["branch"]) for p in stretches(ds, b, quantity)}
    assert kinds == {"minimum", "saddle", "maximum"}
    with pytest.raises(ValueError, match=r"quantity must be one of 'loss', 'overlap'.*'los'"):
        plot.bifurcation(ds, quantity="los")


def test_a_beta_that_no_list_can_decide_is_named() -> None:
    """psi = u^4, k = 5: at beta = -1/10 three overlaps become two within rounding."""
    with pytest.raises(ArithmeticError, match=r"off bifurcations .*got -0\.1: .*0\.5138"):
        hf.bifurcation_diagram(hf.hermite(4), 5, [-0.1, 0.2])
    hf.bifurcation_diagram(hf.hermite(4), 5, [-0.1 + 1e-6, 0.2])


def test_bad_input() -> None:
    call, link = hf.bifurcation_diagram, hf.hermite(3)
    with pytest.raises(TypeError, match="link must be a Link or an Interaction, got 'h3'"):
        call("h3", 5, [0.1, 0.2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="k must be an integer of at least 2, got 1"):
        call(link, 1, [0.1, 0.2])
    with pytest.raises(ValueError, match=r"betas must lie in .* got 1"):
        call(link, 5, [0.1, 1.0])
    with pytest.raises(ValueError, match=r"betas must lie in .*\(-0.25, 1\), got -0.25"):
        call(link, 5, [-0.25, 0.2])
    with pytest.raises(ValueError, match="betas must be strictly increasing"):
        call(link, 5, [0.2, 0.1])
    with pytest.raises(ValueError, match="betas must hold at least 2 values, got 1"):
        call(link, 5, [0.2])
    with pytest.raises(ValueError, match="betas must be finite"):
        call(link, 5, [0.2, math.nan])
    with pytest.raises(ValueError, match="complete"):
        call(hf.link(lambda x: np.maximum(x, 0.0)), 5, [0.1, 0.2])
    with pytest.raises(ValueError, match="psi' = 0"):
        call(hf.Interaction(link, student=hf.hermite(4)), 5, [0.1, 0.2])
    with pytest.raises(ValueError, match="d must be an integer of at least 5"):
        call(link, 5, [0.1, 0.2], d=4)
    with pytest.raises(ValueError, match="max_orbits"):
        call(link, 20, [0.01, 0.02], max_orbits=3)
