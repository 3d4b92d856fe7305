"""Shares of basins, against another integrator, vectors of R^d and closed forms."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

import hermiteflow as hf
from hermiteflow.landscape import _basins, _naming

xr = pytest.importorskip("xarray")

# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("point", "even", "odd"),
    [
        ([0.5, 0.5, 0.5, 0.5], "average", "average"),
        ([-0.5, -0.5, -0.5, -0.5], "average", "minus average"),
        ([0.1, 0.9, 0.1, 0.1], "index-like", "index-like"),
        ([-0.1, 0.9, -0.1, -0.1], "index-like", "index-like"),
        ([0.0, -0.9, -1e-17, 0.0], "index-like", "minus index-like"),
        ([0.6, 0.1, 0.6, 0.1], "2 + 2", "2 + 2"),
        ([0.6, 0.6, 0.6, 0.1], "3 + 1", "3 + 1"),
        ([0.6, 0.6, 0.6, -0.1], "3 - 1", "3 - 1"),
        ([-0.6, -0.6, 0.1, 0.1], "2 - 2", "minus 2 - 2"),
        ([0.5, -0.5, -0.5, -0.5], "3 - 1", "1 - 3"),
        ([0.5, 0.5, 0.5, -0.5], "3 - 1", "3 - 1"),
        ([0.7, 0.2, 0.2, -0.3], "1 + 2 - 1", "1 + 2 - 1"),
    ],
)
def test_orbits_are_named_by_their_groups(point: list[float], even: str, odd: str) -> None:
    rng = np.random.default_rng(0)
    points = np.array([rng.permutation(point) for _ in range(5)])
    points += 1e-9 * rng.standard_normal(points.shape)
    assert set(_naming.orbit_names(points, True)) == {even}
    assert set(_naming.orbit_names(points, False)) == {odd}


def test_two_index_vectors_have_three_orbits() -> None:
    points = np.array([[0.9, 0.2], [0.7, 0.7], [0.7, -0.7], [-0.7, 0.7]])
    for even in (True, False):
        names = _naming.orbit_names(points, even).tolist()
        assert names == ["index-like", "average", "1 - 1", "1 - 1"]


# ------------------------------------------------------------------ starts


def drawn(targets: hf.Equiangular, kind: str, n: int, d: int, distance: float) -> np.ndarray:
    """The starts through vectors of R^d."""
    rng = np.random.default_rng(5)
    V = targets.vectors(d)
    step = rng.standard_normal((n, d))
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    if kind == "random":
        return step @ V.T
    centre = V.sum(axis=0, keepdims=True) if kind == "average" else V[np.arange(n) % targets.k]
    centre = centre / np.linalg.norm(centre, axis=1, keepdims=True)
    w = centre + distance * step
    return (w / np.linalg.norm(w, axis=1, keepdims=True)) @ V.T


@pytest.mark.parametrize("kind", _basins.STARTS)
def test_starts_have_the_law_of_vectors(kind: str) -> None:
    targets = hf.Equiangular(k=3, beta=0.3)
    ours = _basins._start(targets, kind, 4000, 7, 0.1, np.random.SeedSequence(1))
    theirs = drawn(targets, kind, 4000, 7, 0.1)
    for j in range(3):
        assert scipy.stats.ks_2samp(ours[:, j], theirs[:, j]).pvalue > 1e-4
    # The twin: a step, or a dimension, of another size.
    distance, d = (0.1, 14) if kind == "random" else (0.12, 7)
    wrong = drawn(targets, kind, 4000, d, distance)
    assert min(scipy.stats.ks_2samp(ours[:, j], wrong[:, j]).pvalue for j in range(3)) < 1e-6


# ------------------------------------------------------------------ shares


def followed(p: int, k: int, beta: float, starts: np.ndarray) -> list[str]:
    """Ends by RK4 on the unit sphere of span(V), which the direction of m(0) decides, (7)."""
    gram = (1.0 - beta) * np.eye(k) + beta

    def field(m: np.ndarray) -> np.ndarray:
        g = p * m ** (p - 1)
        return g @ gram - np.sum(m * g, axis=1, keepdims=True) * m

    inverse = np.linalg.inv(gram)
    m, step = starts.copy(), 0.1
    for _ in range(2500):
        m /= np.sqrt(np.sum(m @ inverse * m, axis=1, keepdims=True))
        k1 = field(m)
        k2 = field(m + 0.5 * step * k1)
        k3 = field(m + 0.5 * step * k2)
        m = m + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + field(m + step * k3))
    assert np.max(np.abs(field(m))) < 1e-3
    return ["average" if spread < 1e-2 else "index-like" for spread in np.ptp(np.abs(m), axis=1)]


@pytest.mark.parametrize("p", [3, 4])
def test_every_random_start_ends_where_another_integrator_says(p: int) -> None:
    k, n, root = 10, 400, np.random.SeedSequence(p)
    beta = 0.98 * hf.fold_beta(hf.hermite(p), k).beta
    ds = hf.basin_shares(hf.hermite(p), k, beta, n=n, seed=root)
    starts = _basins._start(
        hf.Equiangular(k=k, beta=beta), "random", n, 1000, 1e-3, _basins.stream(root, 0, 0)
    )
    flow = hf.CorrelationFlow(hf.Equiangular(k=k, beta=beta), hf.hermite(p))
    names = _basins._ends(hf.solve(flow, overlaps=starts), even=p == 4)
    assert names.tolist() == followed(p, k, beta, starts)
    counted = ds["count"].sel(beta=beta, start="random")
    for end in ("average", "index-like"):
        assert int(counted.sel(end=end)) == np.count_nonzero(names == end) > 50
    # The twin: 3 % less of beta.
    wrong = followed(p, k, 0.97 * beta, starts)
    assert np.count_nonzero(names != np.array(wrong)) > 10


@pytest.fixture(scope="module", params=[3, 4])
def claim(request: pytest.FixtureRequest) -> Any:
    """Shares at 1.05 beta_c, half-way to the fold, and at 0.98 and 1.02 of the fold."""
    link = hf.hermite(request.param)
    critical, fold = hf.critical_beta(link, 10), hf.fold_beta(link, 10).beta
    betas = [0.98 * critical, 1.05 * critical, 0.5 * (critical + fold), 0.98 * fold, 1.02 * fold]
    return hf.basin_shares(link, 10, betas, n=1500, seed=1, confidence=1 - 1e-5)


def test_three_curves(claim: Any) -> None:
    """Both thresholds are sharp from nearby; random starts see the fold."""
    shares = claim.share.sel(end="average", limit="estimate")
    assert shares.sel(start="average").values.tolist() == [0, 1, 1, 1, 1]
    assert shares.sel(start="index vector").values.tolist() == [0, 0, 0, 0, 1]
    random = shares.sel(start="random").values
    assert random[[0, 1, 4]].tolist() == [0, 0, 1]
    # From 100000 starts of another seed, to 0.07 and 0.4 % at 99 %.
    known = (0.0077, 0.2773) if int(claim.pure_degree) == 3 else (0.0062, 0.2507)
    for b, value in zip((2, 3), known, strict=True):
        low, high = claim.share.sel(start="random", end="average").values[b, 1:]
        assert low < value < high
    assert claim.end.values.tolist() == ["average", "index-like", "never escapes", "failed"]
    assert (claim["count"].sum("end") == 1500).all()


def test_the_dataset_tells_what_it_is(claim: Any, tmp_path: Any) -> None:
    p = int(claim.pure_degree)
    assert claim.share.dims == ("beta", "start", "end", "limit")
    assert float(claim.beta_c) == hf.critical_beta(hf.hermite(p), 10)
    assert float(claim.beta_fold) == hf.fold_beta(hf.hermite(p), 10).beta
    assert claim.attrs["link"] == f"h_{p}"
    assert json.loads(claim.attrs["seed"]) == {"entropy": "1", "spawn_key": []}
    cell = claim.isel(beta=3).sel(start="random", end="average")
    test = scipy.stats.binomtest(int(cell["count"]), 1500).proportion_ci(1 - 1e-5, "exact")
    np.testing.assert_allclose(cell.share.values[1:], (test.low, test.high), rtol=1e-6)
    claim.to_netcdf(tmp_path / "ds.nc", engine="h5netcdf")
    again = xr.load_dataset(tmp_path / "ds.nc", engine="h5netcdf")
    xr.testing.assert_identical(claim, again)


def test_random_shares_do_not_depend_on_the_dimension() -> None:
    fold = hf.fold_beta(hf.hermite(3), 10).beta
    counts = [
        hf.basin_shares(hf.hermite(3), 10, 0.98 * fold, n=1500, d=d, seed=d)["count"]
        .sel(start="random", end=["average", "index-like"])
        .values.ravel()
        for d in (10, 10**9)
    ]
    assert scipy.stats.chi2_contingency(counts).pvalue > 1e-4


def test_only_the_seed_matters() -> None:
    done: list[tuple[int, int]] = []

    def shares(**options: Any) -> Any:
        return hf.basin_shares(hf.hermite({3: 1.0, 5: 1.0}), 4, [0.1, 0.3], n=50, **options)

    first = shares(seed=1, n_threads=1, progress=lambda *now: done.append(now))
    assert done[-1] == (300, 300)
    xr.testing.assert_identical(first, shares(seed=1, n_threads=2))
    xr.testing.assert_identical(first, shares(seed=np.random.SeedSequence(1)))
    xr.testing.assert_equal(*(shares(seed=np.random.default_rng(3)).drop_attrs() for _ in range(2)))
    near = hf.basin_shares(hf.hermite(3), 10, 0.14, n=200, seed=1)
    far = hf.basin_shares(hf.hermite(3), 10, 0.14, n=200, seed=2)
    assert not near["count"].equals(far["count"])


def ends(ds: Any, beta: float, start: str = "random") -> set[str]:
    counts = ds["count"].sel(beta=beta, start=start)
    return {str(end) for end in counts.end.values if int(counts.sel(end=end)) > 0}


def test_any_link() -> None:
    even = hf.basin_shares(hf.hermite({2: 1.0, 4: 0.5}), 2, [-0.5, 0.05, 0.5], n=60, seed=0)
    assert [ends(even, beta) for beta in even.beta.values] == [
        {"1 - 1"},
        {"index-like"},
        {"average"},
    ]
    assert int(even.pure_degree) == 0
    assert float(even.beta_fold) == pytest.approx(float(even.beta_c))  # k = 2: they meet
    mixed = hf.hermite({3: 1.0, 4: 0.5})
    ds = hf.basin_shares(mixed, 3, [-0.2, 0.9], n=200, seed=0)
    assert ends(ds, -0.2) == {"index-like", "never escapes"}
    assert ends(ds, 0.9) == {"average"}
    both = hf.basin_shares(hf.Interaction(mixed), 3, [-0.2, 0.9], n=200, seed=0)
    xr.testing.assert_identical(ds, both)
    pushed = hf.basin_shares(hf.Interaction(hf.hermite(4), -1.0 * hf.hermite(4)), 3, 0.1, n=20)
    assert ends(pushed, 0.1) == {"never escapes"}
    assert np.isnan(pushed.beta_fold)
    assert pushed.attrs["link"] == "h_4, student -h_4"


def test_ends_that_are_no_minima() -> None:
    flat = hf.basin_shares(hf.hermite(2), 3, 0.0, n=20, seed=0)
    assert ends(flat, 0.0) == {"degenerate"}
    spaces = hf.basin_shares(hf.hermite(3), 3, -0.2, n=200, d=3, seed=0)  # d = k
    assert ends(spaces, -0.2) == {"index-like", "minus average"}


def test_the_core_gets_a_second_layer_for_each_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads as many as there are points, and does not look how many it was given."""
    plain, given = _basins._core.settle, []

    def checked(flow: Any, layer: np.ndarray, points: np.ndarray) -> np.ndarray:
        given.append((layer.tolist(), len(points)))
        return plain(flow, layer, points)

    monkeypatch.setattr(_basins._core, "settle", checked)
    hf.basin_shares(hf.hermite(4), 3, [0.1], n=7, seed=0)
    assert all(layer == [1.0] * n for layer, n in given)
    assert max(n for _, n in given) == 7


