"""Both losses over beta and n/k: known answers, the same starts, counts, figures, bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from commands import exits
from matplotlib.figure import Figure

import hermiteflow as hf
from hermiteflow import squared
from hermiteflow.experiments import PhaseDiagramConfig, phase_diagram, statistics
from hermiteflow.experiments import _phase_diagram as module
from hermiteflow.experiments._reading import read_fields

H3, H4 = hf.hermite(3), hf.hermite(4)
#: Beyond the fold, where the two losses part; d is large, so that starts hardly overlap.
BEYOND: dict[str, Any] = {
    "links": (H4,),
    "positions": (2.5,),
    "ratios": (1.0, 2.0),
    "batches": 4,
    "d": 1e4,
    "horizon": 100.0,
    "seed": 0,
}


@pytest.fixture(scope="module")
def beyond() -> xr.Dataset:
    return phase_diagram(**BEYOND)


def estimate(ds: xr.Dataset, name: str, loss: str) -> np.ndarray:
    return np.asarray(ds[name].sel(loss=loss, limit="estimate").values.ravel())


# ------------------------------------------------------------------ known answers


def check_beyond(ds: xr.Dataset) -> None:
    """Beyond the fold no v_j has a minimum of (2); W = V is one of (9), and at n = 2k so is each
    v_j twice with a_i = 1/2.
    """
    np.testing.assert_array_equal(estimate(ds, "found_share", "correlation"), 0.0)
    np.testing.assert_array_equal(estimate(ds, "recovered_share", "correlation"), 0.0)
    np.testing.assert_array_equal(estimate(ds, "recovered_share", "squared"), 1.0)
    assert (ds.relative_loss.sel(loss="squared") < 1e-8).all()
    assert (ds.aligned.sel(loss="squared") == ds.n).all()


def test_only_the_squared_loss_recovers_beyond_the_fold(beyond: xr.Dataset) -> None:
    check_beyond(beyond)


def test_students_that_do_not_see_each_other_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: the student-student interaction is left out of the squared loss."""
    system = hf._squared_solve.system

    def deaf(flow: Any, n: int) -> Any:
        made = system(flow, n)
        return type(made)(**{**vars(made), "own": hf._squared_engine.law(hf.Interaction(0.0 * H4))})

    monkeypatch.setattr(hf._squared_solve, "system", deaf)
    with pytest.raises(AssertionError):
        check_beyond(phase_diagram(**BEYOND))


def test_swapped_labels_are_rejected(beyond: xr.Dataset) -> None:
    with pytest.raises(AssertionError):
        check_beyond(beyond.assign_coords(loss=beyond.loss.values[::-1]))


def test_many_neurons_find_orthonormal_index_vectors_by_correlation() -> None:
    """120 neurons and 4 index vectors of even psi: each is missed with probability 1e-15 (13)."""
    ds = phase_diagram(
        links=(H4,), k=4, positions=0.0, ratios=30.0, losses="correlation", batches=5, seed=1
    )
    for name in ("found", "recovered", "visited"):
        assert (ds[name] == 4).all()
    assert (ds.aligned == 120).all()
    assert estimate(ds, "found_probability", "correlation") == 1.0
    assert (ds.arrived == 5).all()


@pytest.mark.parametrize("link", [H3, H4])
def test_few_neurons_find_what_coverage_says(link: hf.Link) -> None:
    """At beta = 0, P(all found) is (13)."""
    batches, k, n = 400, 3, 6
    ds = phase_diagram(
        links=(link,),
        k=k,
        positions=0.0,
        ratios=n / k,
        losses="correlation",
        batches=batches,
        seed=2,
    )
    hits = int((ds.found == k).sum())
    trapped = 2.0**-k if link == H3 else 0.0
    exact = float(hf.exact.coverage_probability(n, k, trapped=trapped))
    assert scipy.stats.binomtest(hits, batches, exact).pvalue > 1e-5
    wrong = float(hf.exact.coverage_probability(n + 2, k, trapped=trapped))
    assert scipy.stats.binomtest(hits, batches, wrong).pvalue < 1e-4


@pytest.mark.parametrize("n", [1, 3])
def test_one_index_vector(n: int) -> None:
    """Even psi, k = 1: every neuron of either loss ends at +-v."""
    targets = hf.Equiangular(k=1, beta=0.0)
    config = PhaseDiagramConfig(links=(H4,), batches=3, d=50.0, horizon=1e4)
    starts = [hf.random_order_parameters(targets, n=n, d=50, seed=s) for s in range(3)]
    for solve in (module._by_correlation, module._by_squares):
        out = solve(config, targets, H4, starts)
        np.testing.assert_array_equal(out["recovered"], 1.0)
        np.testing.assert_array_equal(out["visited"], 1.0)
        np.testing.assert_array_equal(out["aligned"], n)
        np.testing.assert_array_equal(out["failed"], 0.0)
    assert (out["relative_loss"] < 1e-6).all()


