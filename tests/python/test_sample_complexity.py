"""Samples until online descent escapes: law, slopes, censoring, and how to ask for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

import hermiteflow as hf

xr = pytest.importorskip("xarray")

from hermiteflow import experiments as ex  # noqa: E402
from hermiteflow.experiments import _sample_complexity as sc  # noqa: E402

h1, h2, h3 = hf.hermite(1), hf.hermite(2), hf.hermite(3)
SMALL: dict[str, Any] = {"links": h3, "d": (20, 40), "n": 30, "replicates": 50}


# ------------------------------------------------------------------ the law of the steps


def alone(p: int, k: int, d: int, delta: float, level: float, runs: int, most: int) -> np.ndarray:
    """Steps of single neurons by the chain of the Gram matrix of (w, V), one run each."""
    rng = np.random.default_rng(11)
    flow = hf.CorrelationFlow(hf.Orthonormal(k=k), hf.hermite(p))
    out = np.empty(runs)
    for i in range(runs):
        w = rng.standard_normal(d)
        m = (w / np.linalg.norm(w))[:k]
        if p % 2 == 1 and (m**p).sum() < 0.0:
            m = -m
        online = hf.online_sgd(
            flow,
            overlaps=m[None],
            student_overlaps=[[1.0]],
            d=d,
            steps=most,
            learning_rate=delta * d ** (-max(p, 2) / 2),
            seed=1000 + i,
            events={"hit": hf.HittingTime(level, terminal=True)},
        )
        out[i] = online.events["hit"][0]
    return np.where(np.isnan(out), most + 1, out)


@pytest.mark.parametrize(
    ("p", "k", "d", "delta", "level"),
    [(3, 1, 20, 0.5, 0.5), (3, 2, 20, 0.3, 0.6), (2, 2, 40, 0.3, 0.5), (1, 1, 30, 0.5, 0.5)],
)
def test_steps_have_the_law_of_single_runs(
    p: int, k: int, d: int, delta: float, level: float
) -> None:
    def experiment(delta: float) -> Any:
        return ex.sample_complexity(
            links=hf.hermite(p), k=k, d=(d, 2 * d), n=1500, delta=delta, level=level, seed=3,
            replicates=2, horizon=60,
        ).isel(d=0)  # fmt: skip

    ds = experiment(delta)
    most = int(ds.max_steps[0])
    theirs = alone(p, k, d, delta, level, 1500, most)
    ours = ds.escape_steps.values.ravel()
    assert scipy.stats.ks_2samp(np.minimum(ours, most + 1), theirs).pvalue > 1e-4
    # The planted faults: another learning rate, and the time of the flow without noise.
    wrong = experiment(2.0 * delta).escape_steps.values.ravel()
    assert scipy.stats.ks_2samp(np.minimum(wrong, most + 1), theirs).pvalue < 1e-6
    smooth = ds.flow_steps.values.ravel()
    assert scipy.stats.ks_2samp(np.minimum(smooth, most + 1), theirs).pvalue < 1e-6


@pytest.mark.parametrize("link", [h3, h2, hf.hermite({2: 0.5, 3: 1.0}), hf.link("tanh").without(1)])
@pytest.mark.parametrize("k", [1, 3])
def test_favoured_starts_are_of_the_two_signs_the_lower_loss(link: hf.Link, k: int) -> None:
    flow = hf.CorrelationFlow(hf.Equiangular(k=k, beta=0.1 if k > 1 else 0.0), link)
    start = hf.random_overlaps(flow.targets, n=200, d=400, seed=0)
    got = sc.favoured(flow, start)
    np.testing.assert_array_equal(np.abs(got), np.abs(start))
    gain = (flow.interaction(got) - flow.interaction(-got)).sum(axis=1)
    assert (gain >= -1e-15).all()
    even = flow.interaction.information_exponent == 2 and link == h2
    turned = (got != start).any(axis=1).mean()
    assert turned == 0.0 if even else 0.35 < turned < 0.65


def test_noise_frees_the_starts_that_the_flow_traps() -> None:
    options: dict[str, Any] = {"d": (50, 100), "n": 100, "horizon": 180.0, "seed": 0}
    ds = ex.sample_complexity(starts="uniform", **options)
    share = ds.flow_censored.sel(d=100).values / 100
    assert 0.3 < share < 0.7
    assert np.isnan(ds.flow_quantile.sel(quantile=0.75)).all()
    assert (ds.censored == 0).all()
    assert (ex.sample_complexity(**options).flow_censored <= 2).all()


# ------------------------------------------------------------------ slopes


@pytest.fixture(scope="module")
def grown() -> dict[int, Any]:
    # for p* = 1 favoured starts are ahead by a share 1 / sqrt(d) of the way, uniform ones are not
    grids = {1: (100, 1000, 10000), 2: (300, 3000, 30000), 3: (50, 100, 200, 400)}
    return {
        p: ex.sample_complexity(
            links=hf.hermite(p), d=d, n=128, starts="uniform" if p == 1 else "favoured", seed=p
        )
        for p, d in grids.items()
    }


def interval(values: Any) -> ex.statistics.Interval:
    return ex.statistics.Interval(*values.values.ravel().tolist())


@pytest.mark.parametrize("p", [1, 2, 3])
def test_slopes_are_those_of_theory(grown: dict[int, Any], p: int) -> None:
    ds = grown[p]
    assert int(ds.censored.max()) <= (128 // 3 if p == 3 else 0)
    assert float(ds.theory_power[0]) == (1 if p < 3 else p - 1)
    power = interval(ds.power)
    assert power.contains(float(ds.theory_power[0]))
    # The planted fault: the law of a neighbouring exponent.
    assert not power.contains(p if p > 1 else p + 1)
    if p == 3:
        assert not power.contains(1.0)
        assert not power.contains(1.5)  # eta^-1 without the time of the flow


def test_a_learning_rate_that_is_not_scaled_is_told_apart() -> None:
    ds = ex.sample_complexity(d=(50, 100, 200), n=128, learning_rate=0.5 * 200**-1.5, seed=0)
    assert not interval(ds.power).contains(2.0)


def test_normalisation_slows_the_growth_at_two(grown: dict[int, Any]) -> None:
    """x = m sqrt(d) grows at the rate 2 - delta: 2 of the drift, delta of normalisation."""
    rate = interval(grown[2].log_rate)
    assert rate.contains(1 / (2 * (2 - 0.5)))
    assert not rate.contains(0.25)  # planted: the flow's own


def test_a_large_delta_never_reaches_the_level_at_two() -> None:
    """Drift 2 m (1 - m^2) and normalisation delta m (1 + 4 m^2) balance below the level."""
    options: dict[str, Any] = {"links": h2, "d": (10000, 20000), "n": 20, "seed": 0}
    for delta, level in ((1.0, 0.5), (0.5, 0.7)):
        balance = math.sqrt((2 - delta) / (2 + 4 * delta))
        assert (ex.sample_complexity(delta=delta, level=level, **options).censored == 20).all()
        below = ex.sample_complexity(
            delta=delta, level=0.9 * balance, horizon=20, replicates=2, **options
        )
        assert (below.censored == 0).all()


@pytest.mark.parametrize(("p", "k"), [(2, 1), (3, 1), (3, 4)])
def test_noise_along_an_index_vector(p: int, k: int) -> None:
    """A step away from m = 0 has the variance E[f*^2 (v . x)^2] E[sigma'^2] = p (k + 2 p)."""
    n, d, steps, rate = 20_000, 10**6, 60, 1e-7
    flow = hf.CorrelationFlow(hf.Orthonormal(k), hf.hermite(p))
    sol = hf.online_sgd(
        flow,
        overlaps=np.zeros((n, k)),
        d=d,
        steps=steps,
        learning_rate=rate,
        method="marginal",
        seed=0,
    )
    squares = np.mean(sol.overlaps**2, axis=1) / (steps * rate**2)
    error = squares.std() / math.sqrt(n)
    assert abs(squares.mean() - p * (k + 2 * p)) < 4 * error
    assert abs(squares.mean() - p * k) > 10 * error  # planted: labels that do not grow with v . x


def diffusion(p: int, delta: float, n: int, *, noise: float) -> Any:
    """Escapes of x = m sqrt(d) as d grows: dx = (p x^(p-1) - delta p x / 2) ds + noise, by Euler.

    Its noise has the variance `noise` delta p a unit of s, and that of samples is 2 p + 1.
    """
    rng = np.random.default_rng(0)
    x, s = np.abs(rng.standard_normal(n)), np.zeros(n)
    going = np.arange(n)
    while going.size and s[going].max() < 40.0:
        here = x[going]
        h = 4e-3 / np.maximum(1.0, np.abs(here)) ** (p - 2)
        kicks = np.sqrt(noise * delta * p * h) * rng.standard_normal(going.size)
        x[going] = here + (p * here ** (p - 1) - 0.5 * delta * p * here) * h + kicks
        s[going] += h
        going = going[np.abs(x[going]) < 30.0]
    return s


def test_steps_tend_to_the_escapes_of_a_diffusion() -> None:
    """As 1 / sqrt(d); the way from x = infinity back to the level takes 1 / (3 level sqrt(d))."""
    delta, n, dims = 0.5, 2000, (50, 200)
    ds = ex.sample_complexity(d=dims, n=n, horizon=60, seed=2, replicates=2)
    steps = ds.escape_steps.transpose("d", ...).values.reshape(2, n)
    ours = [delta * row / d**2 + 1 / (3 * 0.5 * math.sqrt(d))
            for row, d in zip(steps, dims, strict=True)]  # fmt: skip

    def nearer(noise: float) -> float:
        """How much smaller the largest distance of distributions is at four times the d."""
        limit = diffusion(3, delta, 20_000, noise=noise)
        far, near = (scipy.stats.ks_2samp(row, limit).statistic for row in ours)
        return float(near / far)

    assert nearer(7.0) < 0.75  # of a half, and corrections
    assert nearer(1.0) > 0.9  # planted: the same noise in all directions
    assert nearer(0.0) > 0.9  # planted


def test_the_flow_beside_it_is_the_exact_one(grown: dict[int, Any]) -> None:
    ds = grown[3].sel(d=400)
    targets = hf.Orthonormal(k=1)
    start = hf.solve(
        hf.CorrelationFlow(targets, h3), overlaps=[[0.03]], events={"hit": hf.HittingTime(0.5)}
    )
    time = hf.exact.single_index_time(hf.Interaction(h3), 0.03, 0.5)
    assert start.events["hit"][0] == pytest.approx(time, rel=1e-6)
    flow = np.sort(ds.flow_steps.values.ravel())
    median = np.sort(flow)[63]
    assert float(ds.flow_quantile.sel(quantile=0.5)[0, 0]) == median
    # |m| sqrt(d - 1/2) is half-normal to 1/d: the median time is that of its median.
    middle = scipy.stats.norm.ppf(0.75) / math.sqrt(400)
    exact = hf.exact.single_index_time(hf.Interaction(h3), middle, 0.5)
    exact /= float(ds.learning_rate[0])
    assert flow[46] < exact < flow[81]
    assert not flow[46] < exact * 2.0 < flow[81]  # planted: another learning rate


# ------------------------------------------------------------------ censoring


def made(steps: Any, **fields: Any) -> Any:
    values = np.asarray(steps, dtype=float)
    config = ex.SampleComplexityConfig(
        links=h3, d=(100, 200, 400), n=values.shape[-1], replicates=200, **fields
    )
    counts = values[None, None]
    zeros = np.zeros(counts.shape[:-1], dtype=int)
    return sc._dataset(config, np.random.SeedSequence(0), counts, 2.0 * counts, zeros)


def test_censored_neurons_count_as_later_than_all_others() -> None:
    base = np.arange(1.0, 21.0)
    rows = [np.where(base <= seen, base * f, math.inf) for seen, f in ((20, 1), (12, 4), (9, 16))]
    ds = made(rows, confidence=0.9)
    assert ds.censored.values.ravel().tolist() == [0, 8, 11]
    got = ds.step_quantile[0, 0].values
    most = ds.max_steps.values[0]
    exact = [ex.statistics.quantile_interval(row, 0.5, confidence=0.9) for row in rows]
    assert got[0, 1].tolist() == list(exact[0])
    assert got[0, 1].tolist() == [10.0, 6.0, 15.0]
    np.testing.assert_array_equal(got[1, 1], [40.0, 24.0, math.inf])
    np.testing.assert_array_equal(got[2, 1], [np.nan, 96.0, math.inf])
    np.testing.assert_array_equal(got[1, 2], [np.nan, 48.0, math.inf])
    assert np.isnan(ds.power).all()
    assert np.isnan(ds.log_rate).all()
    np.testing.assert_array_equal(ds.flow_quantile[0, 0, :, 1], [20.0, 80.0, np.nan])
    # a quarter is known everywhere, so its slope is: 4^(log d / log 2)
    low = made(rows, confidence=0.9, quantile=0.25)
    assert float(low.power.sel(limit="estimate")[0, 0]) == pytest.approx(2.0, abs=1e-12)
    # The planted fault: medians of those that were seen.
    assert np.median(rows[2][np.isfinite(rows[2])]) == 80.0 != got[2, 1, 0]
    none = made(np.full((3, 5), math.inf))
    np.testing.assert_array_equal(none.step_quantile[0, 0, :, 1, 1], np.zeros(3))
    many = made(np.full((3, 50), math.inf))
    np.testing.assert_array_equal(many.step_quantile[0, 0, :, 1, 1], most)


def test_a_short_horizon_censors_and_changes_nothing_else() -> None:
    whole = ex.sample_complexity(**SMALL, seed=5, horizon=100)
    cut = ex.sample_complexity(**SMALL, seed=5, horizon=1.5)
    most = cut.max_steps.values[0, :, None]
    steps = whole.escape_steps.values[0, 0]
    np.testing.assert_array_equal(
        cut.escape_steps.values[0, 0], np.where(steps <= most, steps, np.inf)
    )
    assert (cut.censored > 3).all()


def test_a_start_beyond_the_level_takes_no_steps() -> None:
    ds = ex.sample_complexity(d=(2, 3), n=20, level=0.01, seed=0, replicates=5)
    assert (ds.escape_steps == 0).any()
    assert np.isnan(ds.power).all()


# ------------------------------------------------------------------ how to ask


def test_learning_rates_by_d() -> None:
    def rule(d: float) -> float:
        return 0.3 * d**-1.5

    by_rule = ex.sample_complexity(**SMALL, learning_rate=rule, seed=0)
    assert by_rule.learning_rate.values.tolist() == [[rule(20.0), rule(40.0)]]
    by_number = ex.sample_complexity(**SMALL, learning_rate=(rule(20.0), rule(40.0)), seed=0)
    xr.testing.assert_identical(by_rule, by_number)
    by_delta = ex.sample_complexity(**SMALL, delta=0.3, seed=0)
    np.testing.assert_array_equal(by_rule.escape_steps, by_delta.escape_steps)
    alike = ex.sample_complexity(**SMALL, learning_rate=1e-3, seed=0)
    assert alike.learning_rate.values.tolist() == [[1e-3, 1e-3]]
    assert not np.array_equal(alike.escape_steps, by_delta.escape_steps)


def test_scales_of_the_default_learning_rate() -> None:
    config = ex.SampleComplexityConfig(links=(h1, h2, h3, hf.hermite(4)), level=0.4, delta=0.1)
    got = [config.rate(link, 100.0) for link in config.links]
    np.testing.assert_allclose(got, [1e-3, 1e-3, 1e-4, 1e-5], rtol=1e-12)
    most = [config.max_steps(link, 100.0) for link in config.links]
    np.testing.assert_allclose(most, [4e3, 2e3 * math.log(100), 4e5 / 3, 1e7], rtol=1e-4)


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_executors_and_stores_give_the_same_bits(executor: str, tmp_path: Any) -> None:
    first = ex.sample_complexity(**SMALL, seed=4, n_threads=1)
    options: dict[str, Any] = {**SMALL, "seed": 4, "executor": executor}
    again = ex.sample_complexity(**options, store=tmp_path / "store")
    xr.testing.assert_identical(first, again)
    xr.testing.assert_identical(first, ex.sample_complexity(**options, store=tmp_path / "store"))
    assert not first.equals(ex.sample_complexity(**{**options, "seed": 5}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"d": (100.5, 200)}, r"d must be whole numbers from rank\(G\) \+ 1 = 2"),
        ({"d": (1, 200)}, r"d must be whole numbers from rank\(G\) \+ 1 = 2"),
        ({"d": (4, 8), "k": 5}, r"d must be whole numbers from rank\(G\) \+ 1 = 6"),
        (
            {"d": (5, 8), "k": 9, "targets": ex.TargetSpec(kind="random", dimension=5)},
            r"d must be whole numbers from rank\(G\) \+ 1 = 6",
        ),
        ({"d": (50, 100), "d_fit": 60}, "d must hold two values at or above d_fit=60"),
        ({"d": (100, 100)}, "d must hold two values"),
        ({"n": 1}, "n must be an integer of at least 2, got 1"),
        ({"replicates": 1}, "replicates must be an integer of at least 2, got 1"),
        ({"level": 1.0}, "level must lie strictly between 0 and 1"),
        ({"delta": 0.0}, "delta must be positive, got 0.0"),
        ({"horizon": -1}, "horizon must be positive"),
        ({"horizon": 1e300}, r"horizon must take at most 2\^53 steps for h3"),
        ({"starts": "favored"}, "starts must be one of .*did you mean 'favoured'"),
        ({"quantile": 0.1}, r"quantile must be one of quantiles=\(0.25, 0.5, 0.75\), got 0.1"),
        ({"quantiles": 2, "quantile": 2}, r"quantiles must lie in \[0, 1\]"),
        ({"learning_rate": (0.1, 0.2)}, "learning_rate must be one number, or one for each of the"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": lambda d: -d}, "learning_rate must be positive"),
        ({"links": hf.hermite(0)}, "links must have a degree of at least 1"),
        ({"links": h2, "k": 4}, r"level must be below 1/sqrt\(k\) = 0.5"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ex.sample_complexity(**fields, seed=0)


def test_wrong_types_are_named() -> None:
    with pytest.raises(TypeError, match=r"learning_rate must be a number.*'fast' \(str\)"):
        ex.SampleComplexityConfig(learning_rate="fast")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"starts must be text, got 1 \(int\)"):
        ex.SampleComplexityConfig(starts=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="did you mean 'learning_rate'"):
        ex.sample_complexity(learning_rates=1.0)


def test_an_overflow_is_counted() -> None:
    with pytest.warns(hf.SolveWarning, match="learning_rate is too large"):
        ds = ex.sample_complexity(
            d=(20, 40), n=20, learning_rate=1e300, horizon=1e301, seed=0,
            replicates=2,
        )  # fmt: skip
    assert (ds.failures > 0).all()