def test_failures_are_counted() -> None:
    """A second search phase that no explicit step gets through."""
    link = hf.hermite({4: 1.0, 5: 1.0})
    with pytest.warns(hf.SolveWarning, match="max_steps"):
        ds = hf.basin_shares(link, 2, 0.0, n=20, d=10**8, seed=0)
    assert ds["count"].sel(start="random", end="failed").item() > 0
    assert (ds["count"].sum("end") == 20).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"link": "h3"}, TypeError, "link must be a Link"),
        ({"link": hf.hermite(0)}, ValueError, "psi' = 0"),
        ({"k": 1}, ValueError, "k must be at least 2"),
        ({"k": 2.5}, ValueError, "k must be an integer"),
        ({"betas": []}, ValueError, "betas must have shape"),
        ({"betas": [[0.1]]}, ValueError, "betas must have shape"),
        ({"betas": [0.1, 1.0]}, ValueError, r"betas must lie in .* = \(-0.5, 1\), got 1"),
        ({"betas": [-0.5]}, ValueError, "betas must lie in .* got -0.5"),
        ({"betas": [0.1, 0.2, 0.1]}, ValueError, "betas must differ"),
        ({"betas": [math.nan]}, ValueError, "betas must be finite"),
        ({"n": 0}, ValueError, "n must be an integer of at least 1"),
        ({"d": 2}, ValueError, r"d must be at least rank\(G\) = 3, got 2"),
        ({"distance": 0.0}, ValueError, "distance must be a number in"),
        ({"confidence": 1.0}, ValueError, "confidence must be a number in"),
        ({"confidence": 0.0}, ValueError, "confidence must be a number in"),
        ({"rtol": 1.0}, ValueError, "rtol must be a number in"),
        ({"seed": -1}, ValueError, "seed must be an integer"),
        ({"progress": 1}, TypeError, "progress must be True or False"),
    ],
)
def test_bad_arguments(change: dict[str, Any], error: type[Exception], words: str) -> None:
    arguments = {"link": hf.hermite(3), "k": 3, "betas": [0.1], "n": 5, "seed": 0, **change}
    with pytest.raises(error, match=words):
        hf.basin_shares(**arguments)