def test_a_pair_between_two_orthonormal_index_vectors() -> None:
    """The loss of a pair in docs/squared, its fixed point at pi/8, and the slope out of it."""
    flow = hf.SquaredFlow(hf.Orthonormal(k=2), H4)

    def order_parameters(sigma: float, delta: float) -> tuple[np.ndarray, np.ndarray]:
        one, two = 0.5 * (sigma + delta), 0.5 * (sigma - delta)
        M = np.array([[np.cos(one), np.sin(one)], [np.cos(two), -np.sin(two)]])
        return M, M @ M.T

    for sigma, delta in ((0.3, 0.1), (0.9, -0.4), (2.0, 0.7)):
        exact = 0.5 + np.cos(sigma) ** 4 - 0.5 * np.cos(2 * sigma) * np.cos(2 * delta)
        assert flow.loss_of(*order_parameters(sigma, delta)) == pytest.approx(exact, rel=1e-12)
    pair = order_parameters(np.pi / 4, 0.0)
    assert flow.loss_of(*pair) == pytest.approx(0.75, rel=1e-14)
    np.testing.assert_allclose(flow.field(*pair)[0], 0.0, atol=1e-14)
    eigenvalues = flow.hessian_of(*pair).eigenvalues
    assert np.abs(eigenvalues).min() < 1e-13
    assert eigenvalues.min() > -1e-13
    delta = 0.05
    best = flow.loss_of(*order_parameters(np.pi / 4 + delta**2, delta))
    assert best - 0.75 == pytest.approx(-(delta**4), rel=0.02)


def test_ends_are_described() -> None:
    M = np.array([[[1.0, 0.1], [0.2, -0.995]], [[0.999, 0.0], [0.9, 0.3]]])
    even, odd = (module._overlaps(M, link, 0.99) for link in (H4, H3))
    assert [even["recovered"].tolist(), odd["recovered"].tolist()] == [[2, 1], [1, 1]]
    assert [even["visited"].tolist(), odd["visited"].tolist()] == [[2, 1], [1, 1]]
    assert [even["aligned"].tolist(), odd["aligned"].tolist()] == [[2, 1], [1, 1]]
    assert [even["weakest"].tolist(), odd["weakest"].tolist()] == [[0.995, 0.3], [0.1, 0.3]]


# ------------------------------------------------------------------ starts and counts


def test_both_losses_start_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, list[np.ndarray]] = {"CorrelationFlow": [], "SquaredFlow": []}
    solve = hf.solve

    def watched(flow: Any, **options: Any) -> Any:
        given[type(flow).__name__].append(options["overlaps"])
        if isinstance(flow, squared.SquaredFlow):
            second = np.asarray(flow.neurons(options["overlaps"].shape[0]))
            np.testing.assert_allclose(second, flow.targets.k / second.size)
        return solve(flow, **options)

    monkeypatch.setattr(hf, "solve", watched)
    first = phase_diagram(**BEYOND)
    by_correlation = np.concatenate(given["CorrelationFlow"])
    by_squares = np.concatenate(given["SquaredFlow"])
    assert by_correlation.shape == (4 * (5 + 10), 5)
    np.testing.assert_array_equal(by_correlation, by_squares)
    assert np.unique(by_squares).size == by_squares.size  # no network twice
    # a loss alone is what it is beside the other
    alone = phase_diagram(**{**BEYOND, "losses": "squared"})
    for name in ("recovered", "relative_loss", "weakest"):
        xr.testing.assert_equal(alone[name], first[name].sel(loss=["squared"]))


def test_counts_add_up(beyond: xr.Dataset) -> None:
    k, n = 5, beyond.n
    hurried = phase_diagram(**{**BEYOND, "horizon": 1.0})
    assert (hurried.late.sel(loss="squared") > 0).all()
    for ds in (beyond, hurried):
        assert (ds.arrived + ds.late + ds.failures == 4).all()
        assert (ds.recovered <= ds.visited).all()
        assert (ds.visited <= k).all()
        assert (ds.aligned <= n).all()
        everything = (ds.recovered == k).mean("batch")
        xr.testing.assert_allclose(ds.probability.sel(limit="estimate", drop=True), everything)
        mean = ds.recovered.mean("batch") / k
        xr.testing.assert_allclose(ds.recovered_share.sel(limit="estimate", drop=True), mean)
        assert ((ds.weakest >= 0.99) == (ds.recovered == k)).all()
        assert ds.found.sel(loss="squared").isnull().all()
        assert ds.relative_loss.sel(loss="correlation").isnull().all()
    np.testing.assert_array_equal(beyond.n.values, [[5, 10]])
    assert float(beyond.beta[0, 0, 0]) == pytest.approx(1.5 * float(beyond.beta_fold[0, 0]))


def test_bootstrap_means_cover() -> None:
    rng = np.random.default_rng(5)
    inside = [
        statistics.bootstrap_mean(sample, confidence=0.9, seed=i).contains(0.4)
        for i, sample in enumerate(rng.binomial(5, 0.4, size=(400, 30)) / 5)
    ]
    assert scipy.stats.binom.cdf(sum(inside), 400, 0.9) > 1e-6
    assert scipy.stats.binom.sf(sum(inside) - 1, 400, 0.85) > 1e-9
    assert statistics.bootstrap_mean([1.0, 1.0], confidence=0.9, seed=0) == (1.0, 1.0, 1.0)


