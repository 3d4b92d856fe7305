"""Figures of experiments: all that a Dataset holds is drawn, and what is not there is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import hermiteflow as hf

pytest.importorskip("xarray")

from hermiteflow import _drawing
from hermiteflow import experiments as ex

h3, h4 = hf.hermite(3), hf.hermite(4)
LEANING = ex.TargetSpec(kind="equiangular", beta=0.2)


@pytest.fixture(scope="module")
def search() -> Any:
    links = tuple(hf.hermite(p) for p in range(2, 11))
    specs = [ex.TargetSpec(kind="equiangular", beta=0.01 * i) for i in range(8)]
    return ex.search_time(
        links=links, targets=specs, n=4, d=(1e6, 1e8), horizon=0.1, replicates=5, seed=0
    )


@pytest.fixture(scope="module")
def coverage() -> Any:
    return ex.coverage(
        links=(h3, h4), targets=(ex.TargetSpec(), LEANING), k=(3, 4), batches=20, seed=0
    )


@pytest.fixture(scope="module")
def threshold() -> Any:
    return ex.threshold(links=(h3, h4), k=(3, 4), n=5, positions=(0.5, 2.5), seed=0)


def axes() -> Any:
    return Figure().subplots()


def titles(ds: Any) -> list[str]:
    return [ax.get_title("left") for ax in hf.plot.draw(ds).axes]


def test_colours_and_markers_begin_anew(search: Any) -> None:
    assert search.sizes["link"] - 1 > len(_drawing.COLOURS)
    assert search.sizes["targets"] > len(_drawing.MARKERS)
    legend = hf.plot.hitting_times(search, ax=axes()).get_legend()
    assert len(legend.get_texts()) == 8 + 8
    many = tuple(range(3, 11))
    ds = ex.coverage(links=h4, k=many, batches=3, ratios=(0.5, 1.0), seed=0)
    legend = hf.plot.coverage(ds, ax=axes()).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [f"$k={k}$" for k in many]
    links = tuple(hf.hermite({4: 1.0, 6: 0.1 * i}) for i in range(8))
    ds = ex.coverage(links=links, k=3, batches=3, ratios=(0.5, 1.0), seed=0)
    assert len(hf.plot.coverage_linear(ds, ax=axes()).get_legend().get_texts()) == 8
    ds = ex.nearest(links=links, k=3, n=5, seed=0)
    hf.plot.trapped(ds, ax=axes())


def test_search_times_of_both_kinds_are_drawn(search: Any) -> None:
    assert titles(search) == [r"Search time, $p^* \geq 3$", "Search time, $p^* = 2$"]
    assert titles(search.isel(link=slice(0, 1))) == ["Search time, $p^* = 2$"]
    assert titles(search.isel(link=slice(1, 3))) == [r"Search time, $p^* \geq 3$"]
    with pytest.raises(ValueError, match=r"ds must have a link of p\* other than 2, got h2: 2"):
        hf.plot.hitting_times(search.isel(link=slice(0, 1)), ax=axes())
    with pytest.raises(ValueError, match=r"ds must have a link of p\* = 2, got h3: 3"):
        hf.plot.search_rate(search.isel(link=slice(1, 2)), ax=axes())


def test_log_rates_know_the_size_of_a_link() -> None:
    """As measured: 1/(4 c) for psi = c u^2 + ...; what follows c u^2 does not matter."""
    links = (hf.hermite({2: 0.5}), hf.hermite({2: 2.0}), hf.hermite({2: 0.5, 4: 1.0}))
    ds = ex.search_time(links=links, n=400, d=(1e8, 1e11, 1e14), k=4, replicates=100, seed=0)
    np.testing.assert_allclose(ds.leading, [0.25, 4.0, 0.25])
    for link, expected in zip(ds.link.values, (1.0, 0.0625, 1.0), strict=True):
        cell = ds.sel(link=link).isel(targets=0)
        assert ex.log_rate_bounds(cell.gram.values, float(cell.leading)) == (expected, expected)
        _, low, high = cell.log_rate.values
        assert low <= expected <= high
        planted = ex.log_rate_bounds(cell.gram.values)[0]  # of the link h_2
        assert not low <= planted <= high


def test_the_line_of_theory_has_the_slope_of_its_link() -> None:
    links = (hf.hermite({2: 0.5}), hf.hermite(2))
    ds = ex.search_time(links=links, n=50, d=(1e6, 1e9), replicates=5, seed=0)
    lines = [
        line for line in hf.plot.search_rate(ds, ax=axes()).lines if line.get_marker() == "None"
    ]
    drawn = [np.ptp(line.get_ydata()) / np.log(1e3) for line in lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(drawn, [1.0, 0.25])


def test_a_linear_link_has_a_search_time() -> None:
    ds = ex.search_time(links=hf.hermite(1), n=10, d=(1e6, 1e8), replicates=5, seed=0)
    assert titles(ds) == ["Search time"]


def test_all_links_and_arrangements_are_drawn(coverage: Any, threshold: Any) -> None:
    found = titles(coverage)
    for link in ("h_{3}", "h_{4}"):
        for where in ("orthonormal", r"equiangular $\beta=0.2$"):
            assert f"${link}$, {where}: all index vectors found" in found
    assert len(found) == 2 * 2 + 2 * coverage.sizes["factor"]
    assert titles(threshold) == [f"$h_{{{p}}}$, $k={k}$" for p in (3, 4) for k in (3, 4)]


def test_colours_tell_what_there_are_several_of(coverage: Any) -> None:
    drawn = titles(coverage.isel(k=slice(0, 1), link=slice(0, 1)))
    assert drawn == ["$h_{3}$, $k=3$: all index vectors found"]


def test_a_phase_diagram_has_a_panel_for_each_link_and_loss() -> None:
    ds = ex.phase_diagram(
        links=(h3, h4), k=3, positions=(0.5, 2.5), ratios=(1.0,), batches=2, d=50, seed=0
    )
    labels = [title for title in titles(ds) if title]
    assert [("correlation" in title, "h_{3}" in title) for title in labels] == [
        (True, True), (False, True), (True, False), (False, False),
    ]  # fmt: skip


def samples(**options: Any) -> Any:
    return ex.sample_complexity(**{"d": (20, 40, 80), "n": 12, "seed": 0, **options})


def test_samples_are_drawn_beside_theory_and_flow() -> None:
    two = (hf.hermite(2), h3)
    ds = samples(links=two, targets=(ex.TargetSpec(), LEANING), k=2, replicates=5, level=0.6)
    assert titles(ds) == ["Samples until escape", "Samples until escape, relative to theory"]
    d = ds.d.values
    laws = {2: d * np.log(d), 3: d**2}
    for relative in (False, True):
        ax = hf.plot.sample_complexity(ds, relative=relative, ax=axes())
        lines = [line for line in ax.lines if line.get_marker() == "None" and len(line.get_xdata())]
        drawn = [np.asarray(line.get_ydata()) for line in lines if len(line.get_xdata()) == 3]
        for link, power in (("h2", 2), ("h3", 3)):
            cell = ds.sel(link=link, targets="orthonormal", quantile=0.5)
            steps, flow = cell.step_quantile.values[:, 0], cell.flow_quantile.values
            unit = laws[power] if relative else np.ones(3)
            theory = steps[-1] * laws[power] / laws[power][-1] / unit
            assert any(np.allclose(y, theory, rtol=1e-12) for y in drawn)
            assert any(np.allclose(y, flow / unit, rtol=1e-12, equal_nan=True) for y in drawn)
            planted = steps[-1] * laws[5 - power] / laws[5 - power][-1] / unit
            assert not any(np.allclose(y, planted, rtol=1e-3) for y in drawn)
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        assert len(texts) == 4 + 2 + 1
        assert r"theory $d \log d$" in texts
        assert "theory $d^{2}$" in texts
        assert r"slope of steps$/\log d$" in texts[0]


def test_unknown_quantiles_of_samples_are_left_out() -> None:
    ds = samples(horizon=0.3)
    assert np.isnan(ds.step_quantile.sel(quantile=0.5, limit="estimate")).all()
    ax = hf.plot.sample_complexity(ds, ax=axes())
    assert "slope unknown" in ax.get_legend().get_texts()[0].get_text()
    heights = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]
    assert not any(np.isfinite(y).any() for y in heights)
    # an interval without an upper limit ends where neurons are censored
    known = samples(quantile=0.25, confidence=0.9999, horizon=3.0)
    ax = hf.plot.sample_complexity(known, ax=axes())
    cell = known.sel(quantile=0.25)
    assert np.isinf(cell.step_quantile.sel(limit="high")).any()
    (bars,) = ax.collections
    tops = [segment[1, 1] for segment in bars.get_segments()]
    high = cell.step_quantile.sel(limit="high").values.ravel()
    assert tops == list(np.where(np.isinf(high), known.max_steps.values.ravel(), high))
    with pytest.raises(ValueError, match=r"ds must be a result of experiments.sample_complexity"):
        hf.plot.sample_complexity(ex.nearest(links=h3, k=3, n=5, seed=0), ax=axes())


def curves(ds: Any, **options: Any) -> dict[str, np.ndarray]:
    """Lines of (13) by style."""
    ax = hf.plot.coverage(ds, ax=axes(), **options)
    lines = [line for line in ax.lines if line.get_drawstyle() == "steps-post"]
    return {str(line.get_linestyle()): np.asarray(line.get_ydata()) for line in lines}


def test_the_line_is_thinned_where_starts_are_trapped(coverage: Any) -> None:
    one = coverage.sel(k=[3])
    n = np.arange(1, int(one.n.max()) + 2)
    bound = hf.exact.coverage_probability(n, 3)
    thinned = hf.exact.coverage_probability(n, 3, trapped=2.0**-3)
    odd = curves(one, link="h3", by="targets")
    np.testing.assert_array_equal(odd["-"], thinned)
    np.testing.assert_array_equal(odd["--"], bound)
    assert not np.allclose(odd["--"], thinned)  # planted: the traps of orthonormal index vectors
    even = curves(one, link="h4", by="targets")
    np.testing.assert_array_equal(even["-"], bound)
    legend = hf.plot.coverage(one, link="h3", by="targets", ax=axes()).get_legend()
    assert "upper bound" in legend.get_title().get_text()
    legend = hf.plot.coverage(one, link="h3", ax=axes()).get_legend()
    assert "upper bound" not in legend.get_title().get_text()
    ax = hf.plot.coverage_linear(coverage, targets=LEANING.label, ax=axes())
    assert {line.get_linestyle() for line in ax.lines if line.get_marker() == "None"} >= {"--"}
    mixed = ex.coverage(links=hf.hermite({4: 1.0, 5: 0.5}), k=3, batches=5, seed=0)
    np.testing.assert_array_equal(curves(mixed)["-"], bound)


def test_points_of_the_first_link_show_behind_those_of_the_second() -> None:
    ds = ex.coverage(links=h4, targets=(ex.TargetSpec(), LEANING), k=5, batches=5, seed=0)
    config = ds.attrs["config"]
    assert '"beta": 0.2' in config
    ax = axes()
    for number in (0, 1):
        hf.plot.learning(ds, fold=0.4, number=number, ax=ax)
    first, second = (container.lines[0] for container in ax.containers)
    assert first.get_markersize() > 1.5 * second.get_markersize()
    assert first.get_markerfacecolor() == "white"
    assert first.get_zorder() < second.get_zorder()


def test_what_is_not_in_a_dataset_is_named(coverage: Any, threshold: Any, search: Any) -> None:
    draw: Any
    for draw, options, words in (
        (hf.plot.coverage, {"link": "h5"}, "link must be one of 'h3', 'h4', got 'h5'"),
        (hf.plot.coverage, {"by": "link"}, "by must be one of 'k', 'targets', got 'link'"),
        (hf.plot.coverage, {"by": "targets", "k": 7}, r"k must be one of \[3, 4\], got 7"),
        (hf.plot.coverage, {"k": 3}, "k must be left out"),
        (hf.plot.coverage, {"targets": "random"}, "targets must be one of 'orthonormal'"),
        (hf.plot.coverage_linear, {"factor": 9.0}, r"factor must be one of \[2.0, 3.0, 4.0\]"),
    ):
        with pytest.raises(ValueError, match=words):
            draw(coverage, ax=axes(), **options)
    for options, words in (
        ({"link": "h5"}, "link must be one of 'h3', 'h4'"),
        ({"k": 5}, r"k must be one of \[3, 4\], got 5"),
        ({"starts": ("all",)}, "starts must be one of"),
    ):
        with pytest.raises(ValueError, match=words):
            hf.plot.threshold(threshold, ax=axes(), **options)
    others: dict[str, Any] = {
        "hitting_times": coverage,
        "search_rate": coverage,
        "nearest": coverage,
        "trapped": coverage,
        "coverage": search,
        "coverage_linear": search,
        "threshold": search,
        "phase_diagram": search,
    }
    for name, ds in others.items():
        words = f"ds must be a result of experiments.*, got one of '{ds.attrs['experiment']}'"
        with pytest.raises(ValueError, match=words):
            getattr(hf.plot, name)(ds, ax=axes())
    with pytest.raises(ValueError, match="bifurcation_diagram, got one of 'coverage'"):
        hf.plot.bifurcation(coverage, ax=axes())
    with pytest.raises(ValueError, match=r"ds must be a result of .*coverage.*, got"):
        hf.plot.draw(coverage.assign_attrs(experiment="none"))