# ------------------------------------------------------------------ the experiment and the figure


def test_the_experiment_takes_links_of_mixed_degrees() -> None:
    from hermiteflow import experiments as ex

    links = (hf.hermite({4: 1.0, 5: 1.0}), hf.hermite({3: 1.0, 4: 0.5}))
    ds = ex.threshold(links=links, k=(6, 5), n=40, positions=(2.3, 0.5, 1.5), seed=0)
    assert ds["count"].dims == ("link", "k", "position", "start", "end")
    assert ds.end.values.tolist()[:2] == ["average", "index-like"]
    assert ds.end.values.tolist()[-2:] == ["never escapes", "failed"]
    assert (ds["count"].sum("end") == 40).all()
    np.testing.assert_allclose(ds.share.sel(limit="estimate"), ds["count"] / 40)
    assert not ds.share.isnull().any()
    for a, k in ((0, 6), (1, 6), (0, 5), (1, 5)):
        link, cell = links[a], ds.isel(link=a).sel(k=k)
        assert float(cell.beta_c) == hf.critical_beta(link, k)
        assert float(cell.beta[1]) == pytest.approx(0.5 * float(cell.beta_c))
        to_average = cell.share.sel(end="average", limit="estimate")
        assert to_average.sel(start="average").values.tolist() == [1, 0, 1]
        assert to_average.sel(start="index vector").values.tolist() == [1, 0, 0]