# ------------------------------------------------------------------ figure


def test_panels_show_the_shares(beyond: xr.Dataset) -> None:
    for loss, name in (("correlation", "found_share"), ("squared", "recovered_share")):
        ax = hf.plot.phase_diagram(beyond, loss=loss, ax=Figure().subplots())
        drawn = np.asarray(ax.collections[0].get_array()).ravel()
        np.testing.assert_array_equal(drawn, estimate(beyond, name, loss))
        assert ax.get_title(loc="left").startswith(f"{loss} loss")
    assert drawn.tolist() == [1.0, 1.0]
    pair = hf.plot.phase_diagram(beyond, ax=Figure().subplots(1, 2))
    assert [panel.get_title(loc="left").split()[0] for panel in pair] == ["correlation", "squared"]
    first = hf.plot.phase_diagram(beyond, link="h4", k=5, ax=Figure().subplots())
    assert first.get_title(loc="left").startswith("correlation")


def test_thresholds_are_drawn_where_they_are() -> None:
    ds = phase_diagram(
        links=(H3,), k=4, positions=(2.5, 0.5), ratios=(2.0, 1.0), batches=2, horizon=1.0, seed=0
    )
    ax = hf.plot.phase_diagram(ds, loss="squared", ax=Figure().subplots())
    lines = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    np.testing.assert_allclose(lines[:2], [hf.critical_beta(H3, 4), hf.fold_beta(H3, 4).beta])
    assert [text.get_text() for text in ax.texts] == [r"$\beta_c$", r"$\beta_{\rm fold}$"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["1", "2"]
    shown = np.asarray(ax.collections[0].get_array())
    share = ds.recovered_share.sel(loss="squared", limit="estimate", link="h3", k=4)
    np.testing.assert_array_equal(shown, share.values[::-1, ::-1].T)


def test_what_cannot_be_drawn(beyond: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="loss must be one of 'correlation', 'squared'"):
        hf.plot.phase_diagram(beyond, loss="cubic")
    with pytest.raises(ValueError, match="ax must be one axes for each of 2 losses, got 3"):
        hf.plot.phase_diagram(beyond, ax=Figure().subplots(1, 3))


# ------------------------------------------------------------------ input


def test_sizes_are_rounded_up_once() -> None:
    """2.2 * 25 is 55 and a rounding: 55 neurons, not 56."""
    assert math.ceil(2.2 * 25) == 56
    config = hf.experiments.PhaseDiagramConfig(ratios=(1.0, 1.01, 1.5, 2.2))
    assert config.sizes(25) == [25, 26, 38, 55]
    factors = hf.experiments.CoverageConfig(factors=(2.2, 1.01))
    assert factors.sizes(25)[1] == [55, 26]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"losses": ()}, ValueError, "losses must not be empty"),
        ({"losses": ("squred",)}, ValueError, "losses must be one of 'correlation', 'squared'"),
        ({"losses": ("squared", "squared")}, ValueError, "losses must name each loss once"),
        ({"positions": (-0.1,)}, ValueError, "positions must not be negative"),
        ({"positions": (4.0,)}, ValueError, "positions must keep beta below 1, got 1.0"),
        ({"ratios": (0.0,)}, ValueError, "ratios must be positive"),
        ({"k": (2,)}, ValueError, "k must be an integer of at least 3"),
        ({"batches": 0}, ValueError, "batches must be an integer of at least 1"),
        ({"d": 5.0}, ValueError, "d must be above k = 5, got 5.0"),
        ({"d": 100.5}, ValueError, "d must be an integer of at most 1e18, got 100.5"),
        ({"d": 1e19}, ValueError, "d must be an integer of at most 1e18"),
        ({"balance": float("nan")}, ValueError, "balance must be a number"),
        ({"level": 1.0}, ValueError, r"level must lie in \(0, 1\)"),
        ({"horizon": float("inf")}, ValueError, "horizon must be a number"),
        ({"confidence": 1.0}, ValueError, "confidence must lie"),
        ({"links": (hf.hermite(2),)}, ValueError, "minima at beta = 0"),
        ({"batch": 3}, TypeError, "did you mean 'batches'"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        phase_diagram(**{**BEYOND, **fields})


def test_losses_from_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_fields(PhaseDiagramConfig, {"losses": "squared"}) == {"losses": ("squared",)}
    with pytest.raises(TypeError, match=r"losses must be text, got 3 \(int\)"):
        read_fields(PhaseDiagramConfig, {"losses": [3]})
    argv = ["run", "phase_diagram", "--losses", "cubic", "--out", "a.nc"]
    status, _, err = exits(argv, capsys)
    assert status == 2
    assert "losses must be one of 'correlation', 'squared'" in err
