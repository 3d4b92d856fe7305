"""Experiments and their statistics, against independent computations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import hermiteflow as hf

xr = pytest.importorskip("xarray")

from hermiteflow import experiments as ex  # noqa: E402
from hermiteflow.experiments import _common, _coverage, _nearest, statistics  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {
    "search_time": {"links": (hf.hermite(3),), "n": 40, "d": (1e6, 1e7, 1e8), "replicates": 50},
    "nearest": {"links": (hf.hermite(3), hf.hermite(4)), "k": (3, 6), "n": 120},
    "coverage": {"links": (hf.hermite(3),), "k": (3, 5), "batches": 7, "ratios": (1.0, 2.0)},
    "threshold": {"links": (hf.hermite(3),), "k": 6, "n": 40, "positions": (0.5, 1.9, 2.5)},
    "phase_diagram": {
        "links": (hf.hermite(3),),
        "k": 4,
        "positions": (0.5, 2.5),
        "ratios": (1.0, 2.0),
        "batches": 3,
        "horizon": 100.0,
    },
    "sample_complexity": {"links": (hf.hermite(3),), "n": 30, "d": (20, 40), "replicates": 50},
}


def run(name: str, **options: Any) -> Any:
    return getattr(ex, name)(**{**SMALL[name], **options})


# ------------------------------------------------------------------ statistics


@pytest.mark.parametrize(("x", "n"), [(0, 7), (7, 7), (3, 10), (1, 100_000), (12_345, 100_000)])
@pytest.mark.parametrize("confidence", [0.9, 1 - 1e-5])
def test_binomial_intervals_are_scipys(x: int, n: int, confidence: float) -> None:
    test = scipy.stats.binomtest(x, n)
    for method, ours in (("exact", statistics.clopper_pearson), ("wilson", statistics.wilson)):
        theirs = test.proportion_ci(confidence, method)
        got = ours(x, n, confidence=confidence)
        np.testing.assert_allclose(got[1:], (theirs.low, theirs.high), rtol=1e-7, atol=1e-14)
        assert got.estimate == x / n


def test_clopper_pearson_covers() -> None:
    n, share = 30, 0.13
    inside = [statistics.clopper_pearson(x, n, confidence=0.9).contains(share) for x in range(31)]
    assert scipy.stats.binom.pmf(np.flatnonzero(inside), n, share).sum() >= 0.9


def test_quantiles_take_censored_samples() -> None:
    samples = [3.0, math.inf, 1.0, 2.0, math.inf]
    np.testing.assert_array_equal(
        statistics.quantiles(samples, [0.0, 0.2, 0.5, 0.6, 0.61, 1.0]),
        [1.0, 1.0, 3.0, 3.0, math.inf, math.inf],
    )
    ours = statistics.quantiles(np.arange(17.0), [0.1, 0.37, 0.9])
    theirs = np.quantile(np.arange(17.0), [0.1, 0.37, 0.9], method="inverted_cdf")
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("n", [1, 5, 17, 64, 300])
@pytest.mark.parametrize("q", [0.0, 0.05, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("confidence", [0.5, 0.99, 1 - 1e-5])
def test_an_exact_interval_of_a_quantile_is_the_shortest(
    n: int, q: float, confidence: float
) -> None:
    got = statistics.quantile_interval(np.arange(1, n + 1), q, confidence=confidence)
    law, tail = scipy.stats.binom(n, q), 0.5 * (1 - confidence)
    low = 0 if got.low == -math.inf else int(got.low)
    high = n + 1 if got.high == math.inf else int(got.high)
    assert law.cdf(low - 1) <= tail * (1 + 1e-9)
    assert low == n or law.cdf(low) > tail
    assert law.sf(high - 1) <= tail * (1 + 1e-9)
    assert high == 1 or law.sf(high - 2) > tail
    assert got.estimate == max(1, math.ceil(q * n))


def test_censored_samples_bound_a_quantile_as_far_as_they_can() -> None:
    samples = np.where(np.arange(1.0, 11.0) <= 7, np.arange(1.0, 11.0), math.inf)
    whole = statistics.quantile_interval(np.arange(1.0, 11.0), 0.5, confidence=0.9)
    assert whole == (5.0, 2.0, 9.0)
    assert statistics.quantile_interval(samples, 0.5, confidence=0.9) == (5.0, 2.0, math.inf)
    assert statistics.quantile_interval(samples, 0.3, confidence=0.5) == (3.0, 2.0, 5.0)
    # The planted fault: without the censored ones the median comes too early.
    assert statistics.quantile_interval(samples[:7], 0.5, confidence=0.9).estimate == 4.0


def resampled(samples: np.ndarray, q: float, replicates: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    draws = rng.choice(samples, size=(replicates, samples.size))
    return np.quantile(draws, q, axis=1, method="inverted_cdf")


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_bootstrap_has_the_law_of_resampling(q: float) -> None:
    samples = np.arange(25.0)
    ours = statistics.bootstrap_quantiles(samples, q, replicates=20_000, seed=1)
    theirs = resampled(samples, q, 20_000, seed=2)
    counts = [np.bincount(x.astype(int), minlength=25) for x in (ours, theirs)]
    seen = counts[0] + counts[1] >= 10
    assert scipy.stats.chi2_contingency([c[seen] for c in counts]).pvalue > 1e-5
    # The planted fault: a bootstrap of another quantile is told apart.
    wrong = resampled(samples, q - 0.05, 20_000, seed=2)
    counts[1] = np.bincount(wrong.astype(int), minlength=25)
    seen = counts[0] + counts[1] >= 10
    assert scipy.stats.chi2_contingency([c[seen] for c in counts]).pvalue < 1e-9


def test_slope_interval_covers_a_known_slope() -> None:
    rng = np.random.default_rng(3)
    x = np.arange(6.0)
    hits = 0
    for trial in range(200):
        samples = 0.5 * x + rng.standard_normal((400, 6))
        medians = [statistics.quantiles(column, 0.5) for column in samples.T]
        replicates = np.column_stack(
            [
                statistics.bootstrap_quantiles(column, 0.5, replicates=200, seed=1000 * trial + i)
                for i, column in enumerate(samples.T)
            ]
        )
        interval = statistics.slope_interval(x, medians, replicates, confidence=0.9)
        hits += interval.contains(0.5)
    assert scipy.stats.binom.sf(hits - 1, 200, 0.85) > 1e-5  # not far above 90 %
    assert scipy.stats.binom.cdf(hits, 200, 0.9) > 1e-5


def test_a_slope_through_a_censored_median_is_nan() -> None:
    assert math.isnan(statistics.slope([0.0, 1.0], [1.0, math.inf]))
    interval = statistics.slope_interval(
        [0.0, 1.0], [1.0, math.inf], np.full((3, 2), math.inf), confidence=0.9
    )
    assert not interval.contains(0.0)


def test_the_dkw_band_holds_the_distribution_function() -> None:
    rng = np.random.default_rng(4)
    band = statistics.dkw_band(50, confidence=0.9)
    far = [scipy.stats.kstest(rng.random(50), "uniform").statistic > band for _ in range(500)]
    assert 0.02 < np.mean(far) < 0.16


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: statistics.quantiles([], 0.5), "at least one"),
        (lambda: statistics.quantiles([math.nan], 0.5), r"\+inf"),
        (lambda: statistics.quantiles([1.0], 1.5), "q must lie"),
        (lambda: statistics.slope([1.0, 1.0], [0.0, 1.0]), "two different"),
        (lambda: statistics.clopper_pearson(3, 2, confidence=0.9), "at most 2, got 3"),
        (lambda: statistics.wilson(0, 0, confidence=0.9), "trials must be"),
        (lambda: statistics.dkw_band(5, confidence=1.0), "confidence"),
        (lambda: statistics.dkw_band(0, confidence=0.5), "trials"),
        (
            lambda: statistics.slope_interval([0.0, 1.0], [0.0, 1.0], [[0.0, 1.0]], confidence=0.5),
            "two rows",
        ),
    ],
)
def test_statistics_reject_what_makes_no_sense(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


# ------------------------------------------------------------------ theory beside the experiments


@pytest.mark.parametrize("p", [3, 4, 5, 6])
@pytest.mark.parametrize("k", [3, 10, 100])
def test_thresholds_are_extremes_of_the_family(p: int, k: int) -> None:
    """The fold is the largest beta on the family near v_j; beta_c is where it meets t = 1."""

    def beta(t: float) -> float:
        ratio = sum(t**i for i in range(1, p - 1)) / (1 + (k - 1) * t ** (p - 1))
        return ratio / (1 + ratio)

    critical, fold = hf.critical_beta(hf.hermite(p), k), hf.fold_beta(hf.hermite(p), k).beta
    best = scipy.optimize.minimize_scalar(
        lambda t: -beta(t), bounds=(0, 1), method="bounded", options={"xatol": 1e-10}
    )
    assert fold == pytest.approx(-best.fun, rel=1e-9)
    assert critical == pytest.approx(beta(1.0), rel=1e-12)
    if p == 3:
        assert fold == pytest.approx(1 / (1 + 2 * math.sqrt(k - 1)), rel=1e-12)
    assert critical < fold


def test_log_rates() -> None:
    assert ex.log_rate_bounds(np.eye(4)) == (0.25, 0.25)
    gram = np.full((4, 4), 0.2) + 0.8 * np.eye(4)
    np.testing.assert_allclose(ex.log_rate_bounds(gram), 0.25 / np.linalg.eigvalsh(gram)[-1])
    gram = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, -0.2], [0.0, -0.2, 1.0]])
    np.testing.assert_allclose(ex.log_rate_bounds(gram), (0.25 / 1.7, 0.25 / 0.3))
    assert ex.log_rate_bounds(np.array([[1, 0.9, -0.9], [0.9, 1, -0.9], [-0.9, -0.9, 1]]))[1] == (
        math.inf
    )
    np.testing.assert_allclose(ex.log_rate_bounds(gram, 2.0), (0.125 / 1.7, 0.125 / 0.3))


# ------------------------------------------------------------------ counting


def test_first_finds_by_brute_force() -> None:
    index = np.random.default_rng(0).integers(-1, 4, size=(50, 9))
    got = _coverage._first_finds(index, 4)
    for row, finds in zip(index, got, strict=True):
        for j in range(4):
            places = [i + 1.0 for i, value in enumerate(row) if value == j]
            assert finds[j] == (places[0] if places else math.inf)


def test_outcomes_are_told_apart() -> None:
    start = np.array([[0.1, 0.2], [0.3, 0.2], [0.3, 0.2], [-0.1, -0.2], [0.2, 0.2], [0.1, 0.2]])
    index = np.array([1, 1, -1, -1, 0, 1])
    code = hf.Status
    status = np.array([code.converged] * 3 + [code.no_escape, code.converged, code.max_steps])
    nearest = np.array([1, 0, 0, -1, 0, 1])
    assert _nearest._count(start, nearest, index, status, 1e-4).tolist() == [1, 1, 1, 1, 1, 1]


def test_streams_do_not_depend_on_what_was_drawn() -> None:
    root = np.random.SeedSequence(5)
    first = _common.stream(root, 1, 2).generate_state(2)
    root.spawn(3)
    np.testing.assert_array_equal(first, _common.stream(root, 1, 2).generate_state(2))
    assert first.tolist() != _common.stream(root, 2, 1).generate_state(2).tolist()


# ------------------------------------------------------------------ datasets


@pytest.mark.parametrize("name", SMALL)
def test_a_dataset_tells_what_it_is(name: str, tmp_path: Path) -> None:
    ticks: list[str] = []
    ds = run(name, seed=3, progress=ticks.append)
    config = getattr(ex, "".join(map(str.title, name.split("_"))) + "Config")(**SMALL[name])
    assert len(ticks) == config.points
    assert json.loads(ds.attrs["seed"]) == {"entropy": "3", "spawn_key": []}
    assert json.loads(ds.attrs["versions"])["hermiteflow"] == hf.__version__
    link = json.loads(ds.attrs["config"])["links"][0]
    assert link == {"label": "h3", "hermite": {"3": 1.0}}
    for variable in (*ds.data_vars.values(), *ds.coords.values()):
        if variable.dtype.kind in "iuf":
            assert variable.attrs["units"], variable.name
    ds.to_netcdf(tmp_path / "ds.nc", engine="h5netcdf")
    again = xr.load_dataset(tmp_path / "ds.nc", engine="h5netcdf")
    xr.testing.assert_identical(ds, again)


@pytest.mark.parametrize("name", SMALL)
def test_only_the_seed_matters(name: str) -> None:
    first = run(name, seed=1, n_threads=1)
    xr.testing.assert_identical(first, run(name, seed=1, n_threads=2))
    xr.testing.assert_identical(first, run(name, seed=np.random.SeedSequence(1)))
    assert not first.equals(run(name, seed=2))


def test_every_neuron_is_counted_once() -> None:
    assert (run("nearest", seed=0)["count"].sum("outcome") == 120).all()
    assert (run("threshold", seed=0)["count"].sum("end") == 40).all()


def test_chunks_cover_every_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_nearest, "CHUNK", 100)
    monkeypatch.setattr(_coverage, "CHUNK", 100)
    assert (run("nearest", seed=0)["count"].sum("outcome") == 120).all()
    ds = run("coverage", seed=0)
    assert np.isfinite(ds.n_needed).any()
    assert (ds.found <= ds.k).all()
    # A network of n neurons has found everything exactly if it needed no more than n.
    share = (ds.n_needed <= ds.n).mean("batch").transpose("link", "targets", "k", "ratio")
    np.testing.assert_array_equal(share, ds.probability.sel(limit="estimate"))


def test_hitting_times_are_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """One index vector: the time is an integral over the start alone (8)."""
    starts: dict[int, np.ndarray] = {}
    draw = hf.random_overlaps

    def watched(targets: Any, *, n: int, d: int, seed: Any) -> np.ndarray:
        starts[d] = draw(targets, n=n, d=d, seed=seed)
        return starts[d]

    monkeypatch.setattr(hf, "random_overlaps", watched)
    ds = run("search_time", k=1, n=30, level=0.5, seed=7, links=(hf.hermite(4),))
    assert sorted(starts) == [10**6, 10**7, 10**8]
    start = starts[10**7]
    psi = hf.Interaction(hf.hermite(4))
    times = np.array([hf.exact.single_index_time(psi, abs(float(u)), 0.5) for u in start[:, 0]])
    exact = np.where(times > 1e3 * 1e7, np.inf, times)  # the horizon
    np.testing.assert_allclose(ds.hitting_time.sel(d=1e7).values[0, 0], exact, rtol=1e-6)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(ds.hitting_time.sel(d=1e8).values[0, 0], exact, rtol=1e-6)


@pytest.mark.parametrize("name", SMALL)
def test_an_interrupted_experiment_goes_on_from_its_store(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(name, seed=1)
    calls, solve = [], hf.solve

    def interrupted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return solve(*args, **options)

    owner = hf.landscape._basins if name == "threshold" else hf
    monkeypatch.setattr(owner, "solve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(name, seed=1, store=tmp_path / "store")
    monkeypatch.setattr(owner, "solve", solve)
    xr.testing.assert_identical(run(name, seed=1, store=tmp_path / "store"), whole)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(owner, "solve", never)
    xr.testing.assert_identical(run(name, seed=1, store=tmp_path / "store"), whole)
    with pytest.raises(ValueError, match="store must be of this sweep"):
        run(name, seed=2, store=tmp_path / "store")
    with pytest.raises(ValueError, match="seed must be given with a store"):
        run(name, store=tmp_path / "store")


def test_processes_give_what_this_one_gives() -> None:
    for name in SMALL:
        xr.testing.assert_identical(run(name, seed=2, executor="processes"), run(name, seed=2))


def test_lost_neurons_are_censored() -> None:
    ds = run("search_time", k=1, n=200, seed=0)
    lost = np.isinf(ds.hitting_time)
    assert 0.3 < float(lost.mean()) < 0.7
    assert (ds.failures == 0).all()
    assert np.isinf(ds.time_quantile.sel(quantile=0.9)).all()


@pytest.mark.parametrize(
    ("name", "fields", "error", "words"),
    [
        ("search_time", {"leve": 0.1}, TypeError, "did you mean 'level'"),
        ("search_time", {"level": 1.5}, ValueError, "level"),
        ("search_time", {"d": (1e6,)}, ValueError, "d_fit"),
        ("search_time", {"links": ()}, ValueError, "links must not be empty"),
        ("nearest", {"k": (1,)}, ValueError, "k must be an integer of at least 2"),
        ("nearest", {"n": 0}, ValueError, "n must be an integer of at least 1"),
        ("coverage", {"batches": 0}, ValueError, "batches"),
        ("coverage", {"ratios": (0.0,)}, ValueError, "ratios"),
        ("threshold", {"links": (hf.hermite(2),)}, ValueError, "minima at beta = 0"),
        ("threshold", {"links": (hf.hermite(1),)}, ValueError, "for every beta"),
        ("threshold", {"k": 2}, ValueError, "k must be an integer of at least 3"),
        ("threshold", {"distance": 0.5}, ValueError, "distance"),
        ("threshold", {"seed": 1.5}, TypeError, "seed must be an int"),
    ],
)
def test_bad_fields_are_named(
    name: str, fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(name, **fields)


def test_target_specs() -> None:
    root = np.random.SeedSequence(0)
    assert ex.TargetSpec().build(4, root).k == 4
    spec = ex.TargetSpec(kind="equiangular", beta=0.2)
    assert spec.build(3, root).gram[0, 1] == pytest.approx(0.2)
    spec = ex.TargetSpec(kind="random", dimension=50)
    np.testing.assert_array_equal(spec.build(3, root).gram, spec.build(3, root).gram)
    for fields, words in (
        ({"kind": "orthonomal"}, "did you mean 'orthonormal'"),
        ({"beta": 0.1}, "equiangular"),
        ({"kind": "random"}, "dimension"),
        ({"dimension": 5}, "dimension"),
    ):
        with pytest.raises(ValueError, match=words):
            ex.TargetSpec(**fields)  # type: ignore[arg-type]


def test_labels() -> None:
    assert _common.link_label(hf.hermite({3: 1.0, 5: -0.25})) == "h3 - 0.25 h5"
    assert _common.is_even(hf.hermite({2: 1.0, 4: 1.0}))
    assert not _common.is_even(hf.hermite({2: 1.0, 3: 1.0}))
