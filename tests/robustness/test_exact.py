"""Closed forms and statistics under arbitrary arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from harness import Case, runs_of
from hypothesis import strategies as st
from problems import ball
from references import Array, close, doubles, rk4
from strategies import Strategy, anything, in_any_form

import hermiteflow as hf
from hermiteflow.experiments import statistics

DEGREES = st.sampled_from([2, 3, 4, 5, np.int8(3)])
STARTS = in_any_form(ball(1, 3).map(np.ravel))
SCALES = st.sampled_from([1.0, -0.5, 2, np.float32(0.25), [1.0, -0.5, 0.25], np.array([0.5, 1, 2])])


# ------------------------------------------------------------------ closed forms


def check_orthonormal(answer: Array, p: Any, c: Any, m0: Any, t: Any) -> None:
    """Against RK4 of the overlaps, up to a time at which it is accurate."""
    start, times, c_all = doubles(m0), doubles(t), np.broadcast_to(doubles(c), np.shape(m0))
    assert answer.shape == (*times.shape, start.size)
    assert np.isfinite(answer).all()
    assert np.all(np.linalg.norm(answer, axis=-1) <= 1.0 + 1e-9)
    if int(p) > 5 or np.max(np.abs(c_all)) > 2.0:
        return
    p = int(p)

    def field(m: Array) -> Array:
        g = p * c_all * m ** (p - 1)
        return np.asarray(g - np.sum(m * g, axis=1, keepdims=True) * m)

    for time, row in zip(times.ravel(), answer.reshape(-1, start.size), strict=True):
        if time <= 1.0:
            close(row, rk4(field, start[None], 5e-3, float(time), sphere=False)[0], 1e-6, 1e-6)


def check_hitting(answer: float, p: Any, c: Any, m0: Any, level: Any) -> None:
    start, wanted = doubles(m0), float(level)
    assert isinstance(answer, float)
    assert answer >= 0.0
    if np.max(np.abs(start)) >= wanted:
        assert answer == 0.0
    elif math.isfinite(answer) and answer < 1e15:
        # it passes the level there: where c is large, within the rounding of the time itself
        before, after = (
            np.max(np.abs(hf.exact.orthonormal(p, c, m0, answer * (1.0 + part))))
            for part in (-1e-9, 1e-9)
        )
        assert before - 1e-6 < wanted < after + 1e-6


def check_time(answer: float, psi: hf.Interaction, u0: Any, u1: Any) -> None:
    a, b = float(doubles(u0)), float(doubles(u1))
    if a == b:
        assert answer == 0.0
        return
    assert answer > 0.0
    if math.isfinite(answer) and 0.05 < a < b < 0.95:
        x, w = np.polynomial.legendre.leggauss(60)
        u = a + 0.5 * (b - a) * (1.0 + x)
        wanted = 0.5 * (b - a) * float(w @ (1.0 / (psi.derivative(u) * (1.0 - u * u))))
        close(answer, wanted, rtol=1e-8)


def check_coverage(answer: Any, n: Any, k: Any, trapped: Any) -> None:
    """Inclusion and exclusion (13)."""
    counts, lost = np.asarray(n), float(doubles(trapped))
    assert np.shape(answer) == counts.shape
    assert np.all((np.asarray(answer) >= 0.0) & (np.asarray(answer) <= 1.0))
    if int(k) <= 8:
        terms = [
            (-1.0) ** j * math.comb(int(k), j) * (1.0 - j / int(k) * (1.0 - lost)) ** counts
            for j in range(int(k) + 1)
        ]
        close(answer, np.sum(np.array(terms), axis=0), atol=1e-9)


def check_needed(answer: int, k: Any, probability: Any, trapped: Any) -> None:
    reached = [
        hf.exact.coverage_probability(n, k, trapped=trapped) for n in (answer, max(answer - 1, 0))
    ]
    assert reached[0] >= probability
    assert answer == 0 or reached[1] < probability


# ------------------------------------------------------------------ statistics

SAMPLES = st.lists(
    st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0, math.inf, 1e300, 5e-324]), min_size=1,
        max_size=9
).map(np.array)  # fmt: skip
FINITE = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9).map(np.array)
SHARES = st.floats(0.0, 1.0)
CONFIDENCE = st.floats(1e-6, 1.0 - 1e-6) | st.sampled_from([0.5, 0.95, np.float32(0.9)])


def check_quantiles(answer: Array, samples: Any, q: Any) -> None:
    values, shares = np.sort(doubles(samples).ravel()), doubles(q)
    ranks = np.clip(np.ceil(shares * values.size), 1, values.size).astype(int)
    close(answer, values[ranks - 1])


def check_replicates(answer: Array, samples: Any, q: Any, replicates: Any, seed: Any) -> None:
    assert answer.shape == (int(replicates),)
    assert np.isin(answer, doubles(samples)).all()


def check_interval(answer: statistics.Interval, *given: Any, **arguments: Any) -> None:
    assert answer.low <= answer.estimate <= answer.high
    assert answer.contains(answer.estimate)
    assert str(answer)


def check_mean(answer: statistics.Interval, samples: Any, confidence: Any, seed: Any) -> None:
    close(answer.estimate, np.mean(doubles(samples)), rtol=1e-9)
    check_interval(answer)


def check_quantile_interval(answer: Any, samples: Any, q: Any, confidence: Any) -> None:
    check_quantiles(np.asarray(answer.estimate), samples, q)
    check_interval(answer)


def check_slope(answer: Array, x: Any, y: Any) -> None:
    a, b = doubles(x), doubles(y)
    if not np.isfinite(b).all():
        assert np.isnan(answer).any()
        return
    size = max(np.max(np.abs(a)), np.max(np.abs(b), initial=0.0))
    if (
        b.size
        and size < 1e100
        and 1.0 / np.max(np.abs(a)) < 1e100
        and np.ptp(a) > 1e-3 * np.max(np.abs(a))
    ):
        wanted = np.polyfit(a, np.moveaxis(b, -1, 0).reshape(a.size, -1), 1)[0]
        lost = 1e-9 * size / np.ptp(a)  # where ordinates cancel
        np.testing.assert_allclose(answer, wanted.reshape(b.shape[:-1]), rtol=1e-6, atol=lost)


def check_slope_interval(answer: Any, x: Any, y: Any, replicates: Any, confidence: Any) -> None:
    check_slope(np.asarray(answer.estimate), x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = statistics.slope(x, replicates).std(ddof=1)
    half = statistics.normal_quantile(confidence) * spread
    if math.isfinite(answer.estimate) and math.isfinite(half):
        assert abs(answer.high - answer.low - 2.0 * half) <= 1e-9 * (half + abs(answer.estimate))


def check_share(answer: Any, successes: Any, trials: Any, confidence: Any) -> None:
    assert answer.estimate == int(successes) / int(trials)
    assert 0.0 <= answer.low <= answer.estimate + 1e-12
    assert answer.estimate - 1e-12 <= answer.high <= 1.0


def check_clopper(answer: Any, successes: Any, trials: Any, confidence: Any) -> None:
    """The binomial tails at the limits, summed term by term."""
    check_share(answer, successes, trials, confidence)
    s, n, tail = int(successes), int(trials), 0.5 * (1.0 - float(confidence))
    if n > 60 or tail < 1e-9:
        return
    for limit, counts in ((answer.low, range(s, n + 1)), (answer.high, range(s + 1))):
        if 0.0 < limit < 1.0:
            mass = sum(math.comb(n, j) * limit**j * (1.0 - limit) ** (n - j) for j in counts)
            close(mass, tail, rtol=1e-6)


def check_normal(answer: float, confidence: Any) -> None:
    close(math.erf(answer / math.sqrt(2.0)), float(confidence), rtol=1e-9)


def check_band(answer: float, trials: Any, confidence: Any) -> None:
    close(answer, math.sqrt(math.log(2.0 / (1.0 - float(confidence))) / (2.0 * float(trials))))


def grown(size: int) -> Strategy:
    values = st.floats(-50, 50) | st.sampled_from([1e200, math.inf, 5e-324])
    return st.lists(values, min_size=size, max_size=size).map(np.array)


X = st.sampled_from(
    [
        1e200 * np.arange(3.0),
        1e-200 * np.arange(3.0),
        np.arange(3.0),
        np.array([0.5, -1.0, 4.0]),
        np.array([1, 2, 4]),
    ]
)
COUNTS = st.tuples(st.integers(0, 30), st.integers(1, 30)).map(lambda pair: (min(pair), max(pair)))
INTERVALS = st.builds(statistics.Interval, st.floats(-1, 1), st.floats(-2, -1), st.floats(1, 2))
SEEDS = st.sampled_from([0, 3, np.int64(7), None]) | st.just(np.random.SeedSequence(1))
TOO_SMALL = "^m0 must be large enough"

CASES = [
    Case("exact.orthonormal", hf.exact.orthonormal,
         {"p": DEGREES, "c": SCALES, "m0": STARTS,
          "t": st.sampled_from([0.0, 0.5, [0.0, 0.25, 1.0], math.inf, np.array([0, 1]), 1e300,
          1e-320])},
         check_orthonormal, refuses=TOO_SMALL, says={"m0": r"\bm0\b|^c must have shape"}),
    Case("exact.orthonormal_hitting_time", hf.exact.orthonormal_hitting_time,
         {"p": DEGREES, "c": SCALES, "m0": STARTS, "level": st.floats(1e-6, 1.0)}, check_hitting,
         refuses=TOO_SMALL, says={"m0": r"\bm0\b|^c must have shape"}),
    Case("exact.single_index_time", hf.exact.single_index_time,
         {"psi": st.sampled_from([hf.Interaction(hf.hermite(3)), hf.Interaction(hf.link("relu"))]),
          "u0": st.floats(1e-6, 0.5), "u1": st.floats(0.5, 1.0)}, check_time,
         says={"u0": "u[01]|psi'", "u1": "u[01]|psi'"}, spoilt={"psi": None}),
    Case("exact.single_index_time", lambda psi: hf.exact.single_index_time(psi, 0.1, 0.2),
         {"psi": st.just(hf.Interaction(hf.hermite(3)))}, lambda answer, psi: close(answer > 0,
             True)),
    Case("exact.coverage_probability", hf.exact.coverage_probability,
         {"n": in_any_form(st.lists(st.integers(0, 60), min_size=1, max_size=4).map(np.array)),
          "k": st.integers(1, 8), "trapped": st.floats(0.0, 0.9)}, check_coverage,
         spoilt={"n": anything(large=False), "k": anything(large=False),
                 "trapped": anything(large=False)}),
    Case("exact.neurons_needed", hf.exact.neurons_needed,
         {"k": st.integers(1, 8), "probability": st.floats(0.01, 0.99), "trapped": st.floats(0.0,
             0.9)},
         check_needed, spoilt={"k": anything(large=False)}),
    Case("statistics.quantiles", statistics.quantiles,
         {"samples": in_any_form(SAMPLES), "q": in_any_form(st.lists(SHARES,
             min_size=1).map(np.array))},
         check_quantiles),
    Case("statistics.bootstrap_quantiles", statistics.bootstrap_quantiles,
         {"samples": in_any_form(SAMPLES), "q": SHARES, "replicates": st.integers(1, 20),
             "seed": SEEDS},
         check_replicates, spoilt={"replicates": anything(large=False)}),
    Case("statistics.bootstrap_mean", statistics.bootstrap_mean,
         {"samples": in_any_form(FINITE), "confidence": CONFIDENCE, "seed": SEEDS}, check_mean),
    Case("statistics.quantile_interval", statistics.quantile_interval,
         {"samples": in_any_form(SAMPLES), "q": SHARES, "confidence": CONFIDENCE},
         check_quantile_interval),
    Case("statistics.slope", statistics.slope,
         {"x": in_any_form(X), "y": in_any_form(grown(3) | grown(6).map(lambda y: y.reshape(2,
             3)))},
         check_slope, says={"x": r"\b[xy]\b"}),
    Case("statistics.slope_interval", statistics.slope_interval,
         {"x": in_any_form(X), "y": in_any_form(grown(3)),
          "replicates": in_any_form(grown(6).map(lambda y: y.reshape(2, 3))),
          "confidence": CONFIDENCE},
         check_slope_interval, says={"x": r"\b[xy]\b"}),
    *[Case(f"statistics.{function.__name__}",
           lambda counts, confidence, f=function: f(*counts, confidence=confidence),
           {"counts": COUNTS, "confidence": CONFIDENCE},
           lambda answer, counts, confidence, check=check: check(answer, *counts, confidence),
           spoilt={"counts": st.tuples(anything(large=False), st.integers(1, 9))
                   | st.tuples(st.integers(0, 9), anything(large=False))},
           says={"counts": "successes|trials"})
      for function, check in [(statistics.clopper_pearson, check_clopper),
                              (statistics.wilson, check_share)]],
    Case("statistics.normal_quantile", statistics.normal_quantile, {"confidence": CONFIDENCE},
         check_normal, share=0.5),
    Case("statistics.dkw_band", statistics.dkw_band,
         {"trials": st.integers(1, 10**9), "confidence": CONFIDENCE}, check_band, share=0.5),
    Case("statistics.Interval.contains", lambda interval, value: interval.contains(value),
         {"interval": INTERVALS, "value": st.floats(-3, 3)},
         lambda answer, interval, value: close(
             answer, interval.low <= float(value) <= interval.high),
         spoilt={"interval": None}, share=0.5),
]  # fmt: skip

test_case = runs_of(CASES)