def test_the_figure() -> None:
    from matplotlib.figure import Figure

    from hermiteflow import experiments as ex
    from hermiteflow import plot

    one = hf.basin_shares(hf.hermite(3), 5, [0.4, 0.1, 0.25], n=20, seed=0)
    ax = plot.threshold(one, ax=Figure().subplots())
    assert [text.get_text() for text in ax.texts] == [r"$\beta_c$", r"$\beta_{\rm fold}$"]
    assert ax.get_title(loc="left") == "$h_{3}$, $k=5$"
    assert "solid lines: theory" in ax.get_legend().get_title().get_text()
    points = {box.get_label(): box.lines[0].get_xydata() for box in ax.containers}
    assert points["near the average"][:, 0].tolist() == [0.1, 0.25, 0.4]
    assert points["near the average"][:, 1].tolist() == [0, 1, 1]  # beta_c = 1/6
    ax = plot.threshold(one, end="index-like", starts=("random",), ax=Figure().subplots())
    assert len(ax.containers) == 1
    assert ax.get_ylabel() == "share that ends near an index vector"
    flat = hf.basin_shares(hf.hermite(1), 3, [0.1, 0.2], n=5, seed=0)
    ax = plot.threshold(flat, ax=Figure().subplots())
    assert not ax.texts  # no thresholds
    assert "theory" not in ax.get_legend().get_title().get_text()
    with pytest.raises(ValueError, match="end must be one of"):
        plot.threshold(one, end="nowhere")
    with pytest.raises(ValueError, match="starts must be one of"):
        plot.threshold(one, starts=("near",), ax=Figure().subplots())
    links = (hf.hermite(3), hf.hermite(4))
    many = ex.threshold(links=links, k=(10, 4), n=10, positions=(0.5, 2.5), seed=0)
    ax = plot.threshold(many, link="h4", ax=Figure().subplots())
    assert ax.get_title(loc="left") == "$h_{4}$, $k=10$"
    ax = plot.threshold(many, k=4, ax=Figure().subplots())
    assert ax.get_title(loc="left") == "$h_{3}$, $k=4$"
    assert ax.containers[0].lines[0].get_xydata()[0, 0] == pytest.approx(0.5 / 5)  # beta_c / 2
